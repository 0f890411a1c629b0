//! A global allocator that counts, for the executable `bench_count`.
//!
//! It is the system's allocator with two counters before it, used for the `allocs` figures and
//! for heap profiles and never while anything is timed. Counts cover the whole process, threads
//! of engines included; `realloc` counts as one call.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64};
use std::alloc::System;

static LINKED: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static OBSERVER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

/// Called after each allocation with its size: a heap profiler. It may itself allocate only if
/// it guards against being called again.
pub type Observer = fn(usize);

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `alloc`, `alloc_zeroed` and `realloc`.
    pub calls: u64,
    /// Bytes asked for in them.
    pub bytes: u64,
}

/// Returns what has been counted since the process began, or `None` when this executable's
/// allocator does not count.
pub fn counts() -> Option<Counts> {
    // ORD Relaxed: a flag that only ever goes up, read by the thread that allocated before.
    let linked = LINKED.load(Relaxed);
    // ORD Relaxed: statistics; the engine's threads were joined or are idle when they are read.
    let calls = CALLS.load(Relaxed);
    // ORD Relaxed: as above.
    let bytes = BYTES.load(Relaxed);
    linked.then_some(Counts { calls, bytes })
}

/// Has `observer` called after each allocation from now on.
pub fn observe(observer: Option<Observer>) {
    let raw = observer.map_or(core::ptr::null_mut(), |f| f as *mut ());
    // ORD Relaxed: a function pointer to code that always exists; it publishes no data.
    OBSERVER.store(raw, Relaxed);
}

#[inline]
fn count(bytes: usize) {
    // ORD Relaxed: see `counts`.
    LINKED.store(true, Relaxed);
    // ORD Relaxed: see `counts`.
    CALLS.fetch_add(1, Relaxed);
    // ORD Relaxed: see `counts`.
    BYTES.fetch_add(bytes as u64, Relaxed);
    // ORD Relaxed: see `observe`.
    let raw = OBSERVER.load(Relaxed);
    if !raw.is_null() {
        // SAFETY: only `observe` stores non-null values, each made from an `Observer`.
        let observer = unsafe { core::mem::transmute::<*mut (), Observer>(raw) };
        observer(bytes);
    }
}

// SAFETY: every method hands its arguments to `System` unchanged and returns what it returns, so
// the contract is `System`'s; counting neither unwinds nor allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise about `layout` is the callee's requirement.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise about `layout` is the callee's requirement.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: `block` came from this allocator, hence from `System`; the rest is the caller's.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from this allocator, hence from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}
