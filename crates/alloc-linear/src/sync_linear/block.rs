//! A thread's part of a shared region.

use core::cell::Cell;
use core::ptr::NonNull;

use alloc_core::{Layout, bump};

use crate::linear::{at, dangling};

/// A thread's part of the region: the free range `[start, cursor)` (Y3).
pub(super) struct Block<const MIN_ALIGN: usize> {
    pub(super) cursor: Cell<NonNull<u8>>,
    pub(super) start: Cell<NonNull<u8>>,
    /// Where the cursor began in this block.
    pub(super) top: Cell<NonNull<u8>>,
    /// Bytes of the blocks that this thread used up since the last reset.
    pub(super) spent_bytes: Cell<usize>,
}

// SAFETY: the pointers are to the region, which is not tied to a thread; a block is used by one
// thread at a time (`ThreadSlots`).
unsafe impl<const MIN_ALIGN: usize> Send for Block<MIN_ALIGN> {}

impl<const MIN_ALIGN: usize> Block<MIN_ALIGN> {
    /// A block without room.
    pub(super) fn empty() -> Self {
        let nowhere = dangling(if MIN_ALIGN > 16 { MIN_ALIGN } else { 16 });
        Self {
            cursor: Cell::new(nowhere),
            start: Cell::new(nowhere),
            top: Cell::new(nowhere),
            spent_bytes: Cell::new(0),
        }
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
        Some(self.take(bump::down::<MIN_ALIGN>(start, cursor, layout)?))
    }

    #[inline(always)]
    pub(super) fn bump_for<T>(&self, size: usize) -> Option<NonNull<u8>> {
        let (start, cursor) = self.range();
        Some(self.take(bump::down_for::<T, MIN_ALIGN>(start, cursor, size)?))
    }

    #[inline(always)]
    pub(super) fn range(&self) -> (usize, usize) {
        (self.start.get().addr().get(), self.cursor.get().addr().get())
    }

    #[inline(always)]
    pub(super) fn take(&self, address: usize) -> NonNull<u8> {
        let block = at(self.cursor.get(), address);
        self.cursor.set(block);
        block
    }

    pub(super) fn free_bytes(&self) -> usize {
        let (start, cursor) = self.range();
        cursor - start
    }
}
