//! Values, slices and strings in a [`Scratch`]: as in a [`Scope`](crate::Scope), and strays.

use core::fmt::{self, Write as _};
use core::ptr::NonNull;

use alloc_core::collections::Vec;
use alloc_core::place::{array_layout, as_str, put, put_slice};
use alloc_core::{ErrorKind, Layout, Rejected, TryAllocError};

use super::Scratch;
use crate::place::NoDrop;

impl<'s> Scratch<'s> {
    /// Returns a block of `layout`, its contents undefined, valid until the frame ends.
    ///
    /// # Panics
    ///
    /// If no memory can be had. See [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.try_alloc_layout(layout) {
            Ok(block) => block,
            Err(error) => no_room(error),
        }
    }

    /// Returns a block of `layout`, its contents undefined, valid until the frame ends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backing`] if no memory can be had.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.innermost() {
            Some(scope) => scope.try_alloc_layout(layout),
            None => self.stray(layout),
        }
    }

    /// Moves `value` into the frame.
    ///
    /// # Panics
    ///
    /// If no memory can be had.
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &'s mut T {
        match self.innermost() {
            Some(scope) => scope.alloc(value),
            None => match self.try_alloc(value) {
                Ok(value) => value,
                Err(rejected) => no_room(rejected.error()),
            },
        }
    }

    /// Moves `value` into the frame, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backing`] if no memory can be had.
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&'s mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        if let Some(scope) = self.innermost() {
            return scope.try_alloc(value);
        }
        match self.stray(Layout::new::<T>()) {
            // SAFETY: 1. a block of this layout, valid during `'s` (S3); 2. fresh.
            Ok(block) => Ok(unsafe { put(block, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Copies `values` into the frame.
    ///
    /// # Panics
    ///
    /// If no memory can be had.
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &'s mut [T] {
        match self.innermost() {
            Some(scope) => scope.alloc_slice_copy(values),
            None => match self.try_alloc_slice_copy(values) {
                Ok(values) => values,
                Err(error) => no_room(error),
            },
        }
    }

    /// Copies `values` into the frame, or says why there is no memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backing`] if no memory can be had.
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(
        &self,
        values: &[T],
    ) -> Result<&'s mut [T], TryAllocError> {
        if let Some(scope) = self.innermost() {
            return scope.try_alloc_slice_copy(values);
        }
        let block = self.stray(Layout::for_value(values))?;
        // SAFETY: 1. a block of this layout, valid during `'s` (S3); 2. fresh.
        Ok(unsafe { put_slice(block, values) })
    }

    /// Copies `text` into the frame.
    ///
    /// # Panics
    ///
    /// If no memory can be had.
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, text: &str) -> &'s mut str {
        let bytes = self.alloc_slice_copy(text.as_bytes());
        // SAFETY: 1. a copy of valid UTF-8.
        unsafe { as_str(bytes) }
    }

    /// Copies `text` into the frame, or says why there is no memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backing`] if no memory can be had.
    #[inline]
    pub fn try_alloc_str(&self, text: &str) -> Result<&'s mut str, TryAllocError> {
        let bytes = self.try_alloc_slice_copy(text.as_bytes())?;
        // SAFETY: 1. a copy of valid UTF-8.
        Ok(unsafe { as_str(bytes) })
    }

    /// Formats into the frame, as `format!` into a `String`.
    ///
    /// # Panics
    ///
    /// If no memory can be had, or an implementation of a formatting trait fails.
    ///
    /// ```
    /// let len = alloc_stack::scratch(None, |tmp| tmp.alloc_fmt(format_args!("{:>5}", 42)).len());
    /// assert_eq!(len, 5);
    /// ```
    #[track_caller]
    pub fn alloc_fmt(&self, arguments: fmt::Arguments<'_>) -> &'s mut str {
        struct Text<'a, 's>(Vec<u8, &'a Scratch<'s>>);
        impl fmt::Write for Text<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                make_room(&mut self.0, text.len());
                self.0.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
        let mut text = Text(Vec::new_in(self));
        assert!(text.write_fmt(arguments).is_ok(), "a formatting trait returned an error");
        let bytes = self.leak(text.0);
        // SAFETY: 1. what was written is a sequence of strings.
        unsafe { as_str(bytes) }
    }

    /// Makes a slice of the values that `make` returns for 0, 1, 2 … `len - 1`.
    ///
    /// # Panics
    ///
    /// If no memory can be had, or `make` panics.
    #[track_caller]
    pub fn alloc_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> &'s mut [T] {
        match self.try_alloc_slice_fill_with(len, make) {
            Ok(values) => values,
            Err(error) => no_room(error),
        }
    }

    /// Makes a slice of `len` values, or says why there is no memory, without having called `make`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backing`] if no memory can be had, [`ErrorKind::CapacityOverflow`] if the slice
    /// would exceed `isize::MAX` bytes.
    pub fn try_alloc_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<&'s mut [T], TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let mut vector = Vec::new_in(self);
        try_make_room(&mut vector, len)?;
        vector.extend((0..len).map(make));
        Ok(self.leak(vector))
    }

    /// Collects `values` into a slice. Their number need not be known, or true.
    ///
    /// # Panics
    ///
    /// If no memory can be had, or `values` panics.
    #[track_caller]
    pub fn alloc_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> &'s mut [T] {
        match self.try_alloc_from_iter(values) {
            Ok(values) => values,
            Err(error) => no_room(error),
        }
    }

    /// Collects `values` into a slice, or says why there is no memory.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_slice_fill_with`](Self::try_alloc_slice_fill_with).
    pub fn try_alloc_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&'s mut [T], TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let values = values.into_iter();
        let mut vector = Vec::new_in(self);
        // A hint that cannot be met may be untrue: the values themselves decide.
        let hint = values.size_hint().0;
        if vector.try_reserve_exact(hint).is_err() && cfg!(bug = "scratch-trusts-hints") {
            try_make_room(&mut vector, hint)?;
        }
        for value in values {
            try_make_room(&mut vector, 1)?;
            vector.push(value);
        }
        Ok(self.leak(vector))
    }

    /// The elements of a vector, which needs no drop any more, for the rest of the frame.
    fn leak<T>(&self, mut vector: Vec<T, &Self>) -> &'s mut [T] {
        vector.shrink_to_fit();
        let elements = NonNull::from_mut(Vec::leak(vector));
        let mut elements = elements;
        // SAFETY: the vector's block, initialised and leaked, is this frame's: valid during `'s` (S2,
        // S3), although the vector borrowed the scratch for less, and nobody else's.
        unsafe { elements.as_mut() }
    }
}

/// Makes room for `more` elements, or says why there is none: a vector by itself would abort the
/// process.
#[inline]
fn try_make_room<T>(vector: &mut Vec<T, &Scratch<'_>>, more: usize) -> Result<(), TryAllocError> {
    vector.try_reserve(more).map_err(|_| {
        match array_layout::<T>(vector.len().saturating_add(more)) {
            Ok(layout) => TryAllocError::new(ErrorKind::Backing, layout, 0),
            Err(error) => error,
        }
    })
}

/// Makes room for `more` elements, or panics.
#[inline]
#[track_caller]
fn make_room<T>(vector: &mut Vec<T, &Scratch<'_>>, more: usize) {
    if let Err(error) = try_make_room(vector, more) {
        no_room(error);
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn no_room(error: TryAllocError) -> ! {
    panic!("scratch: {error}")
}
