//! How an [`Arena`] goes back: to where a frame or a checkpoint was, or to the beginning.
//!
//! Chunks that are no longer in use become spare; the oldest stays the current one.

use core::ptr::NonNull;

use alloc_core::Allocator;

use super::Arena;
use crate::chunk::ChunkRef;
use crate::counters::Waste;

/// A position in an arena: what a frame or a checkpoint goes back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    chunk: Option<ChunkRef>,
    cursor: NonNull<u8>,
    start: NonNull<u8>,
    /// The depth from which on large chunks are newer.
    pub(crate) large: usize,
    waste: Waste,
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Empties the arena: all its memory is free again, and kept for what comes next.
    ///
    /// Values from [`alloc_drop`](Self::alloc_drop) are dropped, the newest first. Chunks that stay
    /// unused for some resets are given back ([`decay_resets`](crate::ArenaConfig::decay_resets)). That nothing is
    /// borrowed from the arena any more is checked by the compiler.
    ///
    /// # Complexity
    ///
    /// A few stores for each chunk in use; in debug builds what was handed out is overwritten with
    /// `0xA5`, so that stale pointers kept by `unsafe` code show.
    ///
    /// # Panics
    ///
    /// If a value's drop panics. The others are dropped all the same, and the arena is empty.
    #[inline]
    pub fn reset(&mut self) {
        if let Some(ledger) = self.supply.ledger_if_made()
            && let Some(chunk) = self.chunk.get()
            && chunk.depth() == 0
            && self.large.get().is_none()
            && self.drops.head().is_none()
        {
            // What `empty` does where there is little to empty.
            self.counters.reset();
            ledger.figures.reset(self.used_in_chunks());
            ledger.records.forget();
            chunk.poison(chunk.base::<MIN_ALIGN>(), chunk.end::<MIN_ALIGN>());
            self.set_current(chunk);
            self.supply.was_reset(ledger);
        } else {
            self.reset_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn reset_slow(&mut self) {
        self.counters.reset();
        self.ledger().figures.reset(self.used_bytes());
        if self.drops.head().is_none() {
            self.empty();
        } else {
            self.drop_and_empty();
        }
    }

    #[inline(never)]
    fn drop_and_empty(&mut self) {
        /// Empties the arena, also if a drop panics.
        struct Emptied<'a, const MIN_ALIGN: usize, A: Allocator>(&'a Arena<MIN_ALIGN, A>);
        impl<const MIN_ALIGN: usize, A: Allocator> Drop for Emptied<'_, MIN_ALIGN, A> {
            fn drop(&mut self) {
                self.0.empty();
            }
        }
        let emptied = Emptied(self);
        // SAFETY: 1. every value is 'static, and its memory has not been given back yet; 2. the arena
        // is held exclusively.
        unsafe { emptied.0.drops.run_down_to(None) };
    }

    /// Makes the oldest chunk the current one, and empty. The caller holds the arena exclusively.
    fn empty(&self) {
        self.ledger().records.forget();
        let nowhere = Self::CLOSED;
        self.go_back_slow(&Mark {
            chunk: None,
            cursor: nowhere,
            start: nowhere,
            large: 0,
            waste: Waste::default(),
        });
        self.supply.was_reset(self.ledger());
    }

    /// The position up to which the arena is in use.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            chunk: self.chunk.get(),
            cursor: self.cursor.get(),
            start: self.start.get(),
            large: self.large_depth(),
            waste: self.counters.waste(),
        }
    }

    /// Frees everything taken since `mark`; its chunks become spare.
    ///
    /// Older blocks that were given back by themselves meanwhile count as in use again: the ends of
    /// the free part come back to where they were.
    ///
    /// # Safety
    ///
    /// 1. `mark` is from this arena, and the arena went back to no older mark since;
    /// 2. nothing taken since is used any more, nor dropped.
    #[inline(always)]
    pub(crate) unsafe fn go_back(&self, mark: &Mark) {
        self.counters.set_waste(mark.waste);
        if let Some(chunk) = mark.chunk
            && self.chunk.get() == mark.chunk
            && self.large.get().is_none()
            && let Some(ledger) = self.supply.ledger_if_made()
        {
            ledger.figures.saw(self.used_in_chunks());
            self.go_back_within(chunk, mark);
        } else {
            self.go_back_beside_large(mark);
        }
    }

    /// Goes back where all large blocks are older than the mark; otherwise, the slow way.
    #[inline(never)]
    fn go_back_beside_large(&self, mark: &Mark) {
        if let Some(chunk) = mark.chunk
            && self.chunk.get() == mark.chunk
            && self.large.get().is_some_and(|newest| newest.depth() < mark.large)
            && let Some(ledger) = self.supply.ledger_if_made()
        {
            ledger.figures.saw(self.used_bytes());
            self.go_back_within(chunk, mark);
        } else {
            self.go_back_slow(mark);
        }
    }

    #[cold]
    #[inline(never)]
    fn go_back_slow(&self, mark: &Mark) {
        self.ledger().figures.saw(self.used_bytes());
        self.drop_chunks(mark.chunk.map_or(0, ChunkRef::depth), mark.large);
        debug_assert!(
            mark.chunk.is_none() || self.chunk.get() == mark.chunk,
            "a mark of another arena"
        );
        match (self.chunk.get(), mark.chunk) {
            (Some(chunk), Some(_)) => self.go_back_within(chunk, mark),
            // There was no chunk then; the first one is kept, and empty.
            (Some(chunk), None) => {
                chunk.poison(chunk.base::<MIN_ALIGN>(), chunk.end::<MIN_ALIGN>());
                self.set_current(chunk);
            }
            (None, _) => {}
        }
    }

    #[inline(always)]
    fn go_back_within(&self, chunk: ChunkRef, mark: &Mark) {
        chunk.poison(mark.start, mark.cursor);
        self.cursor.set(mark.cursor);
        if !cfg!(bug = "frame-keeps-the-low-end") {
            self.start.set(mark.start);
        }
    }

    /// Makes spare the chunks in use above the one at `depth`, and the large ones from depth
    /// `large` on.
    pub(super) fn drop_chunks(&self, depth: usize, large: usize) {
        while let Some(newest) = self.large.get()
            && newest.depth() >= large
        {
            self.drop_large(newest);
        }
        while let Some(chunk) = self.chunk.get()
            && chunk.depth() > depth
        {
            chunk.poison(chunk.base::<MIN_ALIGN>(), chunk.end::<MIN_ALIGN>());
            self.chunk.set(chunk.next());
            self.supply.keep(chunk, false);
        }
    }

    /// Makes the newest large chunk a spare one.
    pub(crate) fn drop_large(&self, large: ChunkRef) {
        let (from, to) = large.left_at();
        large.poison(from, to);
        self.pop_large(large);
        self.supply.keep(large, true);
    }
}
