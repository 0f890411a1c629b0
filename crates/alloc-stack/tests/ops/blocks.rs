//! What the shadow knows beyond contents: the blocks of a level, and what holds what in place.

use core::ptr::NonNull;

use alloc_core::{Allocator, Layout};
use alloc_stack::{Mark, Scope, Stack};

/// A block of one level.
pub(super) struct Entry {
    pub(super) block: NonNull<u8>,
    pub(super) layout: Layout,
    /// The mark of a raw push, and whether it may be popped in any order.
    pub(super) mark: Option<(Mark, bool)>,
    pub(super) used_before: usize,
    /// How many checkpoints there were when it was taken, or last resized.
    pub(super) checkpoints: usize,
    /// Whether it keeps what is below it in place: all but a block without size or padding.
    pub(super) holds: bool,
    pub(super) is_alive: bool,
}

/// What can be done at every level: the stack itself, or a frame of it.
pub(super) trait Level<const MIN_ALIGN: usize> {
    type Memory: Allocator;
    fn memory(&self) -> &Self::Memory;
    fn used(&self) -> usize;
    /// Says whether there is room for `bytes` now.
    fn reserve(&self, bytes: usize) -> bool;
}

impl<const MIN_ALIGN: usize, A: Allocator> Level<MIN_ALIGN> for Stack<MIN_ALIGN, A> {
    type Memory = Self;
    fn memory(&self) -> &Self {
        self
    }
    fn used(&self) -> usize {
        self.used_bytes()
    }
    fn reserve(&self, bytes: usize) -> bool {
        self.try_reserve(bytes).is_ok()
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Level<MIN_ALIGN> for Scope<'_, MIN_ALIGN, A> {
    type Memory = Self;
    fn memory(&self) -> &Self {
        self
    }
    fn used(&self) -> usize {
        self.used_bytes()
    }
    fn reserve(&self, _: usize) -> bool {
        false
    }
}

/// The blocks of a level, in the order in which they were taken.
#[derive(Default)]
pub(super) struct Blocks(pub(super) Vec<Entry>);

/// What `used_before` says of a block that stays until its frame ends.
pub(super) const PINNED: usize = usize::MAX - 1;

impl Blocks {
    /// Whether a block may be given back now: it is of the kind that may go in any order, and nothing
    /// lies above it that must go in order.
    pub(super) fn is_free(&self, index: usize) -> bool {
        let entry = &self.0[index];
        let in_order = |above: &Entry| above.is_alive && matches!(above.mark, Some((_, false)));
        entry.is_alive
            && entry.mark.is_none()
            && entry.used_before != PINNED
            && !self.0[index + 1..].iter().any(in_order)
    }

    /// The index of a block that may be given back in any order: half of the picks the newest.
    pub(super) fn pick(&self, pick: u8) -> Option<usize> {
        let mut candidates: Vec<usize> =
            (0..self.0.len()).filter(|&index| self.is_free(index)).collect();
        candidates.reverse();
        let index = if pick < 128 { 0 } else { usize::from(pick - 128) };
        candidates.get(index % candidates.len().max(1)).copied()
    }
}
