//! [`Burst`]: the cursor in a register, for a run of allocations.
//!
//! A region keeps its cursor in memory, because others may allocate through it between any two
//! calls. A burst takes the free part out of the region and bumps a cursor of its own, which the
//! compiler keeps in a register: an allocation is then a subtraction, a comparison and a branch.
//!
//! # Invariants
//!
//! * **U1** while a burst is alive the region is closed (I4), so `start..cursor` of the burst is
//!   nobody else's. A burst that is forgotten leaves the region closed until it is reset.
//! * **U2** `start <= cursor`, both multiples of `MIN_ALIGN` as in I2, but where a builder's limit
//!   stands; the region's own `start` may fall meanwhile (a builder goes), never rise.

use core::fmt;
use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Global, Layout, Rejected, TryAllocError, bump};

use crate::Linear;
use crate::linear::{at, dangling};
use crate::place::{NoDrop, as_str, no_room, put, put_slice};

/// Exclusive use of a region's free part, for as many allocations as come in a row.
///
/// Values live as long as the region is borrowed, not only as long as the burst. While the burst
/// is alive, requests to the region itself are refused ([`ErrorKind::Closed`]).
///
/// # Examples
///
/// ```
/// let region = alloc_linear::Linear::<8>::with_min_align(4096);
/// let mut burst = region.burst();
/// let numbers: [&mut u64; 3] = core::array::from_fn(|n| burst.alloc(n as u64));
/// drop(burst);
/// assert_eq!(*numbers[2], 2); // still there
/// assert_eq!(region.used_bytes(), 24);
/// ```
#[must_use = "a burst closes its region until it is dropped"]
pub struct Burst<'a, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    region: &'a Linear<MIN_ALIGN, A>,
    cursor: NonNull<u8>,
    start: NonNull<u8>,
}

impl<const MIN_ALIGN: usize, A: Allocator> Linear<MIN_ALIGN, A> {
    /// Takes the free part of the region for a run of allocations.
    ///
    /// # Panics
    ///
    /// If another burst is alive, or was forgotten. See [`try_burst`](Self::try_burst).
    #[inline]
    #[track_caller]
    pub fn burst(&self) -> Burst<'_, MIN_ALIGN, A> {
        match self.try_burst() {
            Ok(burst) => burst,
            Err(error) => no_room(error),
        }
    }

    /// Takes the free part of the region for a run of allocations, or says why it cannot.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if another burst is alive, or was forgotten.
    #[inline]
    pub fn try_burst(&self) -> Result<Burst<'_, MIN_ALIGN, A>, TryAllocError> {
        match self.close() {
            Some((cursor, start)) => Ok(Burst { region: self, cursor, start }),
            None => Err(TryAllocError::new(ErrorKind::Closed, Layout::new::<()>(), 0)),
        }
    }
}

impl<'a, const MIN_ALIGN: usize, A: Allocator> Burst<'a, MIN_ALIGN, A> {
    /// Returns a block of `layout`, its contents undefined.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline(always)]
    #[track_caller]
    pub fn alloc_layout(&mut self, layout: Layout) -> NonNull<u8> {
        match self.try_alloc_layout(layout) {
            Ok(block) => block,
            Err(error) => no_room(error),
        }
    }

    /// Returns a block of `layout`, its contents undefined, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// If the region has no room and cannot grow.
    #[inline(always)]
    pub fn try_alloc_layout(&mut self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        let cursor = self.cursor.addr().get();
        match bump::down::<MIN_ALIGN>(self.start.addr().get(), cursor, layout) {
            Some(address) => Ok(self.take(address, layout.size())),
            None => self.refill(self.cursor, layout),
        }
    }

    /// Takes a block of `size` bytes for values of `T`.
    ///
    /// The result is the new cursor in every case, so one register serves for both, and the loop
    /// around a burst is a subtraction, a comparison and a branch.
    #[inline(always)]
    fn take_for<T>(&mut self, size: usize) -> Result<NonNull<u8>, TryAllocError> {
        if size == 0 {
            self.region.counters().allocated(0, 0, || self.region.used_above(self.cursor));
            return Ok(dangling(align_of::<T>()));
        }
        let address = bump::candidate_for::<T, MIN_ALIGN>(self.cursor.addr().get(), size);
        if bump::fits(self.start.addr().get(), address) {
            return Ok(self.take(address, size));
        }
        // Where the size alone places the block, the old cursor follows from the candidate, and
        // need not be kept in a second register for the sake of this cold branch: `black_box`
        // hides from the compiler that the two are the same.
        // Elsewhere than in the low half a candidate below zero is not the difference, but 0.
        let cursor = if const { bump::LOW_HALF && bump::is_placed_by_size::<T, MIN_ALIGN>() } {
            at(self.start, core::hint::black_box(address).wrapping_add(size))
        } else {
            self.cursor
        };
        let block = self.refill(cursor, layout_of::<T>(size))?;
        debug_assert_eq!(block, self.cursor, "a block that takes room is the new cursor");
        Ok(self.cursor)
    }

    #[inline(always)]
    fn take(&mut self, address: usize, size: usize) -> NonNull<u8> {
        let block = at(self.start, address);
        let moved = self.cursor.addr().get() - address;
        self.cursor = block;
        self.region.counters().allocated(size, moved, || self.region.used_above(block));
        block
    }

    /// Moves `value` into the region.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc`](Self::try_alloc).
    #[inline(always)]
    #[track_caller]
    pub fn alloc<T>(&mut self, value: T) -> &'a mut T {
        match self.try_alloc(value) {
            Ok(value) => value,
            Err(rejected) => no_room(rejected.error()),
        }
    }

    /// Moves `value` into the region, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the region has no room and cannot grow.
    #[inline(always)]
    pub fn try_alloc<T>(&mut self, value: T) -> Result<&'a mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        match self.take_for::<T>(size_of::<T>()) {
            // SAFETY: 1. and 2. a fresh block of this layout (U1), valid while the region is
            // borrowed for `'a` (I5).
            Ok(block) => Ok(unsafe { put(block, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Copies a slice into the region.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_slice_copy`](Self::try_alloc_slice_copy).
    #[inline(always)]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&mut self, source: &[T]) -> &'a mut [T] {
        match self.try_alloc_slice_copy(source) {
            Ok(copy) => copy,
            Err(error) => no_room(error),
        }
    }

    /// Copies a slice into the region, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the region has no room and cannot grow.
    #[inline(always)]
    pub fn try_alloc_slice_copy<T: Copy>(
        &mut self,
        source: &[T],
    ) -> Result<&'a mut [T], TryAllocError> {
        let block = self.take_for::<T>(size_of_val(source))?;
        // SAFETY: as in `try_alloc`, for `source.len()` values.
        Ok(unsafe { put_slice(block, source) })
    }

    /// Copies a string into the region.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_str`](Self::try_alloc_str).
    #[inline(always)]
    #[track_caller]
    pub fn alloc_str(&mut self, source: &str) -> &'a mut str {
        // SAFETY: 1. a copy of a string.
        unsafe { as_str(self.alloc_slice_copy(source.as_bytes())) }
    }

    /// Copies a string into the region, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the region has no room and cannot grow.
    #[inline(always)]
    pub fn try_alloc_str(&mut self, source: &str) -> Result<&'a mut str, TryAllocError> {
        let copy = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { as_str(copy) })
    }

    /// Returns the bytes that are free.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        self.cursor.addr().get() - self.start.addr().get()
    }

    /// What the fast path could not serve, given the cursor as it was.
    ///
    /// The state goes in and out by value, so that the burst's own need not live in memory.
    #[inline(always)]
    fn refill(
        &mut self,
        cursor: NonNull<u8>,
        layout: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        self.cursor = cursor; // for the case that the backing panics
        let (result, free) = serve(self.region, cursor, layout);
        (self.cursor, self.start) = (free.cursor, free.start);
        result
    }
}

/// The free part of a region, out on loan.
struct Free {
    cursor: NonNull<u8>,
    start: NonNull<u8>,
}

/// Lets the region extend itself below the free part, and serves the request from there.
///
/// The region stays closed throughout (U1), also if the backing panics.
#[cold]
#[inline(never)]
fn serve<const MIN_ALIGN: usize, A: Allocator>(
    region: &Linear<MIN_ALIGN, A>,
    cursor: NonNull<u8>,
    layout: Layout,
) -> (Result<NonNull<u8>, TryAllocError>, Free) {
    region.counters().slow();
    let place = || {
        let start = region.start(); // lower than it was, if a builder went
        bump::down::<MIN_ALIGN>(start.addr().get(), cursor.addr().get(), layout)
            .map(|address| at(start, address))
    };
    let placed = match place() {
        None if layout.size() != 0 && region.extend(cursor, layout) => place(),
        placed => placed,
    };
    let start = region.start();
    let cursor = at(start, cursor.addr().get());
    let (result, after) = match placed {
        Some(block) => {
            let moved = cursor.addr().get() - block.addr().get();
            region.counters().allocated(layout.size(), moved, || region.used_above(block));
            (Ok(block), block)
        }
        None if layout.size() == 0 => {
            region.counters().allocated(0, 0, || region.used_above(cursor));
            (Ok(dangling(layout.align())), cursor)
        }
        None => {
            let remaining_bytes = cursor.addr().get() - start.addr().get();
            region.counters().refused(remaining_bytes);
            (Err(TryAllocError::new(ErrorKind::Full, layout, remaining_bytes)), cursor)
        }
    };
    (result, Free { cursor: after, start })
}

/// The layout of `size` bytes of `T`s that exist or were computed as a layout.
#[cold]
fn layout_of<T>(size: usize) -> Layout {
    match Layout::from_size_align(size, align_of::<T>()) {
        Ok(layout) => layout,
        Err(_) => unreachable!("{size} bytes are the size of a value or slice"),
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Burst<'_, MIN_ALIGN, A> {
    #[inline(always)]
    fn drop(&mut self) {
        self.region.open(self.cursor);
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Burst<'_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Burst")
            .field("remaining_bytes", &self.remaining_bytes())
            .finish_non_exhaustive()
    }
}
