//! [`ArenaConfig`]: how an arena's chunks grow, how much it may take, and how long it keeps what it
//! does not use.

use alloc_core::ConfigError;

use crate::chunk::HEADER_BYTES;

/// The smallest chunk that may be asked for: a header and as much room again, twice over.
pub(crate) const MIN_CHUNK_BYTES: usize = 4 * HEADER_BYTES;

/// The largest chunk that may be asked for; chunks are multiples of 16 bytes.
const MAX_CHUNK_BYTES: usize = isize::MAX.unsigned_abs() & !15;

/// The growth policy, the limit and the retention of an [`Arena`](crate::Arena).
///
/// # Examples
///
/// ```
/// use alloc_arena::{Arena, ArenaConfig};
///
/// const SMALL: ArenaConfig = ArenaConfig::new().first_chunk_bytes(4096).limit_bytes(1 << 20);
/// let arena = Arena::<1>::with_config(SMALL);
/// assert!(arena.try_alloc_uninit_slice::<u8>(2 << 20).is_err(), "above the limit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArenaConfig {
    pub(crate) first_chunk_bytes: usize,
    pub(crate) max_chunk_bytes: usize,
    pub(crate) limit_bytes: usize,
    pub(crate) decay_resets: u32,
    pub(crate) thread_cache: bool,
}

impl ArenaConfig {
    /// Returns the default: chunks of 16 KiB doubling to 2 MiB, no limit, unused chunks released
    /// after 8 resets, chunks cached per thread.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_chunk_bytes: 16 << 10,
            max_chunk_bytes: 2 << 20,
            limit_bytes: usize::MAX,
            decay_resets: 8,
            thread_cache: true,
        }
    }

    /// Sets the size of the first chunk in bytes, its header of 64 bytes included.
    ///
    /// Each further chunk is twice as large as the one before, up to
    /// [`max_chunk_bytes`](Self::max_chunk_bytes).
    #[must_use]
    pub const fn first_chunk_bytes(mut self, bytes: usize) -> Self {
        self.first_chunk_bytes = bytes;
        self
    }

    /// Sets the size in bytes at which chunks stop doubling.
    ///
    /// A single block that does not fit such a chunk gets one of its own size.
    #[must_use]
    pub const fn max_chunk_bytes(mut self, bytes: usize) -> Self {
        self.max_chunk_bytes = bytes;
        self
    }

    /// Sets the most bytes that the arena may hold from its backing, used or kept.
    #[must_use]
    pub const fn limit_bytes(mut self, bytes: usize) -> Self {
        self.limit_bytes = bytes;
        self
    }

    /// Sets after how many resets a chunk that stayed unused is given back; 0 keeps all for ever.
    ///
    /// Unused chunks are looked for at every `resets`-th reset, so one is kept for at least
    /// `resets` and less than twice as many. Closing a frame that was opened on the arena itself
    /// counts as a reset.
    #[must_use]
    pub const fn decay_resets(mut self, resets: u32) -> Self {
        self.decay_resets = resets;
        self
    }

    /// Sets whether chunks come from and go to the [`ThreadCache`](crate::ThreadCache).
    ///
    /// Only arenas over the global allocator use it, and only with feature `std`.
    #[must_use]
    pub const fn thread_cache(mut self, enabled: bool) -> Self {
        self.thread_cache = enabled;
        self
    }

    /// Says what is wrong with the configuration, if anything is.
    pub(crate) const fn check(&self) -> Result<(), ConfigError> {
        if self.max_chunk_bytes < MIN_CHUNK_BYTES || self.max_chunk_bytes > MAX_CHUNK_BYTES {
            let (least, most) = (MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
            return Err(ConfigError::new("max_chunk_bytes", self.max_chunk_bytes, least, most));
        }
        if self.first_chunk_bytes < MIN_CHUNK_BYTES || self.first_chunk_bytes > self.max_chunk_bytes
        {
            let (least, most) = (MIN_CHUNK_BYTES, self.max_chunk_bytes);
            return Err(ConfigError::new("first_chunk_bytes", self.first_chunk_bytes, least, most));
        }
        if self.limit_bytes < MIN_CHUNK_BYTES {
            let (least, most) = (MIN_CHUNK_BYTES, usize::MAX);
            return Err(ConfigError::new("limit_bytes", self.limit_bytes, least, most));
        }
        Ok(())
    }
}

impl Default for ArenaConfig {
    fn default() -> Self {
        Self::new()
    }
}
