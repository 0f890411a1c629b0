//! Where blocks come from and go back to: segments of 1, 2, 4 … blocks, which stay where they are
//! while the queue is shared, and a stack of those not in the chain.
//!
//! ```text
//!   id       1 │ 2 3 │ 4 5 6 7 │ 8 … 15 │ …        segment ⌊log₂ id⌋, place id − 2^segment
//!   free ──▶ 3 ──▶ 1 ──▶ 0                          by `below`; the head counts its changes
//!   made     5                                       ids beyond it are memory, or not even that
//! ```
//!
//! # Invariants
//!
//! * **D1** blocks `1..=made` are initialised, or about to be by the one thread that counted them.
//! * **D2** a block is in the chain, in the stack, or one thread's own.

use core::mem;
use core::ptr::{self, NonNull};

use primitives::Backoff;
use primitives::sync::alloc::{Layout, alloc, dealloc};
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Exclusive};

use super::block::Block;
use super::name::{MAX_ID, Name};

/// Segments that hold all ids.
const SEGMENTS: usize = (MAX_ID.ilog2() + 1) as usize;

pub(super) struct Depot<T> {
    /// The topmost free block, and how often that changed.
    free: AtomicU64,
    /// How many blocks were made.
    made: AtomicU32,
    segments: [AtomicPtr<Block<T>>; SEGMENTS],
}

/// There is no memory for another segment, which has this layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoMemory(pub(super) Layout);

fn place(id: u32) -> (usize, usize) {
    let segment = id.ilog2();
    (segment as usize, (id - (1 << segment)) as usize)
}

/// As many null pointers as there are arguments: a model's are no constants that `[x; N]` would take.
macro_rules! no_segments {
    ($($segment:literal)*) => {[$({ let _ = $segment; AtomicPtr::new(ptr::null_mut()) }),*]};
}

impl<T> Depot<T> {
    primitives::sync::const_fn! {
        pub(super) const fn new() -> Self {
            Self {
                free: AtomicU64::new(0),
                made: AtomicU32::new(0),
                segments: no_segments!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24),
            }
        }
    }

    /// Returns where block `id` is, which was made.
    #[inline]
    fn at(&self, id: u32) -> *mut Block<T> {
        let (segment, index) = place(id);
        // ORD Relaxed: who made the block saw the segment, and the caller found the block through a
        // word that is ordered after that.
        let first = self.segments[segment].load(Relaxed);
        debug_assert!(!first.is_null(), "block {id} is in no segment");
        // SAFETY: in bounds of the segment, by `place`.
        unsafe { first.add(index) }
    }

    /// Returns block `id`, which the caller found in the chain or in the stack, or made.
    #[inline]
    pub(super) fn get(&self, id: u32) -> &Block<T> {
        // SAFETY: D1, and the block is not freed while the queue is borrowed.
        let block = unsafe { &*self.at(id) };
        block.found()
    }

    /// Takes a block that nobody uses, or makes one.
    pub(super) fn take(&self) -> Result<u32, NoMemory> {
        // Blocks whose last values are still being read, by threads that stand still.
        let mut aside = 0;
        let found = loop {
            let Some(id) = self.pop() else { break None };
            if self.get(id).is_ready() {
                break Some(id);
            }
            // ORD Relaxed: this thread's own list.
            self.get(id).below().store(aside, Relaxed);
            aside = id;
        };
        while aside != 0 {
            // ORD Relaxed: as above.
            let next = self.get(aside).below().load(Relaxed);
            self.put(aside);
            aside = next;
        }
        found.map_or_else(|| self.make(), Ok)
    }

    /// Gives back a block that is not, or no longer, in the chain.
    pub(super) fn put(&self, id: u32) {
        let block = self.get(id);
        let backoff = Backoff::new();
        // ORD Relaxed: a guess, which the compare-exchange confirms.
        let mut top = Name::from_word(self.free.load(Relaxed));
        loop {
            // ORD Relaxed: published by the compare-exchange.
            block.below().store(top.id(), Relaxed);
            let new = if cfg!(bug = "queue-free-list-without-count") {
                Name::new(id, 0)
            } else {
                top.after(id)
            };
            // ORD[block-free] Release → Acquire in `pop`: the block's last use is over before its next
            // one begins.
            // ORD Relaxed on failure: another guess.
            match self.free.compare_exchange(top.word(), new.word(), Release, Relaxed) {
                Ok(_) => return,
                Err(now) => top = Name::from_word(now),
            }
            backoff.spin();
        }
    }

    fn pop(&self) -> Option<u32> {
        let backoff = Backoff::new();
        // ORD[block-free] Acquire ← Release in `put`: the block and the link below are read.
        let mut top = Name::from_word(self.free.load(Acquire));
        loop {
            let id = top.id();
            if id == 0 {
                return None;
            }
            // ORD Relaxed: if it is older than `top`, or younger, the count in `top` has changed.
            let below = self.get(id).below().load(Relaxed);
            let new = if cfg!(bug = "queue-free-list-without-count") {
                Name::new(below, 0)
            } else {
                top.after(below)
            };
            // ORD Relaxed: `top` was acquired when it was read, and has not changed since.
            // ORD[block-free] Acquire on failure: as the first read.
            match self.free.compare_exchange(top.word(), new.word(), Relaxed, Acquire) {
                Ok(_) => return Some(id),
                Err(now) => top = Name::from_word(now),
            }
            backoff.spin();
        }
    }

    /// Makes a block, in a new segment if need be.
    #[cold]
    fn make(&self) -> Result<u32, NoMemory> {
        loop {
            // ORD Relaxed: a count, which the compare-exchange confirms.
            let made = self.made.load(Relaxed);
            let id = made + 1;
            if id > MAX_ID {
                return Err(NoMemory(Layout::new::<Block<T>>()));
            }
            let (segment, index) = place(id);
            let first = self.segment(segment)?;
            // ORD Relaxed: decides who makes block `id`, and publishes nothing.
            if self.made.compare_exchange(made, id, Relaxed, Relaxed).is_ok() {
                // SAFETY: in bounds of the segment, by `place`.
                let block = unsafe { first.as_ptr().add(index) };
                // SAFETY: 1: D1, the compare-exchange made it this thread's.
                unsafe { Block::init(block) };
                return Ok(id);
            }
        }
    }

    /// Returns where a segment is, if there is memory for it.
    fn found(&self, segment: usize) -> Option<NonNull<Block<T>>> {
        // ORD[segment] Acquire ← Release in `segment`: memory is had before it is written.
        NonNull::new(self.segments[segment].load(Acquire))
    }

    fn segment(&self, segment: usize) -> Result<NonNull<Block<T>>, NoMemory> {
        if let Some(first) = self.found(segment) {
            return Ok(first);
        }
        let layout = layout_of::<T>(segment)?;
        // SAFETY: a block is not zero-sized.
        let memory = unsafe { alloc(layout) };
        let Some(first) = NonNull::new(memory.cast::<Block<T>>()) else {
            if cfg!(bug = "queue-forgets-who-had-memory") {
                return Err(NoMemory(layout));
            }
            // Another thread may have got it meanwhile.
            return self.found(segment).ok_or(NoMemory(layout));
        };
        let shared = &self.segments[segment];
        // ORD[segment] Release → Acquire in `found`, and Acquire on failure: another's segment.
        match shared.compare_exchange(ptr::null_mut(), first.as_ptr(), Release, Acquire) {
            Ok(_) => Ok(first),
            Err(theirs) => {
                // SAFETY: allocated above with this layout, and nobody has seen it.
                unsafe { dealloc(memory, layout) };
                Ok(NonNull::new(theirs).expect("segments do not go while the queue is shared"))
            }
        }
    }

    /// Returns how many blocks were made so far.
    pub(super) fn made(&self) -> u32 {
        // ORD Relaxed: a statistic.
        self.made.load(Relaxed)
    }

    /// Returns how many blocks there is memory for.
    pub(super) fn reserved(&self) -> u32 {
        let there = |segment: &&AtomicPtr<Block<T>>| {
            // ORD Relaxed: a statistic.
            !segment.load(Relaxed).is_null()
        };
        let segments = self.segments.iter().take_while(there).count();
        (1 << segments) - 1
    }
}

fn layout_of<T>(segment: usize) -> Result<Layout, NoMemory> {
    Layout::array::<Block<T>>(1 << segment).map_err(|_| NoMemory(Layout::new::<Block<T>>()))
}

/// With the queue alone.
impl<T> Depot<T> {
    /// Swaps two blocks that were made.
    pub(super) fn swap(&mut self, one: u32, other: u32) {
        assert_ne!(one, other, "a block is not swapped with itself");
        // SAFETY: D1; exclusive access, so nobody refers to either; they do not overlap.
        unsafe { ptr::swap_nonoverlapping(self.at(one), self.at(other), 1) };
    }

    /// Gives back the memory of those segments that are not needed for blocks `1..=keep`, and declares
    /// blocks above `keep` free, the lowest on top. Returns how many blocks there is memory for.
    ///
    /// # Safety
    ///
    /// 1. No value is in a block that is given back.
    /// 2. No pointer to a block is used afterwards, unless it is known to be kept.
    pub(super) unsafe fn trim(&mut self, keep: u32) -> u32 {
        let kept = if keep == 0 { 0 } else { keep.ilog2() + 1 };
        let made = self.made.get();
        for segment in (kept as usize..SEGMENTS).rev() {
            // SAFETY: 1. and 2.
            unsafe { self.release(segment, made) };
        }
        let made = made.min((1 << kept) - 1);
        self.made.with_mut(|count| *count = made);
        self.free.with_mut(|top| *top = 0);
        for id in (keep + 1..=made).rev() {
            self.get(id).forget();
            self.put(id);
        }
        self.reserved()
    }

    /// Gives back the memory of a segment, if it has any.
    ///
    /// # Safety
    ///
    /// As [`trim`](Self::trim), for the blocks of this segment, up to id `made`.
    unsafe fn release(&mut self, segment: usize, made: u32) {
        let first = self.segments[segment].with_mut(|first| mem::replace(first, ptr::null_mut()));
        if first.is_null() {
            return;
        }
        let first_id = 1 << segment;
        for id in first_id..=made.min(2 * first_id - 1) {
            // SAFETY: in bounds of the segment.
            let block = unsafe { first.add((id - first_id) as usize) };
            // SAFETY: D1, and `&mut` comes after whoever was about to. Values are not dropped.
            unsafe { block.drop_in_place() };
        }
        let layout = layout_of::<T>(segment).expect("it was allocated with it");
        // SAFETY: allocated with this layout by `segment`; 2: nobody points there any more.
        unsafe { dealloc(first.cast::<u8>(), layout) };
    }
}
