//! Backings for tests.

use core::fmt;
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::{AllocError, Allocator, End, GrowInPlace, Layout};

/// A backing that refuses one request and serves all others.
///
/// Requests are counted from 1 over `allocate`, `grow`, `shrink` and their in-place forms together. Run a scenario for
/// n = 1, 2, … until [`calls`](Self::calls) stays below n, and every point where memory can run
/// out has been tried.
///
/// ```
/// use alloc_core::testing::FailAt;
/// use alloc_core::{Allocator, Global, Layout};
///
/// let backing = FailAt::new(Global, 1);
/// assert!(backing.allocate(Layout::new::<u64>()).is_err());
/// assert_eq!(backing.calls(), 1);
/// ```
#[derive(Debug)]
pub struct FailAt<A> {
    inner: A,
    fail_at: usize,
    calls: Mutex<usize>,
}

impl<A: Allocator> FailAt<A> {
    /// Returns a backing over `inner` that refuses request number `fail_at`; 0 refuses none.
    pub const fn new(inner: A, fail_at: usize) -> Self {
        Self { inner, fail_at, calls: Mutex::new(0) }
    }

    /// Returns the number of requests so far.
    pub fn calls(&self) -> usize {
        *lock(&self.calls)
    }

    fn admit(&self) -> Result<(), AllocError> {
        let mut calls = lock(&self.calls);
        *calls += 1;
        if *calls == self.fail_at { Err(AllocError) } else { Ok(()) }
    }
}

// SAFETY: blocks come from `inner` and go back to it unchanged.
unsafe impl<A: Allocator> Allocator for FailAt<A> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        self.inner.allocate(layout)
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on: the block came from `inner`.
        unsafe { self.inner.deallocate(ptr, layout) }
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        // SAFETY: the caller's promise, passed on.
        unsafe { self.inner.grow(ptr, old, new) }
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        // SAFETY: the caller's promise, passed on.
        unsafe { self.inner.shrink(ptr, old, new) }
    }
}

// SAFETY: every clause is `inner`'s: a request is refused before `inner` has seen it, or passed on.
unsafe impl<A: GrowInPlace> GrowInPlace for FailAt<A> {
    unsafe fn grow_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        // SAFETY: the caller's promise, passed on.
        unsafe { self.inner.grow_in_place(ptr, old, new, end) }
    }

    unsafe fn shrink_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        // SAFETY: the caller's promise, passed on.
        unsafe { self.inner.shrink_in_place(ptr, old, new, end) }
    }
}

/// A backing that panics when a block is given back wrongly, and when it is dropped while blocks
/// are alive.
pub struct Checked<A: Allocator> {
    inner: A,
    live: Mutex<BTreeMap<usize, Live>>,
}

/// A block that was handed out: what was asked for, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Live {
    layout: Layout,
    len: usize,
}

impl Live {
    /// Whether `layout` fits the block: the size asked for, its length, or between the two.
    fn fits(self, layout: Layout) -> bool {
        layout.align() == self.layout.align()
            && (self.layout.size()..=self.len).contains(&layout.size())
    }
}

impl<A: Allocator> Checked<A> {
    /// Returns a checking backing over `inner`.
    pub const fn new(inner: A) -> Self {
        Self { inner, live: Mutex::new(BTreeMap::new()) }
    }

    /// Returns the number of blocks alive.
    pub fn live_blocks(&self) -> usize {
        lock(&self.live).len()
    }

    /// Returns the bytes of the blocks alive.
    pub fn live_bytes(&self) -> usize {
        lock(&self.live).values().map(|live| live.layout.size()).sum()
    }
}

// SAFETY: blocks come from `inner` and go back to it unchanged.
unsafe impl<A: Allocator> Allocator for Checked<A> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.inner.allocate(layout)?;
        let address = block.cast::<u8>().addr().get();
        assert!(address.is_multiple_of(layout.align()), "{address:#x} for {layout:?}");
        if layout.size() != 0 {
            let live = Live { layout, len: block.len() };
            let before = lock(&self.live).insert(address, live);
            assert_eq!(before, None, "{address:#x} handed out twice");
        }
        Ok(block)
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            let known = lock(&self.live).remove(&ptr.addr().get());
            assert!(
                known.is_some_and(|live| live.fits(layout)),
                "{ptr:p} given back with another layout than it was lent with: {layout:?} for \
                 {known:?}"
            );
        }
        // SAFETY: the caller's promise, passed on: the block came from `inner`.
        unsafe { self.inner.deallocate(ptr, layout) }
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.expect(ptr, old);
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.inner.grow(ptr, old, new) }?;
        self.resized(ptr, old, block, new);
        Ok(block)
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.expect(ptr, old);
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.inner.shrink(ptr, old, new) }?;
        self.resized(ptr, old, block, new);
        Ok(block)
    }
}

// SAFETY: every clause is `inner`'s; the record follows the block, whichever end moved.
unsafe impl<A: GrowInPlace> GrowInPlace for Checked<A> {
    unsafe fn grow_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.expect(ptr, old);
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.inner.grow_in_place(ptr, old, new, end) }?;
        self.resized(ptr, old, block, new);
        Ok(block)
    }

    unsafe fn shrink_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.expect(ptr, old);
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.inner.shrink_in_place(ptr, old, new, end) }?;
        self.resized(ptr, old, block, new);
        Ok(block)
    }
}

impl<A: Allocator> Checked<A> {
    /// Panics unless a block with this layout is alive at `ptr`.
    fn expect(&self, ptr: NonNull<u8>, layout: Layout) {
        let known = lock(&self.live).get(&ptr.addr().get()).copied();
        assert!(
            layout.size() == 0 || known.is_some_and(|live| live.fits(layout)),
            "{ptr:p} resized with another layout than it was lent with: {layout:?} for {known:?}"
        );
    }

    /// The record follows the block.
    fn resized(&self, before: NonNull<u8>, old: Layout, block: NonNull<[u8]>, new: Layout) {
        let mut live = lock(&self.live);
        if old.size() != 0 {
            live.remove(&before.addr().get());
        }
        let address = block.cast::<u8>().addr().get();
        if new.size() != 0 {
            let now = Live { layout: new, len: block.len() };
            assert_eq!(live.insert(address, now), None, "{address:#x} handed out twice");
        }
    }
}

impl<A: Allocator> Drop for Checked<A> {
    fn drop(&mut self) {
        let leaked = lock(&self.live).len();
        assert!(leaked == 0 || std::thread::panicking(), "{leaked} blocks leaked: {self:?}");
    }
}

impl<A: Allocator> fmt::Debug for Checked<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("live", &*lock(&self.live)).finish_non_exhaustive()
    }
}

/// Locks; a poisoned lock only means that a test already failed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Global;

    #[test]
    fn exactly_the_chosen_request_fails() {
        let backing = FailAt::new(Checked::new(Global), 2);
        let layout = Layout::new::<u64>();
        let first = backing.allocate(layout).unwrap();
        assert!(backing.allocate(layout).is_err());
        let third = backing.allocate(layout).unwrap();
        assert_eq!((backing.calls(), backing.inner.live_blocks()), (3, 2));
        for block in [first, third] {
            // SAFETY: allocated above with this layout, not used again.
            unsafe { backing.deallocate(block.cast(), layout) };
        }
    }

    #[test]
    #[should_panic(expected = "1 blocks leaked")]
    fn a_leak_is_noticed() {
        let backing = Checked::new(Global);
        let block = backing.allocate(Layout::new::<u64>()).unwrap();
        // Freed behind the checker's back, so that the test itself leaks nothing.
        // SAFETY: allocated from `Global` through `Checked` with this layout.
        unsafe { Global.deallocate(block.cast(), Layout::new::<u64>()) };
    }

    #[test]
    #[should_panic(expected = "another layout")]
    fn a_wrong_layout_is_noticed_when_a_block_grows() {
        let backing = Checked::new(Global);
        let (old, new) = (Layout::new::<u64>(), Layout::new::<[u64; 2]>());
        let block = backing.allocate(old).unwrap().cast();
        // SAFETY: alive with this layout; `new` is larger.
        let grown = unsafe { backing.grow(block, old, new) }.unwrap().cast();
        assert_eq!((backing.live_blocks(), backing.live_bytes()), (1, 16));
        // SAFETY: alive with this layout; `old` is smaller.
        let shrunk = unsafe { backing.shrink(grown, new, old) }.unwrap().cast();
        assert_eq!(backing.live_bytes(), 8);
        // SAFETY: allocated from `Global` through `backing`, with this layout now.
        unsafe { Global.deallocate(shrunk, old) };
        // SAFETY: it panics before the block reaches `Global`.
        let _ = unsafe { backing.grow(shrunk, Layout::new::<u32>(), new) };
    }

    #[test]
    #[should_panic(expected = "another layout")]
    fn a_wrong_layout_is_noticed() {
        let mut slot = 0u64;
        // SAFETY: it panics before the block reaches `Global`.
        unsafe {
            Checked::new(Global)
                .deallocate(NonNull::from_mut(&mut slot).cast(), Layout::new::<u32>())
        };
    }
}
