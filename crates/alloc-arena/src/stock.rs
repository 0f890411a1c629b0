//! [`Stock`]: spare chunks of one arena, and how many of them it could do without.
//!
//! ```text
//!   top -> [64K] -> [128K] -> [256K] -> [512K] -> bottom
//!            taken first         never taken since the last look: released at the next
//! ```
//!
//! A reset pushes the chunks of the arena from the newest to the oldest, so the next phase finds
//! them in the order in which the last one made them. What a phase does not need stays at the
//! bottom: the least number of spare chunks between two looks is the number that was not needed.
//!
//! # Cost
//!
//! Push and take: a few stores. A look walks the stock once, every `decay_resets` resets.

use core::cell::Cell;

use crate::chunk::ChunkRef;

/// How many chunks a search looks at: in the steady state the first one fits.
const LOOKS: usize = 8;

#[derive(Default)]
pub(crate) struct Stock {
    top: Cell<Option<ChunkRef>>,
    len: Cell<usize>,
    bytes: Cell<usize>,
    /// The least `len` since the last look.
    least: Cell<usize>,
}

impl Stock {
    pub(crate) const fn new() -> Self {
        Self { top: Cell::new(None), len: Cell::new(0), bytes: Cell::new(0), least: Cell::new(0) }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.top.get().is_none()
    }

    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    pub(crate) fn push(&self, chunk: ChunkRef) {
        chunk.set_next(self.top.get());
        self.top.set(Some(chunk));
        self.len.set(self.len.get() + 1);
        self.bytes.set(self.bytes.get() + chunk.block_bytes());
    }

    /// Takes the first of the upper chunks that has between `least` and `most` bytes.
    pub(crate) fn take(&self, least: usize, most: usize) -> Option<ChunkRef> {
        let mut above: Option<ChunkRef> = None;
        let mut look = self.top.get();
        for _ in 0..LOOKS {
            let chunk = look?;
            if (least..=most).contains(&chunk.block_bytes()) {
                self.unlink(above, chunk);
                return Some(chunk);
            }
            above = look;
            look = chunk.next();
        }
        None
    }

    /// Takes any chunk.
    pub(crate) fn pop(&self) -> Option<ChunkRef> {
        let chunk = self.top.get()?;
        self.unlink(None, chunk);
        Some(chunk)
    }

    fn unlink(&self, above: Option<ChunkRef>, chunk: ChunkRef) {
        match above {
            Some(above) => above.set_next(chunk.next()),
            None => self.top.set(chunk.next()),
        }
        self.len.set(self.len.get() - 1);
        self.bytes.set(self.bytes.get() - chunk.block_bytes());
        if !cfg!(bug = "decay-forgets-the-least") {
            self.least.set(self.least.get().min(self.len.get()));
        }
    }

    /// Cuts off what was not needed since the last look, and begins to look anew; returns the first
    /// of the chunks cut off.
    pub(crate) fn unneeded(&self) -> Option<ChunkRef> {
        let kept = self.len.get() - self.least.get();
        let mut above = None;
        let mut first = self.top.get();
        for _ in 0..kept {
            above = first;
            first = first?.next();
        }
        match above {
            Some(above) => above.set_next(None),
            None => self.top.set(None),
        }
        let mut cut = first;
        while let Some(chunk) = cut {
            self.bytes.set(self.bytes.get() - chunk.block_bytes());
            cut = chunk.next();
        }
        self.len.set(kept);
        self.least.set(kept);
        first
    }
}
