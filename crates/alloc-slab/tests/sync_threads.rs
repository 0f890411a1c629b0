//! `SyncSlab` under threads that come, go and storm it.
#![cfg(all(feature = "std", target_has_atomic = "64"))]

mod counted;

use alloc_slab::{Key, Ref, SyncSlab};
use core::cell::RefCell;
use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use counted::{CHECK, Counted, drops, elsewhere};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

static KEPT: SyncSlab<u64> = SyncSlab::new();

thread_local! {
    static GUARD: RefCell<Option<Ref<'static, u64>>> = const { RefCell::new(None) };
}

#[test]
fn a_guard_may_outlive_the_part_of_its_thread() {
    let key = elsewhere(|| {
        // Made before the part, so dropped after that was handed back.
        GUARD.with(|guard| {
            let key = KEPT.insert(7);
            *guard.borrow_mut() = KEPT.get(key);
            assert!(KEPT.remove(key));
            key
        })
    });
    elsewhere(|| {
        let again = KEPT.insert(8);
        KEPT.flush();
        assert_eq!((KEPT.stats().limbo, KEPT.get(key).is_some()), (0, false));
        assert_eq!(*KEPT.get(again).unwrap(), 8);
    });
}

#[test]
fn the_slab_ends_while_threads_exit() {
    let drops = drops();
    const ROUNDS: usize = 200;
    for n in 0..ROUNDS {
        let slab = Arc::new(SyncSlab::new());
        let (send, receive) = mpsc::channel();
        let theirs = Arc::clone(&slab);
        let (counted, other) = (Counted::new(n as u64, &drops), Counted::new(1, &drops));
        let t = thread::spawn(move || {
            let key = theirs.insert(counted);
            theirs.insert(other);
            send.send(key).unwrap();
        });
        let key = receive.recv().unwrap();
        slab.get(key).unwrap().assert_whole();
        assert!(slab.remove(key));
        drop(slab);
        t.join().unwrap();
    }
    assert_eq!(drops.load(Relaxed), 2 * ROUNDS);
}

/// Threads insert, look at and remove their own and each other's values; every value that is seen is
/// whole, and each is dropped once.
fn storm(threads: u64, steps: u64) {
    let (slab, drops) = (SyncSlab::new(), drops());
    let exchange: Vec<_> = (0..64).map(|_| AtomicU64::new(0)).collect();
    let (inserted, removed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let run = |seed: u64| {
        let mut x = seed.wrapping_mul(CHECK) | 1;
        let mut own: Vec<Key<Counted>> = Vec::new();
        for step in 0..steps {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let place = &exchange[(x >> 32) as usize % exchange.len()];
            match x % 8 {
                0..=2 => {
                    own.push(slab.insert(Counted::new(step, &drops)));
                    inserted.fetch_add(1, Relaxed);
                }
                3 => {
                    let key = slab.insert(Counted::new(step, &drops));
                    inserted.fetch_add(1, Relaxed);
                    let other = Key::from_bits(place.swap(key.to_bits(), AcqRel));
                    if let Some(other) = other {
                        removed.fetch_add(usize::from(slab.remove(other)), Relaxed);
                    }
                }
                4 | 5 => {
                    if let Some(key) = Key::from_bits(place.load(Acquire))
                        && let Some(guard) = slab.get(key)
                    {
                        guard.assert_whole();
                        if x % 16 == 4 {
                            thread::yield_now();
                        }
                        if x % 32 < 16 {
                            removed.fetch_add(usize::from(slab.remove(key)), Relaxed);
                        }
                        guard.assert_whole();
                    }
                }
                _ => {
                    if let Some(key) = own.pop() {
                        slab.get(key).unwrap().assert_whole();
                        assert!(slab.remove(key) && !slab.remove(key) && slab.get(key).is_none());
                        removed.fetch_add(1, Relaxed);
                    }
                }
            }
        }
    };
    // Threads take their first page one after another, and are joined one by one: ThreadSanitizer sees
    // neither a contended lock of the standard library nor how a scope waits.
    let turn = AtomicU64::new(0);
    let (run, turn, slab_ref, drops_ref) = (&run, &turn, &slab, &drops);
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn(move || {
                    while turn.load(Acquire) != number {
                        thread::yield_now();
                    }
                    let key = slab_ref.insert(Counted::new(0, drops_ref));
                    assert!(slab_ref.remove(key));
                    turn.store(number + 1, Release);
                    run(2 * number + 1);
                    // And once more, by a thread that adopts a part.
                    thread::scope(|scope| {
                        scope.spawn(move || run(2 * number + 2)).join().unwrap();
                    });
                })
            })
            .collect();
        started.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let first = usize::try_from(threads).unwrap();
    let (inserted, removed) = (inserted.into_inner() + first, removed.into_inner() + first);
    assert_eq!(slab.len(), inserted - removed);
    let stats = slab.stats();
    assert_eq!(removed - drops.load(Relaxed), stats.limbo);
    assert!(stats.limbo <= stats.parts * 256, "{stats:?}");
    drop(slab);
    assert_eq!(drops.load(Relaxed), inserted, "each value is dropped once");
}

#[test]
fn a_storm_of_threads_sees_whole_values_and_drops_each_once() {
    storm(4, 20_000);
}

#[test]
fn tsan_a_storm_of_threads() {
    storm(3, 1_500);
}

#[test]
fn a_reader_that_never_rests_stops_no_reclamation() {
    let (slab, drops) = (SyncSlab::new(), drops());
    let (held, stop) = (slab.insert(Counted::new(7, &drops)), AtomicBool::new(false));
    let started = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut guard = slab.get(held).unwrap();
            started.wait();
            while !stop.load(Relaxed) {
                // The next guard before the last one goes.
                guard = slab.get(held).unwrap();
            }
            guard.assert_whole();
        });
        started.wait();
        for n in 0..2_000 {
            let key = slab.insert(Counted::new(n, &drops));
            assert!(slab.remove(key));
        }
        slab.flush();
        stop.store(true, Relaxed);
        assert_eq!((drops.load(Relaxed), slab.stats().limbo), (2_000, 0));
    });
}
