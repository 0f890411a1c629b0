//! What of `TypedArena`, `ArenaBox` and `SyncArena` may cross threads, both ways.
#![cfg(not(loom))]

use alloc_arena::{ArenaBox, Drain, Index32, IntoIter, IterMut, TypedArena};
use alloc_core::{AllocError, Allocator, Borrowed, Global, Layout};
use core::cell::Cell;
use core::marker::PhantomPinned;
use core::ptr::NonNull;
use static_assertions::{assert_eq_size, assert_impl_all, assert_not_impl_any};
use std::rc::Rc;
use std::sync::MutexGuard;

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

// A typed arena goes where its values go, and is shared by nobody. `T: Sync` is not asked.
assert_impl_all!(TypedArena<Cell<u8>>: Send, Unpin);
assert_not_impl_any!(TypedArena<u8>: Sync, Clone);
assert_not_impl_any!(TypedArena<Rc<u8>>: Send);
assert_not_impl_any!(TypedArena<MutexGuard<'static, u8>>: Send);
assert_not_impl_any!(TypedArena<u8, Bound>: Send, Sync);
assert_impl_all!(TypedArena<u8, Borrowed<'static>>: Send);
assert_impl_all!(IterMut<'static, u8>: Send, Sync);
assert_not_impl_any!(IterMut<'static, Rc<u8>>: Send, Sync);
assert_impl_all!(Drain<'static, Cell<u8>>: Send);
assert_not_impl_any!(Drain<'static, Rc<u8>>: Send);
assert_not_impl_any!(Drain<'static, u8, Bound>: Send);
assert_impl_all!(IntoIter<Cell<u8>>: Send);
assert_not_impl_any!(IntoIter<Rc<u8>>: Send);

// An index is a number, whatever it counts.
assert_impl_all!(Index32<Rc<u8>>: Send, Sync, Copy, Ord, core::hash::Hash);
assert_eq_size!(Option<Index32<String>>, u32);

// A box is its value.
assert_impl_all!(ArenaBox<'static, Cell<u8>>: Send, Unpin);
assert_not_impl_any!(ArenaBox<'static, Cell<u8>>: Sync, Clone);
assert_impl_all!(ArenaBox<'static, MutexGuard<'static, u8>>: Sync);
assert_not_impl_any!(ArenaBox<'static, MutexGuard<'static, u8>>: Send);
assert_not_impl_any!(ArenaBox<'static, Rc<u8>>: Send, Sync);
assert_impl_all!(ArenaBox<'static, dyn Fn() + Send>: Send);
assert_not_impl_any!(ArenaBox<'static, dyn Fn()>: Send, Sync);
assert_impl_all!(ArenaBox<'static, PhantomPinned>: Unpin);

#[cfg(feature = "std")]
mod sync_arena {
    use super::Bound;
    use alloc_arena::{Local, SyncArena};
    use alloc_core::{Borrowed, Global};
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    assert_impl_all!(SyncArena: Send, Sync);
    assert_not_impl_any!(SyncArena: Clone);
    assert_not_impl_any!(SyncArena<1, Bound>: Send, Sync);
    // `Borrowed` may move and may not be shared.
    assert_impl_all!(SyncArena<1, Borrowed<'static>>: Send);
    assert_not_impl_any!(SyncArena<1, Borrowed<'static>>: Sync);
    assert_not_impl_any!(Local<'static, 'static, 1, Global>: Send, Sync, Clone);
}

/// The assertions above are made by the compiler; this one at run time: what was sent is whole.
#[test]
fn an_arena_that_was_sent_is_whole() {
    let mut arena = TypedArena::new();
    let first = arena.alloc_index(Cell::new(1));
    let arena = std::thread::spawn(move || {
        arena[first].set(2);
        arena.alloc_index(Cell::new(3));
        arena
    })
    .join()
    .unwrap();
    assert!(arena.iter().map(Cell::get).eq([2, 3]));
}
