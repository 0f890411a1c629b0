//! A global allocator that counts what each thread asks for, and refuses when told to.
#![allow(dead_code, reason = "each test program uses a part")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

std::thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
    static REFUSE: Cell<bool> = const { Cell::new(false) };
    static BEFORE: Cell<Option<fn()>> = const { Cell::new(None) };
}

struct Counting;

// SAFETY: `System`, or null.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        if REFUSE.try_with(Cell::get) == Ok(true) {
            if let Some(before) = BEFORE.take() {
                REFUSE.set(false);
                before();
                REFUSE.set(true);
            }
            return core::ptr::null_mut();
        }
        let _ = LIVE_BYTES.try_with(|live| live.set(live.get() + layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let _ = LIVE_BYTES.try_with(|live| live.set(live.get() - layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Returns how many allocations this thread makes in `f`, and what `f` returns.
pub(crate) fn counted<R>(f: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATIONS.get();
    let result = f();
    (ALLOCATIONS.get() - before, result)
}

/// Returns by how many bytes what this thread holds grows in `f`.
pub(crate) fn grown(f: impl FnOnce()) -> i64 {
    let before = LIVE_BYTES.get();
    f();
    LIVE_BYTES.get() - before
}

/// Runs `f` while this thread gets no memory.
pub(crate) fn refused<R>(f: impl FnOnce() -> R) -> R {
    REFUSE.set(true);
    let result = f();
    REFUSE.set(false);
    result
}

/// Runs `f` while this thread gets no memory, and `before` when it asks for the first time, with memory:
/// what another thread might do at that moment.
pub(crate) fn refused_after<R>(before: fn(), f: impl FnOnce() -> R) -> R {
    BEFORE.set(Some(before));
    let result = refused(f);
    assert!(BEFORE.take().is_none(), "no memory was asked for");
    result
}
