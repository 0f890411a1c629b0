//! Arenas of every kind and the end of their threads: dropped before and after the thread's cache,
//! used by destructors of thread-locals, sent away, swapped; and checkpoints that went astray.
#![cfg(all(feature = "std", not(loom)))]

use alloc_arena::{
    Arena, ArenaConfig, Checkpoint, CheckpointError, SyncArena, ThreadCache, TypedArena,
};
use alloc_core::Global;
use alloc_core::testing::Checked;
use core::cell::RefCell;
use core::mem::ManuallyDrop;
use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

/// Runs `work` on a thread of its own, and waits for the thread's destructors.
fn on_a_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    thread::spawn(work).join().unwrap()
}

/// What a destructor of a thread-local does, and how often one ran.
struct AtExit(Option<Box<dyn FnOnce()>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

thread_local! {
    // Destructors run in the reverse of the order in which the values are first used.
    static FIRST: RefCell<AtExit> = const { RefCell::new(AtExit(None)) };
    static SECOND: RefCell<AtExit> = const { RefCell::new(AtExit(None)) };
}

/// Arenas that are dropped by destructors on both sides of the cache's, and made by them.
#[test]
fn destructors_before_and_after_that_of_the_cache() {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ran);
    on_a_thread(move || {
        let work = |name: &'static str| {
            let log = Arc::clone(&log);
            let (mut kept, typed) = (Arena::new(), TypedArena::new());
            kept.alloc_slice_fill_copy(100_000, 1u8);
            typed.alloc(vec![name; 3]);
            AtExit(Some(Box::new(move || {
                for size in [10, 20_000, 100_000] {
                    let fresh = Arena::new();
                    fresh.alloc_slice_fill_copy(size, 2u8);
                    fresh.alloc_drop(vec![1]);
                }
                kept.reset();
                kept.alloc_slice_fill_copy(100_000, 3u8);
                typed.alloc(vec![name; 4]);
                ThreadCache::set_budget_bytes(1 << 20);
                let shared = SyncArena::new();
                shared.alloc_drop(vec![kept.used_bytes(), typed.len()]);
                drop((kept, typed, shared));
                let stats = ThreadCache::stats();
                log.lock().unwrap().push((name, stats.cached_chunks > 0));
            })))
        };
        FIRST.with_borrow_mut(|first| *first = work("first"));
        drop(Arena::with_capacity(1)); // the cache's destructor stands between the two
        assert_eq!(ThreadCache::stats().cached_chunks, 1);
        SECOND.with_borrow_mut(|second| *second = work("second"));
    });
    let ran = ran.lock().unwrap();
    // Whichever side the system runs first: what is dropped after the cache's end is not kept there.
    assert_eq!(ran.len(), 2, "{ran:?}");
    assert!(ran.iter().filter(|(_, is_kept)| *is_kept).count() <= 1, "{ran:?}");
}

/// A shared arena that a destructor uses when its thread has no part any more: the block is good, the
/// value is dropped by the owner, and nothing is lost.
#[test]
fn a_destructor_that_allocates_from_a_shared_arena() {
    let dropped = Arc::new(Mutex::new(Vec::new()));
    struct Noisy(u32, Arc<Mutex<Vec<u32>>>);
    impl Drop for Noisy {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let arena = Arc::new(SyncArena::<8, _>::new_in(Checked::new(Global)));
    for n in 0..10 {
        let (arena, dropped) = (Arc::clone(&arena), Arc::clone(&dropped));
        on_a_thread(move || {
            let (theirs, log) = (Arc::clone(&arena), Arc::clone(&dropped));
            FIRST.with_borrow_mut(|first| {
                first.0 = Some(Box::new(move || {
                    let text = theirs.alloc_str("late");
                    theirs.alloc_drop(Noisy(n + 100, log));
                    assert_eq!(text, "late");
                }));
            });
            arena.alloc_drop(Noisy(n, dropped)); // this thread's part: handed back before `FIRST`
        });
    }
    let mut arena = Arc::into_inner(arena).expect("every thread has ended");
    assert!(dropped.lock().unwrap().is_empty());
    arena.reset();
    let mut all = core::mem::take(&mut *dropped.lock().unwrap());
    all.sort_unstable();
    assert!(all.into_iter().eq((0..10).chain(100..110)));
    assert_eq!(arena.used_bytes(), 0);
}

/// Threads that come, allocate, and go while others do the same: no value is lost or seen twice.
#[test]
fn threads_that_exit_while_others_allocate() {
    struct Noisy(u32, mpsc::Sender<u32>);
    impl Drop for Noisy {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }
    let config = ArenaConfig::new().first_chunk_bytes(512);
    let mut arena = SyncArena::<8, _>::with_config_in(config, Checked::new(Global));
    for _ in 0..5 {
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for group in 0..3u32 {
                let (arena, sender) = (&arena, sender.clone());
                scope.spawn(move || {
                    for n in 0..20u32 {
                        let sender = sender.clone();
                        // Each ends while the other groups go on.
                        let short = scope.spawn(move || {
                            let number = group * 100 + n;
                            let first = arena.alloc_slice_copy(&[number; 40]);
                            arena.alloc_drop(Noisy(number, sender));
                            assert!(first.iter().all(|&copy| copy == number));
                        });
                        short.join().unwrap();
                    }
                });
            }
        });
        drop(sender);
        arena.reset();
        let mut dropped: Vec<u32> = receiver.try_iter().collect();
        dropped.sort_unstable();
        assert!(
            dropped.into_iter().eq((0..3).flat_map(|group| (0..20).map(move |n| group * 100 + n)))
        );
        assert!(arena.parts() <= 6, "{} parts of at most six threads at a time", arena.parts());
    }
}

// ---- Checkpoints ---------------------------------------------------------------------------------

/// Arenas of many threads get ids of their own; a checkpoint is good where its arena is, and nowhere
/// else.
#[test]
fn checkpoints_go_where_their_arenas_go() {
    let start = Arc::new(Barrier::new(4));
    let made: Vec<_> = (0..4)
        .map(|_| {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                (0..50)
                    .map(|_| {
                        let arena = Arena::new();
                        arena.alloc([1u8; 30]);
                        let checkpoint = arena.checkpoint();
                        arena.alloc([2u8; 3000]);
                        (arena, checkpoint)
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect::<Vec<_>>()
        .into_iter()
        .flat_map(|maker| maker.join().unwrap())
        .collect();
    let (mut arenas, checkpoints): (Vec<Arena>, Vec<Checkpoint>) = made.into_iter().unzip();
    assert_eq!(checkpoints.iter().collect::<HashSet<_>>().len(), checkpoints.len());
    for (index, arena) in arenas.iter_mut().enumerate() {
        let used = arena.used_bytes();
        for foreign in checkpoints.iter().enumerate().filter(|other| other.0 != index) {
            assert_eq!(arena.try_rewind(*foreign.1), Err(CheckpointError::Foreign));
        }
        assert_eq!(arena.used_bytes(), used);
        assert_eq!(arena.try_rewind(checkpoints[index]), Ok(()));
        assert!(arena.used_bytes() < used);
    }
    // Swapped, the names follow the arenas.
    let [first, second, ..] = arenas.as_mut_slice() else { panic!("200 arenas") };
    core::mem::swap(first, second);
    assert_eq!(first.try_rewind(checkpoints[0]), Err(CheckpointError::Foreign));
    assert_eq!(first.try_rewind(checkpoints[1]), Ok(()));
    // Dropped and made again in the same place.
    *first = Arena::new();
    assert_eq!(first.try_rewind(checkpoints[1]), Err(CheckpointError::Foreign));
    first.alloc([1u8; 30]);
    let fresh = first.checkpoint();
    assert_eq!(first.try_rewind(checkpoints[1]), Err(CheckpointError::Foreign));
    assert_eq!(first.try_rewind(fresh), Ok(()));
}

/// Whatever came between, an old checkpoint is good or refused: resets, trims, other rewinds, frames
/// that were forgotten.
#[test]
fn a_checkpoint_is_good_until_the_arena_went_back_behind_it() {
    let config = ArenaConfig::new().first_chunk_bytes(256).max_chunk_bytes(1024);
    let mut arena = Arena::<1, _>::with_config_in(config, Checked::new(Global));
    let outer = arena.checkpoint();
    let text = core::ptr::from_ref(arena.alloc_str("kept"));
    let inner = arena.checkpoint();
    for round in 0..20usize {
        let mut frame = arena.frame();
        frame.scope().alloc_slice_fill_copy(round * 100, 1u8);
        if round % 3 == 0 {
            let _ = ManuallyDrop::new(frame);
        } else {
            drop(frame);
        }
        arena.alloc_slice_fill_copy(round * 200, 2u8);
        arena.trim();
        assert_eq!(arena.try_rewind(inner), Ok(()), "{round}");
        // SAFETY: taken before the checkpoint, and the arena did not go back behind that.
        assert_eq!(unsafe { &*text }, "kept");
    }
    assert_eq!(arena.try_rewind(outer), Ok(()));
    assert_eq!(arena.try_rewind(inner), Err(CheckpointError::Stale));
    let again = arena.checkpoint();
    assert_ne!(again, inner, "no name is given twice");
    arena.reset();
    arena.trim();
    for stale in [outer, inner, again] {
        assert_eq!(arena.try_rewind(stale), Err(CheckpointError::Stale));
    }
    arena.alloc(1u8);
    assert_eq!(arena.try_rewind(again), Err(CheckpointError::Stale));
}
