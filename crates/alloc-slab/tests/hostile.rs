//! Backings that keep the contract of [`Allocator`] and no more.
#![cfg(not(loom))]

use alloc_core::testing::Checked;
use alloc_core::{AllocError, Allocator, Global, Layout};
use alloc_slab::{ObjectCache, Slab, SlabAlloc};
use core::cell::RefCell;
use core::ptr::NonNull;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Gives 48 bytes more than asked for, also where nothing was asked for. A block may come back with
/// any size from what was asked for to what was given, so the backing of this one, which wants the
/// sizes that it was asked for, is told them from a list.
struct Generous<'a> {
    inner: Checked<Global>,
    given: &'a RefCell<Vec<(NonNull<u8>, Layout)>>,
}

// SAFETY: blocks of `Global`, 48 bytes longer than asked for; each goes back with its own layout.
unsafe impl Allocator for Generous<'_> {
    fn allocate(&self, asked: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let longer = layout(asked.size() + 48, asked.align());
        let block = self.inner.allocate(longer)?;
        self.given.borrow_mut().push((block.cast(), longer));
        Ok(block)
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, returned: Layout) {
        let mut given = self.given.borrow_mut();
        let number = given.iter().position(|&(block, _)| block == ptr).expect("a block of ours");
        let (_, longer) = given.swap_remove(number);
        let sizes = longer.size() - 48..=longer.size();
        assert!(sizes.contains(&returned.size()), "{returned:?} does not fit {longer:?}");
        // SAFETY: a block of `inner`, alive with this layout: it was in the list.
        unsafe { self.inner.deallocate(ptr, longer) }
    }
}

/// Blocks go back under the size that was given, as the contract allows: the class must not take for
/// its own what the backing gave.
#[test]
fn a_block_may_come_back_under_the_size_that_was_given() {
    let given = RefCell::new(Vec::new());
    let backing = Generous { inner: Checked::new(Global), given: &given };
    let slab = SlabAlloc::new_in(layout(64, 8), &backing);
    let sizes = [(0, 1), (0, 8), (1, 8), (8, 8), (64, 8), (65, 8), (8, 64), (0, 64), (1000, 8)];
    for (size, align) in sizes {
        let block = slab.allocate(layout(size, align)).unwrap();
        // SAFETY: just allocated; the layout fits it, by its length.
        unsafe { slab.deallocate(block.cast(), layout(block.len(), align)) };
        for (other, other_align) in sizes.into_iter().filter(|&(other, _)| other >= size) {
            let block = slab.allocate(layout(size, align)).unwrap();
            let old = layout(block.len(), align);
            if other < block.len() {
                // SAFETY: just allocated; the layout fits it, by its length.
                unsafe { slab.deallocate(block.cast(), old) };
                continue;
            }
            // SAFETY: as above, and the new size is not smaller.
            let block =
                unsafe { slab.grow(block.cast(), old, layout(other, other_align)) }.unwrap();
            let old = layout(block.len(), other_align);
            // SAFETY: alive; the layout fits it, by its length; the new size is not larger.
            let block = unsafe { slab.shrink(block.cast(), old, layout(size, align)) }.unwrap();
            // SAFETY: as above.
            unsafe { slab.deallocate(block.cast(), layout(block.len(), align)) };
        }
    }
    // All that is left is the class's own page; what it gives lies in there.
    assert_eq!(given.borrow().len(), 1);
    let (page, page_layout) = given.borrow()[0];
    let blocks: Vec<_> = (0..20).map(|_| slab.allocate(layout(64, 8)).unwrap()).collect();
    for block in blocks {
        let offset = block.cast::<u8>().addr().get().wrapping_sub(page.addr().get());
        assert!(offset < page_layout.size(), "{block:p} is not in the page at {page:p}");
        // SAFETY: allocated above with this layout, not used again.
        unsafe { slab.deallocate(block.cast(), layout(64, 8)) };
    }
    drop(slab);
    assert!(given.borrow().is_empty());
}

#[test]
fn more_than_was_asked_for_is_no_harm() {
    let given = RefCell::new(Vec::new());
    let backing = Generous { inner: Checked::new(Global), given: &given };
    let mut slab = Slab::new_in(&backing);
    slab.extend((0..1000).map(|n| [n; 20]));
    slab.retain(|_, value| value[0] % 7 == 0);
    slab.compact(|_, _, _| {});
    assert!(slab.values().all(|value| value[0] % 7 == 0));
    let cache = ObjectCache::new_in(|| [1u64; 20], &backing);
    assert_eq!(*cache.take(), [1; 20]);
    drop((slab, cache));
    assert!(given.borrow().is_empty());
}
