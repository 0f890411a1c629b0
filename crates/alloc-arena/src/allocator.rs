//! [`Arena`] and [`Scope`] as [`Allocator`]s: under `Vec`, `Box`, `HashMap`.
//!
//! ```text
//!   base               start                 cursor               end
//!     | grown | grown | free ................. | new | new | ...... |
//!               ^ grows in place, up             ^ taken from the top, down
//! ```
//!
//! New blocks come from the high end of the current chunk. A block that *grows* moves to the low
//! end, once, where the free memory is behind it: from then on it grows in place while others are
//! allocated above, until another block grows too. When the chunk is full it moves to the low end of
//! a new one with room to double again; a large chunk is extended by the backing itself.
//!
//! Freeing the newest block of either end gives its room back, and the newest large block's chunk
//! becomes spare; freeing any other does nothing until the arena is reset.
//!
//! # Invariants
//!
//! * **A1** every block at the high end occupies its size rounded up to `MIN_ALIGN`, so giving back
//!   the newest one moves the cursor by a multiple of `MIN_ALIGN` (I2).
//! * **A2** on an error from `grow` the old block is as it was: nothing is moved before the new
//!   place is certain.
//! * **A3** only bytes that the old block had are copied, and only bytes that it had not are
//!   zeroed.
//! * **A4** a block at the low end of the current chunk lies below `start`, and none but the newest
//!   one there ends at `start`: blocks at the high end, and those of other chunks, end elsewhere.

use core::ptr::NonNull;

use alloc_core::{AllocError, Allocator, Layout, TryAllocError, bump};

use crate::chunk::{ChunkRef, at, bytes_for};
use crate::{Arena, Scope};

// SAFETY: a block stays valid until the arena is reset, rewound or dropped, which needs `&mut` or
// ownership, so no copy of the allocator can still be in use (`&Arena` borrows it, `Arena` itself is
// not `Clone`); moving an `Arena` does not move its chunks (I1); live blocks do not overlap (I3).
unsafe impl<const MIN_ALIGN: usize, A: Allocator> Allocator for Arena<MIN_ALIGN, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.try_alloc_layout(layout).map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        self.counters.freed();
        if ptr == self.cursor() {
            self.set_cursor(self.top_of_newest(layout));
        } else if self.is_newest_low(ptr, layout) {
            self.set_start(at(self.start(), ptr.addr().get()));
        } else if self.large().is_some() {
            self.free_large(ptr);
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
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.regrow(ptr, old, new) }.map_err(|_| AllocError)?;
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
            self.counters.freed();
            block
        } else if moves {
            self.shrink_newest(ptr, old, new)
        } else if self.is_newest_low(ptr, old) {
            self.set_start(at(self.start(), ptr.addr().get() + new.size()));
            ptr
        } else {
            ptr
        };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Where the room of the newest block, of this layout, ends (A1).
    ///
    /// Derived from the arena's own pointer: the caller's may be good for its block alone, and what
    /// follows from the result becomes the cursor.
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
    #[inline(always)]
    fn is_newest_low(&self, ptr: NonNull<u8>, layout: Layout) -> bool {
        layout.size() != 0 && ptr.addr().get() + layout.size() == self.start().addr().get()
    }

    /// Makes the chunk of a large block spare, if it is the newest large one.
    #[cold]
    fn free_large(&self, ptr: NonNull<u8>) {
        if let Some(large) = self.newest_large(ptr) {
            self.drop_large(large);
        }
    }

    /// Grows a block, in place if it is the newest at the low end.
    ///
    /// # Safety
    ///
    /// As [`Allocator::grow`].
    #[inline]
    pub(crate) unsafe fn regrow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        match self.grow_in_place(ptr, old, new) {
            Some(block) => Ok(block),
            None => self.grow_moving(ptr, old, new),
        }
    }

    /// Raises `start` over a block that ends there; `None`, and nothing changed, for every other
    /// block, and where there is no room.
    #[inline]
    fn grow_in_place(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        let end = ptr.addr().get().checked_add(new.size())?;
        let stays = self.is_newest_low(ptr, old)
            && ptr.addr().get().is_multiple_of(new.align())
            && (end <= self.cursor().addr().get() || cfg!(bug = "grow-ignores-the-blocks"));
        if !stays {
            return None;
        }
        self.counters.regrown(new.size() - old.size(), || self.used_bytes());
        self.set_start(at(self.start(), end));
        Some(at(self.start(), ptr.addr().get()))
    }

    /// Grows a block elsewhere: at the low end, or where the newest block has room, or in a chunk of
    /// the backing's.
    #[cold]
    #[inline(never)]
    fn grow_moving(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        if old.size() == 0 {
            let block = self.try_alloc_low(new, 0)?;
            self.counters.freed();
            return Ok(block);
        }
        if let Some(block) = self.move_low(ptr, old, new) {
            return Ok(block);
        }
        if ptr == self.cursor()
            && let Some(block) = self.regrow_newest(ptr, old, new)
        {
            return Ok(block);
        }
        if let Some(block) = self.regrow_large(ptr, old, new) {
            return Ok(block);
        }
        let block = self.try_alloc_low(new, new.size())?;
        self.copy(ptr, block, old, new);
        if ptr == self.cursor() {
            self.set_cursor(self.top_of_newest(old));
        }
        self.counters.freed();
        Ok(block)
    }

    /// Copies the contents of a block that grows.
    fn copy(&self, from: NonNull<u8>, to: NonNull<u8>, old: Layout, new: Layout) {
        let _ = self;
        let copied = if cfg!(bug = "grow-copies-too-much") { new.size() } else { old.size() };
        // SAFETY: callers pass `grow`'s block, which its caller lends, and a fresh one that is not
        // smaller (I3: they do not overlap).
        unsafe { to.copy_from_nonoverlapping(from, copied) };
    }

    /// Takes a block at the low end, where it can grow; from a new chunk, with `growth_bytes` of
    /// room to grow into, if it does not fit the current one.
    pub(crate) fn try_alloc_low(
        &self,
        layout: Layout,
        growth_bytes: usize,
    ) -> Result<NonNull<u8>, TryAllocError> {
        if layout.size() == 0 {
            return self.try_alloc_layout(layout);
        }
        if let Some(block) = self.take_low(layout) {
            return Ok(block);
        }
        self.ledger().figures.slow();
        if let Some(block) = self.refill(layout, growth_bytes)? {
            return Ok(block);
        }
        let block = self.take_low(layout);
        debug_assert!(block.is_some(), "a chunk was made for {layout:?} and has no room for it");
        let kind = alloc_core::ErrorKind::Backing;
        block.ok_or(TryAllocError::new(kind, layout, self.remaining_bytes()))
    }

    /// Takes a block at the low end of the current chunk, if it fits.
    fn take_low(&self, layout: Layout) -> Option<NonNull<u8>> {
        let start = self.start().addr().get();
        let address = bump::round_up(start, layout.align().max(MIN_ALIGN))?;
        let end = address.checked_add(layout.size())?;
        // The cursor of an arena without chunk lies below `start`, so this refuses there too.
        if end > self.cursor().addr().get() {
            return None;
        }
        let block = at(self.start(), address);
        self.set_start(at(self.start(), end));
        self.counters.allocated(layout.size(), end - start, || self.used_bytes());
        Some(block)
    }

    /// Moves a block to the low end of the current chunk; `None`, and nothing changed, if there is
    /// no room.
    fn move_low(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        let block = self.take_low(new)?;
        self.copy(ptr, block, old, new);
        if ptr == self.cursor() {
            self.set_cursor(self.top_of_newest(old));
        }
        self.counters.freed();
        Some(block)
    }

    /// Moves the newest block down to where it has `new.size()` bytes.
    fn regrow_newest(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        let top = self.top_of_newest(old).addr().get();
        let address = bump::down::<MIN_ALIGN>(self.start().addr().get(), top, new)?;
        let block = at(self.cursor(), address);
        let copied = if cfg!(bug = "grow-copies-too-much") { new.size() } else { old.size() };
        // SAFETY: `start <= address <= ptr`, so the new place is the old block and free memory
        // below it (I3), all of the current chunk; the two may overlap, which `copy_from` allows.
        unsafe { block.copy_from(ptr, copied) };
        self.set_cursor(block);
        self.counters.regrown(new.size() - old.size(), || self.used_bytes());
        Some(block)
    }

    /// Grows the newest large block within its chunk, or lets the backing extend that: no copy where
    /// it can remap.
    fn regrow_large(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        let large = self.newest_large(ptr)?;
        let align = new.align().max(MIN_ALIGN);
        let offset = ptr.addr().get() - large.block().addr().get();
        let room = large.end::<MIN_ALIGN>().addr().get() - ptr.addr().get();
        let stays = ptr.addr().get().is_multiple_of(align) && new.size() <= room;
        // With what any alignment may cost, as when the chunk was taken.
        let needed = bytes_for::<MIN_ALIGN>(new)?;
        let fits = stays || needed <= large.block_bytes();
        let chunk = if fits { large } else { self.extend_large(large, needed)? };
        let kept = at(chunk.block(), chunk.block().addr().get() + offset);
        // A block that was aligned to more lies further in than `needed` allows for.
        let room = chunk.end::<MIN_ALIGN>().addr().get() - kept.addr().get();
        let is_fit = kept.addr().get().is_multiple_of(align) && new.size() <= room;
        let block = if is_fit || cfg!(bug = "grow-moves-off-the-alignment") {
            kept
        } else {
            // The chunk went to where its block is not aligned any more (pages that are remapped keep
            // what a page is aligned to), or more alignment is asked for than before.
            let base = chunk.base::<MIN_ALIGN>();
            let block = at(base, (base.addr().get() + (align - 1)) & align.wrapping_neg());
            // SAFETY: `bytes_for` made room for the new block from the first aligned address on; the
            // old contents, all of the same chunk, may overlap it, which `copy_from` allows.
            unsafe { block.copy_from(kept, old.size()) };
            block
        };
        let block_end = at(block, block.addr().get() + new.size());
        debug_assert!(block_end <= chunk.end::<MIN_ALIGN>(), "{new:?} in {chunk:?}");
        chunk.leave_at(block, block_end);
        self.counters.regrown(new.size() - old.size(), || self.used_bytes());
        Some(block)
    }

    /// Lets the backing extend the newest large chunk; `None`, and nothing changed, if it cannot.
    ///
    /// The backing may allocate from here: the chunk is in no list meanwhile. And it may panic: the
    /// chunk comes back as it was.
    fn extend_large(&self, large: ChunkRef, bytes: usize) -> Option<ChunkRef> {
        /// Puts the chunk back, wherever it is then.
        struct Out<'a, const MIN_ALIGN: usize, A: Allocator> {
            arena: &'a Arena<MIN_ALIGN, A>,
            chunk: ChunkRef,
            depth: usize,
        }
        impl<const MIN_ALIGN: usize, A: Allocator> Drop for Out<'_, MIN_ALIGN, A> {
            fn drop(&mut self) {
                self.arena.push_large(self.chunk, self.depth);
            }
        }
        let mut out = Out { arena: self, chunk: large, depth: large.depth() };
        self.pop_large(large);
        out.chunk = self.supply().regrow(large, bytes)?;
        Some(out.chunk)
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

// SAFETY: a block stays valid until the frame's guard is dropped, which is borrowed for `'g`, a
// lifetime of this type, or until a frame inside it is opened *and* the block was taken in that
// frame, which is another scope; a `Scope` is not `Clone`. Live blocks do not overlap (I3).
unsafe impl<const MIN_ALIGN: usize, A: Allocator> Allocator for Scope<'_, '_, MIN_ALIGN, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.arena.allocate(layout)
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.arena.deallocate(ptr, layout) };
    }

    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.arena.grow(ptr, old, new) }
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.arena.grow_zeroed(ptr, old, new) }
    }

    #[inline]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.arena.shrink(ptr, old, new) }
    }
}
