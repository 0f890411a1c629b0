//! The methods of an [`Arena`] on a [`Scope`]: the same, for as long as the frame.
//!
//! Each passes on to the arena's method of its name, whose documentation is its own. What differs is
//! the lifetime of what comes back: `'g`, the borrow of the frame's guard, and not that of the scope,
//! so that a child frame can be opened while it is in use.

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use alloc_core::{Allocator, Layout, Rejected, TryAllocError};

use crate::Scope;
use crate::arena::no_room;

impl<'g, 's, const MIN_ALIGN: usize, A: Allocator> Scope<'g, 's, MIN_ALIGN, A> {
    /// Moves `value` into the frame, which will drop it, the newest value first.
    ///
    /// `T` may borrow what outlives the frame's guard. A guard that is forgotten drops nothing.
    ///
    /// ```
    /// let log = std::cell::RefCell::new(String::new());
    /// struct Note<'a>(&'a std::cell::RefCell<String>);
    /// impl Drop for Note<'_> {
    ///     fn drop(&mut self) {
    ///         self.0.borrow_mut().push_str("dropped");
    ///     }
    /// }
    ///
    /// let mut arena = alloc_arena::Arena::new();
    /// arena.scoped(|scope| {
    ///     scope.alloc_drop(Note(&log));
    /// });
    /// assert_eq!(*log.borrow(), "dropped");
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_drop`](Self::try_alloc_drop).
    #[inline]
    #[track_caller]
    pub fn alloc_drop<T: 's>(&self, value: T) -> &'g mut T {
        match self.try_alloc_drop(value) {
            Ok(value) => value,
            Err(rejected) => no_room(rejected.error()),
        }
    }

    /// Moves `value` into the frame, which will drop it, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_drop<T: 's>(&self, value: T) -> Result<&'g mut T, Rejected<T>> {
        // SAFETY: 1. the list is the guard's, run before the frame's blocks end, when `'g` is over;
        // 2. F3: `T: 's`; 3. neither the guard nor the scope can leave this thread.
        unsafe { self.arena.place_drop(self.drops, value) }
    }

    /// Moves `value` into the frame: see [`Arena::alloc`](crate::Arena::alloc).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &'g mut T {
        self.arena.alloc(value)
    }

    /// Moves `value` into the frame, or hands it back with the reason: see [`Arena::try_alloc`](crate::Arena::try_alloc).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&'g mut T, Rejected<T>> {
        self.arena.try_alloc(value)
    }

    /// Makes a value in place: see [`Arena::alloc_with`](crate::Arena::alloc_with).
    ///
    /// # Panics
    ///
    /// If there is no room, or `make` panics.
    #[inline]
    #[track_caller]
    pub fn alloc_with<T>(&self, make: impl FnOnce() -> T) -> &'g mut T {
        self.arena.alloc_with(make)
    }

    /// Makes a value in place, or returns the reason why there is no room for it: see [`Arena::try_alloc_with`](crate::Arena::try_alloc_with).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_with<T>(&self, make: impl FnOnce() -> T) -> Result<&'g mut T, TryAllocError> {
        self.arena.try_alloc_with(make)
    }

    /// Makes a value in place, unless `make` fails: see [`Arena::alloc_try_with`](crate::Arena::alloc_try_with).
    ///
    /// # Errors
    ///
    /// What `make` returns.
    ///
    /// # Panics
    ///
    /// If there is no room, or `make` panics.
    #[inline]
    #[track_caller]
    pub fn alloc_try_with<T, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&'g mut T, E> {
        self.arena.alloc_try_with(make)
    }

    /// Returns room for a value that the caller writes: see [`Arena::alloc_uninit`](crate::Arena::alloc_uninit).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_uninit<T>(&self) -> &'g mut MaybeUninit<T> {
        self.arena.alloc_uninit()
    }

    /// Returns room for a value that the caller writes, or the reason why there is none: see
    /// [`Arena::try_alloc_uninit`](crate::Arena::try_alloc_uninit).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_uninit<T>(&self) -> Result<&'g mut MaybeUninit<T>, TryAllocError> {
        self.arena.try_alloc_uninit()
    }

    /// Returns room for `len` values that the caller writes: see [`Arena::alloc_uninit_slice`](crate::Arena::alloc_uninit_slice).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_uninit_slice<T>(&self, len: usize) -> &'g mut [MaybeUninit<T>] {
        self.arena.alloc_uninit_slice(len)
    }

    /// Returns room for `len` values, or the reason why there is none: see [`Arena::try_alloc_uninit_slice`](crate::Arena::try_alloc_uninit_slice).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_uninit_slice<T>(
        &self,
        len: usize,
    ) -> Result<&'g mut [MaybeUninit<T>], TryAllocError> {
        self.arena.try_alloc_uninit_slice(len)
    }

    /// Copies a slice into the frame: see [`Arena::alloc_slice_copy`](crate::Arena::alloc_slice_copy).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &'g mut [T] {
        self.arena.alloc_slice_copy(source)
    }

    /// Copies a slice into the frame, or returns the reason why there is no room: see [`Arena::try_alloc_slice_copy`](crate::Arena::try_alloc_slice_copy).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(
        &self,
        source: &[T],
    ) -> Result<&'g mut [T], TryAllocError> {
        self.arena.try_alloc_slice_copy(source)
    }

    /// Clones a slice into the frame: see [`Arena::alloc_slice_clone`](crate::Arena::alloc_slice_clone).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_clone<T: Clone>(&self, source: &[T]) -> &'g mut [T] {
        self.arena.alloc_slice_clone(source)
    }

    /// Clones a slice into the frame, or returns the reason why there is no room: see [`Arena::try_alloc_slice_clone`](crate::Arena::try_alloc_slice_clone).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_slice_clone<T: Clone>(
        &self,
        source: &[T],
    ) -> Result<&'g mut [T], TryAllocError> {
        self.arena.try_alloc_slice_clone(source)
    }

    /// Copies a string into the frame: see [`Arena::alloc_str`](crate::Arena::alloc_str).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, source: &str) -> &'g mut str {
        self.arena.alloc_str(source)
    }

    /// Copies a string into the frame, or returns the reason why there is no room: see [`Arena::try_alloc_str`](crate::Arena::try_alloc_str).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&'g mut str, TryAllocError> {
        self.arena.try_alloc_str(source)
    }

    /// Makes a slice of `len` values, element `i` by `make(i)`: see [`Arena::alloc_slice_fill_with`](crate::Arena::alloc_slice_fill_with).
    ///
    /// # Panics
    ///
    /// If there is no room, or `make` panics.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> &'g mut [T] {
        self.arena.alloc_slice_fill_with(len, make)
    }

    /// Makes a slice of `len` values, or returns the reason why there is no room: see [`Arena::try_alloc_slice_fill_with`](crate::Arena::try_alloc_slice_fill_with).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<&'g mut [T], TryAllocError> {
        self.arena.try_alloc_slice_fill_with(len, make)
    }

    /// Makes a slice of `len` copies of `value`: see [`Arena::alloc_slice_fill_copy`](crate::Arena::alloc_slice_fill_copy).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_copy<T: Copy>(&self, len: usize, value: T) -> &'g mut [T] {
        self.arena.alloc_slice_fill_copy(len, value)
    }

    /// Makes a slice of `len` copies, or returns the reason why there is no room: see
    /// [`Arena::try_alloc_slice_fill_copy`](crate::Arena::try_alloc_slice_fill_copy).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_slice_fill_copy<T: Copy>(
        &self,
        len: usize,
        value: T,
    ) -> Result<&'g mut [T], TryAllocError> {
        self.arena.try_alloc_slice_fill_copy(len, value)
    }

    /// Makes a slice of `len` default values: see [`Arena::alloc_slice_fill_default`](crate::Arena::alloc_slice_fill_default).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_default<T: Default>(&self, len: usize) -> &'g mut [T] {
        self.arena.alloc_slice_fill_default(len)
    }

    /// Makes a slice of `len` default values, or returns the reason why there is no room: see
    /// [`Arena::try_alloc_slice_fill_default`](crate::Arena::try_alloc_slice_fill_default).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_slice_fill_default<T: Default>(
        &self,
        len: usize,
    ) -> Result<&'g mut [T], TryAllocError> {
        self.arena.try_alloc_slice_fill_default(len)
    }

    /// Collects an iterator of any length into a slice: see [`Arena::alloc_from_iter`](crate::Arena::alloc_from_iter).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> &'g mut [T] {
        self.arena.alloc_from_iter(values)
    }

    /// Collects an iterator into a slice, or returns the reason why there is no room: see [`Arena::try_alloc_from_iter`](crate::Arena::try_alloc_from_iter).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&'g mut [T], TryAllocError> {
        self.arena.try_alloc_from_iter(values)
    }

    /// Formats into a string in the frame: see [`Arena::alloc_fmt`](crate::Arena::alloc_fmt).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_fmt(&self, arguments: fmt::Arguments<'_>) -> &'g mut str {
        self.arena.alloc_fmt(arguments)
    }

    /// Formats into a string in the frame; `None` if a formatted value returned an error: see [`Arena::try_alloc_fmt`](crate::Arena::try_alloc_fmt).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_fmt(
        &self,
        arguments: fmt::Arguments<'_>,
    ) -> Result<Option<&'g mut str>, TryAllocError> {
        self.arena.try_alloc_fmt(arguments)
    }

    /// Returns a block of `layout`, its contents undefined, valid until the frame ends: see [`Arena::alloc_layout`](crate::Arena::alloc_layout).
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        self.arena.alloc_layout(layout)
    }

    /// Returns a block of `layout`, or the reason why there is none: see [`Arena::try_alloc_layout`](crate::Arena::try_alloc_layout).
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        self.arena.try_alloc_layout(layout)
    }
}
