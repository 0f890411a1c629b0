//! The slow paths of giving memory back: dead blocks, ends of segments, positions to come back to.
//!
//! ```text
//!   cursor        watch
//!     | live | dead | dead | live | dead | ...       the live block goes, then both dead ones
//! ```
//!
//! *Settling* restores I6: while a dead block is the newest, it goes too; a segment that is empty is
//! closed. Its cost is paid by the blocks that were marked.

use core::ptr::NonNull;

use alloc_core::place::dangling;
use alloc_core::{Allocator, Layout};

use crate::Stack;
use crate::segment::{Segment, step};
use crate::stack::POISON;

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Something happened that a position saved before does not know (I7).
    pub(crate) fn happened(&self) {
        self.events.set(self.events.get() + 1);
    }

    /// Gives back a block that is not where the cursor is.
    ///
    /// # Safety
    ///
    /// As [`dealloc_layout`](Self::dealloc_layout).
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn free_older(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            let end = self.end_of(block.addr().get(), layout);
            // SAFETY: the caller's promise: its room is the block's alone.
            unsafe { self.free_older_to(block, end) };
        }
    }

    /// Gives back the bytes from `block`, which is not where the cursor is, to `end`.
    ///
    /// # Safety
    ///
    /// 1. they are a block's that may go in any order, with its padding, in one segment of this
    ///    stack; or fewer than a grain, anywhere;
    /// 2. they are not used again.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn free_older_to(&self, block: NonNull<u8>, end: usize) {
        let address = block.addr().get();
        if end - address < Self::GRAIN {
            // An empty block and its padding.
            return;
        }
        let Some(segment) = self.segment_of(address) else { return };
        debug_assert!(end <= segment.end(), "{block:p} does not end at {end:#x}");
        // SAFETY: 1. a block that may go in any order begins at a whole grain (I4) in its segment,
        // and is at least one long; 2. the caller's promise: it is not used again, and it was live,
        // so it overlaps no dead block.
        unsafe { segment.mark_dead(address, end, Self::GRAIN) };
        if cfg!(bug = "frees-look-for-the-lowest") {
            let mut lowest = self.cursor.get().next_multiple_of(Self::GRAIN);
            while lowest < address && !segment.is_dead(lowest, Self::GRAIN) {
                step();
                lowest += Self::GRAIN;
            }
        }
        if Some(segment) == self.segment.get() {
            self.watch.set(self.watch.get().min(address));
        } else {
            segment.set_watch(segment.watch().min(address));
        }
        self.happened();
    }

    /// The segment in which a block of this stack begins, newest first.
    pub(crate) fn segment_of(&self, address: usize) -> Option<Segment> {
        let mut segment = self.segment.get();
        while let Some(candidate) = segment
            && !candidate.holds(address)
        {
            step();
            segment = candidate.prev();
        }
        debug_assert!(segment.is_some(), "{address:#x} is not of this stack");
        segment
    }

    /// Moves the cursor up to `to` and settles.
    #[cold]
    #[inline(never)]
    pub(crate) fn settle(&self, to: usize) {
        self.raise(to);
        while let Some(segment) = self.segment.get() {
            step();
            let cursor = self.cursor.get();
            if cursor == segment.end() && segment.prev().is_some() {
                self.close();
            } else if let Some(end) = segment.take_dead(cursor, Self::GRAIN)
                && !cfg!(bug = "dead-blocks-stay")
            {
                self.raise(end);
                self.happened();
            } else {
                self.watch.set(segment.next_watch(cursor, Self::GRAIN));
                break;
            }
        }
    }

    /// Ends the raw push that opened the current segment, or was empty and the first of all.
    #[cold]
    #[inline(never)]
    pub(crate) fn pop_segment(&self) {
        if let Some(segment) = self.segment.get() {
            self.settle(segment.end());
        }
    }

    /// Comes back to `position`: everything newer is given back, whatever happened in between.
    ///
    /// A position that is no longer one (in a segment that was closed, or free already) changes
    /// nothing.
    #[cold]
    #[inline(never)]
    pub(crate) fn restore_slow(&self, position: usize) {
        self.counters.look(self.used_now());
        let mut holder = self.segment.get();
        // From before there was a segment: now that is the end of the oldest.
        let is_nowhere = position == Self::NOWHERE;
        while let Some(segment) = holder
            && !(is_nowhere && segment.prev().is_none())
            && !segment.holds(position)
        {
            step();
            holder = segment.prev();
        }
        let Some(holder) = holder else { return };
        while self.segment.get() != Some(holder) {
            self.close();
        }
        let position = if is_nowhere { holder.end() } else { position };
        if position >= self.cursor.get() {
            if !cfg!(bug = "rewound-dead-blocks-stay") {
                holder.forget_dead(self.cursor.get(), position, Self::GRAIN);
            }
            self.settle(position);
        }
    }

    /// Goes back to the segment before the current one, as it was left.
    // Not inline: what gives dead blocks back calls nothing else.
    #[cold]
    #[inline(never)]
    fn close(&self) {
        let Some(segment) = self.segment.get() else { return };
        let Some(prev) = segment.prev() else { return };
        self.counters.look(self.used_now());
        self.segment.set(Some(prev));
        self.cursor.set(segment.prev_cursor());
        self.set_start(prev.start());
        self.watch.set(prev.watch());
        self.happened();
        self.retire(segment);
    }

    /// Keeps a segment that is in no list as the spare, instead of the one that was.
    pub(crate) fn retire(&self, segment: Segment) {
        if let Some(old) = self.spare.replace(Some(segment)) {
            self.give_back(old);
        }
    }

    /// Gives the spare back.
    pub(crate) fn drop_spare(&self) {
        if let Some(spare) = self.spare.take() {
            self.give_back(spare);
        }
    }

    /// Gives the block of a segment that is in no list back to the backing.
    fn give_back(&self, segment: Segment) {
        self.reserved.set(self.reserved.get() - segment.block_len());
        let (block, layout) = (segment.block(), segment.layout(Self::GRAIN));
        // SAFETY: the block is this backing's and alive (I1), `layout` fits it, and its name was in
        // no list.
        unsafe { self.backing.deallocate(block, layout) };
    }

    /// Empties the stack: all its memory is free again.
    ///
    /// Values are not dropped. The oldest segment is kept, and the spare. That nothing is borrowed
    /// from the stack any more is checked by the compiler; what was taken by raw pushes must not be
    /// used again, and [checkpoints](crate::Checkpoint) are stale.
    pub fn reset(&mut self) {
        self.counters.reset(self.used_now());
        self.restore_slow(Self::NOWHERE);
        if let Some(oldest) = self.segment.get() {
            self.serial.set(self.serial.get() + 1);
            oldest.renew(self.serial.get());
        }
        debug_assert_eq!(self.used_now(), 0, "an empty stack uses nothing");
    }

    /// Gives back to the backing what is not in use: the spare, and the oldest segment if the stack
    /// is empty (blocks of raw pushes without a size then count as given back). Returns how many bytes that was.
    pub fn trim(&mut self) -> usize {
        self.trim_shared()
    }

    /// [`Self::trim`] of a stack on which the caller knows of no block. What the backing does with the
    /// stack meanwhile finds it in order.
    pub(crate) fn trim_shared(&self) -> usize {
        let before = self.reserved.get();
        if self.is_empty() {
            self.close_all();
        } else {
            self.drop_spare();
        }
        before.saturating_sub(self.reserved.get())
    }

    /// Gives everything back, and leaves the stack as it was when it was new.
    pub(crate) fn close_all(&self) {
        let mut next = self.segment.take();
        self.cursor.set(Self::NOWHERE);
        self.set_start(dangling(Self::GRAIN));
        self.watch.set(0);
        self.happened();
        while let Some(segment) = next {
            next = segment.prev();
            self.give_back(segment);
        }
        self.drop_spare();
    }

    /// Whether the cursor may rise to `to`.
    pub(crate) fn is_position(&self, to: usize) -> bool {
        let end = self.segment.get().map_or(Self::NOWHERE, Segment::end);
        let is_aligned = to.is_multiple_of(MIN_ALIGN) || to == Self::NOWHERE;
        self.cursor.get() <= to && to <= end && is_aligned
    }

    /// Overwrites what is about to be free, in debug builds, so that stale pointers kept by `unsafe`
    /// code show.
    #[inline(always)]
    pub(crate) fn poison_to(&self, to: usize) {
        if cfg!(debug_assertions) && self.segment.get().is_some() {
            let from = self.cursor.get();
            let len = to.saturating_sub(from);
            // SAFETY: `from..to` is memory of the current segment (I2) which its user gave back.
            unsafe { self.pointer(from).write_bytes(POISON, len) };
        }
    }
}
