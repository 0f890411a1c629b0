//! [`Local`]: a thread's part of a shared region, looked up once for a run of allocations.

use core::fmt;
use core::ptr::NonNull;

use alloc_core::{Allocator, Layout, Rejected, TryAllocError};

use super::SyncLinear;
use super::block::Block;
use crate::place::{NoDrop, as_str, no_room, put, put_slice};

/// A thread's part of a [`SyncLinear`], for the length of one
/// [`with_local`](SyncLinear::with_local).
///
/// Values live as long as the region is borrowed (`'a`).
pub struct Local<'a, 'l, const MIN_ALIGN: usize, A: Allocator> {
    pub(super) region: &'a SyncLinear<MIN_ALIGN, A>,
    pub(super) block: &'l Block<MIN_ALIGN>,
}

impl<'a, const MIN_ALIGN: usize, A: Allocator> Local<'a, '_, MIN_ALIGN, A> {
    /// Returns a block of `layout`, its contents undefined.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.block.bump(layout) {
            Some(place) => place,
            None => self.refill_or_panic(layout),
        }
    }

    /// Returns a block of `layout`, its contents undefined, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// If neither this thread's block nor the shared part has room, though other threads' blocks
    /// may.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.block.bump(layout) {
            Some(place) => Ok(place),
            None => self.region.refill(self.block, layout),
        }
    }

    /// Moves `value` into the region.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc`](Self::try_alloc).
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &'a mut T {
        const { NoDrop::<T>::CHECK };
        let place = match self.block.bump_for::<T>(size_of::<T>()) {
            Some(place) => place,
            None => self.refill_or_panic(Layout::new::<T>()),
        };
        // SAFETY: 1. and 2. a fresh block of this layout (Y3), valid while the region is borrowed.
        unsafe { put(place, value) }
    }

    /// Moves `value` into the region, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&'a mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        let place = match self.block.bump_for::<T>(size_of::<T>()) {
            Some(place) => Ok(place),
            None => self.region.refill(self.block, Layout::new::<T>()),
        };
        match place {
            // SAFETY: as in `alloc`.
            Ok(place) => Ok(unsafe { put(place, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Copies a slice into the region.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_slice_copy`](Self::try_alloc_slice_copy).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &'a mut [T] {
        let layout = Layout::for_value(source);
        let place = match self.block.bump_for::<T>(layout.size()) {
            Some(place) => place,
            None => self.refill_or_panic(layout),
        };
        // SAFETY: as in `alloc`, for `source.len()` values.
        unsafe { put_slice(place, source) }
    }

    /// Copies a slice into the region, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(
        &self,
        source: &[T],
    ) -> Result<&'a mut [T], TryAllocError> {
        let place = self.try_alloc_layout(Layout::for_value(source))?;
        // SAFETY: as in `alloc`, for `source.len()` values.
        Ok(unsafe { put_slice(place, source) })
    }

    /// Copies a string into the region.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_str`](Self::try_alloc_str).
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, source: &str) -> &'a mut str {
        // SAFETY: 1. a copy of a string.
        unsafe { as_str(self.alloc_slice_copy(source.as_bytes())) }
    }

    /// Copies a string into the region, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&'a mut str, TryAllocError> {
        let copy = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { as_str(copy) })
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refill_or_panic(&self, layout: Layout) -> NonNull<u8> {
        match self.region.refill(self.block, layout) {
            Ok(place) => place,
            Err(error) => no_room(error),
        }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Local<'_, '_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("block_free_bytes", &self.block.free_bytes())
            .finish_non_exhaustive()
    }
}
