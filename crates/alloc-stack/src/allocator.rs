//! [`Stack`] and [`Scope`] as [`Allocator`]s: under `Vec`, `Box`, `HashMap`.
//!
//! Blocks may be given back, grown and shrunk in any order; when all are back, no byte is in use.
//! The newest block grows and shrinks where it is, by moving its contents: blocks come down from
//! the high end, so it is the low end of the newest that can move.
//!
//! # Invariants
//!
//! * **A1** a block has its size rounded up to the grain for itself (I4); what it loses by shrinking
//!   is a dead block from then on.
//! * **A2** on an error from `grow` the old block is as it was: nothing is moved before the new place
//!   is certain.
//! * **A3** only bytes that the old block had are copied, and only bytes that it had not are zeroed.

use core::ptr::NonNull;

use alloc_core::place::dangling;
use alloc_core::{AllocError, Allocator, Layout, TryAllocError};

use crate::stack::at;
use crate::{Scope, Stack};

// SAFETY: a block stays valid until it is given back, or the stack is reset or dropped, which needs
// `&mut` or ownership, so no copy of the allocator can still be in use (`&Stack` borrows it, `Stack`
// itself is not `Clone`); moving a `Stack` does not move its segments (I1); live blocks do not
// overlap (I3).
unsafe impl<const MIN_ALIGN: usize, A: Allocator> Allocator for Stack<MIN_ALIGN, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.try_alloc_layout(layout).map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: 1. and 2. the caller's promise: allocated here with this layout (the length of the
        // block that it was told is the size it asked for), and not used again.
        unsafe { self.dealloc_layout(ptr, layout) };
    }

    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.try_grow(ptr, old, new) }.map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }

    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.grow(ptr, old, new) }?;
        let kept = if cfg!(bug = "grow-zeroes-from-the-start") { 0 } else { old.size() };
        let fresh = block.cast::<u8>().as_ptr().wrapping_add(kept);
        // SAFETY: A3: the bytes behind the old ones, which the block now has.
        unsafe { fresh.write_bytes(0, new.size() - old.size()) };
        Ok(block)
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.try_shrink(ptr, old, new) }.map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }
}

// SAFETY: as for the stack, whose blocks they are; and they are valid until the frame ends, which
// needs its guard, which `'g` borrows as long as the scope is used.
unsafe impl<const MIN_ALIGN: usize, A: Allocator> Allocator for Scope<'_, MIN_ALIGN, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.stack().allocate(layout)
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.stack().deallocate(ptr, layout) };
    }

    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.stack().grow(ptr, old, new) }
    }

    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.stack().grow_zeroed(ptr, old, new) }
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.stack().shrink(ptr, old, new) }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// [`Allocator::grow`], with the reason of a refusal.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(crate) unsafe fn try_grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        debug_assert!(new.size() >= old.size(), "grow from {} to {} bytes", old.size(), new.size());
        let address = ptr.addr().get();
        let fits = old.size() != 0
            && address.is_multiple_of(new.align())
            && self.end_of(address, old) - address >= new.size();
        if fits {
            self.counters.regrown(new.size() - old.size(), || self.used_now());
            // The caller's pointer may be good for the old bytes alone.
            return Ok(if address == self.cursor.get() {
                self.pointer(address)
            } else {
                self.pointer_to_older(ptr)
            });
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { self.grow_moving(ptr, old, new) }
    }

    /// The segment's own pointer to a block that is not the newest, in whatever segment.
    #[cold]
    #[inline(never)]
    fn pointer_to_older(&self, block: NonNull<u8>) -> NonNull<u8> {
        let address = block.addr().get();
        match self.segment_of(address) {
            Some(segment) => at(segment.start(), address),
            None => block,
        }
    }

    /// Grows a block whose room is too small.
    #[inline(never)]
    unsafe fn grow_moving(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        let copied = if cfg!(bug = "grow-copies-too-much") { new.size() } else { old.size() };
        let top = self.end_of(ptr.addr().get(), old);
        if ptr.addr().get() == self.cursor.get()
            && old.size() != 0
            && let Some(address) = self.place_below(top, new)
        {
            let block = self.pointer(address);
            // SAFETY: `start <= address <= ptr`, so the new place is the old block's room and free
            // memory below it (I3); the two may overlap, which `copy_from` allows.
            unsafe { block.copy_from(ptr, copied) };
            self.cursor.set(address);
            self.bury(self.end_of(address, new), top);
            self.counters.regrown(new.size() - old.size(), || self.used_now());
            return Ok(block);
        }
        let block = self.try_alloc_layout(new)?;
        // SAFETY: `block` is fresh (I3) and at least `old.size()` long; `grow`'s caller lends `ptr`.
        unsafe { block.copy_from_nonoverlapping(ptr, copied) };
        // SAFETY: 1. the caller's promise; 2. its contents are elsewhere now.
        unsafe { self.dealloc_layout(ptr, old) };
        Ok(block)
    }

    /// [`Allocator::shrink`], with the reason of a refusal: none but a larger alignment than before.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn try_shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        debug_assert!(new.size() <= old.size(), "shrink {} to {} bytes", old.size(), new.size());
        let address = ptr.addr().get();
        if new.size() == 0 {
            // SAFETY: 1. the caller's promise; 2. no byte of it is used again.
            unsafe { self.release(ptr, old) };
            return Ok(dangling(new.align()));
        }
        if !address.is_multiple_of(new.align()) {
            // Rare: a larger alignment than before. The old block stays if there is no room.
            let block = self.try_alloc_layout(new)?;
            // SAFETY: `block` is fresh (I3) and `new.size()` long, the old one is at least that.
            unsafe { block.copy_from_nonoverlapping(ptr, new.size()) };
            // SAFETY: 1. the caller's promise; 2. its contents are elsewhere now.
            unsafe { self.dealloc_layout(ptr, old) };
            return Ok(block);
        }
        let (old_end, new_end) = (self.end_of(address, old), self.end_of(address, new));
        // Moving pays when it frees at least what it moves; then the two do not overlap either.
        let moves = address == self.cursor.get() && old.size() - new.size() >= new.size();
        if moves && let Some(place) = self.place_below(old_end, new) {
            let block = self.pointer(place);
            // SAFETY: both are multiples of `new`'s alignment, so `ptr <= block`; the new place ends
            // at or below `old_end`: it lies in the block's own room.
            unsafe { block.copy_from(ptr, new.size()) };
            self.raise(place);
            self.bury(self.end_of(place, new), old_end);
            return Ok(block);
        }
        if new_end < old_end && !cfg!(bug = "shrink-loses-the-rest") {
            // SAFETY: `new_end < old_end <= isize::MAX`, aligned to 1.
            let rest = unsafe { Layout::from_size_align_unchecked(old_end - new_end, 1) };
            // SAFETY: 1. the rest of the block's room is a block from here on (A1): whole grains;
            // 2. the block no longer has it. It is not where the cursor is: `new.size()` is not 0.
            unsafe { self.free_older(at(ptr, new_end), rest) };
        }
        Ok(ptr)
    }
}
