//! [`Life`]: from construction to drop, as a loom cell. Every access reads it, the end writes it.
use core::panic::Location;

use super::memory;

/// The lifetime of one object, or of one block.
///
/// An access that the end does not happen after is a race with the free, which loom reports as
/// concurrent access to this cell. It has no type parameter, so that it does not widen what drop
/// check asks of the type around it.
pub(crate) struct Life(loom::cell::UnsafeCell<()>);

// SAFETY: the cell holds `()`: there is no memory that two threads could race for, and loom itself
// judges the accesses.
unsafe impl Sync for Life {}
// SAFETY: as above; the cell's number is valid in every thread of the execution.
unsafe impl Send for Life {}

impl Life {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self(loom::cell::UnsafeCell::new(()))
    }

    /// Records an access to the object at `address`, and to the block it lies in.
    #[track_caller]
    pub(crate) fn access(&self, address: usize) {
        memory::touch(address, Location::caller());
        self.0.with(|_| ());
    }

    /// Runs `f` during a read.
    #[track_caller]
    pub(crate) fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.with(|_| f())
    }

    /// Runs `f` during a write.
    #[track_caller]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.with_mut(|_| f())
    }
}

impl Drop for Life {
    #[track_caller]
    fn drop(&mut self) {
        // A failing model unwinds through here: its first message is the one to read.
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}
