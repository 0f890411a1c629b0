//! A language of operations of several threads on a [`SyncArena`], and an interpreter that holds it
//! against a shadow. Shared by the property tests and the fuzz target.
//!
//! The threads take turns: what is looked for is not a race (models and ThreadSanitizer do that) but
//! what one thread does to the blocks, the part, and the values of another.

mod threads;

use core::mem::{ManuallyDrop, MaybeUninit};
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use alloc_arena::{ArenaConfig, ErrorKind, SyncArena, TryAllocError};
use alloc_core::testing::{Checked, Shadow};
use alloc_core::{Allocator, Global, Layout};
use arbitrary::{Arbitrary, Unstructured};

/// What is done to one arena.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Input {
    /// The global allocator through the threads' caches, else one that is checked.
    is_cached: bool,
    first_log2: u8,
    limit: Option<u8>,
    /// The thread that drops the arena.
    ends_on: u8,
    #[arbitrary(with = all)]
    ops: Vec<(u8, Op)>,
}

/// Decodes operations from all bytes that are left. (A `Vec`'s own decoding flips a coin for the end
/// after each element, so that most are shorter than two.)
fn all<'a, T: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Vec<T>> {
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        ops.push(T::arbitrary(bytes)?);
    }
    Ok(ops)
}

/// What a thread does.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Alloc { size: u16, align: u8 },
    Free { pick: u8 },
    Grow { pick: u8, more: u16 },
    Shrink { pick: u8, keep: u8 },
    Drop { panics: bool },
    Collect { len: u16, allocates: bool, panics_at: u16 },
    Text { len: u8 },
    Exit,
    Reset,
    Trim,
    Move,
}

/// Mostly small, sometimes beyond a chunk, sometimes beyond everything.
fn layout(size: u16, align: u8) -> Layout {
    let low = usize::from(size & 0xfff);
    let size = match size >> 12 {
        15 => isize::MAX.unsigned_abs() - 70_000 - low,
        14 => 30_000 + low,
        shift => low >> shift,
    };
    let align = 1 << if align < 220 { align % 6 } else { align % 13 };
    Layout::from_size_align(size, align).expect("below the largest")
}

/// Runs an input; panics where the arena and its shadow disagree.
pub(crate) fn run(input: &Input) {
    let limit = input.limit.map_or(usize::MAX, |limit| (usize::from(limit) + 1) * 1024);
    let first = 1usize << (8 + input.first_log2 % 7);
    let config = ArenaConfig::new().first_chunk_bytes(first).limit_bytes(limit).decay_resets(2);
    if input.is_cached {
        drive(SyncArena::<8>::with_config(config), limit, input);
    } else {
        let backing = Checked::new(Global); // panics if it is dropped with blocks alive
        drive(SyncArena::<8, _>::with_config_in(config, backing), limit, input);
    }
}

/// A backing of the arena under test.
trait Backing: Allocator + Send + Sync + 'static {
    fn live_bytes(&self) -> Option<usize>;
}

impl Backing for Global {
    fn live_bytes(&self) -> Option<usize> {
        None
    }
}

impl Backing for Checked<Global> {
    fn live_bytes(&self) -> Option<usize> {
        Some(Checked::live_bytes(self))
    }
}

fn drive<A: Backing>(arena: SyncArena<8, A>, limit: usize, input: &Input) {
    let mut run = Run {
        arena: Some(Arc::new(arena)),
        limit,
        shadow: Shadow::new(),
        blocks: Vec::new(),
        values: Vec::new(),
        log: Log::default(),
        next_value: 0,
        has_exited: false,
    };
    for &(thread, op) in &input.ops {
        run.apply(usize::from(thread) % (1 + threads::WORKERS), op);
        run.check();
    }
    run.end(usize::from(input.ends_on) % (1 + threads::WORKERS));
}

/// A planned panic, thrown past the panic hook.
struct Planned;

/// The numbers of the values dropped so far, and by whom.
type Log = Arc<Mutex<Vec<(u32, ThreadId)>>>;

struct Noisy {
    number: u32,
    log: Log,
    panics: bool,
    pattern: [u8; 5],
}

impl Drop for Noisy {
    fn drop(&mut self) {
        assert_eq!(self.pattern, [0xd5; 5], "dropped twice, or overwritten");
        self.pattern = [0; 5];
        self.log.lock().unwrap().push((self.number, thread::current().id()));
        if self.panics {
            resume_unwind(Box::new(Planned));
        }
    }
}

/// A block on its way from thread to thread.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Block {
    place: NonNull<u8>,
    layout: Layout,
}

// SAFETY: an address, whose memory is used by one thread at a time: they take turns.
unsafe impl Send for Block {}

struct Run<A: Backing> {
    arena: Option<Arc<SyncArena<8, A>>>,
    limit: usize,
    shadow: Shadow,
    blocks: Vec<Block>,
    /// Values that the arena will drop, and the threads that put them there.
    values: Vec<(u32, usize)>,
    log: Log,
    next_value: u32,
    /// A thread ended since the last reset, so that its part may be another's.
    has_exited: bool,
}

impl<A: Backing> Run<A> {
    /// Runs `work` on a thread; `None` if it ended by a planned panic.
    fn on<R: Send + 'static>(
        &self,
        thread: usize,
        work: impl FnOnce(&SyncArena<8, A>) -> R + Send + 'static,
    ) -> Option<R> {
        let arena = Arc::clone(self.arena.as_ref().expect("until it ends"));
        unplanned(|| threads::on(thread, move || work(&arena)))
    }

    fn exclusive(&mut self) -> &mut SyncArena<8, A> {
        self.arena.as_mut().and_then(Arc::get_mut).expect("no thread has it")
    }

    fn take(&mut self) -> SyncArena<8, A> {
        self.arena.take().and_then(Arc::into_inner).expect("no thread has it")
    }

    fn pick(&self, pick: u8) -> Option<Block> {
        let back = if pick < 128 { 0 } else { usize::from(pick - 128) };
        self.blocks.iter().nth_back(back % self.blocks.len().max(1)).copied()
    }

    fn insert(&mut self, block: Block) {
        assert!(block.layout.size() == 0 || block.place.addr().get().is_multiple_of(8));
        // SAFETY: a fresh block, the shadow's until it is freed or the arena is reset.
        unsafe { self.shadow.insert(block.place, block.layout) };
        if block.layout.size() != 0 {
            self.blocks.push(block);
        }
    }

    fn remove(&mut self, block: Block) {
        self.blocks.retain(|&other| other != block);
    }

    fn refused(&self, error: TryAllocError) {
        let is_huge = error.size() > isize::MAX.unsigned_abs() / 2;
        match error.kind() {
            ErrorKind::Full => assert_ne!(self.limit, usize::MAX, "{error}"),
            ErrorKind::CapacityOverflow | ErrorKind::Backing => assert!(is_huge, "{error}"),
            _ => panic!("{error}"),
        }
    }

    fn apply(&mut self, thread: usize, op: Op) {
        match op {
            Op::Alloc { size, align } => {
                let layout = layout(size, align);
                let place = move |arena: &SyncArena<8, A>| {
                    arena.try_alloc_layout(layout).map(|place| Block { place, layout })
                };
                match self.on(thread, place) {
                    Some(Ok(block)) => self.insert(block),
                    Some(Err(error)) => self.refused(error),
                    None => unreachable!("nothing panics"),
                }
            }
            Op::Free { pick } => {
                let Some(block) = self.pick(pick) else { return };
                self.shadow.remove(block.place, block.layout);
                self.remove(block);
                self.on(thread, move |arena| {
                    let Block { place, layout } = { block };
                    // SAFETY: the model knew the block as alive, with this layout.
                    unsafe { arena.deallocate(place, layout) };
                });
            }
            Op::Grow { pick, more } => {
                let Some(block) = self.pick(pick) else { return };
                let size = block.layout.size() + usize::from(more % 5000);
                self.resize(thread, block, size);
            }
            Op::Shrink { pick, keep } => {
                let Some(block) = self.pick(pick) else { return };
                self.resize(thread, block, block.layout.size() * usize::from(keep) / 255);
            }
            Op::Drop { panics } => {
                let (number, log) = (self.next_value, Arc::clone(&self.log));
                // A second panic while the first one unwinds ends the process.
                let panics = panics && self.values.is_empty();
                let value = Noisy { number, log, panics, pattern: [0xd5; 5] };
                let kept = self.on(thread, move |arena| match arena.try_alloc_drop(value) {
                    Ok(value) => Ok(value.number),
                    Err(rejected) => {
                        let error = rejected.error();
                        let forgotten = ManuallyDrop::new(rejected.into_value());
                        // SAFETY: nobody drops that handle any more: a sanitizer would take the log
                        // for lost.
                        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&forgotten.log)) };
                        Err(error)
                    }
                });
                match kept {
                    Some(Ok(kept)) => {
                        assert_eq!(kept, number);
                        self.next_value += 1;
                        self.values.push((number, thread));
                    }
                    Some(Err(error)) => self.refused(error),
                    None => unreachable!("nothing panics"),
                }
            }
            Op::Collect { len, allocates, panics_at } => {
                self.collect(thread, len % 2000, allocates, panics_at);
            }
            Op::Text { len } => {
                let text: String = ('a'..='z').cycle().take(len.into()).collect();
                let copy = self.on(thread, move |arena| {
                    arena.try_alloc_str(&text).map(|copy| {
                        assert_eq!(*copy, *text);
                        let layout = Layout::for_value(copy);
                        Block { place: NonNull::from_mut(copy).cast(), layout }
                    })
                });
                match copy {
                    Some(Ok(block)) => self.insert(block),
                    Some(Err(error)) => self.refused(error),
                    None => unreachable!("nothing panics"),
                }
            }
            Op::Exit => {
                self.has_exited |= thread != 0;
                threads::exit(thread);
            }
            Op::Reset => {
                self.ending();
                let arena = self.exclusive();
                let _ = unplanned(|| arena.reset());
                assert_eq!(arena.used_bytes(), 0, "a reset empties");
                self.ended(0);
            }
            Op::Trim => {
                let arena = self.exclusive();
                let before = arena.reserved_bytes();
                assert_eq!(arena.trim() + arena.reserved_bytes(), before);
                assert_eq!(arena.stats().spare_bytes, 0);
            }
            Op::Move => {
                let arena = self.take();
                // What has the old place now.
                let taken = Arc::new(MaybeUninit::<SyncArena<8, A>>::uninit());
                self.arena = Some(Arc::new(arena));
                drop(taken);
            }
        }
    }

    /// Resizes a block to `size`, which `thread` may not have taken.
    fn resize(&mut self, thread: usize, block: Block, size: usize) {
        let Block { layout: old, .. } = block;
        let new = Layout::from_size_align(size, old.align()).expect("below the largest");
        let resized = self.on(thread, move |arena| {
            let Block { place, .. } = { block };
            let resized = if new.size() >= old.size() {
                // SAFETY: the model knew the block as alive with `old`; `new` is not smaller.
                unsafe { arena.grow(place, old, new) }
            } else {
                // SAFETY: the model knew the block as alive with `old`; `new` is smaller.
                unsafe { arena.shrink(place, old, new) }
            };
            resized.map(|place| {
                assert_eq!(place.len(), new.size());
                Block { place: place.cast(), layout: new }
            })
        });
        match resized {
            Some(Ok(now)) => {
                // SAFETY: the block is the shadow's until it is freed or the arena is reset.
                unsafe { self.shadow.resize(block.place, old, now.place, new) };
                self.remove(block);
                if new.size() != 0 {
                    self.blocks.push(now);
                }
            }
            Some(Err(_)) => {
                assert_ne!(self.limit, usize::MAX);
                self.shadow.check(); // the old block is as it was
            }
            None => unreachable!("nothing panics"),
        }
    }

    fn collect(&mut self, thread: usize, len: u16, allocates: bool, panics_at: u16) {
        let inner = Arc::new(Mutex::new(Vec::new()));
        let found = Arc::clone(&inner);
        let got = self.on(thread, move |arena| {
            let values = (0..len).inspect(|&n| {
                if n == panics_at {
                    resume_unwind(Box::new(Planned));
                }
                if allocates && let Ok(value) = arena.try_alloc(u64::from(n)) {
                    let block = Block {
                        place: NonNull::from_mut(value).cast(),
                        layout: Layout::new::<u64>(),
                    };
                    found.lock().unwrap().push(block);
                }
            });
            arena.with_local(|local| {
                local.try_alloc_from_iter(values).map(|slice| {
                    assert!(slice.iter().copied().eq(0..len));
                    let layout = Layout::for_value(slice);
                    Block { place: NonNull::from_mut(slice).cast(), layout }
                })
            })
        });
        let inner = core::mem::take(&mut *inner.lock().unwrap_or_else(PoisonError::into_inner));
        inner.into_iter().for_each(|block| self.insert(block));
        match got {
            Some(Ok(block)) => self.insert(block),
            Some(Err(error)) => self.refused(error),
            None => {}
        }
    }

    /// All blocks are about to end: they are as they were written.
    fn ending(&mut self) {
        self.shadow.clear();
        self.blocks.clear();
    }

    /// All values were dropped, by `thread`.
    fn ended(&mut self, thread: usize) {
        let by = threads::on(thread, || thread::current().id());
        let dropped = core::mem::take(&mut *self.log.lock().unwrap());
        assert!(dropped.iter().all(|&(_, dropper)| dropper == by), "dropped by the owner");
        let values = core::mem::take(&mut self.values);
        let mut numbers: Vec<u32> = dropped.iter().map(|&(number, _)| number).collect();
        if !self.has_exited {
            for thread in 0..=threads::WORKERS {
                let made =
                    values.iter().rev().filter(|value| value.1 == thread).map(|value| value.0);
                let theirs = |number: &&u32| values.contains(&(**number, thread));
                assert!(made.eq(numbers.iter().filter(theirs).copied()), "the newest first");
            }
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(values.into_iter().map(|value| value.0)), "each once");
        self.has_exited = false;
    }

    /// Drops the arena on a thread, which is not the one that made it.
    fn end(mut self, thread: usize) {
        self.ending();
        let arena = self.take();
        let _ = unplanned(|| threads::on(thread, move || drop(arena)));
        self.ended(thread);
    }

    fn check(&mut self) {
        let limit = self.limit;
        let requested: usize = self.blocks.iter().map(|block| block.layout.size()).sum();
        let arena = self.exclusive();
        let stats = arena.stats();
        assert!(stats.reserved_bytes <= limit, "{stats:?} within {limit}");
        assert!(requested <= stats.used_bytes, "{requested} of {stats:?}");
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
        let live_bytes = arena.backing().live_bytes();
        assert!(live_bytes.is_none_or(|bytes| bytes == stats.reserved_bytes), "{live_bytes:?}");
        assert!(
            arena.parts() <= 1 + threads::WORKERS,
            "parts of threads that ended are used again"
        );
    }
}

/// Runs `work`; `None` if it ended by a planned panic.
fn unplanned<R>(work: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<Planned>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
