//! A thread ends, gives the chunks that it kept back, and the global allocator drops an arena meanwhile.

use alloc_arena::{Arena, ArenaConfig};
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::AtomicI64;
use core::sync::atomic::Ordering::Relaxed;
use std::alloc::System;
use std::sync::Mutex;

/// Larger than anything that is no chunk here.
const CHUNK_BYTES: usize = 64 << 10;

/// Drops [`KEPT`] when it takes a chunk back.
struct Dropping;

/// Chunks that were had and not given back.
static CHUNKS: AtomicI64 = AtomicI64::new(0);
static KEPT: Mutex<Option<Arena>> = Mutex::new(None);

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Dropping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= CHUNK_BYTES / 2 {
            // ORD Relaxed: a count; joining the thread orders it.
            CHUNKS.fetch_add(1, Relaxed);
        }
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises.
        unsafe { System.dealloc(block, layout) };
        if layout.size() >= CHUNK_BYTES / 2 {
            // ORD Relaxed: as above.
            CHUNKS.fetch_sub(1, Relaxed);
            let kept = KEPT.lock().unwrap().take();
            drop(kept);
        }
    }
}

#[global_allocator]
static GLOBAL: Dropping = Dropping;

#[test]
fn an_arena_that_drops_while_its_thread_ends_leaves_nothing_behind() {
    let arena = || {
        let arena = Arena::with_config(ArenaConfig::new().first_chunk_bytes(CHUNK_BYTES));
        arena.alloc(1_u64);
        arena
    };
    std::thread::spawn(move || {
        let (one, other) = (arena(), arena());
        drop(one);
        *KEPT.lock().unwrap() = Some(other);
        // ORD Relaxed: this thread's own so far.
        assert_eq!(CHUNKS.load(Relaxed), 2, "one with an arena, one kept by the thread");
    })
    .join()
    .unwrap();
    assert!(KEPT.lock().unwrap().is_none(), "the arena was dropped");
    // ORD Relaxed: the join orders it.
    assert_eq!(CHUNKS.load(Relaxed), 0, "chunks that nobody can reach any more");
}
