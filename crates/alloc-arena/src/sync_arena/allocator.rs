//! [`SyncArena`] as an [`Allocator`].

use core::ptr::NonNull;

use alloc_core::{AllocError, Allocator, Layout};

use super::SyncArena;

// SAFETY: a block stays valid until the arena is reset or dropped, which no thread can do while it is
// borrowed (S3); moving the arena does not move its chunks; live blocks do not overlap (I3 of each
// part, whose chunks are its own). Another thread's part handles a block as one that is not its
// newest (S4).
unsafe impl<const MIN_ALIGN: usize, A: Allocator> Allocator for SyncArena<MIN_ALIGN, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.try_alloc_layout(layout).map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    /// Gives the block's room back to this thread if it is the newest of its part; else nothing
    /// happens until the arena is reset.
    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        self.parts.with(|part| {
            part.backing().point_to(&self.shared); // S2
            // SAFETY: the caller's promise, passed on; by S4 also where another thread took it.
            unsafe { part.deallocate(ptr, layout) };
        });
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.try_with_local(new, |local| {
            // SAFETY: as in `deallocate`.
            unsafe { local.part.grow(ptr, old, new) }
        })
        .map_err(|_| AllocError)?
    }

    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.try_with_local(new, |local| {
            // SAFETY: as in `deallocate`.
            unsafe { local.part.grow_zeroed(ptr, old, new) }
        })
        .map_err(|_| AllocError)?
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.try_with_local(new, |local| {
            // SAFETY: as in `deallocate`.
            unsafe { local.part.shrink(ptr, old, new) }
        })
        .map_err(|_| AllocError)?
    }
}
