//! How a [`DynStack`] is made.

use alloc_core::{Allocator, Global, TryAllocError};

use super::DynStack;

impl<D: ?Sized> DynStack<D> {
    /// Returns an empty stack over the global allocator. It takes no memory until the first push.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }

    /// Returns an empty stack with room for `capacity_bytes` of values and their footers.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity`](Self::try_with_capacity).
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        Self::with_capacity_in(capacity_bytes, Global)
    }

    /// Returns an empty stack with room for `capacity_bytes` of values and their footers, or the
    /// reason why it cannot be had.
    ///
    /// # Errors
    ///
    /// As [`try_with_capacity_in`](Self::try_with_capacity_in).
    pub fn try_with_capacity(capacity_bytes: usize) -> Result<Self, TryAllocError> {
        Self::try_with_capacity_in(capacity_bytes, Global)
    }
}

impl<D: ?Sized, A: Allocator> DynStack<D, A> {
    /// Returns an empty stack over `backing` with room for `capacity_bytes` of values and their
    /// footers.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity_in`](Self::try_with_capacity_in).
    #[must_use]
    #[track_caller]
    pub fn with_capacity_in(capacity_bytes: usize, backing: A) -> Self {
        match Self::try_with_capacity_in(capacity_bytes, backing) {
            Ok(stack) => stack,
            Err(error) => panic!("cannot make a stack of {capacity_bytes} bytes: {error}"),
        }
    }

    /// Returns an empty stack over `backing` with room for `capacity_bytes` of values and their
    /// footers, or the reason why it cannot be had.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOverflow`](alloc_core::ErrorKind::CapacityOverflow) for a capacity above
    /// `isize::MAX`, [`ErrorKind::Backing`](alloc_core::ErrorKind::Backing) if `backing` refuses; it
    /// is dropped.
    pub fn try_with_capacity_in(capacity_bytes: usize, backing: A) -> Result<Self, TryAllocError> {
        let mut stack = Self::new_in(backing);
        let segment = stack.segments.obtain(capacity_bytes)?;
        stack.enter(segment);
        Ok(stack)
    }
}
