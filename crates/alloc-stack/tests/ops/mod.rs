//! A language of operations on a [`Stack`], and an interpreter that holds the stack against a shadow
//! after every one. Shared by the property tests and the fuzz target.
//!
//! The shadow knows what must be free: after each operation the bytes in use are those that were in
//! use before the oldest block that has nothing alive above it was taken.
//!
//! Inputs are decoded from bytes by `arbitrary`, so that a fuzzer's finding and a property test's
//! counterexample are the same kind of thing.

mod blocks;
mod frames;
mod input;

use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;

use alloc_core::testing::{Checked, FailAt, Shadow};
use alloc_core::{AllocError, Allocator, Borrowed, Global, Layout};
use alloc_stack::{Checkpoint, Stack, StackConfig};

use self::blocks::{Blocks, Entry, Level, PINNED};
pub(crate) use self::input::Input;
use self::input::{Backing, Op, layout};

/// Runs an input; panics where the stack and its shadow disagree.
pub(crate) fn run(input: &Input) {
    match input.min_align % 4 {
        0 => with_min_align::<1>(input),
        1 => with_min_align::<8>(input),
        2 => with_min_align::<16>(input),
        _ => with_min_align::<64>(input),
    }
}

fn with_min_align<const MIN_ALIGN: usize>(input: &Input) {
    let small = StackConfig::new().segment_bytes(16 * 1024);
    match input.backing {
        Backing::Global => {
            let backing = Checked::new(Global);
            drive(Stack::<MIN_ALIGN, _>::with_config_in(small, &backing), &input.ops);
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
        Backing::FailAt { fail_at } => {
            let backing = Checked::new(FailAt::new(Global, usize::from(fail_at % 8)));
            drive(Stack::<MIN_ALIGN, _>::with_config_in(small, &backing), &input.ops);
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
        Backing::Borrowed { len, skip } => {
            let mut buffer = vec![MaybeUninit::uninit(); usize::from(len) + 256];
            let backing = Checked::new(Borrowed::new(&mut buffer[usize::from(skip)..]));
            match Stack::<MIN_ALIGN, _>::try_with_capacity_in(usize::from(len) / 2, &backing) {
                Ok(stack) => drive(stack, &input.ops),
                Err(error) => assert_eq!(error.kind(), alloc_stack::ErrorKind::Backing),
            }
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
        Backing::Limited { segments } => {
            let limit = (1 + usize::from(segments % 4)) * 17 * 1024;
            let backing = Checked::new(Global);
            let stack = Stack::<MIN_ALIGN, _>::with_config_in(small.limit_bytes(limit), &backing);
            drive(stack, &input.ops);
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
    }
}

/// Applies `ops`, and empties the stack.
fn drive<const MIN_ALIGN: usize, A: Allocator>(mut stack: Stack<MIN_ALIGN, A>, ops: &[Op]) {
    let mut run = Run { shadow: Shadow::new(), checkpoints: Vec::new(), rest: ops, depth: 0 };
    while !run.rest.is_empty() {
        run.stack_level(&mut stack);
    }
    assert_eq!(stack.used_bytes(), 0, "an empty stack uses nothing");
    stack.trim();
    assert_eq!(stack.reserved_bytes(), 0, "and holds nothing once it is trimmed");
}

/// A planned panic, thrown past the panic hook.
struct Planned;

struct Run<'o> {
    shadow: Shadow,
    checkpoints: Vec<Checkpoint>,
    rest: &'o [Op],
    depth: usize,
}

impl Run<'_> {
    fn next(&mut self) -> Option<Op> {
        let (&op, rest) = self.rest.split_first()?;
        self.rest = rest;
        if rest.len() % 8 == 0 {
            self.shadow.check();
        }
        Some(op)
    }

    /// Works on the stack itself up to the next reset.
    fn stack_level<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        stack: &mut Stack<MIN_ALIGN, A>,
    ) {
        let mut blocks = Blocks::default();
        assert_eq!(stack.used_bytes(), 0, "a level begins empty");
        while let Some(op) = self.next() {
            match op {
                Op::Push { size, align, any } => {
                    let Some(layout) = layout(size, align) else { continue };
                    let used_before = stack.used_bytes();
                    let pushed =
                        if any { stack.try_push_any(layout) } else { stack.try_push(layout) };
                    if let Ok((block, mark)) = pushed {
                        // A raw block in order may begin anywhere: the shadow has its own mark.
                        self.insert::<MIN_ALIGN>(block, layout);
                        let mark = Some((mark, any));
                        // Without a size it may be its alignment alone.
                        let holds = stack.used_bytes() != used_before;
                        let entry = self.entry(block, layout, used_before);
                        blocks.0.push(Entry { mark, holds, ..entry });
                    }
                }
                Op::Pop => {
                    // The newest alive, if it is a raw one with nothing above it.
                    let Some(entry) = blocks.0.pop_if(|entry| entry.mark.is_some()) else {
                        continue;
                    };
                    self.remove(entry.block, entry.layout);
                    if let Some((mark, any)) = entry.mark {
                        if any {
                            // SAFETY: alive; its own mark.
                            unsafe { stack.pop_any(entry.block, mark) };
                        } else {
                            // SAFETY: the newest block's mark: the others above it went before.
                            unsafe { stack.pop(mark) };
                        }
                    }
                    blocks.0.push(Entry { is_alive: false, ..entry });
                    self.judge::<MIN_ALIGN>(&mut blocks, stack.used_bytes());
                }
                Op::Checkpoint => self.checkpoints.push(stack.checkpoint()),
                Op::Rewind { pick } => {
                    let index = usize::from(pick).checked_rem(self.checkpoints.len());
                    let Some(checkpoint) = index.map(|index| self.checkpoints[index]) else {
                        continue;
                    };
                    let used = stack.used_bytes();
                    if stack.try_rewind(checkpoint).is_ok() {
                        assert!(stack.used_bytes() <= used, "a rewind takes nothing");
                        let kept = stack.used_bytes();
                        // What was taken since is gone, also where the stack had been below the
                        // checkpoint in between; and so is what was resized since, which may be
                        // elsewhere.
                        let earlier = index.unwrap_or(0);
                        blocks.0.retain(|entry| {
                            let stays = entry.used_before < kept && entry.checkpoints <= earlier;
                            if entry.is_alive && !stays {
                                self.shadow.forget(entry.block, entry.layout);
                            }
                            stays
                        });
                        self.abandon(&mut blocks, stack);
                        return;
                    }
                }
                Op::Mark => self.mark_level(stack),
                Op::Reset | Op::Close { .. } => {
                    self.abandon(&mut blocks, stack);
                    return;
                }
                Op::Trim => {
                    let (used, reserved) = (stack.used_bytes(), stack.reserved_bytes());
                    let given = stack.trim();
                    assert_eq!(stack.reserved_bytes() + given, reserved);
                    assert_eq!(stack.used_bytes(), used, "a trim frees nothing that is in use");
                    if used == 0 {
                        // Blocks without a size may be left: they count as given back.
                        self.abandon(&mut blocks, stack);
                        return;
                    }
                }
                Op::Open { handle } => {
                    let used = stack.used_bytes();
                    let depth = self.depth;
                    self.depth += 1;
                    if handle {
                        self.top_level(stack.top());
                    } else {
                        let mut frame = stack.frame();
                        if !self.scope_level(&mut frame.scope()) {
                            let _ = ManuallyDrop::new(frame);
                            // Its memory waits for the next reset.
                            self.depth = depth;
                            self.abandon(&mut blocks, stack);
                            return;
                        }
                    }
                    self.depth = depth;
                    assert_eq!(stack.used_bytes(), used, "a frame leaves nothing");
                }
                op => self.apply(op, stack, &mut blocks),
            }
        }
        self.finish(&mut blocks, stack);
    }

    /// Takes blocks, gives some of them back, and the rest by a mark from before.
    fn mark_level<const MIN_ALIGN: usize, A: Allocator>(&mut self, stack: &Stack<MIN_ALIGN, A>) {
        let (used, mark) = (stack.used_bytes(), stack.mark());
        let mut blocks = Blocks::default();
        while let Some(op) = self.next() {
            match op {
                Op::Push { size, align, any } => {
                    let Some(layout) = layout(size, align) else { continue };
                    let used_before = stack.used_bytes();
                    let pushed =
                        if any { stack.try_push_any(layout) } else { stack.try_push(layout) };
                    if let Ok((block, _)) = pushed {
                        let holds = stack.used_bytes() != used_before;
                        self.keep(block, layout, &mut blocks);
                        blocks.0.last_mut().expect("just kept").holds = holds;
                    }
                }
                Op::Mark if self.depth <= 12 => {
                    self.depth += 1;
                    self.mark_level(stack);
                    self.depth -= 1;
                }
                Op::Close { .. } => break,
                op => self.apply(op, stack, &mut blocks),
            }
        }
        for entry in blocks.0.drain(..) {
            self.forget(&entry);
        }
        // SAFETY: nothing taken since is used again.
        unsafe { stack.pop_to(mark) };
        assert_eq!(stack.used_bytes(), used, "a mark leaves nothing");
    }

    /// Gives every block back, from the middle out, and finds nothing left.
    fn finish<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        blocks: &mut Blocks,
        stack: &mut Stack<MIN_ALIGN, A>,
    ) {
        while !blocks.0.is_empty() {
            // Raw blocks that must go in order go when they are the newest; others at once.
            for index in 0..blocks.0.len() {
                if blocks.is_free(index) {
                    self.free(blocks, index, stack);
                }
            }
            while let Some(entry) = blocks.0.pop_if(|entry| !entry.is_alive || entry.mark.is_some())
            {
                if entry.is_alive {
                    self.remove(entry.block, entry.layout);
                    match entry.mark {
                        // SAFETY: alive; its own mark.
                        Some((mark, true)) => unsafe { stack.pop_any(entry.block, mark) },
                        // SAFETY: the newest block's mark.
                        Some((mark, false)) => unsafe { stack.pop(mark) },
                        None => {}
                    }
                }
            }
        }
        assert_eq!(stack.used_bytes(), 0, "all is given back");
    }

    fn abandon<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        blocks: &mut Blocks,
        stack: &mut Stack<MIN_ALIGN, A>,
    ) {
        for entry in blocks.0.drain(..) {
            self.forget(&entry);
        }
        self.shadow.clear();
        stack.reset();
    }

    /// An operation on blocks that may go in any order.
    fn apply<const MIN_ALIGN: usize, L: Level<MIN_ALIGN>>(
        &mut self,
        op: Op,
        level: &L,
        blocks: &mut Blocks,
    ) {
        match op {
            Op::Alloc { size, align } => {
                let Some(layout) = layout(size, align) else { return };
                let used_before = level.used();
                if let Ok(block) = level.memory().allocate(layout) {
                    let block = block.cast();
                    self.insert::<MIN_ALIGN>(block, layout);
                    blocks.0.push(self.entry(block, layout, used_before));
                } else {
                    assert_eq!(level.used(), used_before, "a refusal takes nothing");
                }
            }
            Op::Free { pick } => {
                if let Some(index) = blocks.pick(pick) {
                    self.free(blocks, index, level);
                    self.judge::<MIN_ALIGN>(blocks, level.used());
                }
            }
            Op::Grow { pick, more, align, zeroed } => {
                let Some(index) = blocks.pick(pick) else { return };
                let (block, old) = (blocks.0[index].block, blocks.0[index].layout);
                let size = old.size().saturating_add(more.bytes());
                let Ok(new) = Layout::from_size_align(size, align.bytes()) else { return };
                let used_before = level.used();
                let grown = if zeroed {
                    // SAFETY: alive with `old`; `new` is not smaller.
                    unsafe { level.memory().grow_zeroed(block, old, new) }
                } else {
                    // SAFETY: as above.
                    unsafe { level.memory().grow(block, old, new) }
                };
                let Ok(grown) = grown else {
                    self.shadow.check(); // the old block is as it was
                    return;
                };
                if zeroed {
                    for at in old.size()..new.size() {
                        // SAFETY: a byte of the block, which `grow_zeroed` wrote.
                        let byte = unsafe { grown.cast::<u8>().as_ptr().wrapping_add(at).read() };
                        assert_eq!(byte, 0, "byte {at} of {new:?} grown from {old:?}");
                    }
                }
                self.resized(blocks, index, grown, new, used_before);
            }
            Op::Shrink { pick, keep, align } => {
                let Some(index) = blocks.pick(pick) else { return };
                let (block, old) = (blocks.0[index].block, blocks.0[index].layout);
                let size = old.size() * usize::from(keep) / 255;
                let Ok(new) = Layout::from_size_align(size, align.bytes()) else { return };
                let used_before = level.used();
                // SAFETY: alive with `old`; `new` is not larger.
                let shrunk: Result<_, AllocError> =
                    unsafe { level.memory().shrink(block, old, new) };
                if let Ok(shrunk) = shrunk {
                    self.resized(blocks, index, shrunk, new, used_before);
                }
            }
            Op::Reserve { size } => {
                let used = level.used();
                if level.reserve(size.bytes()) {
                    assert!(size.bytes() < 100_000_000, "{} bytes cannot be had", size.bytes());
                }
                assert_eq!(level.used(), used, "a reservation takes nothing");
            }
            _ => {}
        }
    }

    /// The block of an entry is elsewhere, or as it was with another size.
    fn resized(
        &mut self,
        blocks: &mut Blocks,
        index: usize,
        block: NonNull<[u8]>,
        new: Layout,
        used_before: usize,
    ) {
        let (old_block, old) = (blocks.0[index].block, blocks.0[index].layout);
        assert_eq!(block.len(), new.size());
        let block = block.cast();
        // SAFETY: the new block belongs to the shadow until it is given back.
        unsafe { self.shadow.resize(old_block, old, block, new) };
        let is_newest = index + 1 == blocks.0.len();
        let entry = &mut blocks.0[index];
        if block == old_block || is_newest {
            (entry.block, entry.layout) = (block, new);
            entry.checkpoints = self.checkpoints.len();
            entry.holds = new.size() != 0;
            if old.size() == 0 {
                entry.used_before = used_before;
            }
            return;
        }
        // Its old room is dead; it is the newest now.
        let dead = Entry { block: old_block, layout: old, mark: None, is_alive: false, ..*entry };
        blocks.0[index] = dead;
        blocks.0.push(self.entry(block, new, used_before));
    }

    fn free<const MIN_ALIGN: usize, L: Level<MIN_ALIGN>>(
        &mut self,
        blocks: &mut Blocks,
        index: usize,
        level: &L,
    ) {
        let entry = &mut blocks.0[index];
        entry.is_alive = false;
        let (block, layout) = (entry.block, entry.layout);
        self.remove(block, layout);
        // SAFETY: the model knew the block as alive, with this layout.
        unsafe { level.memory().deallocate(block, layout) };
    }

    /// Holds the bytes in use against what must be: as before the oldest block that has nothing
    /// alive above it, and padding below a grain.
    fn judge<const MIN_ALIGN: usize>(&mut self, blocks: &mut Blocks, used: usize) {
        let is_gone = |entry: &Entry| !entry.is_alive || !entry.holds;
        let kept = blocks.0.iter().rposition(|entry| !is_gone(entry)).map_or(0, |index| index + 1);
        let dead = |entry: &&Entry| !entry.is_alive && entry.holds;
        let expected = blocks.0[kept..].iter().find(dead).map(|entry| entry.used_before);
        let mut index = 0;
        blocks.0.retain(|entry| {
            index += 1;
            index <= kept || entry.is_alive
        });
        if let Some(expected) = expected.filter(|&expected| expected != usize::MAX) {
            let padding = if MIN_ALIGN < 16 { 15 } else { 0 };
            assert!(
                (expected..=expected + padding).contains(&used),
                "{used} bytes in use where {expected} were before"
            );
        }
    }

    /// A block that is never given back by itself.
    fn keep(&mut self, block: NonNull<u8>, layout: Layout, blocks: &mut Blocks) {
        // SAFETY: a fresh block, which belongs to the shadow until the frame ends.
        unsafe { self.shadow.insert(block, layout) };
        blocks.0.push(self.entry(block, layout, PINNED));
    }

    /// A block that was just taken, and may be given back in any order.
    fn entry(&self, block: NonNull<u8>, layout: Layout, used_before: usize) -> Entry {
        let checkpoints = self.checkpoints.len();
        let holds = layout.size() != 0;
        Entry { block, layout, mark: None, used_before, checkpoints, holds, is_alive: true }
    }

    fn insert<const MIN_ALIGN: usize>(&mut self, block: NonNull<u8>, layout: Layout) {
        assert!(layout.size() == 0 || block.addr().get().is_multiple_of(MIN_ALIGN), "{block:p}");
        // SAFETY: a fresh block, which belongs to the shadow until it is given back.
        unsafe { self.shadow.insert(block, layout) };
    }

    fn remove(&mut self, block: NonNull<u8>, layout: Layout) {
        self.shadow.remove(block, layout);
    }

    fn forget(&mut self, entry: &Entry) {
        if entry.is_alive {
            self.shadow.remove(entry.block, entry.layout);
        }
    }
}
