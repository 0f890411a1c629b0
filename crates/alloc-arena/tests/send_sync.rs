//! What may cross threads, both ways.
#![cfg(not(loom))]

use alloc_arena::{
    Arena, ArenaConfig, Checkpoint, CheckpointError, Chunks, ConfigError, FrameGuard, Scope,
    SliceBuilder,
};
use alloc_core::{AllocError, Allocator, Borrowed, Global, Layout};
use core::ptr::NonNull;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::rc::Rc;

/// A backing that is bound to its thread.
struct Bound(#[expect(dead_code, reason = "makes the type `!Send`")] Rc<()>);

// SAFETY: passes everything on to `Global`.
unsafe impl Allocator for Bound {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) }
    }
}

assert_impl_all!(Arena: Send, Unpin);
assert_not_impl_any!(Arena: Sync, Clone, Copy);
assert_not_impl_any!(Arena<8, Bound>: Send, Sync);
assert_impl_all!(Arena<1, Borrowed<'static>>: Send);
assert_not_impl_any!(Arena<1, &'static Borrowed<'static>>: Send);

// A guard drops values that need not be `Send`.
assert_not_impl_any!(FrameGuard<'static>: Send, Sync, Clone);
assert_not_impl_any!(Scope<'static, 'static>: Send, Sync, Clone);
assert_not_impl_any!(SliceBuilder<'static, u8>: Send, Sync, Clone);
assert_not_impl_any!(Chunks<'static>: Send, Sync, Clone);

assert_impl_all!(Checkpoint: Send, Sync, Copy);
assert_impl_all!(CheckpointError: Send, Sync, core::error::Error);
assert_impl_all!(ConfigError: Send, Sync, core::error::Error);
assert_impl_all!(ArenaConfig: Send, Sync, Copy);
