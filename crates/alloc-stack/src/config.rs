//! [`StackConfig`]: how a stack grows, and how far.

use alloc_core::ConfigError;

/// How a [`Stack`](crate::Stack) takes memory from its backing.
///
/// ```
/// use alloc_stack::{Stack, StackConfig};
///
/// let config = StackConfig::new().segment_bytes(256 * 1024).limit_bytes(16 << 20);
/// let stack = Stack::<1>::with_config(config);
/// assert_eq!(stack.reserved_bytes(), 0, "taken when first used");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackConfig {
    pub(crate) segment_bytes: usize,
    pub(crate) limit_bytes: usize,
}

impl StackConfig {
    /// The least segment: below it, crossing from one to the next is no longer rare.
    const MIN_SEGMENT_BYTES: usize = 16 * 1024;

    /// Returns the defaults: segments of 64 KiB and more, no limit.
    #[must_use]
    pub const fn new() -> Self {
        Self { segment_bytes: 64 * 1024, limit_bytes: usize::MAX }
    }

    /// Sets the size of the first segments, and the least size of the later ones, which grow with
    /// what the stack holds already. At least 16 KiB.
    #[must_use]
    pub const fn segment_bytes(mut self, bytes: usize) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Sets how many bytes the stack may hold from its backing at any time.
    #[must_use]
    pub const fn limit_bytes(mut self, bytes: usize) -> Self {
        self.limit_bytes = bytes;
        self
    }

    /// Says whether a stack can be so.
    pub(crate) fn check(self) -> Result<Self, ConfigError> {
        let max = isize::MAX.unsigned_abs() / 2;
        if !(Self::MIN_SEGMENT_BYTES..=max).contains(&self.segment_bytes) {
            return Err(ConfigError::new(
                "segment_bytes",
                self.segment_bytes,
                Self::MIN_SEGMENT_BYTES,
                max,
            ));
        }
        if self.limit_bytes < self.segment_bytes {
            return Err(ConfigError::new(
                "limit_bytes",
                self.limit_bytes,
                self.segment_bytes,
                usize::MAX,
            ));
        }
        Ok(self)
    }
}

impl Default for StackConfig {
    fn default() -> Self {
        Self::new()
    }
}
