//! Models of `SyncArena`: every access to what the parts share, parts passing between threads, and
//! memory that is freed while others have read it.
//!
//! The backing frees through the facade, so that a free which does not happen after every access
//! fails the model; accesses to the plain memory of blocks are declared by `access`.
#![cfg(all(loom, feature = "std"))]

use alloc_arena::{ArenaConfig, ErrorKind, SyncArena};
use alloc_core::{AllocError, Allocator, Layout};
use core::ptr::NonNull;
use primitives::model::Model;
use primitives::sync::alloc::{Track, access, alloc, dealloc};
use primitives::sync::atomic::{AtomicPtr, Ordering::Acquire, Ordering::Release};
use primitives::sync::{Arc, thread};

/// Blocks whose frees a model sees.
struct Modelled;

// SAFETY: blocks of the facade's allocator, which live until they are freed.
unsafe impl Allocator for Modelled {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: chunks are larger than their headers, so not empty.
        let block = NonNull::new(unsafe { alloc(layout) }).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { dealloc(ptr.as_ptr(), layout) }
    }
}

type Shared = SyncArena<8, Modelled>;

const CHUNK: usize = 256;

/// An arena whose chunks are as small as they may be, and all alike.
fn arena(limit_bytes: usize) -> Shared {
    let config = ArenaConfig::new().first_chunk_bytes(CHUNK).max_chunk_bytes(CHUNK);
    SyncArena::with_config_in(config.limit_bytes(limit_bytes), Modelled)
}

fn read(value: &u64) -> u64 {
    access(value);
    *value
}

/// Two threads allocate for the first time: a chunk each, or the second goes on in the first's.
#[test]
fn loom_two_threads_take_chunks() {
    let model = Model::new("two_threads_take_chunks");
    model.reaches(["a chunk each", "adopted"]).floor(300).check(|seen| {
        let shared = Arc::new(arena(usize::MAX));
        let theirs = Arc::clone(&shared);
        let t = thread::spawn(move || {
            let first = theirs.alloc(1u64);
            let second = theirs.alloc(2u64);
            assert_eq!(core::ptr::from_ref(second).addr() + 8, core::ptr::from_ref(first).addr());
            (read(first), read(second))
        });
        assert_eq!(read(shared.alloc(3)), 3);
        assert_eq!(t.join().unwrap(), (1, 2));
        let held = shared.reserved_bytes();
        seen.record(if shared.parts() == 2 { "a chunk each" } else { "adopted" });
        assert_eq!(held, shared.parts() * CHUNK);
    });
}

/// Room for one more chunk: one thread gets it, the other is refused, and the sum is right; a thread
/// that met the other at the counter is counted.
#[test]
fn loom_the_limit_admits_one() {
    let model = Model::new("the_limit_admits_one");
    model.reaches(["we are refused", "they are refused", "adopted", "met"]).floor(300).check(
        |seen| {
            let mut shared = Arc::new(arena(CHUNK));
            let theirs = Arc::clone(&shared);
            let take = |shared: &Shared| match shared.try_alloc(1u64) {
                Ok(value) => Some(read(value)),
                Err(rejected) => {
                    assert_eq!(rejected.error().kind(), ErrorKind::Full);
                    None
                }
            };
            let t = thread::spawn(move || take(&theirs));
            let ours = take(&shared);
            match (ours, t.join().unwrap()) {
                (Some(_), Some(_)) => {
                    assert_eq!(shared.parts(), 1, "one chunk was allowed");
                    seen.record("adopted");
                }
                (None, Some(_)) => seen.record("we are refused"),
                (Some(_), None) => seen.record("they are refused"),
                (None, None) => panic!("nobody got the chunk"),
            }
            assert_eq!(shared.reserved_bytes(), CHUNK);
            let shared = Arc::get_mut(&mut shared).expect("the other thread is gone");
            if shared.stats().contended > 0 {
                seen.record("met");
            }
        },
    );
}

/// A thread exits; another goes on in its part, from where it stopped, and drops nothing of it.
#[test]
fn loom_a_part_passes_to_the_next_thread() {
    let model = Model::new("a_part_passes_to_the_next_thread");
    model.reaches(["passed", "own"]).floor(300).check(|seen| {
        let shared = Arc::new(arena(usize::MAX));
        let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
        let a = thread::spawn(move || {
            first.alloc_drop(Track::new(1u64));
            read(first.alloc(5))
        });
        let b = thread::spawn(move || {
            second.alloc_drop(Track::new(2u64));
            read(second.alloc(6))
        });
        assert_eq!((a.join().unwrap(), b.join().unwrap()), (5, 6));
        seen.record(if shared.parts() == 1 { "passed" } else { "own" });
        // The values are dropped here, by the thread that is left; `Track` fails on a leak.
    });
}

/// A reference is handed to another thread while both allocate; then the arena is dropped by
/// whoever is last, which frees what the other has read and written.
#[test]
fn loom_reclaim_by_whoever_is_last() {
    let model = Model::new("reclaim_by_whoever_is_last");
    model.reaches(["seen", "not yet"]).floor(300).check(|seen| {
        let shared = Arc::new((arena(usize::MAX), AtomicPtr::new(core::ptr::null_mut::<u64>())));
        let theirs = Arc::clone(&shared);
        let t = thread::spawn(move || {
            let (arena, slot) = &*theirs;
            let value: *mut u64 = arena.alloc(7);
            // ORD[model-slot] Release → Acquire: the value is written before it is seen.
            slot.store(value, Release);
            arena.alloc_drop(Track::new(8u64));
        });
        let (arena, slot) = &*shared;
        assert_eq!(read(arena.alloc(1)), 1);
        // ORD[model-slot] Acquire ← Release.
        match NonNull::new(slot.load(Acquire)) {
            Some(value) => {
                // SAFETY: allocated in the arena, which is borrowed; its maker is done with it.
                assert_eq!(read(unsafe { value.as_ref() }), 7);
                seen.record("seen");
            }
            None => seen.record("not yet"),
        }
        drop(shared);
        t.join().unwrap();
    });
}

/// The threads have ended; a reset drops their values, and the memory is used again, then freed.
#[test]
fn loom_reclaim_by_a_reset_after_the_join() {
    let model = Model::new("reclaim_by_a_reset_after_the_join");
    model.reaches(["a chunk each", "adopted"]).floor(300).check(|seen| {
        let mut shared = Arc::new(arena(usize::MAX));
        let theirs = Arc::clone(&shared);
        let t = thread::spawn(move || {
            theirs.alloc_drop(Track::new(1u64));
            theirs.alloc_slice_copy(&[2u8; CHUNK]);
        });
        assert_eq!(read(shared.alloc(3)), 3);
        t.join().unwrap();
        let arena = Arc::get_mut(&mut shared).expect("the other thread is gone");
        seen.record(if arena.parts() == 2 { "a chunk each" } else { "adopted" });
        arena.reset();
        assert_eq!(arena.used_bytes(), 0);
        let held = arena.reserved_bytes();
        let freed = arena.trim();
        assert_eq!(arena.reserved_bytes(), held - freed);
        assert!(freed >= CHUNK, "the large block's chunk");
        assert_eq!(read(arena.alloc(4)), 4);
    });
}

/// A thread exits while the arena is dropped: whichever is first, each part is freed once.
#[test]
fn loom_reclaim_while_a_thread_exits() {
    let model = Model::new("reclaim_while_a_thread_exits");
    model.reaches(["dropped"]).floor(15).check(|seen| {
        let shared = Arc::new(arena(usize::MAX));
        let theirs = Arc::clone(&shared);
        let t = thread::spawn(move || {
            theirs.alloc_drop(Track::new(1u64));
            drop(theirs); // then the thread's destructors run, beside the drop of the arena
        });
        drop(shared);
        seen.record("dropped");
        t.join().unwrap();
    });
}
