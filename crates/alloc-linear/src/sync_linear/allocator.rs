//! [`SyncLinear`] as an [`Allocator`].

use core::ptr::NonNull;

use alloc_core::{AllocError, Allocator, Layout};

use super::SyncLinear;
use crate::linear::at;

// SAFETY: a block stays valid until the region is reset or dropped, which no thread can do while
// it is borrowed; moving the region does not move its memory (Y1); live blocks do not overlap (Y3).
unsafe impl<const MIN_ALIGN: usize, A: Allocator> Allocator for SyncLinear<MIN_ALIGN, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let place = self.try_alloc_layout(layout).map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(place, layout.size()))
    }

    /// Gives the block's room back to this thread if it is the newest of its block; else nothing
    /// happens until the region is reset.
    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        let known = self.slots.with(|slot| {
            // SAFETY: 1. this thread's slot.
            let block = unsafe { slot.block() };
            self.count_free(Some(block));
            if ptr == block.cursor.get() {
                // Rounded up as the bump did; the bytes were the block's, now nobody's (Y3).
                let size = (layout.size() + (MIN_ALIGN - 1)) & MIN_ALIGN.wrapping_neg();
                // By the region's own pointer: the caller's may be good for its block alone.
                block.cursor.set(at(self.start, ptr.addr().get() + size));
            }
        });
        if known.is_none() {
            self.count_free(None);
        }
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(
            new.size() <= old.size(),
            "shrink from {} to {} bytes",
            old.size(),
            new.size()
        );
        if ptr.addr().get().is_multiple_of(new.align()) {
            return Ok(NonNull::slice_from_raw_parts(ptr, new.size()));
        }
        let place = self.allocate(new)?;
        // SAFETY: `place` is fresh (Y3) and `new.size()` long; the old block is at least that.
        unsafe { place.cast::<u8>().copy_from_nonoverlapping(ptr, new.size()) };
        // `allocate` gave this thread a slot.
        // SAFETY: 1. this thread's slot.
        self.slots.with(|slot| self.count_free(Some(unsafe { slot.block() })));
        Ok(place)
    }
}
