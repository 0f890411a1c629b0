//! What may cross threads, both ways.
#![cfg(not(loom))]

use alloc_core::{AllocError, Allocator, Borrowed, Global, Layout};
use alloc_slab::{
    Branded, BrandedKey, Cached, Drain, IntoIter, Iter, IterMut, Key, Keys, ObjectCache, Pages,
    Slab, SlabAlloc, VacantEntry, Values, ValuesMut,
};
use core::cell::Cell;
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

// A slab is shared and sent where its values are: looking changes nothing.
assert_impl_all!(Slab<u8>: Send, Sync, Unpin);
assert_impl_all!(Slab<Cell<u8>>: Send);
assert_not_impl_any!(Slab<Cell<u8>>: Sync);
assert_impl_all!(Slab<MutexGuard<'static, u8>>: Sync);
assert_not_impl_any!(Slab<MutexGuard<'static, u8>>: Send);
assert_not_impl_any!(Slab<Rc<u8>>: Send, Sync);
assert_not_impl_any!(Slab<u8, Pages<Bound>>: Send, Sync);
assert_impl_all!(Slab<u8, Pages<Borrowed<'static>>>: Send);
assert_not_impl_any!(Slab<u8, Pages<Borrowed<'static>>>: Sync);

// A key names, and holds nothing.
assert_impl_all!(Key<Rc<u8>>: Send, Sync, Copy, Unpin);
assert_impl_all!(BrandedKey<'static, Rc<u8>>: Send, Sync, Copy);
assert_eq_size!(Option<Key<String>>, u64);

assert_impl_all!(Iter<'static, u8>: Send, Sync, Clone);
assert_not_impl_any!(Iter<'static, Cell<u8>>: Send, Sync);
assert_impl_all!(Iter<'static, MutexGuard<'static, u8>>: Send, Sync);
assert_impl_all!(IterMut<'static, Cell<u8>>: Send);
assert_not_impl_any!(IterMut<'static, Cell<u8>>: Sync, Clone);
assert_not_impl_any!(IterMut<'static, MutexGuard<'static, u8>>: Send);
assert_not_impl_any!(IterMut<'static, Rc<u8>>: Send, Sync);
assert_not_impl_any!(Iter<'static, u8, Pages<Bound>>: Send, Sync);
assert_impl_all!(Keys<'static, u8>: Send, Sync);
assert_not_impl_any!(Values<'static, Rc<u8>>: Send, Sync);
assert_not_impl_any!(ValuesMut<'static, Rc<u8>>: Send, Sync);
assert_impl_all!(Drain<'static, Cell<u8>>: Send);
assert_not_impl_any!(Drain<'static, Rc<u8>>: Send);
assert_not_impl_any!(Drain<'static, u8, Pages<Bound>>: Send);
assert_impl_all!(IntoIter<Cell<u8>>: Send);
assert_not_impl_any!(IntoIter<Rc<u8>>: Send);
assert_not_impl_any!(VacantEntry<'static, Rc<u8>>: Send);
assert_not_impl_any!(Branded<'static, 'static, Rc<u8>>: Send, Sync);

assert_impl_all!(SlabAlloc: Send);
assert_not_impl_any!(SlabAlloc: Sync, Clone);
assert_not_impl_any!(SlabAlloc<Bound>: Send, Sync);

assert_impl_all!(ObjectCache<Cell<u8>>: Send);
assert_not_impl_any!(ObjectCache<u8>: Sync, Clone);
assert_not_impl_any!(ObjectCache<Rc<u8>>: Send);
assert_not_impl_any!(ObjectCache<u8, fn() -> u8, Bound>: Send, Sync);
assert_not_impl_any!(Cached<'static, u8>: Send, Clone);

#[cfg(all(feature = "reserve", unix))]
mod reserved {
    use super::*;
    use alloc_slab::ReservedPages;

    assert_impl_all!(Slab<u8, ReservedPages>: Send, Sync, Unpin);
    assert_not_impl_any!(Slab<Rc<u8>, ReservedPages>: Send, Sync);
}

/// The assertions above are made by the compiler; this one at run time.
#[test]
fn a_slab_that_was_sent_and_shared_is_whole() {
    let mut slab = Slab::new();
    let key = slab.insert(Cell::new(1));
    let slab = std::thread::spawn(move || {
        slab.insert(Cell::new(2));
        slab
    })
    .join()
    .unwrap();
    assert_eq!((slab[key].get(), slab.len()), (1, 2));
    let slab: Slab<u32> = (0..1000).collect();
    let sum = || slab.values().sum::<u32>();
    let sums = std::thread::scope(|scope| [scope.spawn(sum), scope.spawn(sum)].map(|t| t.join()));
    assert!(sums.into_iter().all(|sum| sum.unwrap() == 499_500));
}
