//! [`TwoEnded`]: one region, two stacks that grow towards each other.
//!
//! Not thread-safe; every operation is a few instructions and wait-free.
//!
//! ```text
//!   start                 low                      high                  end
//!     | low blocks, oldest … newest | free ........ | newest … oldest, high blocks |
//!       frames of the low end ───▶                    ◀─── frames of the high end
//! ```
//!
//! For two lifetimes that interleave, each in order for itself: what a pass returns grows at one
//! end, what it needs on the way at the other; operands here, locals there. Neither needs to know
//! how much the other will use, only the sum is bounded.
//!
//! # Invariants
//!
//! * **T1** `start..end` lies in one live block of the backing, or is empty and dangling.
//! * **T2** `start <= low <= high <= end`. `low..high` is nobody's; below `low` and above `high` lies
//!   what was handed out. So a block taken from the free part overlaps no other.
//! * **T3** a block at one end ends by being given back, by the end of the frame it was taken in (or
//!   of an older one of that end), by `reset` and by drop. What safe code can reach of these needs
//!   everything that borrows the block to be gone. Nothing that happens at one end moves the
//!   other's cursor.
//!
//! # Ordering edges
//!
//! None: cells, no atomics.
//!
//! # Cost
//!
//! As one region bumped up, or down: load both cursors, round, compare, store one. A frame is one
//! word, its end one store.

mod scope;

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use alloc_core::{
    AllocStats, Allocator, ErrorKind, Global, Layout, TryAllocError, bump, place::dangling,
};

pub use self::scope::EndScope;
use crate::stack::POISON;

/// Alignment of the backing's block: no request up to it needs padding at either outer end.
const BLOCK_ALIGN: usize = 16;

/// A region of fixed capacity used as a stack from both ends.
///
/// Its frames hold values that need no drop, and anything else in collections over their
/// [`Allocator`].
///
/// # Examples
///
/// ```
/// use alloc_stack::TwoEnded;
///
/// let mut region = TwoEnded::with_capacity(4096);
/// let (mut results, mut scratch) = region.ends();
/// let mut results = results.frame();
/// let results = results.scope();
///
/// let longest: Vec<&str> = ["to be or not", "that is the question"]
///     .iter()
///     .map(|line| {
///         let mut frame = scratch.frame(); // ends with this line
///         let words = frame.scope().alloc_from_iter(line.split(' '));
///         words.sort_by_key(|word| word.len());
///         &*results.alloc_str(words.last().unwrap()) // stays
///     })
///     .collect();
/// assert_eq!(longest, ["not", "question"]);
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` (where `A` is), not `Sync`; the two ends go together.
pub struct TwoEnded<A: Allocator = Global> {
    low: Cell<NonNull<u8>>,
    high: Cell<NonNull<u8>>,
    start: NonNull<u8>,
    end: NonNull<u8>,
    /// The block of the backing and the layout it was asked with; empty if there is none.
    block: (NonNull<u8>, Layout),
    peak_bytes: Cell<usize>,
    waste_tail_bytes: Cell<usize>,
    slow_calls: Cell<u64>,
    resets: u64,
    #[cfg(feature = "stats")]
    exact: Exact,
    backing: A,
}

#[cfg(feature = "stats")]
#[derive(Default)]
struct Exact {
    allocs: Cell<u64>,
    frees: Cell<u64>,
    requested_bytes: Cell<u64>,
    waste_align_bytes: Cell<u64>,
}

/// The low end of a [`TwoEnded`].
pub type LowEnd<'r, A = Global> = End<'r, false, A>;
/// The high end of a [`TwoEnded`].
pub type HighEnd<'r, A = Global> = End<'r, true, A>;

/// One end of a [`TwoEnded`]: see [`LowEnd`] and [`HighEnd`].
pub struct End<'r, const HIGH: bool, A: Allocator = Global> {
    region: &'r TwoEnded<A>,
}

/// A frame of one end: its drop gives back all that was taken at that end since it began.
///
/// Forgotten, it gives nothing back: the frame around it does, or [`TwoEnded::reset`].
#[must_use = "a frame ends where its guard is dropped"]
pub struct EndFrame<'r, const HIGH: bool, A: Allocator = Global> {
    region: &'r TwoEnded<A>,
    /// Where the end's cursor was when the frame began.
    mark: NonNull<u8>,
}

/// How far one end of a [`TwoEnded`] reached at one moment; see [`End::mark`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EndMark<const HIGH: bool> {
    cursor: NonNull<u8>,
}

// SAFETY: the region is owned, its pointers are to that region alone, and it touches no value again,
// not even to drop it. Sending it needs `A: Send`; nothing borrows it while it moves (T3).
unsafe impl<A: Allocator + Send> Send for TwoEnded<A> {}

impl TwoEnded {
    /// Returns a region of at least `capacity_bytes` from the global allocator.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity`](Self::try_with_capacity).
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        Self::with_capacity_in(capacity_bytes, Global)
    }

    /// Returns a region of at least `capacity_bytes` from the global allocator, or the reason why it
    /// cannot be had.
    ///
    /// # Errors
    ///
    /// As [`try_with_capacity_in`](Self::try_with_capacity_in).
    pub fn try_with_capacity(capacity_bytes: usize) -> Result<Self, TryAllocError> {
        Self::try_with_capacity_in(capacity_bytes, Global)
    }
}

impl<A: Allocator> TwoEnded<A> {
    /// Returns a region of at least `capacity_bytes` from `backing`.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity_in`](Self::try_with_capacity_in).
    #[must_use]
    #[track_caller]
    pub fn with_capacity_in(capacity_bytes: usize, backing: A) -> Self {
        match Self::try_with_capacity_in(capacity_bytes, backing) {
            Ok(region) => region,
            Err(error) => {
                panic!("cannot make a two-ended region of {capacity_bytes} bytes: {error}")
            }
        }
    }

    /// Returns a region of at least `capacity_bytes` from `backing`, or the reason why it cannot be
    /// had.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOverflow`] for a capacity above `isize::MAX`, [`ErrorKind::Backing`] if
    /// `backing` refuses; it is dropped.
    pub fn try_with_capacity_in(capacity_bytes: usize, backing: A) -> Result<Self, TryAllocError> {
        let layout = Layout::from_size_align(capacity_bytes, BLOCK_ALIGN)
            .map_err(|_| TryAllocError::overflow::<u8>(capacity_bytes))?;
        let nowhere = dangling(BLOCK_ALIGN);
        let mut region = Self {
            low: Cell::new(nowhere),
            high: Cell::new(nowhere),
            start: nowhere,
            end: nowhere,
            block: (nowhere, Layout::new::<()>()),
            peak_bytes: Cell::new(0),
            waste_tail_bytes: Cell::new(0),
            slow_calls: Cell::new(0),
            resets: 0,
            #[cfg(feature = "stats")]
            exact: Exact::default(),
            backing,
        };
        if capacity_bytes != 0 {
            region.adopt(layout)?;
        }
        Ok(region)
    }

    /// Asks the backing for the region's memory.
    fn adopt(&mut self, layout: Layout) -> Result<(), TryAllocError> {
        let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
        let block = self.backing.allocate(layout).map_err(|_| refused)?;
        let start = block.cast::<u8>();
        let address = start.addr().get();
        if !bump::region_is_usable::<1>(address, address.saturating_add(block.len())) {
            // SAFETY: just allocated from this backing with this layout.
            unsafe { self.backing.deallocate(start, layout) };
            return Err(refused);
        }
        self.block = (start, layout);
        self.start = start;
        // SAFETY: one past the end of the block.
        self.end = unsafe { start.byte_add(block.len()) };
        self.low.set(self.start);
        self.high.set(self.end);
        Ok(())
    }

    /// Returns the two ends. Each is a stack of its own.
    #[must_use]
    pub fn ends(&mut self) -> (LowEnd<'_, A>, HighEnd<'_, A>) {
        let region = &*self;
        (End { region }, End { region })
    }

    /// Gives back everything at both ends, forgotten frames included. In debug builds it is
    /// overwritten with `0xA5`, as what a frame gives back is, so that stale pointers kept by
    /// `unsafe` code show.
    pub fn reset(&mut self) {
        self.resets += 1;
        self.waste_tail_bytes.set(0);
        self.unwind::<false>(self.start);
        self.unwind::<true>(self.end);
        #[cfg(feature = "stats")]
        self.exact.waste_align_bytes.set(0);
    }

    /// Returns the bytes in use at both ends.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.capacity_bytes() - self.remaining_bytes()
    }

    /// Returns the bytes between the ends.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        self.high.get().addr().get() - self.low.get().addr().get()
    }

    /// Returns the bytes of the region.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.end.addr().get() - self.start.addr().get()
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.backing
    }

    /// Returns what the region did so far. The peak is looked at when a frame ends.
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        let mut stats = AllocStats::default();
        stats.used_bytes = self.used_bytes();
        stats.reserved_bytes = self.capacity_bytes();
        stats.peak_bytes = self.peak_bytes.get().max(stats.used_bytes);
        stats.waste_tail_bytes = self.waste_tail_bytes.get();
        stats.resets = self.resets;
        stats.slow_calls = self.slow_calls.get();
        #[cfg(feature = "stats")]
        {
            stats.allocs = Some(self.exact.allocs.get());
            stats.frees = Some(self.exact.frees.get());
            stats.requested_bytes = Some(self.exact.requested_bytes.get());
            stats.waste_align_bytes = Some(self.exact.waste_align_bytes.get());
        }
        stats
    }

    /// Takes a block at one end, unless the ends would meet.
    #[inline(always)]
    fn take<const HIGH: bool>(&self, layout: Layout) -> Option<NonNull<u8>> {
        let (low, high) = (self.low.get(), self.high.get());
        let limit = if cfg!(bug = "two-ended-ends-cross") { self.end } else { high };
        let block = if HIGH {
            let address = bump::down::<1>(low.addr().get(), high.addr().get(), layout)?;
            let block = at(high, address);
            self.count_alloc(layout, high.addr().get() - address);
            self.high.set(block);
            block
        } else {
            let address = bump::up(low.addr().get(), limit.addr().get(), layout)?;
            let moved = address + layout.size() - low.addr().get();
            self.count_alloc(layout, moved);
            self.low.set(at(low, address + layout.size()));
            at(low, address)
        };
        debug_assert!(
            self.start <= self.low.get() && self.high.get() <= self.end,
            "T2: {:p}..{:p} in {:p}..{:p}",
            self.low.get(),
            self.high.get(),
            self.start,
            self.end
        );
        Some(block)
    }

    /// [`Self::take`] for a block of `layout`, that of one `T` or several.
    #[inline(always)]
    fn take_for<const HIGH: bool, T>(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        if const { size_of::<T>() == 0 } {
            // Not even padding: an alignment larger than the cursor's would cost some.
            self.count_alloc(layout, 0);
            return Ok(dangling(layout.align()));
        }
        match self.take::<HIGH>(layout) {
            Some(block) => Ok(block),
            None => self.take_slow(layout),
        }
    }

    /// Serves what [`Self::take`] refused, or says why not.
    #[cold]
    #[inline(never)]
    fn take_slow(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        self.slow_calls.set(self.slow_calls.get() + 1);
        if layout.size() == 0 {
            self.count_alloc(layout, 0);
            return Ok(dangling(layout.align()));
        }
        self.waste_tail_bytes.set(self.remaining_bytes());
        Err(TryAllocError::new(ErrorKind::Full, layout, self.remaining_bytes()))
    }

    /// The cursor of one end.
    fn cursor<const HIGH: bool>(&self) -> &Cell<NonNull<u8>> {
        if HIGH { &self.high } else { &self.low }
    }

    /// Moves the cursor of one end back to where it was.
    #[inline]
    fn unwind<const HIGH: bool>(&self, mark: NonNull<u8>) {
        let cursor = self.cursor::<HIGH>();
        debug_assert!(
            if HIGH {
                cursor.get() <= mark && mark <= self.end
            } else {
                self.start <= mark && mark <= cursor.get()
            },
            "T3: an end goes back, not forward: from {:p} to {mark:p}",
            cursor.get()
        );
        self.look();
        if cfg!(debug_assertions) {
            let (from, to) = if HIGH { (cursor.get(), mark) } else { (mark, cursor.get()) };
            let len = to.addr().get() - from.addr().get();
            // SAFETY: memory of the region (T1, T2) which its user gave back (T3).
            unsafe { from.write_bytes(POISON, len) };
        }
        cursor.set(mark);
    }

    /// Looks whether there were never more bytes in use.
    fn look(&self) {
        self.peak_bytes.set(self.peak_bytes.get().max(self.used_bytes()));
    }

    /// A block is about to be taken for which a cursor moves by `moved` bytes.
    #[inline(always)]
    fn count_alloc(&self, layout: Layout, moved: usize) {
        #[cfg(feature = "stats")]
        {
            let exact = &self.exact;
            exact.allocs.set(exact.allocs.get() + 1);
            exact.requested_bytes.set(exact.requested_bytes.get() + layout.size() as u64);
            let padding = (moved - layout.size()) as u64;
            exact.waste_align_bytes.set(exact.waste_align_bytes.get() + padding);
            self.peak_bytes.set(self.peak_bytes.get().max(self.used_bytes() + moved));
        }
        #[cfg(not(feature = "stats"))]
        let _ = (layout, moved);
    }

    /// A block is about to be made `more` bytes longer where it stands.
    #[inline(always)]
    fn count_growth(&self, more: usize) {
        #[cfg(feature = "stats")]
        {
            let exact = &self.exact;
            exact.requested_bytes.set(exact.requested_bytes.get() + more as u64);
            self.peak_bytes.set(self.peak_bytes.get().max(self.used_bytes() + more));
        }
        #[cfg(not(feature = "stats"))]
        let _ = more;
    }

    #[inline(always)]
    fn count_free(&self) {
        #[cfg(feature = "stats")]
        self.exact.frees.set(self.exact.frees.get() + 1);
    }
}

impl<A: Allocator> Drop for TwoEnded<A> {
    fn drop(&mut self) {
        let (block, layout) = self.block;
        if layout.size() != 0 {
            // SAFETY: T1: this backing's block, with its layout; nobody borrows it any more (T3).
            unsafe { self.backing.deallocate(block, layout) };
        }
    }
}

impl<'r, const HIGH: bool, A: Allocator> End<'r, HIGH, A> {
    /// Begins a frame at this end.
    pub fn frame(&mut self) -> EndFrame<'_, HIGH, A> {
        EndFrame { region: self.region, mark: self.region.cursor::<HIGH>().get() }
    }

    /// Returns the region, to look at.
    #[must_use]
    pub fn region(&self) -> &'r TwoEnded<A> {
        self.region
    }

    /// Takes a block at this end that lives until it is [rewound](Self::rewind) or the region is
    /// reset: for lifetimes that no scope of the program draws.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if the ends would meet.
    #[inline]
    pub fn try_alloc_layout(&mut self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.region.take::<HIGH>(layout) {
            Some(block) => Ok(block),
            None => self.region.take_slow(layout),
        }
    }

    /// Returns how far this end reaches now.
    #[must_use]
    pub fn mark(&self) -> EndMark<HIGH> {
        EndMark { cursor: self.region.cursor::<HIGH>().get() }
    }

    /// Gives back what was taken at this end since `mark` was made.
    ///
    /// # Safety
    ///
    /// 1. `mark` is this end's, and this end was neither rewound beyond it nor reset since;
    /// 2. nobody uses the blocks taken at this end since then any more.
    pub unsafe fn rewind(&mut self, mark: EndMark<HIGH>) {
        self.region.unwind::<HIGH>(mark.cursor);
    }
}

impl<const HIGH: bool, A: Allocator> EndFrame<'_, HIGH, A> {
    /// Returns what allocates in this frame. References into it borrow the guard.
    pub fn scope<'g>(&'g mut self) -> EndScope<'g, HIGH, A> {
        EndScope::new(self.region)
    }

    /// Gives back what was taken in this frame so far.
    pub fn reset(&mut self) {
        self.region.unwind::<HIGH>(self.mark);
    }
}

impl<const HIGH: bool, A: Allocator> Drop for EndFrame<'_, HIGH, A> {
    fn drop(&mut self) {
        self.region.unwind::<HIGH>(self.mark);
    }
}

/// The pointer at `address` in the region that `origin` points into.
#[inline(always)]
fn at(origin: NonNull<u8>, address: usize) -> NonNull<u8> {
    debug_assert!(address != 0, "no region starts at address zero");
    // SAFETY: `address` is at least the region's start, which is not zero.
    unsafe { NonNull::new_unchecked(origin.as_ptr().with_addr(address)) }
}

impl<A: Allocator> fmt::Debug for TwoEnded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwoEnded")
            .field("capacity_bytes", &self.capacity_bytes())
            .field("low_bytes", &(self.low.get().addr().get() - self.start.addr().get()))
            .field("high_bytes", &(self.end.addr().get() - self.high.get().addr().get()))
            .finish_non_exhaustive()
    }
}

impl<const HIGH: bool, A: Allocator> fmt::Debug for End<'_, HIGH, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("high", &HIGH).field("region", self.region).finish()
    }
}

impl<const HIGH: bool, A: Allocator> fmt::Debug for EndFrame<'_, HIGH, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndFrame").field("high", &HIGH).field("region", self.region).finish()
    }
}

impl<const HIGH: bool> fmt::Debug for EndMark<HIGH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndMark").field("cursor", &self.cursor).finish()
    }
}
