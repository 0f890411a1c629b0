//! What may cross threads, both ways.
#![cfg(not(loom))]

use alloc_core::{AllocError, Allocator, Borrowed, Global, Layout};
use alloc_stack::{Checkpoint, FrameGuard, Pushed, Scope, Stack, StackBox, Top};
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

assert_impl_all!(Stack: Send, Unpin);
assert_not_impl_any!(Stack: Sync, Clone, Copy);
assert_not_impl_any!(Stack<8, Bound>: Send, Sync);
assert_impl_all!(Stack<1, Borrowed<'static>>: Send);
assert_not_impl_any!(Stack<1, &'static Borrowed<'static>>: Send);

// All of these use the stack's cells, which its owner's thread may be using.
assert_not_impl_any!(FrameGuard<'static>: Send, Sync, Clone);
assert_not_impl_any!(Scope<'static>: Send, Sync, Clone);
assert_not_impl_any!(Top<'static>: Send, Sync, Clone);
assert_not_impl_any!(Pushed<'static, u8>: Send, Sync, Clone);
assert_not_impl_any!(StackBox<'static, u8>: Send, Sync, Clone);

assert_impl_all!(Checkpoint: Send, Sync, Copy);

/// The assertions above are made by the compiler; this one at run time: a stack that was sent is
/// whole, and what is on it.
#[test]
fn a_stack_that_was_sent_is_whole() {
    let stack = Stack::<8>::with_min_align();
    let (block, mark) = stack.push(Layout::new::<u64>());
    // SAFETY: fresh memory for a `u64`.
    unsafe { block.cast::<u64>().write(7) };
    let address = block.addr();
    let stack = std::thread::spawn(move || {
        let boxed = stack.alloc_box([1u64; 5000]);
        assert!(boxed.as_ptr().addr() != address.get());
        drop(boxed);
        stack
    })
    .join()
    .unwrap();
    // SAFETY: written above.
    assert_eq!(unsafe { block.cast::<u64>().read() }, 7);
    // SAFETY: the newest block's mark.
    unsafe { stack.pop(mark) };
    assert_eq!(stack.used_bytes(), 0);
}
