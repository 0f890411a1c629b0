//! `SyncSlab`: what it promises to one thread, and to several.
#![cfg(all(feature = "std", target_has_atomic = "64"))]

use alloc_slab::{ErrorKind, Key, Ref, SyncSlab};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

/// A value that counts its drops, and knows whether it was dropped.
struct Counted {
    number: u64,
    check: u64,
    drops: Arc<AtomicUsize>,
}

const CHECK: u64 = 0x9E37_79B9_7F4A_7C15;

impl Counted {
    fn new(number: u64, drops: &Arc<AtomicUsize>) -> Self {
        Self { number, check: number ^ CHECK, drops: Arc::clone(drops) }
    }

    fn assert_whole(&self) {
        assert_eq!(self.number ^ CHECK, self.check, "a dropped or torn value");
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.assert_whole();
        self.check = 0;
        self.drops.fetch_add(1, SeqCst);
    }
}

fn drops() -> Arc<AtomicUsize> {
    Arc::default()
}

/// Runs `f` on a thread that has ended when this returns, thread-locals and all.
fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(f).join().unwrap())
}

#[test]
fn keys_name_their_values_until_they_are_removed_from_a_shared_slab() {
    let slab = SyncSlab::new();
    let keys: Vec<Key<u64>> = (0..5_000).map(|n| slab.insert(n)).collect();
    assert_eq!(slab.len(), 5_000);
    for (n, &key) in keys.iter().enumerate() {
        assert_eq!(*slab.get(key).unwrap(), n as u64);
        assert_eq!(Ref::key(&slab.get(key).unwrap()), key);
    }
    for &key in &keys[..2_500] {
        assert!(slab.remove(key));
        assert!(!slab.remove(key) && !slab.contains(key) && slab.get(key).is_none());
    }
    let again: Vec<_> = (0..2_500).map(|n| slab.insert(n)).collect();
    assert!(keys[..2_500].iter().all(|&key| !slab.contains(key)), "stale");
    assert!(again.iter().chain(&keys[2_500..]).all(|&key| slab.contains(key)));
    let stats = slab.stats();
    assert_eq!((stats.len, stats.allocs, stats.frees), (5_000, Some(7_500), Some(2_500)));
    assert_eq!((stats.shared_pages, stats.collections, stats.limbo), (0, 0, 0), "nobody else came");
    assert_eq!(stats.parts, 1);
}
