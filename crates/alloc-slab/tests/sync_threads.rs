//! `SyncSlab` under threads that come, go and storm it.
#![cfg(all(feature = "std", target_has_atomic = "64"))]

mod counted;

use alloc_core::Global;
use alloc_core::testing::Checked;
use alloc_slab::{Key, Ref, SyncSlab};
use core::cell::RefCell;
use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use counted::{CHECK, Counted, drops, elsewhere};
use std::sync::{Arc, Barrier, Mutex, RwLock, mpsc};
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
    assert!(stats.limbo <= stats.parts * 2_048, "{stats:?}");
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

/// A page of 64 slots.
struct Wide(Counted, [u64; 120]);

/// Workers that keep their parts, and in each round one that exits, go up to a peak and down again, remove
/// each other's values, and meet; then one has the slab alone, and trims it.
#[test]
fn pages_go_back_between_peaks_and_the_load_goes_on() {
    const WORKERS: usize = 3;
    const ROUNDS: u64 = 6;
    const PEAK: u64 = 1_000;
    let (backing, drops) = (Checked::new(Global), drops());
    let slab = RwLock::new(SyncSlab::new_in(&backing));
    // ORD Relaxed, of this and of drops: read where all others have met, or were joined.
    let inserted = AtomicUsize::new(0);
    let exchange = Mutex::new(Vec::new());
    let kept = Mutex::new(Vec::new());
    let meet = Barrier::new(WORKERS + 1);
    let load = |round: u64| {
        let slab = slab.read().unwrap();
        let stale: Vec<(u64, Key<Wide>)> = kept.lock().unwrap().clone();
        for &(number, key) in &stale {
            slab.get(key).unwrap().0.assert_whole();
            assert_eq!(slab.get(key).unwrap().1, [number; 120], "kept through every trim");
        }
        let mut keys: Vec<_> =
            (0..PEAK).map(|n| (n, slab.insert(Wide(Counted::new(n, &drops), [n; 120])))).collect();
        // ORD Relaxed: as said above.
        inserted.fetch_add(keys.len(), Relaxed);
        let others = core::mem::replace(&mut *exchange.lock().unwrap(), keys.split_off(600));
        for (number, key) in others.into_iter().chain(keys.drain(..599)) {
            assert_eq!(slab.get(key).unwrap().1, [number; 120]);
            assert!(slab.remove(key));
        }
        // One in the middle of a page stays until the next round but one.
        kept.lock().unwrap().push(keys[0]);
        round
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    load(round);
                    meet.wait();
                    meet.wait();
                }
            });
        }
        let mut peak_pages = 0;
        for round in 0..ROUNDS {
            // Adopts the part of the round before, and its pages.
            elsewhere(|| load(round));
            meet.wait();
            {
                let mut slab = slab.write().unwrap();
                // What waits for somebody to take it is nobody's any more.
                for (_, key) in exchange.lock().unwrap().drain(..) {
                    assert!(slab.remove(key));
                }
                let mut kept = kept.lock().unwrap();
                while kept.len() > 2 * (WORKERS + 1) {
                    let (number, key) = kept.remove(0);
                    assert_eq!(slab.take(key).unwrap().1, [number; 120]);
                }
                let (held, live) = (slab.reserved_bytes(), backing.live_bytes());
                let before = slab.stats();
                assert!(before.parts <= WORKERS + 2 && before.adopted >= round, "{before:?}");
                assert!(before.shared_pages > 0 && before.limbo > 0, "{before:?}");
                peak_pages = peak_pages.max(before.pages);
                let freed = slab.trim();
                // Those that are left have a value, be they of a thread that works or of one that exited.
                let mut pages: Vec<_> = kept.iter().map(|(_, key)| key.index() / 64).collect();
                pages.sort_unstable();
                pages.dedup();
                let after = slab.stats();
                assert_eq!((after.len, after.pages), (kept.len(), pages.len()), "{after:?}");
                assert_eq!((after.limbo, after.shared_pages), (0, 0));
                assert!(after.pages * 4 < before.pages, "{before:?} {after:?}");
                // And memory is back where it came from.
                assert_eq!(slab.reserved_bytes(), held - freed);
                assert_eq!(
                    (backing.live_bytes(), backing.live_blocks()),
                    (live - freed, pages.len())
                );
                // ORD Relaxed: as said above, both.
                assert_eq!(drops.load(Relaxed), inserted.load(Relaxed) - kept.len());
            }
            meet.wait();
        }
        assert!(peak_pages >= 4 * 600 / 64, "{peak_pages}");
    });
    drop(slab);
    // ORD Relaxed: as said above.
    assert_eq!((backing.live_blocks(), drops.load(Relaxed)), (0, inserted.into_inner()));
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
