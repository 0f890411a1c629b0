//! [`SyncLinear`]: one region for many threads, who do not fight over it.
//!
//! ```text
//!   start                 shared cursor                                   end
//!     | free ................. | block of C | large | block of A | block of B |
//!                                             value    ^cursor A    ^cursor B
//! ```
//!
//! The shared cursor moves down by whole blocks, with one compare-and-swap each. Within its block
//! a thread bumps a cursor of its own, found by [`ThreadSlots`], as in a private region. Requests
//! larger than a quarter of a block go to the shared cursor directly.
//!
//! A reset gives each thread that allocated since the last one a block of its own in advance, as
//! large as what it needed, in the same order every time: a thread that does the same work round
//! after round finds its own cache lines again, and does not meet the shared cursor at all: it only
//! adds, once a round, its block to the bytes in use. These blocks together take at most two thirds of
//! the region.
//!
//! # Progress
//!
//! The fast path is wait-free. Taking a block is lock-free: a compare-and-swap fails only because
//! another thread's succeeded. A thread's first allocation may allocate its slot.
//!
//! # Invariants
//!
//! * **Y1** `start..end` lies in one live block of the backing, or is empty and dangling.
//! * **Y2** the shared cursor only falls between resets, by successful compare-and-swaps, so the
//!   ranges taken by them are disjoint, and disjoint from the free part.
//! * **Y3** the free range `[start, cursor)` of a thread's block lies in ranges which that thread
//!   took, or was given back blocks from; free ranges of two threads are disjoint. A block handed
//!   out leaves one free range; a block given back as the newest one enters one.
//! * **Y4** blocks are invalidated by `reset(&mut self)` and by drop alone, which need the region
//!   unborrowed by every thread.
//!
//! # Ordering edges
//!
//! None of its own. Every access to the shared cursor is `Relaxed`: what a thread needs is that
//! its range is its own, and the atomicity of the compare-and-swap gives that. No memory is
//! published through the cursor: a range was last written before the region was shared (by `new`
//! or `reset`, which happen before every later `&self` through whatever shared the region), and
//! what a thread writes there reaches another only by a reference that the program hands over. A
//! thread's block passes to its successor along the edges of `ThreadSlots`.
//!
//! # Cost
//!
//! A private region's plus the look-up of the slot: see `DESIGN.md`. Memory held but unused: less
//! than one block per thread.
//!
//! # Source
//!
//! Thread-local allocation buffers, as garbage-collected runtimes have used them since the 1990s.

#![expect(clippy::mut_from_ref, reason = "each call returns memory that no other has (Y3)")]

mod allocator;
mod block;
mod counters;
mod local;

use core::convert::Infallible;
use core::fmt;
use core::ptr::NonNull;

use alloc_core::{AllocStats, Allocator, ErrorKind, Global, Layout, Rejected, TryAllocError, bump};
use primitives::sync::atomic::{AtomicU64, AtomicUsize, Exclusive, Ordering::Relaxed};
use primitives::{CachePadded, SlotError, ThreadSlots};

use self::block::{Block, Slot};
#[cfg(feature = "stats")]
use self::counters::Counters;
pub use self::local::Local;
use crate::linear::{at, dangling};
use crate::place::{NoDrop, as_str, no_room, put, put_slice};

/// Blocks begin and end at multiples of this, so that no two threads write to one cache line, or
/// to two that the hardware fetches as a pair.
const LINE_BYTES: usize = 128;

/// What a thread takes at once, unless told otherwise: a few hundred small values, so that the
/// compare-and-swap disappears, and little enough to lose when a thread stops.
const DEFAULT_BLOCK_BYTES: usize = 16 * 1024;

/// A bump allocator over one region, shared by threads.
///
/// **Nothing allocated here is ever dropped**; types that need dropping are refused at compile
/// time, as in [`Linear`](crate::Linear).
///
/// # Examples
///
/// ```
/// use alloc_linear::SyncLinear;
///
/// let mut region = SyncLinear::with_capacity(1 << 20);
/// let sums: Vec<&mut u64> = std::thread::scope(|scope| {
///     let workers: Vec<_> = (0..4u64)
///         .map(|n| scope.spawn({ let region = &region; move || region.alloc(n * n) }))
///         .collect();
///     workers.into_iter().map(|worker| worker.join().unwrap()).collect()
/// });
/// assert_eq!(sums.iter().map(|sum| **sum).sum::<u64>(), 14);
/// region.reset();
/// ```
///
/// # Concurrency
///
/// `Send` and `Sync` (where `A` is). See the module for progress and memory held. Not for signal
/// handlers, beside a thread that may be in any object built on
/// [`ThreadSlots`](primitives::ThreadSlots#signal-handlers).
pub struct SyncLinear<const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    /// What threads write together, on cache lines of its own: the rest is read on every call.
    shared: CachePadded<Shared>,
    slots: ThreadSlots<Slot<MIN_ALIGN>>,
    start: NonNull<u8>,
    end: NonNull<u8>,
    memory: NonNull<[u8]>,
    block_bytes: usize,
    /// Bytes of the blocks that the last reset gave to threads in advance.
    advance_bytes: usize,
    peak_bytes: usize,
    resets: u64,
    backing: A,
}

struct Shared {
    /// The shared cursor, as an address (Y2).
    cursor: AtomicUsize,
    slow_calls: AtomicU64,
    contended: AtomicU64,
    waste_tail_bytes: AtomicUsize,
    /// Bytes of the blocks given in advance that their threads have entered.
    entered_bytes: AtomicUsize,
    /// Blocks given back by threads that have no slot to count in.
    #[cfg(feature = "stats")]
    frees_elsewhere: AtomicU64,
}

// SAFETY: the region is owned; its values are never touched again by it, not even to drop them.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Send> Send for SyncLinear<MIN_ALIGN, A> {}
// SAFETY: `&self` methods touch the shared cursor (atomic), the calling thread's own block
// (`ThreadSlots`), and the backing only to lend it (`A: Sync`). The values need not be `Send`: a
// reference is returned to the thread that passed the value in, and nothing else reaches it.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Sync> Sync for SyncLinear<MIN_ALIGN, A> {}

impl SyncLinear {
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

    /// Returns a region of at least `capacity_bytes` from the global allocator, or the reason why
    /// it cannot be had.
    ///
    /// # Errors
    ///
    /// As [`try_with_capacity_in`](Self::try_with_capacity_in).
    pub fn try_with_capacity(capacity_bytes: usize) -> Result<Self, TryAllocError> {
        Self::try_with_capacity_in(capacity_bytes, Global)
    }
}

impl<const MIN_ALIGN: usize> SyncLinear<MIN_ALIGN> {
    /// Returns a region of at least `capacity_bytes` whose blocks are all aligned to `MIN_ALIGN`.
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

impl<const MIN_ALIGN: usize, A: Allocator> SyncLinear<MIN_ALIGN, A> {
    /// Alignment of the region's own ends.
    const REGION_ALIGN: usize = {
        assert!(MIN_ALIGN.is_power_of_two(), "MIN_ALIGN is a power of two");
        if MIN_ALIGN > LINE_BYTES { MIN_ALIGN } else { LINE_BYTES }
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
        let rounded = bump::round_up(capacity_bytes, Self::REGION_ALIGN).ok_or(overflow)?;
        let layout = Layout::from_size_align(rounded, Self::REGION_ALIGN).map_err(|_| overflow)?;
        let nowhere = dangling(Self::REGION_ALIGN);
        let (memory, start, end) = if layout.size() == 0 {
            (NonNull::slice_from_raw_parts(nowhere, 0), nowhere, nowhere)
        } else {
            let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
            let memory = backing.allocate(layout).map_err(|_| refused)?;
            let start = memory.cast::<u8>();
            let len = bump::round_down(memory.len(), Self::REGION_ALIGN);
            let address = start.addr().get();
            if !bump::region_is_usable::<MIN_ALIGN>(address, address.saturating_add(len)) {
                // SAFETY: just allocated from this backing with this layout.
                unsafe { backing.deallocate(start, layout) };
                return Err(refused);
            }
            // SAFETY: `len <= memory.len()`: inside the memory or one past its end.
            (memory, start, unsafe { start.byte_add(len) })
        };
        Ok(Self {
            shared: CachePadded::new(Shared {
                cursor: AtomicUsize::new(end.addr().get()),
                slow_calls: AtomicU64::new(0),
                contended: AtomicU64::new(0),
                waste_tail_bytes: AtomicUsize::new(0),
                entered_bytes: AtomicUsize::new(0),
                #[cfg(feature = "stats")]
                frees_elsewhere: AtomicU64::new(0),
            }),
            slots: ThreadSlots::new(),
            start,
            end,
            memory,
            block_bytes: DEFAULT_BLOCK_BYTES,
            advance_bytes: 0,
            peak_bytes: 0,
            resets: 0,
            backing,
        })
    }

    /// Sets how many bytes a thread takes at once (16 KiB unless set), rounded up to a multiple of
    /// 128 and of `MIN_ALIGN`.
    ///
    /// Larger blocks make for fewer meetings at the shared cursor; each thread may hold up to one
    /// block that it does not use.
    ///
    /// # Panics
    ///
    /// If `block_bytes` is 0 or above `isize::MAX / 2`.
    #[must_use]
    #[track_caller]
    pub fn with_block_bytes(mut self, block_bytes: usize) -> Self {
        let limit = isize::MAX.unsigned_abs() / 2;
        assert!(
            block_bytes != 0 && block_bytes <= limit,
            "block_bytes is {block_bytes}, not in 1..={limit}"
        );
        self.block_bytes = block_bytes.next_multiple_of(Self::REGION_ALIGN);
        self
    }

    /// Returns a block of `layout`, its contents undefined.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.try_alloc_layout(layout) {
            Ok(block) => block,
            Err(error) => no_room(error),
        }
    }

    /// Returns a block of `layout`, its contents undefined, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// If neither this thread's block nor the shared part has room, though other threads' blocks
    /// may; or there is no memory for the thread's slot.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        self.with_block(layout, |block| match block.bump(layout) {
            Some(place) => Ok(place),
            None => self.refill(block, layout),
        })
    }

    /// Moves `value` into the region.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc`](Self::try_alloc). Aborts if there is no memory for
    /// the slot of a thread that allocates for the first time (`handle_alloc_error`).
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &mut T {
        self.with_local(|local| local.alloc(value))
    }

    /// Moves `value` into the region, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        let layout = Layout::new::<T>();
        let place = self.with_block(layout, |block| match block.bump_for::<T>(size_of::<T>()) {
            Some(place) => Ok(place),
            None => self.refill(block, layout),
        });
        match place {
            // SAFETY: 1. and 2. a fresh block of this layout (Y3), valid while `self` is borrowed.
            Ok(place) => Ok(unsafe { put(place, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Copies a slice into the region.
    ///
    /// # Panics
    ///
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &mut [T] {
        self.with_local(|local| local.alloc_slice_copy(source))
    }

    /// Copies a slice into the region, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(&self, source: &[T]) -> Result<&mut [T], TryAllocError> {
        let place = self.try_alloc_layout(Layout::for_value(source))?;
        // SAFETY: 1. and 2. a fresh block for `source.len()` values (Y3), valid while `self` is
        // borrowed.
        Ok(unsafe { put_slice(place, source) })
    }

    /// Copies a string into the region.
    ///
    /// # Panics
    ///
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, source: &str) -> &mut str {
        self.with_local(|local| local.alloc_str(source))
    }

    /// Copies a string into the region, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&mut str, TryAllocError> {
        let copy = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { as_str(copy) })
    }

    /// Runs `work` with this thread's part of the region, looked up once.
    ///
    /// For a run of allocations. The values live as long as the region is borrowed, not only as
    /// long as `work` runs.
    ///
    /// ```
    /// let region = alloc_linear::SyncLinear::with_capacity(4096);
    /// let squares = region.with_local(|local| {
    ///     core::array::from_fn::<_, 4, _>(|n| local.alloc(n * n))
    /// });
    /// assert_eq!(*squares[3], 9);
    /// ```
    ///
    /// # Panics
    ///
    /// Aborts if there is no memory for a thread's slot (`handle_alloc_error`).
    #[inline]
    pub fn with_local<'a, R>(&'a self, work: impl FnOnce(&Local<'a, '_, MIN_ALIGN, A>) -> R) -> R {
        self.slots.with_or(Slot::empty, |slot| {
            // SAFETY: 1. this thread's slot.
            let block = unsafe { slot.block() };
            work(&Local { region: self, block })
        })
    }

    #[inline]
    fn with_block<R>(
        &self,
        layout: Layout,
        work: impl FnOnce(&Block<MIN_ALIGN>) -> Result<R, TryAllocError>,
    ) -> Result<R, TryAllocError> {
        let init = || Ok::<_, Infallible>(Slot::empty());
        // SAFETY: 1. this thread's slot.
        match self.slots.try_with_or(init, |slot| work(unsafe { slot.block() })) {
            Ok(result) => result,
            Err(SlotError::Alloc(_)) => {
                Err(TryAllocError::new(ErrorKind::Backing, layout, self.remaining_bytes()))
            }
            Err(SlotError::Init(never)) => match never {},
        }
    }

    /// Serves a request that the thread's block refused.
    #[cold]
    #[inline(never)]
    fn refill(
        &self,
        block: &Block<MIN_ALIGN>,
        layout: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        if let Some(bytes) = block.enter_advance() {
            // ORD Relaxed: a statistic; nothing is read by it.
            self.shared.entered_bytes.fetch_add(bytes, Relaxed);
            if let Some(place) = block.bump(layout) {
                return Ok(place);
            }
        }
        // ORD Relaxed: a statistic; nothing is read by it.
        self.shared.slow_calls.fetch_add(1, Relaxed);
        if layout.size() == 0 {
            block.counters.allocated(0, 0);
            return Ok(dangling(layout.align()));
        }
        let is_large = layout.size().saturating_add(layout.align()) > self.block_bytes / 4;
        if !is_large && let Some((start, cursor)) = self.take_block(layout) {
            // ORD Relaxed: a statistic.
            self.shared.waste_tail_bytes.fetch_add(block.free_bytes(), Relaxed);
            block.spent_bytes.set(block.used_bytes());
            block.enter(at(self.start, start), at(self.end, cursor));
            if let Some(place) = block.bump(layout) {
                return Ok(place);
            }
        }
        // Large, or too little is left for a whole block: the request alone.
        let fits = |cursor| bump::down::<MIN_ALIGN>(self.start.addr().get(), cursor, layout);
        match self.move_shared(fits) {
            Some((place, cursor)) => {
                block.counters.allocated(layout.size(), cursor - place);
                Ok(at(self.start, place))
            }
            None => Err(TryAllocError::new(ErrorKind::Full, layout, self.remaining_bytes())),
        }
    }

    /// Counts a block that this thread gave back.
    #[inline(always)]
    fn count_free(&self, block: Option<&Block<MIN_ALIGN>>) {
        #[cfg(feature = "stats")]
        match block {
            Some(block) => block.counters.freed(),
            None => {
                // ORD Relaxed: a statistic; nothing is read by it.
                self.shared.frees_elsewhere.fetch_add(1, Relaxed);
            }
        }
        #[cfg(not(feature = "stats"))]
        let _ = block;
    }

    /// Takes a block's range from the shared part, if it has one that can serve `layout`.
    fn take_block(&self, layout: Layout) -> Option<(usize, usize)> {
        // Blocks end at multiples of the line size. The cursor is one but after a large value.
        let whole = |cursor: usize| {
            let top = bump::round_down(cursor, Self::REGION_ALIGN);
            let bottom = top.checked_sub(self.block_bytes)?;
            let enough = bump::down::<MIN_ALIGN>(bottom, top, layout).is_some();
            (enough && bottom >= self.start.addr().get()).then_some(bottom)
        };
        let (bottom, cursor) = self.move_shared(whole)?;
        let bottom = if cfg!(bug = "sync-blocks-overlap") { bottom - LINE_BYTES } else { bottom };
        Some((bottom, bump::round_down(cursor, Self::REGION_ALIGN)))
    }

    /// Moves the shared cursor to where `target` says, and returns that place and where the cursor
    /// was; `None` as soon as `target` finds no room.
    fn move_shared(&self, target: impl Fn(usize) -> Option<usize>) -> Option<(usize, usize)> {
        // ORD Relaxed: only a guess, which the compare-and-swap validates.
        let mut cursor = self.shared.cursor.load(Relaxed);
        loop {
            let place = target(cursor)?;
            debug_assert!(
                place <= cursor,
                "Y2: the shared cursor falls, {place:#x} of {cursor:#x}"
            );
            #[cfg(bug = "sync-range-taken-twice")]
            // ORD Relaxed: a fault.
            if self.shared.cursor.load(Relaxed) == cursor {
                // ORD Relaxed: a fault.
                self.shared.cursor.store(place, Relaxed);
                return Some((place, cursor));
            }
            // ORD Relaxed Relaxed: atomicity alone makes the range ours (Y2); no memory is
            // published through the cursor (module, "Ordering edges").
            match self.shared.cursor.compare_exchange_weak(cursor, place, Relaxed, Relaxed) {
                Ok(_) => return Some((place, cursor)),
                Err(now) => {
                    // ORD Relaxed: a statistic.
                    self.shared.contended.fetch_add(1, Relaxed);
                    cursor = now;
                }
            }
        }
    }

    /// Empties the region: all its memory is free again, for every thread.
    ///
    /// That no thread borrows from it any more is checked by the compiler. Each thread that
    /// allocated since the last reset is given a block in advance (see the module); together these
    /// take at most two thirds of the region, so a third is there in one piece.
    ///
    /// # Complexity
    ///
    /// O(threads that ever allocated at the same time); in debug builds what was handed out is
    /// overwritten with `0xA5`, so that stale pointers kept by `unsafe` code show.
    pub fn reset(&mut self) {
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
        self.resets += 1;
        let end = self.end.addr().get();
        if cfg!(debug_assertions) {
            let taken = self.capacity_bytes() - self.remaining_bytes();
            let first = at(self.start, end - taken);
            // SAFETY: the region's memory behind the shared cursor (Y1, Y2), which nobody borrows
            // (`&mut self`, Y4).
            unsafe { first.write_bytes(0xA5, taken) };
        }
        let blocks = self.slots.iter_mut().map(Slot::block_mut);
        let active = blocks.filter(|block| block.used_bytes() != 0).count();
        let share = self.capacity_bytes() / 3 * 2 / active.max(1);
        let most = bump::round_down(share, Self::REGION_ALIGN);
        let (mut cursor, unit) = (end, self.block_bytes);
        for block in self.slots.iter_mut().map(Slot::block_mut) {
            // Whole blocks, so that a little more or less work moves nobody else's block.
            let needed =
                block.used_bytes().checked_next_multiple_of(unit).unwrap_or(most).min(most);
            block.restart();
            if needed != 0 {
                let start = cursor - needed;
                block.give_in_advance(at(self.start, start), at(self.start, cursor));
                cursor = start;
            }
        }
        self.advance_bytes = end - cursor;
        self.shared.cursor.with_mut(|shared| *shared = cursor);
        self.shared.waste_tail_bytes.with_mut(|bytes| *bytes = 0);
        self.shared.entered_bytes.with_mut(|bytes| *bytes = 0);
    }

    /// Returns the bytes that threads took since the last reset: blocks, used or not, and large
    /// values. A block given in advance counts from its thread's first request on.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        // ORD Relaxed: a statistic; exact only while no other thread allocates.
        let entered = self.shared.entered_bytes.load(Relaxed);
        let entered = if cfg!(bug = "sync-advance-is-not-counted") { 0 } else { entered };
        self.capacity_bytes() - self.remaining_bytes() - self.advance_bytes + entered
    }

    /// Returns the bytes of the shared part that no thread has taken yet.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        // ORD Relaxed: a statistic; exact only while no other thread allocates.
        self.shared.cursor.load(Relaxed) - self.start.addr().get()
    }

    /// Returns the size of the region in bytes, used or not.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.end.addr().get() - self.start.addr().get()
    }

    /// Returns the number of bytes that a thread takes at once.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.backing
    }

    /// Returns what the region did so far.
    ///
    /// Allocations and what they asked for are counted with feature `stats`, each thread its own.
    /// The peak is exact without: between two resets the bytes in use only rise.
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        let mut stats = AllocStats::default();
        stats.used_bytes = self.used_bytes();
        stats.reserved_bytes = self.memory.len();
        stats.peak_bytes = self.peak_bytes.max(stats.used_bytes);
        stats.resets = self.resets;
        // ORD Relaxed: statistics, each exact by itself.
        stats.waste_tail_bytes = self.shared.waste_tail_bytes.load(Relaxed);
        // ORD Relaxed: as above.
        stats.slow_calls = self.shared.slow_calls.load(Relaxed);
        // ORD Relaxed: as above.
        stats.contended = self.shared.contended.load(Relaxed);
        #[cfg(feature = "stats")]
        {
            // Of a region that nobody used yet, too.
            Counters::new().add_to(&mut stats);
            self.slots.for_each_shared(|slot| slot.counters().add_to(&mut stats));
            // ORD Relaxed: as above.
            let elsewhere = self.shared.frees_elsewhere.load(Relaxed);
            stats.frees = stats.frees.map(|frees| frees + elsewhere);
        }
        stats
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for SyncLinear<MIN_ALIGN, A> {
    fn drop(&mut self) {
        if !self.memory.is_empty() {
            // SAFETY: the memory was allocated with this alignment, and its length is between what
            // was asked for and what was returned (Y1); nobody borrows it (Y4).
            let layout =
                unsafe { Layout::from_size_align_unchecked(self.memory.len(), Self::REGION_ALIGN) };
            // SAFETY: as above.
            unsafe { self.backing.deallocate(self.memory.cast(), layout) };
        }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for SyncLinear<MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncLinear")
            .field("min_align", &MIN_ALIGN)
            .field("capacity_bytes", &self.capacity_bytes())
            .field("used_bytes", &self.used_bytes())
            .field("block_bytes", &self.block_bytes)
            .field("threads", &self.slots.len())
            .finish_non_exhaustive()
    }
}
