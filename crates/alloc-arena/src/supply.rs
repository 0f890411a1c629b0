//! [`Supply`]: where an arena's chunks come from and go to.
//!
//! ```text
//!   take:   spare chunks  ->  the thread's cache  ->  the backing: the size wanted, else the least,
//!           else the least once what is spare went back
//!   give:   the thread's cache  ->  the backing
//! ```
//!
//! # Invariants
//!
//! * **P1** every chunk given out was allocated from `backing` with its [`ChunkRef::layout`], or, if
//!   `is_cached`, from the global allocator, which `backing` then is: only the constructors of
//!   arenas over [`Global`](alloc_core::Global) set it.
//! * **P2** `reserved_bytes` is the sum of the sizes of all chunks given out or spare, and at most
//!   the limit.

use core::cell::Cell;
use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Layout, bump};

use crate::ArenaConfig;
use crate::chunk::{CHUNK_ALIGN, CLASSES, ChunkRef, HEADER_BYTES, size_class};
use crate::stock::Stock;
use crate::thread_cache;

pub(crate) struct Supply<A: Allocator> {
    /// Chunks that were current once.
    spare: Stock,
    /// Chunks that held one block of their own.
    spare_large: Stock,
    reserved_bytes: Cell<usize>,
    released_chunks: Cell<u64>,
    resets: Cell<u32>,
    is_cached: bool,
    /// The class of first chunks, if they may come from the thread's cache.
    first_class: u8,
    config: ArenaConfig,
    backing: A,
}

impl<A: Allocator> Supply<A> {
    /// `is_cached` only if `A` is the global allocator (P1).
    pub(crate) const fn new(config: ArenaConfig, is_cached: bool, backing: A) -> Self {
        let is_cached = is_cached && config.thread_cache;
        let first_class = if is_cached { size_class(config.first_chunk_bytes) } else { CLASSES };
        Self {
            spare: Stock::new(),
            spare_large: Stock::new(),
            reserved_bytes: Cell::new(0),
            released_chunks: Cell::new(0),
            resets: Cell::new(0),
            is_cached,
            #[expect(clippy::cast_possible_truncation, reason = "at most `CLASSES`")]
            first_class: first_class as u8,
            config,
            backing,
        }
    }

    #[inline]
    pub(crate) fn config(&self) -> &ArenaConfig {
        &self.config
    }

    pub(crate) fn backing(&self) -> &A {
        &self.backing
    }

    pub(crate) fn reserved_bytes(&self) -> usize {
        self.reserved_bytes.get()
    }

    pub(crate) fn released_chunks(&self) -> u64 {
        self.released_chunks.get()
    }

    /// Spare chunks, and their bytes.
    pub(crate) fn spare(&self) -> (usize, usize) {
        let chunks = self.spare.len() + self.spare_large.len();
        (chunks, self.spare.bytes() + self.spare_large.bytes())
    }

    /// Bytes that the thread's cache holds for arenas like this one.
    pub(crate) fn cached_bytes(&self) -> usize {
        if self.is_cached { thread_cache::cached_bytes() } else { 0 }
    }

    /// Bytes that may still be taken from the backing.
    pub(crate) fn allowed_bytes(&self) -> usize {
        self.config.limit_bytes.saturating_sub(self.reserved_bytes.get())
    }

    /// Returns a first chunk from the thread's cache: the short way for arenas that live for
    /// microseconds.
    #[inline(always)]
    pub(crate) fn take_first(&self) -> Option<ChunkRef> {
        let (class, bytes) = (usize::from(self.first_class), self.config.first_chunk_bytes);
        if class >= CLASSES || bytes > self.allowed_bytes() {
            return None;
        }
        let chunk = thread_cache::take_of_class(class)?;
        self.reserved_bytes.set(self.reserved_bytes.get() + bytes);
        Some(chunk)
    }

    /// Returns a chunk of at least `least` bytes, of `wanted` bytes if it is to be had.
    ///
    /// Nothing of the arena may be assumed unchanged afterwards: the backing may have allocated.
    pub(crate) fn take(&self, wanted: usize, least: usize) -> Result<ChunkRef, ErrorKind> {
        debug_assert!(HEADER_BYTES < least && least <= wanted, "{least} <= {wanted}");
        if !self.spare.is_empty()
            && let Some(chunk) = self.spare.take(least, usize::MAX)
        {
            return Ok(chunk);
        }
        // A huge chunk is not spent on a small block: the next huge one would find it gone.
        if !self.spare_large.is_empty()
            && let Some(chunk) = self.spare_large.take(least, least.saturating_mul(4))
        {
            return Ok(chunk);
        }
        self.take_new(wanted, least)
    }

    fn take_new(&self, wanted: usize, least: usize) -> Result<ChunkRef, ErrorKind> {
        if least > self.allowed_bytes() {
            self.trim();
        }
        let allowed = bump::round_down(self.allowed_bytes(), CHUNK_ALIGN);
        if least > allowed && !cfg!(bug = "limit-is-not-looked-at") {
            return Err(ErrorKind::Full);
        }
        let wanted = wanted.min(allowed).max(least);
        if self.is_cached
            && let Some(chunk) = thread_cache::take(wanted)
        {
            self.reserved_bytes.set(self.reserved_bytes.get() + chunk.block_bytes());
            return Ok(chunk);
        }
        let chunk = self.allocate(wanted);
        let chunk = if wanted > least { chunk.or_else(|| self.allocate(least)) } else { chunk };
        // The backing may have a limit of its own, as a part of a shared arena has: what is kept for
        // later counts there too.
        let has_given = || self.trim() != 0 && !cfg!(bug = "spare-chunks-stay-when-refused");
        let chunk = chunk.or_else(|| if has_given() { self.allocate(least) } else { None });
        chunk.ok_or(ErrorKind::Backing)
    }

    /// Asks the backing for a chunk of `bytes` bytes.
    fn allocate(&self, bytes: usize) -> Option<ChunkRef> {
        let layout = Layout::from_size_align(bytes, CHUNK_ALIGN).ok()?;
        let block = self.backing.allocate(layout).ok()?;
        let first = block.cast::<u8>();
        let start = first.addr().get();
        // What the backing gives beyond the request is used, within the limit.
        let given = bump::round_down(block.len(), CHUNK_ALIGN);
        let given = if given <= self.allowed_bytes() { given } else { bytes };
        if !bump::region_is_usable::<CHUNK_ALIGN>(start, start.saturating_add(given)) {
            // SAFETY: just allocated from this backing with this layout.
            unsafe { self.backing.deallocate(first, layout) };
            return None;
        }
        self.reserved_bytes.set(self.reserved_bytes.get() + given);
        // SAFETY: 1. a fresh block of at least `given >= bytes > HEADER_BYTES` bytes.
        Some(unsafe { ChunkRef::adopt(first, given) })
    }

    /// Keeps a chunk of the arena for later: one that was current, or a large one.
    pub(crate) fn keep(&self, chunk: ChunkRef, is_large: bool) {
        if is_large { self.spare_large.push(chunk) } else { self.spare.push(chunk) }
    }

    /// Whether nothing is spare.
    #[inline(always)]
    pub(crate) fn is_bare(&self) -> bool {
        self.spare.is_empty() && self.spare_large.is_empty()
    }

    /// Gives a chunk back for good. For an arena that ends: nothing is counted any more.
    #[inline(always)]
    pub(crate) fn give(&self, chunk: ChunkRef) {
        // SAFETY: 1. by P1 a block of the global allocator; its owner took it out of its list.
        if self.is_cached && unsafe { thread_cache::give(chunk) } {
            return;
        }
        self.free(chunk);
    }

    #[cold]
    #[inline(never)]
    fn free(&self, chunk: ChunkRef) {
        // SAFETY: P1: a live block of this backing with this layout, in no list any more.
        unsafe { self.backing.deallocate(chunk.block(), chunk.layout()) };
    }

    /// Gives all spare chunks back for good, as [`Self::give`].
    pub(crate) fn give_spare(&self) {
        for stock in [&self.spare, &self.spare_large] {
            while let Some(chunk) = stock.pop() {
                self.give(chunk);
            }
        }
    }

    /// The arena was emptied: every `decay_resets` times, what was not needed since is released.
    #[inline]
    pub(crate) fn was_reset(&self) {
        if !self.is_bare() && self.config.decay_resets != 0 {
            self.decay();
        }
    }

    fn decay(&self) {
        self.resets.set(self.resets.get() + 1);
        if self.resets.get() < self.config.decay_resets {
            return;
        }
        self.resets.set(0);
        for stock in [&self.spare, &self.spare_large] {
            let mut unneeded = stock.unneeded();
            while let Some(chunk) = unneeded {
                unneeded = chunk.next();
                self.release(chunk);
            }
        }
    }

    /// Gives all spare chunks back; returns how many bytes they had.
    pub(crate) fn trim(&self) -> usize {
        let before = self.reserved_bytes.get();
        for stock in [&self.spare, &self.spare_large] {
            while let Some(chunk) = stock.pop() {
                self.release(chunk);
            }
        }
        before - self.reserved_bytes.get()
    }

    /// Gives a chunk back to the backing itself: memory returned is not to stay in a cache.
    fn release(&self, chunk: ChunkRef) {
        self.released_chunks.set(self.released_chunks.get() + 1);
        self.reserved_bytes.set(self.reserved_bytes.get() - chunk.block_bytes());
        self.free(chunk);
    }

    /// Lets the backing extend the block of a chunk that is in no list, moving it if need be.
    ///
    /// `None`, and nothing changed, if it may not or cannot.
    pub(crate) fn regrow(&self, chunk: ChunkRef, bytes: usize) -> Option<ChunkRef> {
        let old = chunk.layout();
        let new = Layout::from_size_align(bytes, CHUNK_ALIGN).ok()?;
        let more = bytes.checked_sub(old.size())?;
        if more > self.allowed_bytes() {
            self.trim();
        }
        if more > self.allowed_bytes() {
            return None;
        }
        // SAFETY: P1: a live block of this backing with the layout `old`; `new` is not smaller.
        let block = unsafe { self.backing.grow(chunk.block(), old, new) }.ok()?;
        let first: NonNull<u8> = block.cast();
        self.reserved_bytes.set(self.reserved_bytes.get() - old.size() + bytes);
        // SAFETY: 1. the backing kept the old contents, the header among them; the block is ours.
        Some(unsafe { ChunkRef::resized(first, bytes) })
    }
}
