//! `SyncSlab`: guards, whose values stay.
#![cfg(all(feature = "std", target_has_atomic = "64"))]

mod counted;

use alloc_slab::{Ref, SyncSlab};
use core::mem;
use core::sync::atomic::Ordering::Relaxed;
use counted::{Counted, drops, elsewhere};

#[test]
fn a_guard_keeps_its_value_though_its_own_thread_removes_it() {
    let (slab, drops) = (SyncSlab::new(), drops());
    let key = slab.insert(Counted::new(7, &drops));
    let other = slab.insert(Counted::new(8, &drops));
    let (first, second) = (slab.get(key).unwrap(), slab.get(key).unwrap());
    assert!(slab.remove(key) && slab.get(key).is_none());
    // The slot must not be used again either.
    for n in 0..1_000 {
        slab.insert(Counted::new(n, &drops));
    }
    assert_eq!((first.number, drops.load(Relaxed)), (7, 0));
    drop(first);
    slab.flush();
    assert_eq!((drops.load(Relaxed), slab.stats().limbo), (0, 1), "the second guard is left");
    second.assert_whole();
    drop(second);
    slab.flush();
    assert_eq!((drops.load(Relaxed), slab.stats().limbo), (1, 0));
    assert!(slab.remove(other));
    assert_eq!(drops.load(Relaxed), 2, "without a guard, at once");
}

#[test]
fn a_guard_keeps_its_value_though_another_thread_removes_it() {
    let (slab, drops) = (SyncSlab::new(), drops());
    let key = slab.insert(Counted::new(7, &drops));
    let guard = slab.get(key).unwrap();
    elsewhere(|| {
        assert!(slab.remove(key) && !slab.contains(key));
        slab.flush();
    });
    assert_eq!((guard.number, drops.load(Relaxed), slab.stats().limbo), (7, 0, 1));
    guard.assert_whole();
    drop(guard);
    // Whoever adopts the part of the thread that exited has its limbo, too.
    elsewhere(|| slab.flush());
    assert_eq!(drops.load(Relaxed), 0, "a thread that never used the slab has nothing to flush");
    elsewhere(|| {
        assert!(slab.get(key).is_none());
        slab.insert(Counted::new(8, &drops));
        slab.flush();
    });
    assert_eq!((drops.load(Relaxed), slab.stats().limbo), (1, 0));
}

#[test]
fn a_guard_may_end_on_another_thread() {
    let (slab, drops) = (SyncSlab::new(), drops());
    let key = slab.insert(Counted::new(7, &drops));
    let guard = slab.get(key).unwrap();
    assert!(slab.remove(key));
    elsewhere(move || {
        guard.assert_whole();
        drop(guard);
    });
    slab.flush();
    assert_eq!(drops.load(Relaxed), 1);
}

#[test]
fn many_guards_at_once_are_each_of_their_own_value() {
    let (slab, drops) = (SyncSlab::new(), drops());
    let keys: Vec<_> = (0..300).map(|n| slab.insert(Counted::new(n, &drops))).collect();
    for round in 0..3 {
        let guards: Vec<_> = keys.iter().map(|&key| slab.get(key).unwrap()).collect();
        for (n, guard) in guards.iter().enumerate() {
            assert_eq!((guard.number, Ref::key(guard)), (n as u64, keys[n]), "round {round}");
        }
    }
    let guards: Vec<_> = keys.iter().rev().map(|&key| slab.get(key).unwrap()).collect();
    assert!(keys.iter().all(|&key| slab.remove(key)));
    slab.flush();
    assert_eq!((drops.load(Relaxed), slab.stats().limbo, slab.len()), (0, 300, 0));
    guards.iter().for_each(|guard| guard.assert_whole());
    drop(guards);
    slab.flush();
    assert_eq!(drops.load(Relaxed), 300);
    // Nothing is left of the guards: values go at once again.
    let key = slab.insert(Counted::new(1, &drops));
    assert!(slab.remove(key));
    assert_eq!(drops.load(Relaxed), 301);
}

#[test]
#[expect(clippy::mem_forget, reason = "what this test is about")]
fn a_forgotten_guard_keeps_its_value_and_no_other() {
    let (mut slab, drops) = (SyncSlab::new(), drops());
    let key = slab.insert(Counted::new(7, &drops));
    mem::forget(slab.get(key).unwrap());
    assert!(slab.remove(key));
    for n in 0..2_000 {
        let key = slab.insert(Counted::new(n, &drops));
        assert!(elsewhere_if(n % 100 == 0, || slab.remove(key)));
    }
    slab.flush();
    elsewhere(|| {
        slab.insert(Counted::new(0, &drops));
        slab.flush();
    });
    assert_eq!((drops.load(Relaxed), slab.stats().limbo), (2_000, 1));
    slab.trim();
    assert_eq!((drops.load(Relaxed), slab.stats().limbo), (2_001, 0), "nobody can use it any more");
}

/// Runs `f` on another thread, or here.
fn elsewhere_if<R: Send>(other: bool, f: impl FnOnce() -> R + Send) -> R {
    if other { elsewhere(f) } else { f() }
}
