//! What an allocator did, as one plain struct.

/// Figures of one allocator, at the moment `stats()` was called.
///
/// A figure that the allocator does not keep in this build is `None`: the fast paths of bump and
/// stack allocators count nothing unless their feature `stats` is on, and follow from cursors
/// otherwise. All other figures are always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AllocStats {
    /// Blocks handed out so far (feature `stats`).
    pub allocs: Option<u64>,
    /// Blocks given back so far (feature `stats`).
    pub frees: Option<u64>,
    /// Bytes asked for by the blocks handed out so far (feature `stats`).
    pub requested_bytes: Option<u64>,
    /// Bytes in use now, padding included.
    pub used_bytes: usize,
    /// Bytes held from the backing allocator now, used or not.
    pub reserved_bytes: usize,
    /// Most bytes in use at any look so far: at each reset and now, and at each allocation with
    /// feature `stats`.
    pub peak_bytes: usize,
    /// Bytes lost to alignment since the last reset (feature `stats`).
    pub waste_align_bytes: Option<u64>,
    /// Bytes at the ends of blocks or chunks that were too small for a request.
    pub waste_tail_bytes: usize,
    /// Times the allocator was reset.
    pub resets: u64,
    /// Requests that left the fast path.
    pub slow_calls: u64,
    /// Times a thread met another at the shared part; 0 where nothing is shared.
    pub contended: u64,
}

impl AllocStats {
    /// Returns the share of the reserved bytes that is in use, from 0 to 1.
    ///
    /// ```
    /// let mut stats = alloc_core::AllocStats::default();
    /// stats.used_bytes = 256;
    /// stats.reserved_bytes = 1024;
    /// assert_eq!(stats.utilisation(), 0.25);
    /// ```
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        ratio(self.used_bytes, self.reserved_bytes)
    }

    /// Returns the share of the used bytes that nobody asked for (internal fragmentation), if
    /// alignment losses are counted in this build.
    #[must_use]
    pub fn internal_fragmentation(&self) -> Option<f64> {
        let waste = usize::try_from(self.waste_align_bytes?).unwrap_or(usize::MAX);
        Some(ratio(waste, self.used_bytes))
    }

    /// Returns the share of the reserved bytes that was skipped as too small (external
    /// fragmentation).
    #[must_use]
    pub fn external_fragmentation(&self) -> f64 {
        ratio(self.waste_tail_bytes, self.reserved_bytes)
    }
}

/// `part / whole`, and 0 for nothing of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share is wanted to a few digits")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_an_empty_allocator_are_zero() {
        let stats = AllocStats::default();
        assert_eq!(stats.utilisation(), 0.0);
        assert_eq!(stats.external_fragmentation(), 0.0);
        assert_eq!(stats.internal_fragmentation(), None, "not counted is not zero");
    }

    #[test]
    fn shares_follow_from_the_figures() {
        let stats = AllocStats {
            used_bytes: 512,
            reserved_bytes: 2048,
            waste_align_bytes: Some(64),
            waste_tail_bytes: 1024,
            ..AllocStats::default()
        };
        assert_eq!(stats.utilisation(), 0.25);
        assert_eq!(stats.external_fragmentation(), 0.5);
        assert_eq!(stats.internal_fragmentation(), Some(0.125));
    }
}
