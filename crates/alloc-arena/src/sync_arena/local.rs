//! [`Local`]: a thread's part of a shared arena, looked up once for a run of allocations.

use core::fmt;
use core::ptr::NonNull;

use alloc_core::place::{as_str, put, put_slice};
use alloc_core::{Allocator, Layout, Rejected, TryAllocError};

use super::{Part, SyncArena};
use crate::arena::no_room;
use crate::no_drop::NoDrop;

/// A thread's part of a [`SyncArena`], for the length of one
/// [`with_local`](SyncArena::with_local).
///
/// Values live as long as the arena is borrowed (`'a`). Each method has the name, and the meaning,
/// that it has on [`Arena`](crate::Arena).
pub struct Local<'a, 'l, const MIN_ALIGN: usize, A: Allocator> {
    pub(super) arena: &'a SyncArena<MIN_ALIGN, A>,
    pub(super) part: &'l Part<MIN_ALIGN, A>,
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
        match self.part.bump(layout) {
            Some(place) => place,
            None => self.arena.refill_or_panic(self.part, layout),
        }
    }

    /// Returns a block of `layout`, its contents undefined, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.part.bump(layout) {
            Some(place) => Ok(place),
            None => self.arena.refill(self.part, layout),
        }
    }

    /// Moves `value` into the arena.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc`](Self::try_alloc).
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &'a mut T {
        const { NoDrop::<T>::CHECK };
        let place = match self.part.bump_for::<T>(size_of::<T>()) {
            Some(place) => place,
            None => self.arena.refill_or_panic(self.part, Layout::new::<T>()),
        };
        // SAFETY: 1. and 2. a fresh block of this layout (I3 of the part), valid while the arena is
        // borrowed (S3).
        unsafe { put(place, value) }
    }

    /// Moves `value` into the arena, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&'a mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        match self.try_alloc_layout(Layout::new::<T>()) {
            // SAFETY: as in `alloc`.
            Ok(place) => Ok(unsafe { put(place, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Moves `value` into the arena, which will drop it.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_drop`](Self::try_alloc_drop).
    #[inline]
    #[track_caller]
    pub fn alloc_drop<T: Send + 'static>(&self, value: T) -> &'a mut T {
        match self.try_alloc_drop(value) {
            Ok(value) => value,
            Err(rejected) => no_room(rejected.error()),
        }
    }

    /// Moves `value` into the arena, which will drop it, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_drop<T: Send + 'static>(&self, value: T) -> Result<&'a mut T, Rejected<T>> {
        match self.part.try_alloc_drop(value) {
            // SAFETY: the part's block, valid while the arena is borrowed (S3).
            Ok(value) => Ok(unsafe { stretch(value) }),
            Err(rejected) => {
                let error = self.arena.explain(self.part, rejected.error());
                Err(Rejected::new(rejected.into_value(), error))
            }
        }
    }

    /// Copies a slice into the arena.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_slice_copy`](Self::try_alloc_slice_copy).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &'a mut [T] {
        let layout = Layout::for_value(source);
        let place = match self.part.bump_for::<T>(layout.size()) {
            Some(place) => place,
            None => self.arena.refill_or_panic(self.part, layout),
        };
        // SAFETY: as in `alloc`, for `source.len()` values.
        unsafe { put_slice(place, source) }
    }

    /// Copies a slice into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(
        &self,
        source: &[T],
    ) -> Result<&'a mut [T], TryAllocError> {
        let place = self.try_alloc_layout(Layout::for_value(source))?;
        // SAFETY: as in `alloc`, for `source.len()` values.
        Ok(unsafe { put_slice(place, source) })
    }

    /// Copies a string into the arena.
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

    /// Copies a string into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&'a mut str, TryAllocError> {
        let copy = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { as_str(copy) })
    }

    /// Makes a slice of `len` values, element `i` by `make(i)`, which may allocate from the arena.
    ///
    /// # Panics
    ///
    /// If there is no room, the slice would exceed `isize::MAX` bytes, or `make` panics.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> &'a mut [T] {
        match self.part.try_alloc_slice_fill_with(len, make) {
            // SAFETY: the part's block, valid while the arena is borrowed (S3).
            Ok(slice) => unsafe { stretch(slice) },
            Err(error) => no_room(self.arena.explain(self.part, error)),
        }
    }

    /// Collects an iterator of any length into a slice. The iterator may allocate from the arena.
    ///
    /// # Panics
    ///
    /// If there is no room, or the iterator panics.
    #[inline]
    #[track_caller]
    pub fn alloc_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> &'a mut [T] {
        match self.try_alloc_from_iter(values) {
            Ok(slice) => slice,
            Err(error) => no_room(error),
        }
    }

    /// Collects an iterator of any length into a slice, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    pub fn try_alloc_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&'a mut [T], TryAllocError> {
        match self.part.try_alloc_from_iter(values) {
            // SAFETY: the part's block, valid while the arena is borrowed (S3).
            Ok(slice) => Ok(unsafe { stretch(slice) }),
            Err(error) => Err(self.arena.explain(self.part, error)),
        }
    }

    /// Formats into a string in the arena.
    ///
    /// # Panics
    ///
    /// If there is no room, or a formatted value returns an error.
    #[track_caller]
    pub fn alloc_fmt(&self, arguments: fmt::Arguments<'_>) -> &'a mut str {
        // SAFETY: the part's block, valid while the arena is borrowed (S3).
        unsafe { stretch(self.part.alloc_fmt(arguments)) }
    }
}

/// Makes a loan as long as `'a`.
///
/// # Safety
///
/// 1. what `value` points to is valid for `'a`, and nobody else uses it during that time.
#[inline(always)]
unsafe fn stretch<'a, T: ?Sized>(value: &mut T) -> &'a mut T {
    // SAFETY: clause 1.
    unsafe { NonNull::from_mut(value).as_mut() }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Local<'_, '_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("remaining_bytes", &self.part.remaining_bytes())
            .finish_non_exhaustive()
    }
}
