//! `SyncSlab` on a thread for which there is no memory: a program of its own, for its global allocator.
#![cfg(all(feature = "std", not(loom)))]

use alloc_slab::{ErrorKind, SyncSlab};
use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;
use std::thread;

thread_local! {
    /// How many allocations of this thread are served before the rest are refused.
    static SERVED: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct RunsOut;

// SAFETY: blocks are those of the system, or there is none.
unsafe impl GlobalAlloc for RunsOut {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = SERVED.try_with(Cell::get).unwrap_or(usize::MAX);
        if left == 0 {
            return core::ptr::null_mut();
        }
        if left != usize::MAX {
            SERVED.set(left - 1);
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static GLOBAL: RunsOut = RunsOut;

/// Runs `f` with memory for so many allocations of this thread.
fn with_memory_for<R>(allocations: usize, f: impl FnOnce() -> R) -> R {
    SERVED.set(allocations);
    let result = f();
    SERVED.set(usize::MAX);
    result
}

#[test]
fn a_thread_without_memory_for_its_part_is_told_so() {
    let slab = SyncSlab::new();
    let key = slab.insert(7);
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let refused = || {
                let removed = with_memory_for(0, || slab.try_remove(key));
                assert_eq!(removed.unwrap_err().kind(), ErrorKind::Backing);
                let got = with_memory_for(0, || slab.try_get(key).map(drop));
                assert_eq!(got.unwrap_err().kind(), ErrorKind::Backing);
                let inserted = with_memory_for(0, || slab.try_insert(8));
                assert_eq!(inserted.unwrap_err().error().kind(), ErrorKind::Backing);
            };
            refused();
            assert_eq!(slab.stats().parts, 1, "the other thread's");
            // The part is made, but not what the thread keeps its parts in: it waits to be adopted.
            assert!(with_memory_for(1, || slab.try_remove(key)).is_err());
            assert_eq!(slab.stats().parts, 2);
            refused();
            assert!(slab.contains(key), "it stays");
            // And with memory all goes on.
            assert_eq!(slab.try_get(key).unwrap().as_deref(), Some(&7));
            assert_eq!(with_memory_for(0, || slab.try_remove(key)), Ok(true), "the part is there");
            assert_eq!(slab.try_remove(key), Ok(false));
        });
        asked.join().unwrap();
    });
    assert!(slab.is_empty());
}

#[test]
fn a_thread_without_memory_for_one_more_guard_is_told_so() {
    let slab = SyncSlab::new();
    let keys: Vec<_> = (0..100u64).map(|n| slab.insert(n)).collect();
    let mut guards = Vec::with_capacity(100);
    let mut refused = 0;
    for (n, &key) in (0..).zip(&keys) {
        // A block of places is two allocations.
        for served in 0..2 {
            match with_memory_for(served, || slab.try_get(key)) {
                Ok(guard) => drop(guard),
                Err(error) => {
                    assert_eq!((error.kind(), refused % 2), (ErrorKind::Backing, served));
                    refused += 1;
                }
            }
        }
        let guard = slab.try_get(key).unwrap().unwrap();
        assert_eq!(*guard, n);
        guards.push(guard);
    }
    assert_eq!(refused, 2 * 4, "after 8, 16, 32 and 64");
    // A guard that ended makes room.
    drop(guards.remove(50));
    assert_eq!(with_memory_for(0, || slab.try_get(keys[50]).map(|guard| *guard.unwrap())), Ok(50));
    assert!((0..100).filter(|&n| n != 50).eq(guards.iter().map(|guard| **guard)));
}
