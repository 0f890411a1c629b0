//! Where there are no atomics of 64 bits there are no checkpoints: their arena's identity is a counter
//! that must not come round.

/// The chain of an arena's records, of which there is none.
pub(crate) struct Records;

impl Records {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as the records of `checkpoint.rs`")]
    pub(crate) fn forget(&self) {}

    #[expect(clippy::unused_self, reason = "as the records of `checkpoint.rs`")]
    pub(crate) fn large_depth(&self) -> usize {
        0
    }
}
