//! What an arena counts: almost nothing, and with feature `stats` everything.
//!
//! Used bytes follow from cursors. [`Figures`] are touched on slow paths and at resets only, and are
//! part of the [`Ledger`](crate::ledger::Ledger); [`Counters`] need an instruction per allocation and
//! exist with feature `stats`.

use core::cell::Cell;

use alloc_core::AllocStats;

/// What is counted at each allocation.
pub(crate) struct Counters {
    #[cfg(feature = "stats")]
    exact: Exact,
}

#[cfg(feature = "stats")]
struct Exact {
    allocs: Cell<u64>,
    frees: Cell<u64>,
    requested_bytes: Cell<u64>,
    waste_align_bytes: Cell<u64>,
    peak_bytes: Cell<usize>,
}

/// What is counted when an arena is reset or its chunk is full.
#[derive(Default)]
pub(crate) struct Figures {
    resets: Cell<u64>,
    slow_calls: Cell<u64>,
    peak_bytes: Cell<usize>,
}

/// Bytes lost to alignment up to a position of the arena, if they are counted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Waste {
    #[cfg(feature = "stats")]
    align_bytes: u64,
}

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(feature = "stats")]
            exact: Exact {
                allocs: Cell::new(0),
                frees: Cell::new(0),
                requested_bytes: Cell::new(0),
                waste_align_bytes: Cell::new(0),
                peak_bytes: Cell::new(0),
            },
        }
    }

    /// A block of `size` bytes was taken, for which the cursor moved by `moved` bytes.
    #[inline(always)]
    pub(crate) fn allocated(&self, size: usize, moved: usize, used_bytes: impl FnOnce() -> usize) {
        #[cfg(feature = "stats")]
        {
            add(&self.exact.allocs, 1);
            add(&self.exact.requested_bytes, size as u64);
            add(&self.exact.waste_align_bytes, (moved - size) as u64);
            self.exact.peak_bytes.set(self.exact.peak_bytes.get().max(used_bytes()));
        }
        #[cfg(not(feature = "stats"))]
        let _ = (size, moved, used_bytes);
    }

    /// A block was made `more` bytes longer where it stands, or nearly.
    #[inline(always)]
    pub(crate) fn regrown(&self, more: usize, used_bytes: impl FnOnce() -> usize) {
        #[cfg(feature = "stats")]
        {
            add(&self.exact.requested_bytes, more as u64);
            self.exact.peak_bytes.set(self.exact.peak_bytes.get().max(used_bytes()));
        }
        #[cfg(not(feature = "stats"))]
        let _ = (more, used_bytes);
    }

    /// A block was given back.
    #[inline(always)]
    pub(crate) fn freed(&self) {
        #[cfg(feature = "stats")]
        add(&self.exact.frees, 1);
    }

    /// The arena is about to be emptied.
    #[inline(always)]
    pub(crate) fn reset(&self) {
        #[cfg(feature = "stats")]
        self.exact.waste_align_bytes.set(0);
    }

    /// What was lost so far.
    #[inline(always)]
    pub(crate) fn waste(&self) -> Waste {
        Waste {
            #[cfg(feature = "stats")]
            align_bytes: self.exact.waste_align_bytes.get(),
        }
    }

    /// The arena goes back to where so much was lost.
    #[inline(always)]
    pub(crate) fn set_waste(&self, waste: Waste) {
        #[cfg(feature = "stats")]
        self.exact.waste_align_bytes.set(waste.align_bytes);
        #[cfg(not(feature = "stats"))]
        let _ = waste;
    }

    /// Adds what is counted here to `stats`.
    pub(crate) fn report(&self, stats: &mut AllocStats) {
        #[cfg(feature = "stats")]
        {
            stats.allocs = Some(self.exact.allocs.get());
            stats.frees = Some(self.exact.frees.get());
            stats.requested_bytes = Some(self.exact.requested_bytes.get());
            stats.waste_align_bytes = Some(self.exact.waste_align_bytes.get());
            stats.peak_bytes = stats.peak_bytes.max(self.exact.peak_bytes.get());
        }
        #[cfg(not(feature = "stats"))]
        let _ = stats;
    }
}

impl Figures {
    /// A request left the fast path.
    pub(crate) fn slow(&self) {
        add(&self.slow_calls, 1);
    }

    /// So many bytes are in use now: a look at the peak.
    #[inline]
    pub(crate) fn saw(&self, used_bytes: usize) {
        self.peak_bytes.set(self.peak_bytes.get().max(used_bytes));
    }

    /// The arena is about to be emptied of `used_bytes` bytes.
    #[inline]
    pub(crate) fn reset(&self, used_bytes: usize) {
        self.saw(used_bytes);
        add(&self.resets, 1);
    }

    /// Adds what is counted here to `stats`.
    pub(crate) fn report(&self, stats: &mut AllocStats) {
        stats.peak_bytes = stats.peak_bytes.max(self.peak_bytes.get());
        stats.resets = self.resets.get();
        stats.slow_calls = self.slow_calls.get();
    }
}

#[inline(always)]
fn add(counter: &Cell<u64>, more: u64) {
    counter.set(counter.get() + more);
}
