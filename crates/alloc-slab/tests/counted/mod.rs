//! What every test of a shared slab uses.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::thread;

/// A value that counts its drops, and knows whether it was dropped.
pub(crate) struct Counted {
    pub(crate) number: u64,
    check: u64,
    drops: Arc<AtomicUsize>,
}

pub(crate) const CHECK: u64 = 0x9E37_79B9_7F4A_7C15;

impl Counted {
    pub(crate) fn new(number: u64, drops: &Arc<AtomicUsize>) -> Self {
        Self { number, check: number ^ CHECK, drops: Arc::clone(drops) }
    }

    pub(crate) fn assert_whole(&self) {
        assert_eq!(self.number ^ CHECK, self.check, "a dropped or torn value");
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.assert_whole();
        self.check = 0;
        // Read when the threads that dropped are joined.
        self.drops.fetch_add(1, Relaxed);
    }
}

pub(crate) fn drops() -> Arc<AtomicUsize> {
    Arc::default()
}

/// Runs `f` on a thread that has ended when this returns, thread-locals and all.
pub(crate) fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(f).join().unwrap())
}
