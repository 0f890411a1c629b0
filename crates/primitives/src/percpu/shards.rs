//! A table with one cache-padded `T` per possible CPU.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::fmt;

use super::{current_cpu, possible_cpus};
use crate::CachePadded;

/// One `T` per possible CPU, each alone on its cache lines.
///
/// ```text
///  shards ──► │ T, padded │ T, padded │ … │   len = possible CPUs; index = current CPU
/// ```
///
/// [`get`](Self::get) is a hint: the thread may be moved between the question and the answer's use, and two threads
/// may hold the same `&T` at once. Hence `T: Sync`, and hence `T`'s own atomics or locks; sharding makes them
/// uncontended, not unnecessary.
///
/// # Examples
///
/// ```
/// use primitives::percpu::Shards;
/// use primitives::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// let hits: Shards<AtomicU64> = Shards::new(|_| AtomicU64::new(0));
/// hits.get().fetch_add(1, Relaxed);
/// assert_eq!(hits.iter().map(|shard| shard.load(Relaxed)).sum::<u64>(), 1);
/// ```
pub struct Shards<T> {
    // Never empty.
    shards: Box<[CachePadded<T>]>,
}

impl<T> Shards<T> {
    /// Makes one shard per possible CPU; `make` is given the CPU's number.
    pub fn new(make: impl FnMut(usize) -> T) -> Self {
        Self::with_len(possible_cpus(), make)
    }

    /// [`new`](Self::new) that reports a failed allocation.
    ///
    /// # Errors
    /// [`BuildError::OutOfMemory`].
    pub fn try_new(make: impl FnMut(usize) -> T) -> Result<Self, BuildError> {
        Self::try_with_len(possible_cpus(), make)
    }

    /// Makes `len` shards, whatever the machine has: ids past the end wrap round.
    ///
    /// # Panics
    /// If `len` is 0.
    pub fn with_len(len: usize, make: impl FnMut(usize) -> T) -> Self {
        unwrap_build(Self::try_with_len(len, make))
    }

    /// [`with_len`](Self::with_len) that reports what went wrong.
    ///
    /// # Errors
    /// [`BuildError::NoShards`] if `len` is 0, [`BuildError::OutOfMemory`].
    pub fn try_with_len(len: usize, make: impl FnMut(usize) -> T) -> Result<Self, BuildError> {
        let mut make = make;
        let shards = try_table(len, |index| CachePadded::new(make(index)))?;
        Ok(Self { shards })
    }

    /// The shard of the CPU this thread runs on, or ran on a moment ago.
    #[inline(always)]
    pub fn get(&self) -> &T
    where
        T: Sync,
    {
        let index = current_cpu().index(self.shards.len());
        debug_assert!(index < self.shards.len(), "index {index} of {} shards", self.shards.len());
        // SAFETY: `index` is below the length for every id, and the table is never empty.
        unsafe { self.shards.get_unchecked(index) }
    }

    /// The number of shards, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a table is never empty")]
    pub fn len(&self) -> usize {
        self.shards.len()
    }

    /// All shards, by CPU number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.shards.iter().map(|shard| &**shard)
    }

    /// All shards, by CPU number, for change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut T> {
        self.shards.iter_mut().map(|shard| &mut **shard)
    }
}

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self::new(|_| T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Shards<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Why a per-CPU structure was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// 0 shards were asked for; at least 1 is needed.
    NoShards,
    /// The allocator refused the table.
    OutOfMemory {
        /// The shards asked for.
        shards: usize,
        /// The bytes of each.
        shard_bytes: usize,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoShards => write!(f, "a per-cpu table of 0 shards: the least is 1"),
            Self::OutOfMemory { shards, shard_bytes } => {
                write!(f, "no memory for {shards} shards of {shard_bytes} bytes")
            }
        }
    }
}

impl core::error::Error for BuildError {}

/// A boxed table of `len` values, or the reason why not.
pub(super) fn try_table<T>(
    len: usize,
    make: impl FnMut(usize) -> T,
) -> Result<Box<[T]>, BuildError> {
    if len == 0 {
        return Err(BuildError::NoShards);
    }
    let mut table = Vec::new();
    table
        .try_reserve_exact(len)
        .map_err(|_| BuildError::OutOfMemory { shards: len, shard_bytes: size_of::<T>() })?;
    table.extend((0..len).map(make));
    Ok(table.into_boxed_slice())
}

/// The infallible twin of a fallible constructor.
#[track_caller]
pub(super) fn unwrap_build<T>(built: Result<T, BuildError>) -> T {
    match built {
        Ok(built) => built,
        Err(BuildError::OutOfMemory { shards, shard_bytes }) => {
            match Layout::array::<u8>(shards.saturating_mul(shard_bytes)) {
                Ok(layout) => alloc::alloc::handle_alloc_error(layout),
                Err(_) => panic!("{}", BuildError::OutOfMemory { shards, shard_bytes }),
            }
        }
        Err(error) => panic!("{error}"),
    }
}
