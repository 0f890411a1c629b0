//! [`SlabStats`]: what a slab holds and did, and where its bytes went.

use core::ops::Deref;

use alloc_core::AllocStats;

use crate::shape::{OVERHEAD_BYTES, Shape};
use crate::slots::Table;
use crate::store::Slots;

/// Figures of one slab: those of every allocator (by [`Deref`]), and those of its slots.
///
/// Bytes held are bytes of values (`used_bytes`), of slots without one (`free_bytes`), or
/// `overhead_bytes`: states, liveness, padding, the directory. `allocs` and `frees` (feature `stats`)
/// are values inserted and removed, `resets` the times that the slab was cleared, `slow_calls` the
/// times that it grew or tried to.
///
/// # Examples
///
/// ```
/// let mut slab = alloc_slab::Slab::new();
/// slab.insert([0u8; 64]);
/// let stats = slab.stats();
/// assert_eq!((stats.used_bytes, stats.len, stats.pages), (64, 1, 1));
/// assert_eq!(stats.used_bytes + stats.free_bytes + stats.overhead_bytes, stats.reserved_bytes);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SlabStats {
    /// The figures that every allocator has.
    pub common: AllocStats,
    /// Values in the slab.
    pub len: usize,
    /// Slots that hold a value or can.
    pub capacity: usize,
    /// Slots whose generations are used up.
    pub retired: usize,
    /// Pages that are held.
    pub pages: usize,
    /// Pages that were given back and not taken again.
    pub released_pages: usize,
    /// Bytes of slots without a value.
    pub free_bytes: usize,
    /// Bytes held that are no slots' values.
    pub overhead_bytes: usize,
}

impl Deref for SlabStats {
    type Target = AllocStats;

    fn deref(&self) -> &AllocStats {
        &self.common
    }
}

/// What a slab counts: nothing on the fast paths, and with feature `stats` everything.
pub(crate) struct Counters {
    resets: u64,
    slow_calls: u64,
    peak_len: usize,
    #[cfg(feature = "stats")]
    allocs: u64,
    #[cfg(feature = "stats")]
    frees: u64,
}

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            resets: 0,
            slow_calls: 0,
            peak_len: 0,
            #[cfg(feature = "stats")]
            allocs: 0,
            #[cfg(feature = "stats")]
            frees: 0,
        }
    }

    /// A value came; there are `len` now.
    #[inline(always)]
    pub(crate) fn inserted(&mut self, len: usize) {
        #[cfg(feature = "stats")]
        {
            self.allocs += 1;
            self.saw(len);
        }
        #[cfg(not(feature = "stats"))]
        let _ = len;
    }

    /// A value went.
    #[inline(always)]
    pub(crate) fn removed(&mut self) {
        #[cfg(feature = "stats")]
        {
            self.frees += 1;
        }
    }

    /// A request left the fast path while there were `len` values.
    pub(crate) fn slow(&mut self, len: usize) {
        self.slow_calls += 1;
        self.saw(len);
    }

    /// There are `len` values: a look at the peak.
    pub(crate) fn saw(&mut self, len: usize) {
        self.peak_len = self.peak_len.max(len);
    }

    /// The slab is about to be emptied.
    pub(crate) fn reset(&mut self, len: usize) {
        self.saw(len);
        self.resets += 1;
    }
}

/// The figures of a table of `T`.
pub(crate) fn of<T, S: Slots>(table: &Table<S>) -> SlabStats {
    let counters = &table.counters;
    let mut common = AllocStats::default();
    common.used_bytes = table.len() * size_of::<T>();
    common.reserved_bytes = table.store.reserved_bytes();
    common.peak_bytes = counters.peak_len.max(table.len()) * size_of::<T>();
    common.resets = counters.resets;
    common.slow_calls = counters.slow_calls;
    #[cfg(feature = "stats")]
    {
        common.allocs = Some(counters.allocs);
        common.frees = Some(counters.frees);
        common.requested_bytes = Some(counters.allocs * size_of::<T>() as u64);
        common.waste_align_bytes = Some(0);
    }
    let pages = table.store.pages() - table.released();
    let values_bytes = pages * Shape::<T>::SLOTS * size_of::<T>();
    debug_assert!(
        common.reserved_bytes >= values_bytes + pages * Shape::<T>::SLOTS * OVERHEAD_BYTES
    );
    SlabStats {
        common,
        len: table.len(),
        capacity: table.capacity(),
        retired: table.retired(),
        pages,
        released_pages: table.released(),
        free_bytes: values_bytes - common.used_bytes,
        overhead_bytes: common.reserved_bytes - values_bytes,
    }
}
