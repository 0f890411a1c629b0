//! A language of operations on an [`Arena`] and its frames, and an interpreter that holds the arena
//! against a shadow after every one. Shared by the property tests and the fuzz target.
//!
//! Inputs are decoded from bytes by `arbitrary`, so that a fuzzer's finding and a property test's
//! counterexample are the same kind of thing.

mod host;
mod input;

use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;

use alloc_arena::{Arena, ArenaConfig, Checkpoint, CheckpointError, ThreadCache};
use alloc_core::testing::{Checked, FailAt, Shadow};
use alloc_core::{Allocator, Borrowed, ErrorKind, Global, Layout};

use self::host::{Host, Log, Noisy};
pub(crate) use self::input::Input;
use self::input::{Align, Backing, Limit, Op, Size, layout};

/// Runs an input; panics where the arena and its shadow disagree.
pub(crate) fn run(input: &Input) {
    match input.min_align % 4 {
        0 => with_min_align::<1>(input),
        1 => with_min_align::<8>(input),
        2 => with_min_align::<16>(input),
        _ => with_min_align::<64>(input),
    }
}

fn with_min_align<const MIN_ALIGN: usize>(input: &Input) {
    let first = 1usize << (8 + input.first_log2 % 8);
    let max = first << (input.max_log2 % 6);
    let limit = match input.limit {
        Limit::None => usize::MAX,
        Limit::Bytes(bytes) => usize::from(bytes).max(256) * 4,
    };
    let config = ArenaConfig::new()
        .first_chunk_bytes(first)
        .max_chunk_bytes(max)
        .limit_bytes(limit)
        .decay_resets(u32::from(input.decay_resets % 4));
    match input.backing {
        Backing::Cached => {
            Run::new(Arena::<MIN_ALIGN>::with_config(config), limit).drive(&input.ops);
            let stats = ThreadCache::stats();
            assert!(stats.cached_bytes <= stats.budget_bytes, "{stats:?}");
        }
        Backing::FailAt { request } => {
            let backing = Checked::new(FailAt::new(Global, usize::from(request % 16)));
            Run::new(Arena::<MIN_ALIGN, _>::with_config_in(config, &backing), limit)
                .drive(&input.ops);
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
        Backing::Borrowed { skip } => {
            let mut buffer = vec![core::mem::MaybeUninit::uninit(); 40_000];
            let backing = Checked::new(Borrowed::new(&mut buffer[usize::from(skip)..]));
            Run::new(Arena::<MIN_ALIGN, _>::with_config_in(config, &backing), limit)
                .drive(&input.ops);
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
    }
}

/// A planned panic, thrown past the panic hook.
struct Planned;

/// An arena under test, and what it should look like.
struct Run<const MIN_ALIGN: usize, A: Allocator> {
    arena: Arena<MIN_ALIGN, A>,
    model: Model,
    limit: usize,
    /// Checkpoints, with what was in use then; `None` for stale ones.
    checkpoints: Vec<(Checkpoint, Option<Saved>)>,
    foreign: Checkpoint,
}

/// What a checkpoint stands for.
#[derive(Clone)]
struct Saved {
    used: usize,
    grown: u32,
    blocks: Vec<(NonNull<u8>, Layout)>,
    values: Vec<u32>,
}

/// The live blocks and values.
struct Model {
    shadow: Shadow,
    /// Live blocks, by the frame that they were taken in; the oldest frame first.
    blocks: Vec<Vec<(NonNull<u8>, Layout)>>,
    /// Values to be dropped, likewise.
    values: Vec<Vec<u32>>,
    log: Log,
    next_value: u32,
    /// How often a block grew.
    grown: u32,
    /// Blocks that were freed or moved by the last operation: another one at the same place is not
    /// the one that a checkpoint found there.
    gone: Vec<(NonNull<u8>, Layout)>,
}

impl<const MIN_ALIGN: usize, A: Allocator> Run<MIN_ALIGN, A> {
    fn new(arena: Arena<MIN_ALIGN, A>, limit: usize) -> Self {
        let model = Model {
            shadow: Shadow::new(),
            blocks: vec![Vec::new()],
            values: vec![Vec::new()],
            log: Log::default(),
            next_value: 0,
            grown: 0,
            gone: Vec::new(),
        };
        let foreign = Arena::<1>::with_min_align().checkpoint();
        Self { arena, model, limit, checkpoints: Vec::new(), foreign }
    }

    fn drive(mut self, mut ops: &[Op]) {
        while let Some((&op, rest)) = ops.split_first() {
            ops = rest;
            match op {
                Op::Frame => {
                    ops = self.model.frame(&mut self.arena, ops, 1);
                }
                Op::EndFrame { .. } | Op::ResetFrame => {}
                Op::Checkpoint => self.checkpoint(),
                Op::Rewind { pick } => self.rewind(pick),
                Op::Reserve { bytes } => {
                    if self.arena.try_reserve(bytes.bytes()).is_ok() {
                        assert!(self.arena.remaining_bytes() >= bytes.bytes());
                    }
                }
                Op::Trim { cache } => {
                    let before = self.arena.reserved_bytes();
                    let released = self.arena.trim();
                    assert_eq!(self.arena.reserved_bytes() + released, before);
                    assert_eq!(self.arena.stats().spare_bytes, 0);
                    if cache {
                        ThreadCache::trim();
                        assert_eq!(ThreadCache::stats().cached_bytes, 0);
                    }
                }
                Op::Reset => {
                    self.model.ending(0);
                    let _ = catch_unwind(AssertUnwindSafe(|| self.arena.reset()));
                    self.model.ended(0);
                    self.checkpoints.iter_mut().for_each(|(_, saved)| *saved = None);
                    assert_eq!(self.arena.used_bytes(), 0, "a reset empties");
                }
                op => self.model.apply(&self.arena, op),
            }
            let gone = core::mem::take(&mut self.model.gone);
            for saved in self.checkpoints.iter_mut().filter_map(|(_, saved)| saved.as_mut()) {
                saved.blocks.retain(|block| !gone.contains(block));
            }
            self.check();
        }
        let Self { arena, mut model, .. } = self;
        model.ending(0);
        let _ = catch_unwind(AssertUnwindSafe(|| drop(arena)));
        model.ended(0);
        assert_eq!(
            Arc::strong_count(&model.log),
            1,
            "values that are neither dropped nor forgotten"
        );
    }

    fn check(&self) {
        let stats = self.arena.stats();
        assert!(stats.reserved_bytes <= self.limit, "{stats:?} within {}", self.limit);
        assert_eq!(
            stats.reserved_bytes,
            stats.used_bytes
                + stats.remaining_bytes
                + stats.spare_bytes
                + stats.waste_tail_bytes
                + stats.waste_large_bytes
                + stats.waste_header_bytes,
            "every byte has a cause: {stats:?}"
        );
        assert!(stats.peak_bytes >= stats.used_bytes);
        for &(block, layout) in &self.model.blocks[0] {
            assert!(self.arena.contains(block.as_ptr()), "{block:p}, {layout:?}");
        }
    }

    fn checkpoint(&mut self) {
        let Ok(checkpoint) = self.arena.try_checkpoint() else { return };
        let saved = Saved {
            used: self.arena.used_bytes(),
            grown: self.model.grown,
            blocks: self.model.blocks[0].clone(),
            values: self.model.values[0].clone(),
        };
        self.checkpoints.push((checkpoint, Some(saved)));
    }

    fn rewind(&mut self, pick: u8) {
        assert_eq!(self.arena.try_rewind(self.foreign), Err(CheckpointError::Foreign));
        let Some(index) = usize::from(pick).checked_rem(self.checkpoints.len()) else { return };
        let (checkpoint, saved) = self.checkpoints[index].clone();
        let Some(saved) = saved else {
            assert_eq!(self.arena.try_rewind(checkpoint), Err(CheckpointError::Stale));
            return;
        };
        self.model.rewinding(&saved.blocks);
        let arena = &mut self.arena;
        let result = catch_unwind(AssertUnwindSafe(|| arena.try_rewind(checkpoint)));
        assert!(!matches!(result, Ok(Err(_))), "a good one");
        self.model.rewound(&saved.values);
        // A large block from before may have grown in its own chunk since.
        let used = self.arena.used_bytes();
        assert!(used <= saved.used || self.model.grown != saved.grown, "{used} of {}", saved.used);
        for (_, newer) in &mut self.checkpoints[index + 1..] {
            *newer = None;
        }
    }
}

impl Model {
    /// Runs operations in a frame of `host`, up to its end; returns those behind it.
    fn frame<'o, const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        host: &mut dyn Host<MIN_ALIGN, A>,
        mut ops: &'o [Op],
        depth: usize,
    ) -> &'o [Op] {
        let used = host.used_bytes();
        let mut frame = host.frame();
        self.blocks.push(Vec::new());
        self.values.push(Vec::new());
        let mut forget = false;
        while let Some((&op, rest)) = ops.split_first() {
            ops = rest;
            match op {
                Op::Frame if depth < 8 => {
                    ops = self.frame(&mut frame.scope(), ops, depth + 1);
                }
                Op::EndFrame { forget: forgets } => {
                    forget = forgets;
                    break;
                }
                Op::ResetFrame => {
                    self.ending(depth);
                    let _ = catch_unwind(AssertUnwindSafe(|| frame.reset()));
                    self.ended(depth);
                    self.blocks.push(Vec::new());
                    self.values.push(Vec::new());
                    assert_eq!(frame.scope().used_bytes(), used, "a frame gives all back");
                }
                op => self.apply(&frame.scope(), op),
            }
        }
        self.shadow.check();
        if forget {
            let _ = core::mem::ManuallyDrop::new(frame);
            // Its blocks stay until the parent ends; its values are nobody's any more.
            let leaked = self.blocks.pop().expect("one for each frame");
            self.blocks.last_mut().expect("the parent's").extend(leaked);
            for _ in self.values.pop().expect("one for each frame") {
                self.forgot();
            }
        } else {
            self.ending(depth);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(frame)));
            self.ended(depth);
            assert_eq!(host.used_bytes(), used, "a frame gives all back");
        }
        ops
    }

    /// A value was forgotten, and with it a handle of the log: a sanitizer would take the log for lost.
    fn forgot(&self) {
        // SAFETY: nobody drops that handle any more.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&self.log)) };
    }

    /// The frames from `depth` on are about to end: their blocks hold what was written, and go.
    fn ending(&mut self, depth: usize) {
        for (block, layout) in self.blocks.drain(depth..).flatten() {
            self.shadow.remove(block, layout);
        }
    }

    /// The frames from `depth` on have ended: their values were dropped, the newest first.
    fn ended(&mut self, depth: usize) {
        self.shadow.check();
        let dropped: Vec<u32> = self.values.drain(depth..).rev().flat_map(reversed).collect();
        assert_eq!(*self.log.lock().unwrap(), dropped, "values dropped by the end of a frame");
        self.log.lock().unwrap().clear();
        if depth == 0 {
            self.blocks.push(Vec::new());
            self.values.push(Vec::new());
        }
    }

    /// The arena is about to go back to where it had these blocks, of which some may be gone since.
    fn rewinding(&mut self, saved: &[(NonNull<u8>, Layout)]) {
        let now = core::mem::take(&mut self.blocks[0]);
        let (kept, gone) = now.into_iter().partition(|block| saved.contains(block));
        self.blocks[0] = kept;
        for (block, layout) in gone {
            self.shadow.remove(block, layout);
        }
    }

    /// The arena went back to where it had these values.
    fn rewound(&mut self, values: &[u32]) {
        let before = core::mem::replace(&mut self.values[0], values.to_vec());
        assert_eq!(before[..values.len()], *values, "older values stay");
        let dropped = reversed(before[values.len()..].to_vec());
        assert_eq!(*self.log.lock().unwrap(), dropped, "values dropped by a rewind");
        self.log.lock().unwrap().clear();
        self.shadow.check();
    }

    fn apply<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        host: &dyn Host<MIN_ALIGN, A>,
        op: Op,
    ) {
        match op {
            Op::Alloc { size, align } => {
                let Some(layout) = layout(size, align) else { return };
                match host.alloc(layout) {
                    Ok(block) => self.insert::<MIN_ALIGN>(block, layout),
                    Err(error) => {
                        assert_eq!((error.size(), error.align()), (layout.size(), layout.align()));
                        assert_ne!(error.kind(), ErrorKind::Closed, "{error}");
                        assert_ne!(layout.size(), 0, "no room for nothing");
                    }
                }
            }
            Op::Free { pick } => {
                let Some((block, layout)) = self.take(pick) else { return };
                self.shadow.remove(block, layout);
                // SAFETY: the model knew the block as alive, with this layout.
                unsafe { host.deallocate(block, layout) };
            }
            Op::Grow { pick, more, align, zeroed } => {
                self.grow::<MIN_ALIGN, A>(host, pick, more, align, zeroed);
            }
            Op::Shrink { pick, keep, align } => {
                self.shrink::<MIN_ALIGN, A>(host, pick, keep, align);
            }
            Op::Typed { kind } => {
                if let Some((block, layout)) = host.typed(kind) {
                    self.insert::<MIN_ALIGN>(block, layout);
                }
            }
            Op::Copy { len } => {
                let source: Vec<u16> = (0..4096).collect();
                let source = &source[..len.bytes().min(4096)];
                if let Ok(copy) = host.copy(source) {
                    assert_eq!(copy, source);
                    self.insert::<MIN_ALIGN>(
                        NonNull::from_mut(copy).cast(),
                        Layout::for_value(source),
                    );
                }
            }
            Op::Fill { len, panics_at } => {
                let len = len.bytes().min(100_000);
                let before = host.used_bytes();
                let mut make = |index: usize| {
                    if index == usize::from(panics_at) {
                        resume_unwind(Box::new(Planned));
                    }
                    index.to_le_bytes()[0]
                };
                match catch_unwind(AssertUnwindSafe(|| host.fill(len, &mut make))) {
                    Ok(Ok(slice)) => {
                        assert!((0..len).all(|index| slice[index] == index.to_le_bytes()[0]));
                        let layout = Layout::for_value(slice);
                        self.insert::<MIN_ALIGN>(NonNull::from_mut(slice).cast(), layout);
                    }
                    Ok(Err(_)) => {}
                    Err(_) => assert_eq!(host.used_bytes(), before, "the block was given back"),
                }
            }
            Op::FromIter { len, allocates, panics_at } => {
                self.collect::<MIN_ALIGN, A>(host, len % 3000, allocates, panics_at);
            }
            Op::Fmt { number } => {
                if let Ok(text) = host.fmt(number) {
                    let text = text.expect("nothing here returns a formatting error");
                    assert_eq!(*text, *format!("{number}|{number:>9}"));
                    let layout = Layout::for_value(&*text);
                    self.insert::<MIN_ALIGN>(NonNull::from_mut(text).cast(), layout);
                }
            }
            Op::Drop { panics } => {
                let number = self.next_value;
                let values = self.values.last().expect("one for each frame");
                // A second panic while the first one unwinds ends the process.
                let panics = panics && values.is_empty();
                let log = self.log.clone();
                match host.keep(Noisy { number, log, panics, pattern: [0xd5; 5] }) {
                    Ok(value) => {
                        assert_eq!(value.number, number);
                        self.next_value += 1;
                        self.values.last_mut().expect("one for each frame").push(number);
                    }
                    Err(rejected) => {
                        assert_eq!((rejected.number, rejected.pattern), (number, [0xd5; 5]));
                        let _ = core::mem::ManuallyDrop::new(rejected);
                        self.forgot();
                    }
                }
            }
            _ => {} // on the arena alone
        }
    }

    fn grow<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        host: &dyn Host<MIN_ALIGN, A>,
        pick: u8,
        more: Size,
        align: Align,
        zeroed: bool,
    ) {
        let Some((block, old)) = self.peek(pick) else { return };
        let size = old.size().saturating_add(more.bytes());
        let Ok(new) = Layout::from_size_align(size, align.bytes()) else { return };
        let grown = if zeroed {
            // SAFETY: the model knew the block as alive with `old`; `new` is not smaller.
            unsafe { host.grow_zeroed(block, old, new) }
        } else {
            // SAFETY: as above.
            unsafe { host.grow(block, old, new) }
        };
        let Ok(grown) = grown else {
            self.shadow.check(); // the old block is as it was
            return;
        };
        assert_eq!(grown.len(), new.size());
        if zeroed {
            for index in old.size()..new.size() {
                // SAFETY: a byte of the block, which `grow_zeroed` wrote.
                let byte = unsafe { grown.cast::<u8>().as_ptr().wrapping_add(index).read() };
                assert_eq!(byte, 0, "byte {index} of {new:?} grown from {old:?}");
            }
        }
        self.grown += 1;
        self.moved::<MIN_ALIGN>((block, old), (grown.cast(), new));
    }

    fn shrink<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        host: &dyn Host<MIN_ALIGN, A>,
        pick: u8,
        keep: u8,
        align: Align,
    ) {
        let Some((block, old)) = self.peek(pick) else { return };
        let size = old.size() / 255 * usize::from(keep);
        let Ok(new) = Layout::from_size_align(size, align.bytes()) else { return };
        // SAFETY: the model knew the block as alive with `old`; `new` is not larger.
        match unsafe { host.shrink(block, old, new) } {
            Ok(shrunk) => self.moved::<MIN_ALIGN>((block, old), (shrunk.cast(), new)),
            Err(_) => self.shadow.check(),
        }
    }

    fn collect<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        host: &dyn Host<MIN_ALIGN, A>,
        len: u16,
        allocates: bool,
        panics_at: u16,
    ) {
        let mut inner = Vec::new();
        let one = Layout::new::<u64>();
        let mut values = (0..len).inspect(|&n| {
            if n == panics_at {
                resume_unwind(Box::new(Planned));
            }
            if allocates && let Ok(block) = host.alloc(one) {
                inner.push(block);
            }
        });
        let got = catch_unwind(AssertUnwindSafe(|| host.collect(&mut values)));
        let got = got.map(|slice| {
            slice.map(|slice| {
                assert!(slice.iter().copied().eq(0..len));
                (NonNull::from_mut(slice).cast(), Layout::array::<u16>(usize::from(len)).unwrap())
            })
        });
        for block in inner {
            self.insert::<MIN_ALIGN>(block, one);
        }
        match got {
            Ok(Ok((block, layout))) => self.insert::<MIN_ALIGN>(block, layout),
            Ok(Err(error)) => assert_ne!(error.kind(), ErrorKind::Closed, "{error}"),
            Err(payload) => assert!(payload.is::<Planned>(), "another panic than the planned one"),
        }
    }

    fn insert<const MIN_ALIGN: usize>(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: a fresh block, the shadow's until it is freed or its frame ends.
        unsafe { self.shadow.insert(block, layout) };
        self.placed::<MIN_ALIGN>(block, layout);
    }

    fn moved<const MIN_ALIGN: usize>(
        &mut self,
        old: (NonNull<u8>, Layout),
        new: (NonNull<u8>, Layout),
    ) {
        // SAFETY: the new block is the shadow's until it is freed or its frame ends.
        unsafe { self.shadow.resize(old.0, old.1, new.0, new.1) };
        self.blocks.last_mut().expect("one for each frame").retain(|&block| block != old);
        self.gone.push(old);
        self.placed::<MIN_ALIGN>(new.0, new.1);
    }

    fn placed<const MIN_ALIGN: usize>(&mut self, block: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        let address = block.addr().get();
        assert!(address.is_multiple_of(MIN_ALIGN), "{address:#x} for {MIN_ALIGN}");
        self.blocks.last_mut().expect("one for each frame").push((block, layout));
    }

    /// A live block of the innermost frame: mostly the newest.
    fn peek(&self, pick: u8) -> Option<(NonNull<u8>, Layout)> {
        let blocks = self.blocks.last().expect("one for each frame");
        let back = if pick < 128 { 0 } else { usize::from(pick - 128) };
        blocks.iter().nth_back(back % blocks.len().max(1)).copied()
    }

    fn take(&mut self, pick: u8) -> Option<(NonNull<u8>, Layout)> {
        let taken = self.peek(pick)?;
        self.blocks.last_mut().expect("one for each frame").retain(|&block| block != taken);
        self.gone.push(taken);
        Some(taken)
    }
}

fn reversed(mut values: Vec<u32>) -> Vec<u32> {
    values.reverse();
    values
}
