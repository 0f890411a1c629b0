//! What may cross threads, both ways.
#![cfg(not(loom))]

use alloc_core::{AllocError, Allocator, Borrowed, Global, Layout};
use alloc_linear::{Burst, FrameRef, Frames, Linear, SliceBuilder};
use core::cell::Cell;
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

assert_impl_all!(Linear: Send, Unpin);
assert_not_impl_any!(Linear: Sync, Clone, Copy);
assert_not_impl_any!(Linear<8, Bound>: Send, Sync);
assert_impl_all!(Linear<1, Borrowed<'static>>: Send);
assert_not_impl_any!(Linear<1, &'static Borrowed<'static>>: Send);

assert_not_impl_any!(Burst<'static>: Send, Sync, Clone);
assert_not_impl_any!(SliceBuilder<'static, u8>: Send, Sync, Clone);

assert_impl_all!(Frames<2>: Send);
assert_not_impl_any!(Frames<2>: Sync, Clone);
assert_not_impl_any!(Frames<2, 1, Bound>: Send, Sync);

assert_impl_all!(FrameRef<u8>: Send, Sync, Copy);
assert_impl_all!(FrameRef<[u8]>: Send, Sync, Copy);
assert_impl_all!(FrameRef<Cell<u8>>: Send, Sync);
assert_not_impl_any!(FrameRef<Rc<u8>>: Send, Sync);
assert_not_impl_any!(FrameRef<*const u8>: Send, Sync);

#[cfg(feature = "std")]
mod sync_linear {
    use super::Bound;
    use alloc_core::{Borrowed, Global};
    use alloc_linear::{Local, SyncLinear};
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    assert_impl_all!(SyncLinear: Send, Sync);
    assert_not_impl_any!(SyncLinear: Clone);
    assert_not_impl_any!(SyncLinear<1, Bound>: Send, Sync);
    // `Borrowed` may move and may not be shared.
    assert_impl_all!(SyncLinear<1, Borrowed<'static>>: Send);
    assert_not_impl_any!(SyncLinear<1, Borrowed<'static>>: Sync);
    assert_not_impl_any!(Local<'static, 'static, 1, Global>: Send, Sync, Clone);
}

/// The assertions above are made by the compiler; this one at run time: a region that was sent is
/// whole.
#[test]
fn a_region_that_was_sent_is_whole() {
    let mut region = Linear::<8>::with_min_align(1024);
    region.alloc(Cell::new(1));
    let region = std::thread::spawn(move || {
        region.reset();
        region.alloc(2u64);
        region
    })
    .join()
    .unwrap();
    assert_eq!(region.used_bytes(), 8);
}
