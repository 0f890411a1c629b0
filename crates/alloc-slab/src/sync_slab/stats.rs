//! [`SyncSlabStats`]: what a shared slab holds and did.

use core::ops::Deref;

use alloc_core::{AllocStats, Allocator};
use primitives::sync::atomic::Ordering::Relaxed;
use primitives::sync::unmodelled::AtomicU64;

use super::SyncSlab;
use super::page::Page;

/// Figures of one shared slab: those of every allocator (by [`Deref`]), and those of its own.
///
/// `allocs` and `frees` are values inserted and removed, `resets` the times that the slab was cleared or
/// drained, `peak_bytes` the most in use at any of these and now, `slow_calls` the times that a thread had
/// no free slot of its own at hand, `contended` the removals that met another thread's at the same key.
/// Each figure is exact when no thread changes the slab meanwhile.
///
/// # Examples
///
/// ```
/// let slab = alloc_slab::SyncSlab::new();
/// let key = slab.insert([0u8; 64]);
/// let stats = slab.stats();
/// assert_eq!((stats.len, stats.pages, stats.parts, stats.used_bytes), (1, 1, 1, 64));
/// assert_eq!(stats.shared_pages, 0, "no other thread has come");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SyncSlabStats {
    /// The figures that every allocator has.
    pub common: AllocStats,
    /// Values in the slab.
    pub len: usize,
    /// Values removed, but not dropped yet.
    pub limbo: usize,
    /// Slots whose generations are used up.
    pub retired: usize,
    /// Pages that are held.
    pub pages: usize,
    /// Pages that other threads than their owner have accessed.
    pub shared_pages: usize,
    /// Threads that use the slab, or used it and left their part to be adopted.
    pub parts: usize,
    /// Parts that passed from a thread that exited to another.
    pub adopted: u64,
    /// Values removed from pages that other threads use, or by other threads.
    pub shared_removals: u64,
    /// Times that removed values were looked through for those to drop: one heavy fence each.
    pub collections: u64,
}

impl Deref for SyncSlabStats {
    type Target = AllocStats;

    fn deref(&self) -> &AllocStats {
        &self.common
    }
}

/// A number that one thread writes and any thread reads. Steers nothing, so no model looks at it.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// One more. By the part's thread.
    #[inline(always)]
    pub(super) fn count(&self) {
        // ORD Relaxed: a statistic, written by one thread at a time.
        let count = self.0.load(Relaxed);
        // ORD Relaxed: as above.
        self.0.store(count + 1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        // ORD Relaxed: a statistic.
        self.0.load(Relaxed)
    }
}

/// What a thread counts in its part.
#[derive(Default)]
#[repr(C)]
pub(super) struct Counters {
    pub(super) inserted: Count,
    pub(super) removed: Count,
    pub(super) dropped_late: Count,
    pub(super) shared_removals: Count,
    pub(super) retired: Count,
    pub(super) contended: Count,
    pub(super) collections: Count,
    pub(super) slow_calls: Count,
    pub(super) delayed: Count,
}

impl<T, A: Allocator> SyncSlab<T, A> {
    /// Returns the number of values: exact while no thread inserts or removes.
    ///
    /// # Complexity
    ///
    /// O(threads): sums what each of them counted.
    #[must_use]
    pub fn len(&self) -> usize {
        let removed = self.removals();
        let mut inserted = 0u64;
        self.parts.for_each_shared(|part| inserted += part.counters.inserted.get());
        usize::try_from(inserted.saturating_sub(removed)).unwrap_or(usize::MAX)
    }

    /// Removals so far. To be asked before insertions are counted, so that a value is not seen to go
    /// without having come.
    fn removals(&self) -> u64 {
        let mut removed = 0;
        self.parts.for_each_shared(|part| removed += part.counters.removed.get());
        removed
    }

    /// Returns whether there is no value: exact while no thread inserts or removes.
    ///
    /// # Complexity
    ///
    /// As [`len`](Self::len).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what the slab holds and did.
    ///
    /// # Complexity
    ///
    /// O(threads + pages).
    #[must_use]
    pub fn stats(&self) -> SyncSlabStats {
        let mut stats = SyncSlabStats::default();
        let removed = self.removals();
        let (mut inserted, mut limbo, mut retired) = (0u64, 0u64, 0u64);
        self.parts.for_each_shared(|part| {
            let counters = &part.counters;
            inserted += counters.inserted.get();
            // In this order: what is dropped in between counts as gone, so it is never more than
            // there was; but a part that does much in between would go below 0.
            let delayed = counters.delayed.get();
            limbo += delayed.saturating_sub(counters.dropped_late.get());
            retired += counters.retired.get();
            stats.shared_removals += counters.shared_removals.get();
            stats.collections += counters.collections.get();
            stats.common.contended += counters.contended.get();
            stats.common.slow_calls += counters.slow_calls.get();
            stats.parts += 1;
        });
        let len = inserted.saturating_sub(removed);
        stats.len = usize::try_from(len).unwrap_or(usize::MAX);
        stats.limbo = usize::try_from(limbo).unwrap_or(usize::MAX);
        stats.retired = usize::try_from(retired).unwrap_or(usize::MAX);
        for page in self.directory.pages() {
            stats.pages += 1;
            stats.shared_pages += usize::from(page.is_shared());
        }
        stats.adopted = self.parts.adoptions();
        stats.common.used_bytes = stats.len * size_of::<T>();
        stats.common.peak_bytes = self.peak_len.max(stats.len) * size_of::<T>();
        stats.common.resets = self.resets;
        stats.common.reserved_bytes = self.reserved_bytes();
        stats.common.allocs = Some(inserted);
        stats.common.frees = Some(removed);
        stats
    }

    /// Returns the bytes of the values.
    ///
    /// # Complexity
    ///
    /// As [`len`](Self::len).
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }

    /// Returns the bytes of its pages and of the directory that finds them.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        let page = Page::<T>::layout().map_or(0, |layout| layout.size());
        self.directory.pages().count() * page + self.directory.bytes()
    }
}
