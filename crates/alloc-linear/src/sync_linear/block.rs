//! A thread's part of a shared region.

use core::cell::Cell;
use core::ptr::NonNull;

use alloc_core::{Layout, bump};

use super::counters::Counters;
use crate::linear::{at, dangling};

/// A thread's part of the region: the free range `[start, cursor)` (Y3).
pub(super) struct Block<const MIN_ALIGN: usize> {
    pub(super) cursor: Cell<NonNull<u8>>,
    pub(super) start: Cell<NonNull<u8>>,
    /// Where the cursor began in this block.
    pub(super) top: Cell<NonNull<u8>>,
    /// Bytes of the blocks that this thread used up since the last reset.
    pub(super) spent_bytes: Cell<usize>,
    /// From where to where the block reaches that the last reset gave in advance, until the thread
    /// enters it.
    advance: Cell<Option<(NonNull<u8>, NonNull<u8>)>>,
    pub(super) counters: Counters,
}

// SAFETY: the pointers are to the region, which is not tied to a thread; a block is used by one
// thread at a time (`ThreadSlots`).
unsafe impl<const MIN_ALIGN: usize> Send for Block<MIN_ALIGN> {}

/// A thread's [`Block`], which only that thread uses, and its counters, which everybody may read.
pub(super) struct Slot<const MIN_ALIGN: usize>(Block<MIN_ALIGN>);

// SAFETY: of a shared slot other threads get `counters`, which are atomics, and nothing else:
// `block` is for the one thread whose slot it is (its `# Safety` says so).
unsafe impl<const MIN_ALIGN: usize> Sync for Slot<MIN_ALIGN> {}

impl<const MIN_ALIGN: usize> Slot<MIN_ALIGN> {
    pub(super) fn empty() -> Self {
        Self(Block::empty())
    }

    /// The block, for the thread whose slot this is.
    ///
    /// # Safety
    ///
    /// 1. The calling thread is the one that has the slot (`ThreadSlots` lent it by `with`).
    #[inline(always)]
    pub(super) unsafe fn block(&self) -> &Block<MIN_ALIGN> {
        &self.0
    }

    pub(super) fn block_mut(&mut self) -> &mut Block<MIN_ALIGN> {
        &mut self.0
    }

    #[cfg(feature = "stats")]
    pub(super) fn counters(&self) -> &Counters {
        &self.0.counters
    }
}

impl<const MIN_ALIGN: usize> Block<MIN_ALIGN> {
    /// A block without room.
    pub(super) fn empty() -> Self {
        let nowhere = dangling(if MIN_ALIGN > 16 { MIN_ALIGN } else { 16 });
        Self {
            cursor: Cell::new(nowhere),
            start: Cell::new(nowhere),
            top: Cell::new(nowhere),
            spent_bytes: Cell::new(0),
            advance: Cell::new(None),
            counters: Counters::new(),
        }
    }

    /// Makes the block one without room; what it counted stays.
    pub(super) fn restart(&mut self) {
        let counters = core::mem::replace(&mut self.counters, Counters::new());
        *self = Self { counters, ..Self::empty() };
        self.counters.reset();
    }

    /// Keeps the range from `start` to `top` for when the thread asks next.
    pub(super) fn give_in_advance(&self, start: NonNull<u8>, top: NonNull<u8>) {
        self.advance.set(Some((start, top)));
    }

    /// Enters the block that was given in advance, if there is one, and returns its bytes.
    pub(super) fn enter_advance(&self) -> Option<usize> {
        let (start, top) = self.advance.take()?;
        self.enter(start, top);
        Some(top.addr().get() - start.addr().get())
    }

    /// Goes on in the range from `start` to `top`.
    pub(super) fn enter(&self, start: NonNull<u8>, top: NonNull<u8>) {
        debug_assert!(start <= top, "a block from {start:p} to {top:p}");
        self.cursor.set(top);
        self.start.set(start);
        self.top.set(top);
    }

    /// Bytes that this thread used since the last reset, large values left out.
    pub(super) fn used_bytes(&self) -> usize {
        let here = self.top.get().addr().get().saturating_sub(self.cursor.get().addr().get());
        self.spent_bytes.get() + here
    }

    #[inline(always)]
    pub(super) fn bump(&self, layout: Layout) -> Option<NonNull<u8>> {
        let (start, cursor) = self.range();
        Some(self.take(bump::down::<MIN_ALIGN>(start, cursor, layout)?, layout.size()))
    }

    #[inline(always)]
    pub(super) fn bump_for<T>(&self, size: usize) -> Option<NonNull<u8>> {
        if const { size_of::<T>() == 0 } {
            // Not even padding: an alignment larger than the region's would cost some.
            self.counters.allocated(0, 0);
            return Some(dangling(align_of::<T>()));
        }
        let (start, cursor) = self.range();
        Some(self.take(bump::down_for::<T, MIN_ALIGN>(start, cursor, size)?, size))
    }

    #[inline(always)]
    fn range(&self) -> (usize, usize) {
        (self.start.get().addr().get(), self.cursor.get().addr().get())
    }

    #[inline(always)]
    fn take(&self, address: usize, size: usize) -> NonNull<u8> {
        let cursor = self.cursor.get();
        let block = at(cursor, address);
        self.cursor.set(block);
        self.counters.allocated(size, cursor.addr().get() - address);
        block
    }

    pub(super) fn free_bytes(&self) -> usize {
        let (start, cursor) = self.range();
        cursor - start
    }
}
