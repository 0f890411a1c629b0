//! What a thread counts in a shared region: with feature `stats`, and else nothing.
//!
//! The thread alone writes its counters, so a load and a store lose nothing; everybody may read
//! them.

#[cfg(feature = "stats")]
use alloc_core::AllocStats;
#[cfg(feature = "stats")]
use primitives::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(super) struct Counters {
    #[cfg(feature = "stats")]
    allocs: AtomicU64,
    #[cfg(feature = "stats")]
    frees: AtomicU64,
    #[cfg(feature = "stats")]
    requested_bytes: AtomicU64,
    #[cfg(feature = "stats")]
    waste_align_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(feature = "stats")]
            allocs: AtomicU64::new(0),
            #[cfg(feature = "stats")]
            frees: AtomicU64::new(0),
            #[cfg(feature = "stats")]
            requested_bytes: AtomicU64::new(0),
            #[cfg(feature = "stats")]
            waste_align_bytes: AtomicU64::new(0),
        }
    }

    /// A block of `size` bytes was taken, for which a cursor moved by `moved` bytes.
    #[inline(always)]
    pub(super) fn allocated(&self, size: usize, moved: usize) {
        #[cfg(feature = "stats")]
        {
            add(&self.allocs, 1);
            add(&self.requested_bytes, size as u64);
            add(&self.waste_align_bytes, (moved - size) as u64);
        }
        #[cfg(not(feature = "stats"))]
        let _ = (size, moved);
    }

    /// A block was given back.
    #[cfg(feature = "stats")]
    pub(super) fn freed(&self) {
        add(&self.frees, 1);
    }

    /// The region was emptied.
    pub(super) fn reset(&mut self) {
        #[cfg(feature = "stats")]
        {
            self.waste_align_bytes = AtomicU64::new(0);
        }
    }

    /// Adds what was counted here to `stats`.
    #[cfg(feature = "stats")]
    pub(super) fn add_to(&self, stats: &mut AllocStats) {
        for (sum, counter) in [
            (&mut stats.allocs, &self.allocs),
            (&mut stats.frees, &self.frees),
            (&mut stats.requested_bytes, &self.requested_bytes),
            (&mut stats.waste_align_bytes, &self.waste_align_bytes),
        ] {
            // ORD Relaxed: a statistic; nothing is read by it.
            *sum = Some(sum.unwrap_or(0) + counter.load(Relaxed));
        }
    }
}

#[cfg(feature = "stats")]
#[inline(always)]
fn add(counter: &AtomicU64, more: u64) {
    // ORD Relaxed: this thread alone writes the counter.
    let before = counter.load(Relaxed);
    // ORD Relaxed: a statistic; nothing is read by it.
    counter.store(before + more, Relaxed);
}
