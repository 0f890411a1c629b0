//! `SyncSlab`: what it promises to one thread, and to several.
#![cfg(all(feature = "std", target_has_atomic = "64"))]

mod counted;

use alloc_core::Global;
use alloc_core::testing::{Checked, FailAt};
use alloc_slab::{ErrorKind, Key, Ref, SyncSlab};
use core::mem;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use counted::{Counted, drops, elsewhere};
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::sync::Barrier;
use std::thread;

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

#[test]
fn limbo_is_looked_through_when_it_is_full() {
    // A sixteenth of the limit, 256, is full.
    let (slab, drops) = (SyncSlab::new().with_limit(4096), drops());
    let keys: Vec<_> = (0..1_000).map(|n| slab.insert(Counted::new(n, &drops))).collect();
    elsewhere(|| {
        for (n, &key) in keys.iter().enumerate() {
            assert!(slab.remove(key));
            let dropped = drops.load(Relaxed);
            assert_eq!(dropped, (n + 1) / 256 * 256, "a batch at a time");
            assert_eq!(slab.stats().limbo, n + 1 - dropped);
        }
    });
    let stats = slab.stats();
    assert_eq!((stats.collections, stats.shared_removals), (3, 1_000));
    assert_eq!(stats.shared_pages, stats.pages);
    drop(slab);
    assert_eq!(drops.load(Relaxed), 1_000);
}

#[test]
fn values_that_had_guards_at_the_last_look_let_twice_as_many_wait() {
    let (slab, drops) = (SyncSlab::new().with_limit(4096), drops());
    let keys: Vec<_> = (0..2_048).map(|n| slab.insert(Counted::new(n, &drops))).collect();
    elsewhere(|| assert!(keys.iter().all(|&key| slab.get(key).is_some())));
    assert_eq!(slab.stats().shared_pages, slab.stats().pages);
    let guards: Vec<_> = keys[..1_000].iter().map(|&key| slab.get(key)).collect();
    assert!(keys[..1_000].iter().all(|&key| slab.remove(key)));
    drop(guards);
    // ORD Relaxed, of drops here and below: on this thread.
    // Looked through at 256, and at 2 * 256 + 256 = 768, when all of them had guards.
    assert_eq!((slab.stats().limbo, slab.stats().collections), (1_000, 2));
    let bound = 2 * 768 + 256;
    assert!(keys[1_000..bound - 1].iter().all(|&key| slab.remove(key)));
    assert_eq!((slab.stats().limbo, drops.load(Relaxed)), (bound - 1, 0), "nobody looks at any");
    assert!(slab.remove(keys[bound - 1]));
    assert_eq!((slab.stats().limbo, drops.load(Relaxed)), (0, bound));
    // And from then on 256 again.
    assert!(keys[bound..2_047].iter().all(|&key| slab.remove(key)));
    assert_eq!((slab.stats().limbo, slab.stats().collections), (255, 3));
    assert!(slab.remove(keys[2_047]));
    assert_eq!((slab.stats().limbo, drops.load(Relaxed)), (0, 2_048));
}

/// How many removed values of a type are dropped together, at the first look.
fn dropped_together<T: Send + Sync>(value: impl Fn() -> T) -> u64 {
    let slab = SyncSlab::new();
    let keys: Vec<_> = (0..2_100).map(|_| slab.insert(value())).collect();
    elsewhere(|| {
        let removals = keys.iter().take_while(|&&key| {
            assert!(slab.remove(key));
            slab.stats().collections == 0
        });
        removals.count() as u64 + 1
    })
}

#[test]
fn fewer_large_values_wait_than_small_ones() {
    assert_eq!(dropped_together(|| 0_u32), 2_048);
    assert_eq!(dropped_together(|| [0_u64; 126]), 128, "slots of 1 KiB");
    assert_eq!(dropped_together(|| [0_u64; 1024]), 64);
}

#[test]
fn figures_of_a_shared_slab_know_its_peak_and_its_resets() {
    let mut slab = SyncSlab::new();
    let figures = |slab: &SyncSlab<[u8; 10]>| {
        let stats = slab.stats();
        assert_eq!(slab.used_bytes(), stats.used_bytes);
        (stats.used_bytes, stats.peak_bytes, stats.resets)
    };
    assert_eq!(figures(&slab), (0, 0, 0));
    for n in 0..30 {
        slab.insert([n; 10]);
    }
    elsewhere(|| slab.insert([30; 10]));
    assert_eq!(figures(&slab), (310, 310, 0), "never below what is in use");
    slab.clear();
    assert_eq!(figures(&slab), (0, 310, 1));
    slab.insert([0; 10]);
    drop(slab.drain());
    assert_eq!(figures(&slab), (0, 310, 2));
    for n in 0..40 {
        slab.insert([n; 10]);
    }
    assert_eq!(figures(&slab), (400, 400, 2));
    slab.clear();
    slab.trim();
    assert_eq!(figures(&slab), (0, 400, 3));
}

#[test]
fn freed_slots_come_back_to_their_owner() {
    let slab = SyncSlab::new();
    let keys: Vec<_> = (0..4_096u64).map(|n| slab.insert([n; 4])).collect();
    let pages = slab.stats().pages;
    for round in 0..5 {
        let stale = keys.clone();
        elsewhere(|| {
            stale
                .iter()
                .for_each(|&key| assert_eq!(slab.remove(key), round == 0, "stale from then on"));
            slab.flush();
        });
        let fresh: Vec<_> = (0..4_096u64).map(|n| slab.insert([n; 4])).collect();
        assert_eq!(slab.stats().pages, pages, "round {round}");
        elsewhere(|| {
            fresh.iter().for_each(|&key| assert!(slab.remove(key)));
            slab.flush();
        });
    }
    assert!(slab.is_empty());
}

#[test]
fn a_thread_that_exits_leaves_its_pages_to_be_adopted() {
    let (slab, drops) = (SyncSlab::new(), drops());
    let (first, second) =
        elsewhere(|| (slab.insert(Counted::new(7, &drops)), slab.insert(Counted::new(8, &drops))));
    assert_eq!((slab.stats().parts, slab.stats().adopted), (1, 0));
    elsewhere(|| {
        let third = slab.insert(Counted::new(9, &drops));
        let stats = slab.stats();
        assert_eq!((stats.parts, stats.adopted, stats.pages), (1, 1, 1));
        // The page is its own now: nobody else was there, and the value goes at once.
        assert!(slab.remove(first));
        assert_eq!((drops.load(Relaxed), slab.stats().shared_pages), (1, 0));
        assert!(slab.remove(third));
    });
    // And a third one, which has a part of its own, removes what is left.
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            slab.insert(Counted::new(10, &drops)); // adopts
            barrier.wait();
            barrier.wait();
        });
        barrier.wait();
        let own = slab.insert(Counted::new(11, &drops));
        assert_eq!(slab.stats().parts, 2);
        assert!(slab.remove(second) && slab.remove(own));
        slab.flush();
        assert_eq!(drops.load(Relaxed), 4);
        barrier.wait();
    });
    assert_eq!(slab.len(), 1);
}

#[test]
fn of_two_threads_that_remove_a_key_one_is_told_so() {
    let (slab, drops) = (SyncSlab::new(), drops());
    const ROUNDS: usize = 2_000;
    for round in 0..ROUNDS / 200 {
        let keys: Vec<_> = (0..200).map(|n| slab.insert(Counted::new(n, &drops))).collect();
        let barrier = Barrier::new(3);
        let told: usize = thread::scope(|scope| {
            let remove = || {
                barrier.wait();
                keys.iter().filter(|&&key| slab.remove(key)).count()
            };
            let others = [scope.spawn(remove), scope.spawn(remove)];
            let ours = remove();
            ours + others.map(|other| other.join().unwrap()).iter().sum::<usize>()
        });
        assert_eq!((told, slab.len()), (200, 0), "round {round}");
    }
    drop(slab);
    assert_eq!(drops.load(Relaxed), ROUNDS);
}

/// A value that uses the slab when it is dropped.
struct Reentrant {
    slab: &'static SyncSlab<Reentrant>,
    children: usize,
    victim: Option<Key<Reentrant>>,
}

static REENTRANT: SyncSlab<Reentrant> = SyncSlab::new();
static REENTRANT_DROPS: AtomicUsize = AtomicUsize::new(0);

impl Drop for Reentrant {
    fn drop(&mut self) {
        REENTRANT_DROPS.fetch_add(1, Relaxed);
        for _ in 0..self.children {
            let slab = self.slab;
            let key = slab.insert(Self { slab, children: self.children - 1, victim: None });
            assert_eq!(slab.get(key).unwrap().children, self.children - 1);
            assert!(slab.remove(key));
        }
        if let Some(victim) = self.victim {
            assert!(self.slab.remove(victim));
        }
        self.slab.flush();
    }
}

#[test]
fn a_drop_may_insert_look_remove_and_flush_in_the_same_slab() {
    let slab = &REENTRANT;
    let value = |children, victim| Reentrant { slab, children, victim };
    let victim = slab.insert(value(2, None));
    let key = slab.insert(value(3, Some(victim)));
    assert!(slab.remove(key));
    // 1 + 3 (1 + 2 (1 + 1)) values of the first, and 1 + 2 (1 + 1) of the victim.
    assert_eq!((REENTRANT_DROPS.load(Relaxed), slab.len()), (16 + 5, 0));
    // The same in limbo.
    let (first, second) = (slab.insert(value(2, None)), slab.insert(value(1, None)));
    let third = slab.insert(value(0, Some(second)));
    elsewhere(|| {
        assert!(slab.remove(first) && slab.remove(third));
        slab.flush();
        slab.flush(); // what drops removed from shared pages meanwhile
    });
    assert_eq!(
        (REENTRANT_DROPS.load(Relaxed), slab.len(), slab.stats().limbo),
        (21 + 5 + 1 + 2, 0, 0)
    );
}

/// A value whose drop panics where it is told to.
struct Panicky(Counted, bool);

impl Drop for Panicky {
    fn drop(&mut self) {
        self.0.assert_whole();
        assert!(!self.1, "told to");
    }
}

#[test]
fn a_drop_that_panics_keeps_no_other_value_from_its_own() {
    let drops = drops();
    let value = |n: u64, panics| Panicky(Counted::new(n, &drops), panics);
    let panics = |f: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err());

    let mut slab = SyncSlab::new();
    let key = slab.insert(value(0, true));
    panics(&mut || assert!(slab.remove(key)));
    assert_eq!((drops.load(Relaxed), slab.len()), (1, 0));
    assert_eq!(slab.insert(value(1, false)).index(), key.index(), "the slot is free");

    // In limbo: those behind it stay there, and go with the next look.
    let keys: Vec<_> = (0..10).map(|n| slab.insert(value(n, n == 4))).collect();
    let guards: Vec<_> = keys.iter().map(|&key| slab.get(key).unwrap()).collect();
    assert!(keys.iter().all(|&key| slab.remove(key)));
    drop(guards);
    panics(&mut || slab.flush());
    assert_eq!((drops.load(Relaxed), slab.stats().limbo), (6, 5));
    slab.flush();
    assert_eq!((drops.load(Relaxed), slab.stats().limbo, slab.len()), (11, 0, 1));

    // While it is cleared, and while it ends; one value in limbo each time.
    for (n, panicking) in [(0, 3), (1, 0)] {
        let before = drops.load(Relaxed);
        let left = slab.len();
        let keys: Vec<_> = (0..10).map(|n| slab.insert(value(n, n == panicking))).collect();
        let guard = slab.get(keys[0]).unwrap();
        assert!(slab.remove(keys[0]));
        drop(guard);
        if n == 0 {
            panics(&mut || slab.clear());
            assert_eq!((slab.len(), slab.stats().limbo), (0, 0));
        } else {
            let mut ending = Some(mem::take(&mut slab));
            panics(&mut || drop(ending.take()));
        }
        assert_eq!(drops.load(Relaxed) - before, left + 10);
    }
}

#[test]
fn a_value_that_could_not_be_made_leaves_its_slot() {
    let slab = SyncSlab::new();
    let mut told = None;
    let made = catch_unwind(AssertUnwindSafe(|| {
        slab.insert_with(|key| {
            told = Some(key);
            assert!(!slab.contains(key) && slab.get(key).is_none() && !slab.remove(key));
            slab.insert(1);
            panic!("told to")
        })
    }));
    assert!(made.is_err());
    assert_eq!(slab.len(), 1);
    assert_eq!(slab.insert_with(|key| key.generation()), told.unwrap());
    assert_eq!(*slab.get(told.unwrap()).unwrap(), told.unwrap().generation());
}

#[test]
#[expect(clippy::mem_forget, reason = "a forgotten iterator")]
fn exclusive_access_iterates_changes_takes_and_drains() {
    let (mut slab, drops) = (SyncSlab::new(), drops());
    let mut keys: HashMap<u64, Key<Counted>> =
        (0..1_000).map(|n| (n, slab.insert(Counted::new(n, &drops)))).collect();
    let more: Vec<_> =
        elsewhere(|| (1_000..1_500).map(|n| (n, slab.insert(Counted::new(n, &drops)))).collect());
    keys.extend(more);
    for n in (0..1_500).step_by(3) {
        assert!(slab.remove(keys.remove(&n).unwrap()));
    }
    let seen: HashMap<_, _> = slab.iter_mut().map(|(key, value)| (value.number, key)).collect();
    assert_eq!(seen, keys);
    slab.get_mut(keys[&1]).unwrap().number = 1;
    assert_eq!(slab.take(keys[&1]).unwrap().number, 1);
    assert!(slab.take(keys[&1]).is_none() && slab.get_mut(keys[&1]).is_none());
    slab.retain(|key, value| {
        assert_eq!(keys[&value.number], key);
        value.number >= 1_000
    });
    assert_eq!(slab.len(), keys.keys().filter(|&&n| n >= 1_000).count());
    let mut drain = slab.drain();
    let (key, value) = drain.next().unwrap();
    assert_eq!(keys[&value.number], key);
    mem::forget(drain);
    assert!(!slab.contains(key) && slab.len() == 333);
    assert_eq!(slab.drain().count(), 333);
    drop(value);
    // The other thread's that this one removed are in limbo.
    assert_eq!((slab.len(), slab.stats().limbo, drops.load(Relaxed)), (0, 166, 1_334));
    slab.insert(Counted::new(1, &drops));
    slab.clear();
    assert_eq!((slab.len(), drops.load(Relaxed)), (0, 1_501));
    assert!(keys.values().all(|&key| !slab.contains(key)));
}

#[test]
fn a_closure_that_panics_in_retain_of_a_shared_slab_loses_no_value() {
    for panics_at in [0usize, 1, 50, 99] {
        let (mut slab, drops) = (SyncSlab::new(), drops());
        let keys: Vec<_> = (0..100).map(|n| slab.insert(Counted::new(n, &drops))).collect();
        // One in limbo of another thread, which is neither shown nor lost.
        elsewhere(|| assert!(slab.remove(keys[7])));
        let mut calls = 0;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            slab.retain(|key, value| {
                assert_eq!(key, keys[usize::try_from(value.number).unwrap()]);
                assert_ne!(value.number, 7);
                calls += 1;
                assert!(calls <= panics_at, "told to");
                calls % 2 == 0
            });
        }));
        assert_eq!(panicked.is_err(), panics_at < 99);
        let dropped = panics_at.div_ceil(2);
        // ORD Relaxed, here and below: dropped on this thread.
        assert_eq!((slab.len(), drops.load(Relaxed)), (99 - dropped, dropped));
        // The others are there, the one that it panicked at included; free slots can be had, each once.
        let left: Vec<_> = slab.iter_mut().map(|(key, value)| (key, value.number)).collect();
        assert_eq!(left.len(), 99 - dropped);
        for (key, number) in left {
            assert!(slab.contains(key) && keys[usize::try_from(number).unwrap()] == key);
        }
        let pages = slab.stats().pages;
        let fresh: Vec<_> =
            (0..dropped).map(|n| slab.insert(Counted::new(n as u64, &drops))).collect();
        assert!((0..).zip(&fresh).all(|(n, &key)| slab.get(key).unwrap().number == n));
        assert_eq!((slab.stats().pages, slab.len()), (pages, 99));
        drop(slab);
        assert_eq!(drops.load(Relaxed), 100 + dropped);
    }
}

#[test]
fn a_limit_of_nothing_refuses_everything() {
    let slab = SyncSlab::new().with_limit(0);
    for _ in 0..2 {
        let rejected = slab.try_insert(7).unwrap_err();
        assert_eq!((rejected.error().kind(), rejected.into_value()), (ErrorKind::Full, 7));
    }
    assert_eq!((slab.limit(), slab.reserved_bytes()), (0, 0));
}

#[test]
fn trim_gives_pages_back_and_forgets_no_generation() {
    let mut slab = SyncSlab::new();
    let mut stale = Vec::new();
    for round in 0..5u64 {
        let keys: Vec<_> = (0..3_000).map(|n| slab.insert([round, n])).collect();
        assert!(stale.iter().all(|&key| !slab.contains(key)), "round {round}");
        elsewhere(|| assert!(slab.get(keys[0]).is_some()));
        let kept = keys[2_999];
        assert!(keys.iter().all(|&key| key == kept || slab.remove(key)));
        let (held, pages) = (slab.reserved_bytes(), slab.stats().pages);
        let freed = slab.trim();
        assert!(freed > 0 && slab.reserved_bytes() == held - freed);
        let stats = slab.stats();
        assert_eq!((stats.pages, stats.shared_pages, stats.limbo), (1, 0, 0), "of {pages}");
        assert_eq!(*slab.get(kept).unwrap(), [round, 2_999]);
        assert!(slab.remove(kept));
        assert!(slab.trim() > 0);
        assert_eq!(slab.stats().pages, 0);
        stale.extend(keys);
        assert!(stale.iter().all(|&key| !slab.contains(key) && slab.get(key).is_none()));
        assert!(stale.iter().all(|&key| !slab.remove(key)));
    }
}

#[test]
fn a_limit_is_of_all_threads_together() {
    let slab = SyncSlab::new().with_limit(100);
    let keys: Vec<_> = (0..100).map(|n| slab.insert(n)).collect();
    let full = |slab: &SyncSlab<i32>| {
        let rejected = slab.try_insert(7).unwrap_err();
        assert_eq!((rejected.error().kind(), rejected.into_value()), (ErrorKind::Full, 7));
    };
    full(&slab);
    elsewhere(|| full(&slab));
    assert!(slab.remove(keys[3]));
    elsewhere(|| full(&slab)); // the free slot is this thread's
    slab.insert(3);
    full(&slab);
    // What waits in limbo makes room when there is no other.
    let guard = slab.get(keys[4]).unwrap();
    assert!(slab.remove(keys[4]));
    full(&slab);
    drop(guard);
    slab.insert(4);
    full(&slab);
    assert_eq!(slab.limit(), 100);
}

#[test]
fn memory_that_runs_out_is_a_value_and_pages_go_back_once() {
    let drops = drops();
    for fail_at in 1..4 {
        let slab = SyncSlab::new_in(FailAt::new(Checked::new(Global), fail_at));
        let mut refused = 0;
        let mut keys = Vec::new();
        for n in 0..5_000 {
            match slab.try_insert(Counted::new(n, &drops)) {
                Ok(key) => keys.push(key),
                Err(rejected) => {
                    assert_eq!(rejected.error().kind(), ErrorKind::Backing);
                    rejected.into_value().assert_whole();
                    refused += 1;
                }
            }
        }
        assert_eq!((refused, keys.len()), (1, 4_999), "usable afterwards");
        assert!(keys.iter().all(|&key| slab.contains(key)));
    }
    assert_eq!(drops.load(Relaxed), 15_000);
}

#[test]
fn values_of_any_size_and_alignment() {
    #[repr(align(256))]
    struct Aligned(u8);
    let aligned = SyncSlab::new();
    for n in 0..200 {
        let guard = aligned.get(aligned.insert(Aligned(n))).unwrap();
        assert!(guard.0 == n && (&raw const *guard).addr().is_multiple_of(256));
    }
    let empty = SyncSlab::new();
    let keys: Vec<_> = (0..10_000).map(|_| empty.insert(())).collect();
    assert!(keys.iter().all(|&key| empty.get(key).is_some() && empty.remove(key)));
    let large = SyncSlab::new();
    let key = large.insert([7u8; 5_000]);
    assert!(large.get(key).unwrap().iter().all(|&byte| byte == 7));
}

#[test]
fn keys_of_other_slabs_are_refused() {
    let slabs: Vec<_> = (0..20).map(|_| SyncSlab::new()).collect();
    let keys: Vec<_> = slabs.iter().map(|slab| slab.insert(1u8)).collect();
    for (n, slab) in slabs.iter().enumerate() {
        for (m, &key) in keys.iter().enumerate() {
            assert_eq!((slab.contains(key), slab.get(key).is_some()), (n == m, n == m));
        }
    }
    let unheard_of = Key::from_bits(u64::MAX).unwrap();
    assert!(slabs[0].get(unheard_of).is_none() && !slabs[0].remove(unheard_of));
    assert!(SyncSlab::<u8>::new().get(keys[0]).is_none());
}

#[cfg(not(loom))]
mod threads {
    use super::{Ref, SyncSlab};
    use core::cell::Cell;
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::rc::Rc;

    assert_impl_all!(SyncSlab<u8>: Send, Sync);
    // A value comes on one thread and is dropped on another, and two threads have guards of it.
    assert_impl_all!(SyncSlab<Cell<u8>>: Send);
    assert_not_impl_any!(SyncSlab<Cell<u8>>: Sync);
    assert_not_impl_any!(SyncSlab<Rc<u8>>: Send, Sync);
    assert_not_impl_any!(SyncSlab<std::sync::MutexGuard<'static, u8>>: Send, Sync);
    // A guard lends, and owns nothing.
    assert_impl_all!(Ref<'static, u8>: Send, Sync);
    assert_impl_all!(Ref<'static, std::sync::MutexGuard<'static, u8>>: Send, Sync);
    assert_not_impl_any!(Ref<'static, Cell<u8>>: Send, Sync);
}
