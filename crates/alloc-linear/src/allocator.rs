//! [`Linear`] as an [`Allocator`]: under `Vec`, `Box`, `HashMap`.
//!
//! ```text
//!   base               start                 cursor               end
//!     | grown | grown | free ................. | new | new | ...... |
//!               ^ grows in place, up             ^ taken from the top, down
//! ```
//!
//! New blocks come from the high end. A block that *grows* moves to the low end, once, where the
//! free memory is behind it: from then on it grows in place, until another block grows too. In a
//! region that grows itself (`GrowInPlace` extends it below) blocks stay at the high end.
//!
//! Freeing the newest block of either end gives its room back; freeing any other does nothing
//! until the region is reset. Padding in front of a block is not given back with it
//! (`alloc-stack` does that exactly).
//!
//! # Invariants
//!
//! * **A1** every block occupies its size rounded up to `MIN_ALIGN`, so giving back the newest one
//!   moves the cursor by a multiple of `MIN_ALIGN` (I2).
//! * **A2** on an error from `grow` the old block is as it was: nothing is moved before the new
//!   place is certain.
//! * **A4** a block at the low end lies below `start`, and no block but the newest one there ends
//!   at `start`. While a builder exists, or the region is closed, `start` is theirs: no block
//!   grows at the low end then.
//! * **A3** only bytes that the old block had are copied, and only bytes that it had not are
//!   zeroed.

use core::ptr::NonNull;

use alloc_core::{AllocError, Allocator, Layout, bump};

use crate::Linear;
use crate::linear::at;

// SAFETY: a block stays valid until the region is reset or dropped, which needs `&mut` or
// ownership, so no copy of the allocator can still be in use (`&Linear` borrows it, `Linear` itself
// is not `Clone`); moving a `Linear` does not move its region (I1); live blocks do not overlap (I3).
unsafe impl<const MIN_ALIGN: usize, A: Allocator> Allocator for Linear<MIN_ALIGN, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.try_alloc_layout(layout).map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        self.counters().freed();
        // A closed region's cursor is no block's address, so nothing is given back there.
        if ptr == self.cursor() {
            self.set_cursor(self.top_of_newest(layout));
        } else if self.is_newest_low(ptr, layout) {
            self.set_start(at(self.base(), ptr.addr().get()));
        }
    }

    /// In place while the block is the newest at the low end; inlined, so that a loop which pushes
    /// keeps the vector's fields in registers.
    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() >= old.size(), "grow from {} to {} bytes", old.size(), new.size());
        let block = match self.grow_in_place(ptr, old, new) {
            Some(block) => block,
            None => self.grow_moving(ptr, old, new).ok_or(AllocError)?,
        };
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
        debug_assert!(
            new.size() <= old.size(),
            "shrink from {} to {} bytes",
            old.size(),
            new.size()
        );
        let saved_bytes = old.size() - new.size();
        // Moving pays when it frees at least what it moves; then the two do not overlap either.
        let moves = ptr == self.cursor() && saved_bytes >= new.size();
        let block = if !ptr.addr().get().is_multiple_of(new.align()) {
            // Rare: a larger alignment than before. A new block, the old one stays if there is none.
            let block = self.try_alloc_layout(new).map_err(|_| AllocError)?;
            // SAFETY: `block` is fresh (I3) and `new.size()` long, the old one is at least that.
            unsafe { block.copy_from_nonoverlapping(ptr, new.size()) };
            self.counters().freed();
            block
        } else if moves {
            self.shrink_newest(ptr, old, new)
        } else if self.is_newest_low(ptr, old) {
            self.set_start(at(self.base(), ptr.addr().get() + new.size()));
            ptr
        } else {
            ptr
        };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Linear<MIN_ALIGN, A> {
    /// Where the room of the newest block, of this layout, ends (A1).
    ///
    /// Derived from the region's own pointer: the caller's may be good for its block alone, and
    /// what follows from the result becomes the cursor.
    #[inline(always)]
    fn top_of_newest(&self, layout: Layout) -> NonNull<u8> {
        let size = if cfg!(bug = "dealloc-breaks-min-align") {
            layout.size()
        } else {
            (layout.size() + (MIN_ALIGN - 1)) & MIN_ALIGN.wrapping_neg()
        };
        at(self.cursor(), self.cursor().addr().get() + size)
    }

    /// Whether this block is the newest at the low end, so that `start` may move with it (A4).
    ///
    /// A block at the high end does not end at `start`; one without size takes no room.
    #[inline(always)]
    fn is_newest_low(&self, ptr: NonNull<u8>, layout: Layout) -> bool {
        layout.size() != 0 && ptr.addr().get() + layout.size() == self.start().addr().get()
    }

    /// Raises `start` over a block that ends there; `None`, and nothing changed, for every other
    /// block, and where there is no room.
    #[inline]
    fn grow_in_place(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        // A closed region's cursor lies below `start`, so the comparison refuses there too.
        let end = ptr.addr().get().checked_add(new.size())?;
        let stays = self.is_newest_low(ptr, old)
            && !self.has_builders()
            && ptr.addr().get().is_multiple_of(new.align())
            && end <= self.cursor().addr().get();
        if !stays {
            return None;
        }
        self.counters().regrown(new.size() - old.size(), || self.used_bytes());
        self.raise_start(at(self.base(), end));
        Some(at(self.base(), ptr.addr().get()))
    }

    /// Grows a block elsewhere: at the low end, or, if that is not to be had, at the high end.
    #[cold]
    #[inline(never)]
    fn grow_moving(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        if let Some(block) = self.move_low(ptr, old, new) {
            return Some(block);
        }
        if ptr == self.cursor() {
            return self.regrow_newest(ptr, old, new);
        }
        let block = self.try_alloc_layout(new).ok()?;
        // SAFETY: `block` is fresh (I3) and at least `old.size()` long; `grow`'s caller lends `ptr`.
        unsafe { block.copy_from_nonoverlapping(ptr, old.size()) };
        self.counters().freed();
        Some(block)
    }

    /// Moves a block to the low end; `None`, and nothing changed, if there is no room, or a builder
    /// has that end, or the region is extended there (A4).
    fn move_low(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        if old.size() == 0 || self.has_builders() || self.is_extended_below() {
            return None;
        }
        let start = self.start().addr().get();
        let address = bump::round_up(start, new.align().max(MIN_ALIGN))?;
        let end = address.checked_add(new.size())?;
        // A closed region's cursor lies below `start`, so this refuses there too.
        if end > self.cursor().addr().get() {
            return None;
        }
        let block = at(self.base(), address);
        let copied = if cfg!(bug = "grow-copies-too-much") { new.size() } else { old.size() };
        // SAFETY: the new place ends at or below the cursor and begins at or above `start`: free
        // memory (I3), so not part of the old block; it is `new.size()` bytes long, and `grow`'s
        // caller lends the old one.
        unsafe { block.copy_from_nonoverlapping(ptr, copied) };
        if ptr == self.cursor() {
            self.set_cursor(self.top_of_newest(old));
        }
        self.counters().allocated(new.size(), end - start, || self.used_bytes());
        self.counters().freed();
        self.raise_start(at(block, end));
        Some(block)
    }

    /// Moves the newest block down to where it has `new.size()` bytes.
    fn regrow_newest(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        let place = |top: NonNull<u8>| {
            bump::down::<MIN_ALIGN>(self.start().addr().get(), top.addr().get(), new)
        };
        let top = self.top_of_newest(old);
        let address = match place(top) {
            Some(address) => address,
            None if self.extend(top, new) => place(top)?,
            None => return None,
        };
        let block = at(self.cursor(), address);
        let copied = if cfg!(bug = "grow-copies-too-much") { new.size() } else { old.size() };
        // SAFETY: `start <= address <= ptr`, so the new place is the old block and free memory
        // below it (I3), all of the region; the two may overlap, which `copy_from` allows.
        unsafe { block.copy_from(ptr, copied) };
        self.set_cursor(block);
        self.counters().regrown(new.size() - old.size(), || self.used_bytes());
        Some(block)
    }

    /// Moves the newest block up to the end of its room, leaving what it no longer needs free.
    fn shrink_newest(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> NonNull<u8> {
        let top = self.top_of_newest(old).addr().get();
        let Some(address) = bump::down::<MIN_ALIGN>(ptr.addr().get(), top, new) else { return ptr };
        let block = at(self.cursor(), address);
        // SAFETY: the new place lies in the old block's room; they may overlap.
        unsafe { block.copy_from(ptr, new.size()) };
        self.set_cursor(block);
        block
    }
}
