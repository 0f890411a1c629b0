//! How an [`Arena`] is made.

use alloc_core::{Allocator, Global, TryAllocError};

use super::Arena;
use crate::supply::Supply;
use crate::{ArenaConfig, ConfigError};

impl Arena {
    /// Returns an empty arena over the global allocator, with the default configuration.
    ///
    /// No memory is taken until the first allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_min_align()
    }

    /// Returns an arena whose first chunk has room for `capacity_bytes`.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity`](Self::try_with_capacity).
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        match Self::try_with_capacity(capacity_bytes) {
            Ok(arena) => arena,
            Err(error) => panic!("cannot make an arena of {capacity_bytes} bytes: {error}"),
        }
    }

    /// Returns an arena whose first chunk has room for `capacity_bytes`, or the reason why it cannot
    /// be had.
    ///
    /// # Errors
    ///
    /// [`CapacityOverflow`](alloc_core::ErrorKind::CapacityOverflow) for a capacity above `isize::MAX`,
    /// [`Backing`](alloc_core::ErrorKind::Backing) if
    /// the global allocator refuses.
    pub fn try_with_capacity(capacity_bytes: usize) -> Result<Self, TryAllocError> {
        let arena = Self::new();
        arena.try_reserve(capacity_bytes)?;
        Ok(arena)
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl<const MIN_ALIGN: usize> Arena<MIN_ALIGN> {
    /// Returns an empty arena whose blocks are all aligned to `MIN_ALIGN`.
    ///
    /// ```
    /// let arena = alloc_arena::Arena::<8>::with_min_align();
    /// arena.alloc(1u8);
    /// assert_eq!(arena.used_bytes(), 8);
    /// ```
    #[must_use]
    pub const fn with_min_align() -> Self {
        Self::from_supply(Supply::new(None, true, Global))
    }

    /// Returns an empty arena with this configuration.
    ///
    /// # Panics
    ///
    /// If the configuration is one that no arena can have. See
    /// [`try_with_config`](Self::try_with_config).
    #[must_use]
    #[track_caller]
    pub fn with_config(config: ArenaConfig) -> Self {
        match Self::try_with_config(config) {
            Ok(arena) => arena,
            Err(error) => panic!("cannot make an arena: {error}"),
        }
    }

    /// Returns an empty arena with this configuration, or says what is wrong with it.
    ///
    /// # Errors
    ///
    /// The field whose value is out of its limits.
    pub const fn try_with_config(config: ArenaConfig) -> Result<Self, ConfigError> {
        match config.check() {
            Ok(()) => Ok(Self::from_supply(Supply::new(Some(config), true, Global))),
            Err(error) => Err(error),
        }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Returns an empty arena over `backing`, with the default configuration.
    ///
    /// Such an arena does not use the [`ThreadCache`](crate::ThreadCache), not even over
    /// [`Global`]: the cache is the global allocator's, and only the constructors without a backing
    /// know that theirs is.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self::from_supply(Supply::new(None, false, backing))
    }

    /// Returns an empty arena over `backing` with this configuration.
    ///
    /// # Panics
    ///
    /// If the configuration is one that no arena can have.
    #[must_use]
    #[track_caller]
    pub fn with_config_in(config: ArenaConfig, backing: A) -> Self {
        match Self::try_with_config_in(config, backing) {
            Ok(arena) => arena,
            Err(error) => panic!("cannot make an arena: {error}"),
        }
    }

    /// Returns an empty arena over `backing` with this configuration, or says what is wrong with it;
    /// `backing` is dropped then.
    ///
    /// # Errors
    ///
    /// The field whose value is out of its limits.
    pub fn try_with_config_in(config: ArenaConfig, backing: A) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self::from_supply(Supply::new(Some(config), false, backing)))
    }
}
