//! [`EndScope`]: what allocates at one end of a [`TwoEnded`].

use core::fmt;
use core::ptr::NonNull;

use alloc_core::collections::Vec;
use alloc_core::place::{array_layout, as_str, put, put_slice};
use alloc_core::{AllocError, Allocator, Global, Layout, Rejected, TryAllocError};

use super::{EndFrame, TwoEnded, at};
use crate::place::NoDrop;

/// Allocates at one end of a [`TwoEnded`], in a frame; references last as long as the frame's guard
/// is borrowed, `'g`.
///
/// Values are not dropped; types that need it are refused at compile time. Collections of
/// [`alloc_core::collections`] drop theirs: the scope is an [`Allocator`].
pub struct EndScope<'g, const HIGH: bool, A: Allocator = Global> {
    region: &'g TwoEnded<A>,
}

impl<'g, const HIGH: bool, A: Allocator> EndScope<'g, HIGH, A> {
    pub(super) fn new(region: &'g TwoEnded<A>) -> Self {
        Self { region }
    }

    /// Begins a frame inside this one. What this scope handed out stays usable meanwhile; the scope
    /// itself does not.
    pub fn frame(&mut self) -> EndFrame<'_, HIGH, A> {
        EndFrame { region: self.region, mark: self.region.cursor::<HIGH>().get() }
    }

    /// Returns the region, to look at.
    #[must_use]
    pub fn region(&self) -> &'g TwoEnded<A> {
        self.region
    }

    /// Returns a block of `layout`, its contents undefined, valid until the frame ends.
    ///
    /// # Panics
    ///
    /// If the ends would meet.
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.try_alloc_layout(layout) {
            Ok(block) => block,
            Err(error) => self.no_room(error),
        }
    }

    /// Returns a block of `layout`, its contents undefined, valid until the frame ends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`](alloc_core::ErrorKind::Full) if the ends would meet.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.region.take::<HIGH>(layout) {
            Some(block) => Ok(block),
            None => self.region.take_slow(layout),
        }
    }

    /// Moves `value` into the region.
    ///
    /// # Panics
    ///
    /// If the ends would meet. See [`try_alloc`](Self::try_alloc).
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &'g mut T {
        match self.try_alloc(value) {
            Ok(value) => value,
            Err(rejected) => self.no_room(rejected.error()),
        }
    }

    /// Moves `value` into the region, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`](alloc_core::ErrorKind::Full) if the ends would meet.
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&'g mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        match self.region.take_for::<HIGH, T>(Layout::new::<T>()) {
            // SAFETY: 1. a block of this layout, valid during `'g` (T3); 2. fresh (T2).
            Ok(block) => Ok(unsafe { put(block, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Copies `values` into the region.
    ///
    /// # Panics
    ///
    /// If the ends would meet.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &'g mut [T] {
        match self.try_alloc_slice_copy(values) {
            Ok(values) => values,
            Err(error) => self.no_room(error),
        }
    }

    /// Copies `values` into the region, or says why there is no room.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`](alloc_core::ErrorKind::Full) if the ends would meet.
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(
        &self,
        values: &[T],
    ) -> Result<&'g mut [T], TryAllocError> {
        let block = self.region.take_for::<HIGH, T>(Layout::for_value(values))?;
        // SAFETY: 1. a block of this layout, valid during `'g` (T3); 2. fresh (T2).
        Ok(unsafe { put_slice(block, values) })
    }

    /// Copies `text` into the region.
    ///
    /// # Panics
    ///
    /// If the ends would meet.
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, text: &str) -> &'g mut str {
        let bytes = self.alloc_slice_copy(text.as_bytes());
        // SAFETY: 1. a copy of valid UTF-8.
        unsafe { as_str(bytes) }
    }

    /// Copies `text` into the region, or says why there is no room.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`](alloc_core::ErrorKind::Full) if the ends would meet.
    #[inline]
    pub fn try_alloc_str(&self, text: &str) -> Result<&'g mut str, TryAllocError> {
        let bytes = self.try_alloc_slice_copy(text.as_bytes())?;
        // SAFETY: 1. a copy of valid UTF-8.
        Ok(unsafe { as_str(bytes) })
    }

    /// Makes a slice of the values that `make` returns for 0, 1, 2 … `len - 1`.
    ///
    /// `make` may allocate at either end.
    ///
    /// # Panics
    ///
    /// If the ends would meet, or `make` panics (the room is given back when the frame ends).
    #[track_caller]
    pub fn alloc_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> &'g mut [T] {
        match self.try_alloc_slice_fill_with(len, make) {
            Ok(values) => values,
            Err(error) => self.no_room(error),
        }
    }

    /// Makes a slice of `len` values, or says why there is no room, without having called `make`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`](alloc_core::ErrorKind::Full) if the ends would meet,
    /// [`ErrorKind::CapacityOverflow`](alloc_core::ErrorKind::CapacityOverflow) if the slice would
    /// exceed `isize::MAX` bytes.
    pub fn try_alloc_slice_fill_with<T>(
        &self,
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<&'g mut [T], TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let block = self.region.take_for::<HIGH, T>(array_layout::<T>(len)?)?;
        let first = block.cast::<T>();
        for index in 0..len {
            let value = make(index);
            // SAFETY: the block has room for `len` values.
            let place = unsafe { first.add(index) };
            // SAFETY: in the block, aligned, fresh (T2).
            unsafe { place.write(value) };
        }
        let mut slice = NonNull::slice_from_raw_parts(first, len);
        // SAFETY: all `len` values were written; the block is valid during `'g` (T3) and nobody
        // else's (T2).
        Ok(unsafe { slice.as_mut() })
    }

    /// Collects `values` into a slice. Their number need not be known, or true.
    ///
    /// # Panics
    ///
    /// If the ends would meet.
    #[track_caller]
    pub fn alloc_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> &'g mut [T] {
        match self.try_alloc_from_iter(values) {
            Ok(values) => values,
            Err(error) => self.no_room(error),
        }
    }

    /// Collects `values` into a slice, or says why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_slice_fill_with`](Self::try_alloc_slice_fill_with).
    pub fn try_alloc_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&'g mut [T], TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let values = values.into_iter();
        let mut vector = Vec::new_in(Self { region: self.region });
        let hint = values.size_hint().0;
        // A hint that cannot be met may be untrue: the values themselves decide.
        if vector.try_reserve_exact(hint).is_err() && cfg!(bug = "two-ended-trusts-hints") {
            return Err(self.refusal::<T>(hint));
        }
        for value in values {
            // Twice as much as before, or what there is.
            if vector.try_reserve(1).or_else(|_| vector.try_reserve_exact(1)).is_err() {
                return Err(self.refusal::<T>(vector.len() + 1));
            }
            vector.push(value);
        }
        vector.shrink_to_fit();
        Ok(Vec::leak(vector))
    }

    /// Why a vector of `len` values found no room.
    #[cold]
    fn refusal<T>(&self, len: usize) -> TryAllocError {
        match array_layout::<T>(len) {
            Ok(layout) => TryAllocError::new(
                alloc_core::ErrorKind::Full,
                layout,
                self.region.remaining_bytes(),
            ),
            Err(error) => error,
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn no_room(&self, error: TryAllocError) -> ! {
        panic!("two-ended region of {} bytes: {error}", self.region.capacity_bytes())
    }

    /// The pointer at `address`, good for the whole region: what a caller gives back may be good for
    /// its block only.
    #[inline(always)]
    fn at(&self, address: usize) -> NonNull<u8> {
        at(self.region.start, address)
    }

    /// Whether the block is the newest of this end.
    #[inline]
    fn is_newest(&self, block: NonNull<u8>, size: usize) -> bool {
        let outer = block.addr().get();
        let newest = self.region.cursor::<HIGH>().get().addr().get();
        size != 0 && newest == if HIGH { outer } else { outer + size }
    }
}

// SAFETY: blocks are fresh (T2) and valid until their frame ends (T3), which outlives every scope of
// it, since `'g` borrows its guard; a scope is no `Clone`, and moving it moves no block. Blocks are
// given back at the end they were taken from: the type says which.
unsafe impl<const HIGH: bool, A: Allocator> Allocator for EndScope<'_, HIGH, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.try_alloc_layout(layout).map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        self.region.count_free();
        if self.is_newest(ptr, layout.size()) {
            let address = ptr.addr().get();
            let back = if HIGH { address + layout.size() } else { address };
            self.region.unwind::<HIGH>(self.at(back));
        }
    }

    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size(), "grow from {old:?} to {new:?}");
        let aligned = ptr.addr().get().is_multiple_of(new.align());
        let more = new.size() - old.size();
        if !HIGH && aligned && self.is_newest(ptr, old.size()) {
            // In place: the newest low block ends where the free part begins.
            if more > self.region.remaining_bytes() {
                return Err(AllocError);
            }
            let address = ptr.addr().get();
            self.region.count_growth(more);
            self.region.low.set(self.at(address + new.size()));
            return Ok(NonNull::slice_from_raw_parts(self.at(address), new.size()));
        }
        let block = self.allocate(new)?;
        // SAFETY: the old block is alive with `old` (the caller's promise), the new one is fresh and
        // no shorter.
        unsafe { block.cast::<u8>().copy_from_nonoverlapping(ptr, old.size()) };
        self.region.count_free();
        Ok(block)
    }

    #[inline]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() >= new.size(), "shrink from {old:?} to {new:?}");
        if !ptr.addr().get().is_multiple_of(new.align()) {
            let block = self.allocate(new)?;
            // SAFETY: both are at least `new.size()` long, and the new one is fresh.
            unsafe { block.cast::<u8>().copy_from_nonoverlapping(ptr, new.size()) };
            self.region.count_free();
            return Ok(block);
        }
        if !HIGH && self.is_newest(ptr, old.size()) {
            self.region.unwind::<HIGH>(self.at(ptr.addr().get() + new.size()));
        }
        Ok(NonNull::slice_from_raw_parts(ptr, new.size()))
    }
}

impl<const HIGH: bool, A: Allocator> fmt::Debug for EndScope<'_, HIGH, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndScope").field("high", &HIGH).field("region", self.region).finish()
    }
}
