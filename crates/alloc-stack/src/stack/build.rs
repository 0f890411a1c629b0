//! How a [`Stack`] is made.

use alloc_core::{Allocator, Global, TryAllocError};

use super::Stack;
use crate::ConfigError;
use crate::config::StackConfig;

impl Stack {
    /// Returns a stack that takes no memory until it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }

    /// Returns a stack whose first segment has room for `capacity_bytes`.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity`](Self::try_with_capacity).
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        Self::with_capacity_in(capacity_bytes, Global)
    }

    /// Returns a stack whose first segment has room for `capacity_bytes`, or the reason why it
    /// cannot be had.
    ///
    /// # Errors
    ///
    /// [`CapacityOverflow`](alloc_core::ErrorKind::CapacityOverflow) for a capacity near or above
    /// `isize::MAX`, [`Backing`](alloc_core::ErrorKind::Backing) if the global allocator refuses.
    pub fn try_with_capacity(capacity_bytes: usize) -> Result<Self, TryAllocError> {
        Self::try_with_capacity_in(capacity_bytes, Global)
    }

    /// Returns a stack that grows as `config` says.
    ///
    /// # Panics
    ///
    /// If no stack can be so. See [`try_with_config`](Self::try_with_config).
    #[must_use]
    #[track_caller]
    pub fn with_config(config: StackConfig) -> Self {
        Self::with_config_in(config, Global)
    }

    /// Returns a stack that grows as `config` says, or which field of it cannot be.
    ///
    /// # Errors
    ///
    /// A segment below 16 KiB, or a limit below a segment.
    pub fn try_with_config(config: StackConfig) -> Result<Self, ConfigError> {
        Self::try_with_config_in(config, Global)
    }
}

impl<const MIN_ALIGN: usize> Stack<MIN_ALIGN> {
    /// Returns a stack whose blocks are all aligned to `MIN_ALIGN`.
    ///
    /// ```
    /// let stack = alloc_stack::Stack::<8>::with_min_align();
    /// let (first, _) = stack.push(std::alloc::Layout::new::<u8>());
    /// assert!(first.addr().get() % 8 == 0);
    /// assert_eq!(stack.used_bytes(), 8);
    /// ```
    #[must_use]
    pub const fn with_min_align() -> Self {
        Self::new_in(Global)
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Returns a stack over `backing` that takes nothing from it until it is first used.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self::unchecked(StackConfig::new(), backing)
    }

    /// Returns a stack over `backing` whose first segment has room for `capacity_bytes`.
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

    /// Returns a stack over `backing` whose first segment has room for `capacity_bytes`, or the
    /// reason why it cannot be had.
    ///
    /// A backing that has one block to give (`alloc_core::Borrowed`, say) makes a stack of fixed
    /// size: all of that block is used.
    ///
    /// # Errors
    ///
    /// [`CapacityOverflow`](alloc_core::ErrorKind::CapacityOverflow) for a capacity near or above
    /// `isize::MAX`, [`Backing`](alloc_core::ErrorKind::Backing) if `backing` refuses; it is dropped.
    pub fn try_with_capacity_in(capacity_bytes: usize, backing: A) -> Result<Self, TryAllocError> {
        let stack = Self::new_in(backing);
        stack.open_first(capacity_bytes)?;
        Ok(stack)
    }

    /// Returns a stack over `backing` that grows as `config` says.
    ///
    /// # Panics
    ///
    /// If no stack can be so. See [`try_with_config_in`](Self::try_with_config_in).
    #[must_use]
    #[track_caller]
    pub fn with_config_in(config: StackConfig, backing: A) -> Self {
        match Self::try_with_config_in(config, backing) {
            Ok(stack) => stack,
            Err(error) => panic!("cannot make a stack: {error}"),
        }
    }

    /// Returns a stack over `backing` that grows as `config` says, or which field of it cannot be.
    ///
    /// # Errors
    ///
    /// A segment below 16 KiB, or a limit below a segment; `backing` is dropped.
    pub fn try_with_config_in(config: StackConfig, backing: A) -> Result<Self, ConfigError> {
        Ok(Self::unchecked(config.check()?, backing))
    }
}
