//! [`Linear`]: one region, filled from its high end down, emptied at once.
//!
//! Not thread-safe (`Send`, not `Sync`); every operation is a few instructions and wait-free.
//!
//! ```text
//!   base       start                    cursor                    end
//!     |          |                        |                        |
//!     | grown .. | free ................. | newest block | ... oldest |
//!     ^                                                            ^
//!     block of the backing (may extend beyond both ends by less than MIN_ALIGN)
//! ```
//!
//! `base..start` holds what grows upwards: blocks that grew (`allocator.rs`), and the slice of a
//! [`SliceBuilder`](crate::SliceBuilder) at work.
//!
//! # Invariants
//!
//! * **I1** `base..end` lies in one live block of the backing, or is empty and dangling.
//! * **I2** `base <= start <= end`, and `start <= cursor <= end` while the region is open; `base`,
//!   `cursor` and `end` are multiples of `MIN_ALIGN` (B2 to B4 of [`alloc_core::bump`]).
//! * **I3** `base..start` and `cursor..end` hold what was handed out since the last reset;
//!   `start..cursor` is nobody's, so a block taken from there overlaps no other.
//! * **I4** while the region is *closed* (a [`Burst`](crate::Burst) has taken the free part out),
//!   `cursor == base - 1`, where no block of the region begins: every request leaves the fast path
//!   by the same branch that notices a full region, the empty request included, and no block that
//!   is freed or resized meanwhile is taken for the newest one.
//! * **I5** blocks are invalidated by `reset(&mut self)` and by drop alone, and both need the
//!   region unborrowed: every reference handed out borrows `self`.
//!
//! # Ordering edges
//!
//! None: cells, no atomics.
//!
//! # Cost
//!
//! Constant size, alignment at most `MIN_ALIGN`: load, add, cmp, branch, store. Run-time layout:
//! load, sub, neg, and, cmp, branch, store. Nothing is counted on this path (feature `stats`
//! does). `reset` is two stores.
//!
//! # Source
//!
//! The direction is N. Fitzgerald's ("Always Bump Downwards", 2019). Cursor and limit stand in
//! the struct and not behind a pointer to a chunk footer, since there is one region.

mod grow;

use core::cell::Cell;
use core::fmt;
use core::num::NonZero;
use core::ptr::NonNull;

use alloc_core::{AllocStats, Allocator, ErrorKind, Global, Layout, TryAllocError, bump};

use self::grow::GrowFn;
use crate::counters::Counters;

/// A bump allocator over one contiguous region.
///
/// `MIN_ALIGN` is the alignment that every block has at least: with 8, values aligned to 8 or
/// less are placed without rounding, at the price of up to 7 bytes each. `A` is where the region's
/// memory comes from.
///
/// **Nothing allocated here is ever dropped.** Types that need dropping are refused at compile
/// time; wrap a value in [`ManuallyDrop`](core::mem::ManuallyDrop) to say that its drop may be
/// skipped.
///
/// # Examples
///
/// ```
/// use alloc_linear::Linear;
///
/// let mut region = Linear::with_capacity(64 * 1024);
/// for line in ["a = 1", "b = 2"] {
///     let words = region.alloc_from_iter(line.split(' '));
///     assert_eq!(words[1], "=");
///     region.reset(); // the memory is used again, nothing is returned to the system
/// }
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` (where `A` is), not `Sync`. For threads see
/// [`SyncLinear`](crate::SyncLinear).
// The order of the fields is part of the fast path: `cursor` and `start` share a cache line but
// are not neighbours, so that AArch64 compilers do not fuse their loads into one `ldp`, which
// would wait for the store that the previous allocation made to `cursor`.
#[repr(C)]
pub struct Linear<const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    cursor: Cell<NonNull<u8>>,
    end: NonNull<u8>,
    start: Cell<NonNull<u8>>,
    base: Cell<NonNull<u8>>,
    /// The block of the backing, as [`Self::block_layout`] describes it; empty if there is none.
    block: Cell<NonNull<[u8]>>,
    /// The cursor to count from while the region is closed (I4).
    closed_at: Cell<NonNull<u8>>,
    grow: Option<GrowFn<A>>,
    /// Builders that exist, or were forgotten since the last reset: `start` is theirs.
    builders: Cell<usize>,
    max_bytes: usize,
    counters: Counters,
    backing: A,
}

// SAFETY: a `Linear` owns its region; its pointers are to that region alone and are not tied to a
// thread. Sending it needs `A: Send` and nothing of the values in the region: no reference to them
// can exist while the region moves (I5), and it never touches them again, not even to drop them.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Send> Send for Linear<MIN_ALIGN, A> {}

impl Linear {
    /// Returns a region of at least `capacity_bytes` from the global allocator.
    ///
    /// A capacity of 0 is allowed: such a region serves zero-sized values only.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity`](Self::try_with_capacity).
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        Self::with_capacity_in(capacity_bytes, Global)
    }

    /// Returns a region of at least `capacity_bytes` from the global allocator, or the reason why
    /// it cannot be had.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOverflow`] for a capacity above `isize::MAX`, [`ErrorKind::Backing`]
    /// if the global allocator refuses.
    pub fn try_with_capacity(capacity_bytes: usize) -> Result<Self, TryAllocError> {
        Self::try_with_capacity_in(capacity_bytes, Global)
    }
}

impl<const MIN_ALIGN: usize> Linear<MIN_ALIGN> {
    /// Returns a region of at least `capacity_bytes` whose blocks are all aligned to `MIN_ALIGN`.
    ///
    /// ```
    /// let region = alloc_linear::Linear::<8>::with_min_align(4096);
    /// region.alloc(1u8);
    /// assert_eq!(region.used_bytes(), 8);
    /// ```
    ///
    /// # Panics
    ///
    /// If the memory cannot be had.
    #[must_use]
    #[track_caller]
    pub fn with_min_align(capacity_bytes: usize) -> Self {
        Self::with_capacity_in(capacity_bytes, Global)
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Linear<MIN_ALIGN, A> {
    /// Alignment of the backing's block: no request up to 16 needs padding at the region's end.
    const BLOCK_ALIGN: usize = {
        assert!(MIN_ALIGN.is_power_of_two(), "MIN_ALIGN is a power of two");
        if MIN_ALIGN > 16 { MIN_ALIGN } else { 16 }
    };

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
            Err(error) => panic!("cannot make a region of {capacity_bytes} bytes: {error}"),
        }
    }

    /// Returns a region of at least `capacity_bytes` from `backing`, or the reason why it cannot
    /// be had.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOverflow`] for a capacity above `isize::MAX`, [`ErrorKind::Backing`]
    /// if `backing` refuses; `backing` is dropped.
    pub fn try_with_capacity_in(capacity_bytes: usize, backing: A) -> Result<Self, TryAllocError> {
        let overflow = TryAllocError::overflow::<u8>(capacity_bytes);
        let rounded = bump::round_up(capacity_bytes, MIN_ALIGN).ok_or(overflow)?;
        let layout = Layout::from_size_align(rounded, Self::BLOCK_ALIGN).map_err(|_| overflow)?;
        let mut region = Self::empty_in(backing);
        if layout.size() != 0 {
            let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
            let block = region.backing.allocate(layout).map_err(|_| refused)?;
            region.adopt(block, layout)?;
        }
        region.max_bytes = region.capacity_bytes();
        Ok(region)
    }

    /// Returns a region without memory.
    fn empty_in(backing: A) -> Self {
        let nowhere = dangling(Self::BLOCK_ALIGN);
        Self {
            cursor: Cell::new(nowhere),
            end: nowhere,
            start: Cell::new(nowhere),
            base: Cell::new(nowhere),
            block: Cell::new(NonNull::slice_from_raw_parts(nowhere, 0)),
            closed_at: Cell::new(nowhere),
            grow: None,
            builders: Cell::new(0),
            max_bytes: 0,
            counters: Counters::new(),
            backing,
        }
    }

    /// Makes `block` the region's memory; gives it back if it cannot serve as one.
    fn adopt(&mut self, block: NonNull<[u8]>, layout: Layout) -> Result<(), TryAllocError> {
        let first = block.cast::<u8>();
        let len = bump::round_down(block.len(), MIN_ALIGN);
        let address = first.addr().get();
        if !bump::region_is_usable::<MIN_ALIGN>(address, address.saturating_add(len)) {
            // SAFETY: the block was just allocated from this backing with this layout.
            unsafe { self.backing.deallocate(first, layout) };
            return Err(TryAllocError::new(ErrorKind::Backing, layout, 0));
        }
        // SAFETY: `len <= block.len()`, so the result is inside the block or one past its end.
        self.end = unsafe { first.byte_add(len) };
        self.cursor.set(self.end);
        self.start.set(first);
        self.base.set(first);
        self.block.set(block);
        Ok(())
    }

    /// Returns where a block of `layout` goes, having taken it; the fast path.
    #[inline(always)]
    pub(crate) fn bump(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let address = bump::down::<MIN_ALIGN>(self.start_address(), cursor.addr().get(), layout)?;
        Some(self.take(cursor, address, layout.size()))
    }

    /// [`Self::bump`] for `size` bytes of `T`s, whose alignment the compiler knows.
    #[inline(always)]
    pub(crate) fn bump_for<T>(&self, size: usize) -> Option<NonNull<u8>> {
        if const { size_of::<T>() == 0 } {
            // Not even padding: an alignment larger than the region's would cost some.
            self.counters.allocated(0, 0, || self.used_bytes());
            return Some(dangling(align_of::<T>()));
        }
        let cursor = self.cursor.get();
        let address =
            bump::down_for::<T, MIN_ALIGN>(self.start_address(), cursor.addr().get(), size)?;
        Some(self.take(cursor, address, size))
    }

    #[inline(always)]
    fn take(&self, cursor: NonNull<u8>, address: usize, size: usize) -> NonNull<u8> {
        debug_assert!(
            self.base.get().addr().get() <= address && address + size <= cursor.addr().get(),
            "I3: block {address:#x} + {size} is not between {:p} and {cursor:p}",
            self.base.get()
        );
        let block = at(cursor, address);
        self.cursor.set(block);
        self.counters.allocated(size, cursor.addr().get() - address, || self.used_bytes());
        block
    }

    #[inline(always)]
    fn start_address(&self) -> usize {
        self.start.get().addr().get()
    }

    /// Serves a request that the fast path refused, or says why not.
    #[cold]
    #[inline(never)]
    pub(crate) fn bump_slow(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        self.counters.slow();
        if layout.size() == 0 {
            self.counters.allocated(0, 0, || self.used_bytes());
            return Ok(dangling(layout.align()));
        }
        if self.is_closed() {
            return Err(TryAllocError::new(ErrorKind::Closed, layout, self.remaining_bytes()));
        }
        if self.extend(self.cursor.get(), layout)
            && let Some(block) = self.bump(layout)
        {
            return Ok(block);
        }
        self.counters.refused(self.remaining_bytes());
        Err(TryAllocError::new(ErrorKind::Full, layout, self.remaining_bytes()))
    }

    /// [`Self::bump_slow`] for the infallible methods.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn bump_slow_or_panic(&self, layout: Layout) -> NonNull<u8> {
        match self.bump_slow(layout) {
            Ok(block) => block,
            Err(error) => panic!("region of {} bytes: {error}", self.capacity_bytes()),
        }
    }

    /// The layout with which the backing knows our block (any size up to its length fits).
    fn block_layout(&self) -> Layout {
        // SAFETY: 1. `BLOCK_ALIGN` is a power of two; 2. the block exists with this length and
        // alignment, so the length rounded up does not exceed `isize::MAX`.
        unsafe { Layout::from_size_align_unchecked(self.block.get().len(), Self::BLOCK_ALIGN) }
    }

    /// Empties the region: all its memory is free again.
    ///
    /// Blocks are not dropped, and memory is not returned to the backing. That nothing is borrowed
    /// from the region any more is checked by the compiler. A region that stayed closed because a
    /// guard was forgotten is open again.
    ///
    /// # Complexity
    ///
    /// Two stores; in debug builds what was handed out is overwritten with `0xA5`, so that stale
    /// pointers kept by `unsafe` code show.
    #[inline]
    pub fn reset(&mut self) {
        self.counters.reset(self.used_bytes());
        if cfg!(debug_assertions) {
            // A forgotten guard may have handed out anything.
            let is_known = !self.is_closed() && self.start.get() == self.base.get();
            let first = if is_known { self.cursor.get() } else { self.base.get() };
            let len = self.end.addr().get() - first.addr().get();
            // SAFETY: `first..end` is our memory (I1, I2), and nobody borrows it (`&mut self`, I5).
            unsafe { first.write_bytes(0xA5, len) };
        }
        self.builders.set(0);
        self.start.set(self.base.get());
        // `end` itself may stem from before the region was extended.
        self.cursor.set(at(self.base.get(), self.end.addr().get()));
    }

    /// Returns the bytes handed out since the last reset, padding and the slices of builders
    /// included.
    ///
    /// Of a closed region: as they were when it was closed.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        let cursor = if self.is_closed() { self.closed_at.get() } else { self.cursor.get() };
        self.used_above(cursor)
    }

    /// The bytes in use if the cursor is `cursor`.
    pub(crate) fn used_above(&self, cursor: NonNull<u8>) -> usize {
        let below = self.start_address() - self.base.get().addr().get();
        below + (self.end.addr().get() - cursor.addr().get())
    }

    /// Returns the bytes that are free: what a request of alignment `MIN_ALIGN` could still get.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        self.cursor.get().addr().get().saturating_sub(self.start_address())
    }

    /// Returns the size of the region in bytes, used or not.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.end.addr().get() - self.base.get().addr().get()
    }

    /// Returns whether a guard has exclusive use of the region, or was forgotten while it had.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.cursor.get() < self.start.get()
    }

    /// Returns whether `ptr` points into the part of the region that is handed out.
    #[must_use]
    pub fn contains(&self, ptr: *const u8) -> bool {
        let cursor = if self.is_closed() { self.closed_at.get() } else { self.cursor.get() };
        let (base, end) = (self.base.get().addr().get(), self.end.addr().get());
        let free = self.start_address()..cursor.addr().get();
        (base..end).contains(&ptr.addr()) && !free.contains(&ptr.addr())
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.backing
    }

    /// Returns what the region did so far.
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        self.counters.stats(self.used_bytes(), self.block.get().len())
    }

    /// Takes the free part out of the region (I4); returns the cursor and the start it had, or
    /// `None` if it is out already.
    pub(crate) fn close(&self) -> Option<(NonNull<u8>, NonNull<u8>)> {
        if self.is_closed() {
            return None;
        }
        let (cursor, start) = (self.cursor.get(), self.start.get());
        self.closed_at.set(cursor);
        if !cfg!(bug = "burst-leaves-the-region-open") {
            self.cursor.set(closed_cursor(self.base.get()));
        }
        Some((cursor, start))
    }

    /// Puts the free part back, as far as it is left.
    pub(crate) fn open(&self, cursor: NonNull<u8>) {
        debug_assert!(
            self.is_closed() || cfg!(bug = "burst-leaves-the-region-open"),
            "only a closed region is opened"
        );
        debug_assert!(self.start.get() <= cursor && cursor <= self.end, "I2: {cursor:p}");
        self.cursor.set(cursor);
    }

    /// Whether the low end is a builder's.
    #[inline]
    pub(crate) fn has_builders(&self) -> bool {
        self.builders.get() != 0
    }

    /// Whether the region itself is extended at its low end.
    pub(crate) fn is_extended_below(&self) -> bool {
        self.grow.is_some()
    }

    /// A builder begins, or ends.
    pub(crate) fn count_builder(&self, begins: bool) {
        let builders = self.builders.get();
        self.builders.set(if begins {
            builders.saturating_add(1)
        } else {
            builders.saturating_sub(1)
        });
    }

    /// Moves the lower limit of the free part, for a builder or a block that grows.
    pub(crate) fn set_start(&self, start: NonNull<u8>) {
        debug_assert!(self.base.get() <= start && start <= self.end, "I2: start {start:p}");
        self.start.set(start); // a closed region's cursor is below every start (I4)
    }

    /// Moves the lower limit of an open region's free part up, over a block that grew.
    #[inline(always)]
    pub(crate) fn raise_start(&self, start: NonNull<u8>) {
        debug_assert!(
            !self.is_closed() && self.start.get() <= start && start <= self.cursor.get(),
            "I2: start {start:p} not in {:p}..={:p}",
            self.start.get(),
            self.cursor.get()
        );
        self.start.set(start);
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.get()
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base.get()
    }

    pub(crate) fn cursor(&self) -> NonNull<u8> {
        self.cursor.get()
    }

    /// Moves the cursor of an open region to `cursor`: gives back the newest block, or takes the
    /// bytes below the newest one. The caller answers for I3.
    #[inline(always)]
    pub(crate) fn set_cursor(&self, cursor: NonNull<u8>) {
        debug_assert!(
            !self.is_closed() && self.start.get() <= cursor && cursor <= self.end,
            "I2: cursor {cursor:p} not in {:p}..={:p}",
            self.start.get(),
            self.end
        );
        self.cursor.set(cursor);
    }

    #[inline(always)]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Linear<MIN_ALIGN, A> {
    fn drop(&mut self) {
        if !self.block.get().is_empty() {
            // SAFETY: the block is this backing's and alive, and `block_layout` fits it (I1);
            // nobody borrows it any more (I5).
            unsafe { self.backing.deallocate(self.block.get().cast(), self.block_layout()) };
        }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Linear<MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linear")
            .field("min_align", &MIN_ALIGN)
            .field("capacity_bytes", &self.capacity_bytes())
            .field("used_bytes", &self.used_bytes())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The pointer at `address` in the region that `origin` points into.
///
/// `address` is not below the region's start (every caller compared them), or one below it, and
/// regions are aligned to more than one byte: it is not zero.
#[inline(always)]
pub(crate) fn at(origin: NonNull<u8>, address: usize) -> NonNull<u8> {
    debug_assert!(address != 0, "no region starts at address zero");
    let pointer = origin.as_ptr().with_addr(address);
    // SAFETY: `address` is not zero: at least the region's start less one, and that is a multiple
    // of `BLOCK_ALIGN` (B4).
    unsafe { NonNull::new_unchecked(pointer) }
}

/// The cursor of a closed region (I4).
///
/// Not `start - 1`: there a block of one byte at the low end may begin.
fn closed_cursor(base: NonNull<u8>) -> NonNull<u8> {
    at(base, base.addr().get() - 1)
}

/// An aligned pointer for values without size.
#[inline]
pub(crate) fn dangling(align: usize) -> NonNull<u8> {
    NonNull::without_provenance(NonZero::new(align).unwrap_or(NonZero::<usize>::MIN))
}
