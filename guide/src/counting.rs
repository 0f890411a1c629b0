//! The global allocator of every program here: the system's, counted while somebody asks.
//!
//! While nobody does, it costs a load and a branch that is always taken the same way: times are
//! those of the system's allocator.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64};
use std::alloc::System;

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

struct Counting;

#[global_allocator]
static GLOBAL: Counting = Counting;

/// What some work asked of the global allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Calls of `alloc`, `alloc_zeroed` and `realloc`.
    pub allocs: u64,
    /// The most bytes that were held at one moment, beyond those held before.
    pub peak_bytes: u64,
    /// Bytes still held at the end.
    pub left_bytes: u64,
}

/// Counts what `work` and the threads that it starts ask of the global allocator.
///
/// One caller at a time.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, Costs) {
    // ORD Relaxed: here and below, statistics; the threads that add to them are joined before they
    // are read.
    CALLS.store(0, Relaxed);
    LIVE.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    ON.store(true, Relaxed);
    let result = work();
    ON.store(false, Relaxed);
    (result, so_far())
}

/// What was counted up to now.
pub(crate) fn so_far() -> Costs {
    let held = |bytes: &AtomicIsize| u64::try_from(bytes.load(Relaxed)).unwrap_or(0);
    Costs { allocs: CALLS.load(Relaxed), peak_bytes: held(&PEAK), left_bytes: held(&LIVE) }
}

/// Does something that is not counted.
pub(crate) fn uncounted<R>(work: impl FnOnce() -> R) -> R {
    let on = ON.swap(false, Relaxed);
    let result = work();
    ON.store(on, Relaxed);
    result
}

#[inline]
fn took(bytes: usize, gave: usize) {
    if ON.load(Relaxed) {
        CALLS.fetch_add(1, Relaxed);
        let change = bytes.cast_signed() - gave.cast_signed();
        let live = LIVE.fetch_add(change, Relaxed) + change;
        PEAK.fetch_max(live, Relaxed);
    }
}

// SAFETY: every method hands its arguments to `System` unchanged and returns what it returns, so the
// contract is `System`'s; counting neither unwinds nor allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size(), 0);
        // SAFETY: the caller's promise about `layout` is the callee's requirement.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size(), 0);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ON.load(Relaxed) {
            LIVE.fetch_sub(layout.size().cast_signed(), Relaxed);
        }
        // SAFETY: the block came from `System` by the methods here, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        took(new_bytes, layout.size());
        // SAFETY: as in `dealloc`; the caller's promise about `new_bytes` is the callee's.
        unsafe { System.realloc(block, layout, new_bytes) }
    }
}
