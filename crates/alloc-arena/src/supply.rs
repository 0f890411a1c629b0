//! [`Supply`]: where an arena's chunks come from and go to.
//!
//! ```text
//!   take:   spare chunks  ->  the thread's cache  ->  the backing: the size wanted, else the least,
//!           else the least once what is spare went back
//!   give:   the thread's cache  ->  the backing
//!
//!   first                  ledger   the arena
//!   a class                none     is untouched; its first chunk may come from the thread's cache
//!   TAKEN + that class     none     has that one chunk and nothing else
//!   CLOSED                 either   whatever it has is in the ledger; without one it has nothing
//! ```
//!
//! # Invariants
//!
//! * **P1** every chunk given out was allocated from `backing` with its [`ChunkRef::layout`], or, if
//!   `is_cached`, from the global allocator, which `backing` then is: only the constructors of
//!   arenas over [`Global`](alloc_core::Global) set it.
//! * **P2** the ledger's `reserved_bytes` is the sum of the sizes of all chunks given out or spare, and
//!   at most the limit.
//! * **P3** while `first` is a class or `TAKEN` there is no ledger; in the second case the one chunk
//!   given out came from [`thread_cache::take_first`], and its header is still as it was then.

use core::cell::{Cell, OnceCell};
use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Layout, bump};

use crate::ArenaConfig;
use crate::chunk::{CHUNK_ALIGN, CLASSES, ChunkRef, HEADER_BYTES, size_class};
use crate::ledger::Ledger;
use crate::thread_cache;

/// Marks the class in `Supply::first` when the chunk was taken.
const TAKEN: u8 = 0x80;

/// `Supply::first` when a chunk goes, or went, the long way.
const CLOSED: u8 = 0x7f;

const _: () = assert!(CLASSES < CLOSED as usize, "a class is neither CLOSED nor marked TAKEN");

/// What most arenas have.
const DEFAULT: &ArenaConfig = &ArenaConfig::new();

pub(crate) struct Supply<A: Allocator> {
    /// See the table above.
    first: Cell<u8>,
    is_cached: bool,
    /// Nothing where it is the default, so that making an arena does not write it.
    config: Option<ArenaConfig>,
    ledger: OnceCell<Ledger>,
    backing: A,
}

impl<A: Allocator> Supply<A> {
    /// A supply for an arena of this configuration, the default one where it is `None`.
    ///
    /// `is_cached` only if `A` is the global allocator (P1).
    pub(crate) const fn new(config: Option<ArenaConfig>, is_cached: bool, backing: A) -> Self {
        let is = match &config {
            Some(config) => config,
            None => DEFAULT,
        };
        let is_cached = is_cached && is.thread_cache;
        let class = size_class(is.first_chunk_bytes);
        let may_be_first = is_cached && class < CLASSES && is.first_chunk_bytes <= is.limit_bytes;
        #[expect(clippy::cast_possible_truncation, reason = "below `CLASSES`")]
        let first = if may_be_first { class as u8 } else { CLOSED };
        Self { first: Cell::new(first), is_cached, config, ledger: OnceCell::new(), backing }
    }

    #[inline]
    pub(crate) fn config(&self) -> &ArenaConfig {
        self.config.as_ref().unwrap_or(DEFAULT)
    }

    /// The arena's ledger, made now if this is the first that needs it.
    #[inline]
    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger.get_or_init(|| self.make_ledger())
    }

    #[cold]
    #[inline(never)]
    fn make_ledger(&self) -> Ledger {
        let is_taken = self.first.replace(CLOSED) & TAKEN != 0;
        Ledger::new(is_taken.then(|| self.config().first_chunk_bytes))
    }

    /// The arena's ledger, if it has one.
    #[inline(always)]
    pub(crate) fn ledger_if_made(&self) -> Option<&Ledger> {
        self.ledger.get()
    }

    /// Whether the arena has one chunk, from [`Self::take_first`], and no ledger (P3).
    #[inline(always)]
    pub(crate) fn has_first_alone(&self) -> bool {
        self.first.get() & TAKEN != 0
    }

    pub(crate) fn backing(&self) -> &A {
        &self.backing
    }

    pub(crate) fn reserved_bytes(&self) -> usize {
        match self.ledger.get() {
            Some(ledger) => ledger.reserved_bytes.get(),
            None if self.has_first_alone() => self.config().first_chunk_bytes,
            None => 0,
        }
    }

    /// Bytes that the thread's cache holds for arenas like this one.
    pub(crate) fn cached_bytes(&self) -> usize {
        if self.is_cached { thread_cache::cached_bytes() } else { 0 }
    }

    /// Bytes that may still be taken from the backing.
    pub(crate) fn allowed_bytes(&self) -> usize {
        self.config().limit_bytes.saturating_sub(self.reserved_bytes())
    }

    /// Returns the chunk that the thread's cache has at hand, as the arena's first one: the short way
    /// for arenas that live for microseconds. Says its size; its header is that of the first chunk of a
    /// list.
    #[inline(always)]
    pub(crate) fn take_first(&self) -> Option<(ChunkRef, usize)> {
        // Nothing is at hand of the classes that CLOSED and TAKEN are.
        let class = self.first.get();
        let taken = thread_cache::take_first(class)?;
        self.first.set(class | TAKEN);
        Some(taken)
    }

    /// Returns a chunk from the thread's cache, at hand or not, as the arena's first one.
    pub(crate) fn take_first_slow(&self) -> Option<ChunkRef> {
        let class = self.first.get();
        if usize::from(class) >= CLASSES {
            return None;
        }
        let chunk = thread_cache::take_first_slow(class)?;
        self.first.set(class | TAKEN);
        Some(chunk)
    }

    /// Gives the chunk back that [`Self::take_first`] returned. For an arena that ends, and
    /// [has nothing else](Self::has_first_alone).
    #[inline(always)]
    pub(crate) fn give_first(&self, chunk: ChunkRef) {
        debug_assert!(self.has_first_alone(), "P3: {chunk:?} is not alone");
        // SAFETY: 1. P3; the arena ends, and its current chunk is in no list but its own.
        let is_kept = unsafe { thread_cache::give_first(chunk, self.first.get() & !TAKEN) };
        if !is_kept {
            self.give_slow(chunk);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_slow(&self, chunk: ChunkRef) {
        self.give(chunk);
    }

    /// Returns a chunk of at least `least` bytes, of `wanted` bytes if it is to be had.
    ///
    /// Nothing of the arena may be assumed unchanged afterwards: the backing may have allocated.
    pub(crate) fn take(&self, wanted: usize, least: usize) -> Result<ChunkRef, ErrorKind> {
        debug_assert!(HEADER_BYTES < least && least <= wanted, "{least} <= {wanted}");
        let ledger = self.ledger();
        if !ledger.spare.is_empty()
            && let Some(chunk) = ledger.spare.take(least, usize::MAX)
        {
            return Ok(chunk);
        }
        // A huge chunk is not spent on a small block: the next huge one would find it gone.
        if !ledger.spare_large.is_empty()
            && let Some(chunk) = ledger.spare_large.take(least, least.saturating_mul(4))
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
            self.count_more(chunk.block_bytes());
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
        self.count_more(given);
        // SAFETY: 1. a fresh block of at least `given >= bytes > HEADER_BYTES` bytes.
        Some(unsafe { ChunkRef::adopt(first, given) })
    }

    /// Counts `bytes` more as held (P2).
    fn count_more(&self, bytes: usize) {
        let held = &self.ledger().reserved_bytes;
        held.set(held.get() + bytes);
    }

    /// Keeps a chunk of the arena for later: one that was current, or a large one.
    pub(crate) fn keep(&self, chunk: ChunkRef, is_large: bool) {
        let ledger = self.ledger();
        if is_large { ledger.spare_large.push(chunk) } else { ledger.spare.push(chunk) }
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
        let Some(ledger) = self.ledger.get() else { return };
        for stock in [&ledger.spare, &ledger.spare_large] {
            while let Some(chunk) = stock.pop() {
                self.give(chunk);
            }
        }
    }

    /// The arena was emptied: every `decay_resets` times, what was not needed since is released.
    #[inline(always)]
    pub(crate) fn was_reset(&self, ledger: &Ledger) {
        if !ledger.spare.is_empty() || !ledger.spare_large.is_empty() {
            self.decay(ledger);
        }
    }

    #[inline(never)]
    fn decay(&self, ledger: &Ledger) {
        let resets = ledger.resets.get() + 1;
        let is_time = resets >= self.config().decay_resets;
        ledger.resets.set(if is_time { 0 } else { resets });
        if !is_time || self.config().decay_resets == 0 {
            return;
        }
        for stock in [&ledger.spare, &ledger.spare_large] {
            let mut unneeded = stock.unneeded();
            while let Some(chunk) = unneeded {
                unneeded = chunk.next();
                self.release(chunk);
            }
        }
    }

    /// Gives all spare chunks back; returns how many bytes they had.
    pub(crate) fn trim(&self) -> usize {
        let Some(ledger) = self.ledger.get() else { return 0 };
        let before = ledger.reserved_bytes.get();
        for stock in [&ledger.spare, &ledger.spare_large] {
            while let Some(chunk) = stock.pop() {
                self.release(chunk);
            }
        }
        before - ledger.reserved_bytes.get()
    }

    /// Gives a chunk back to the backing itself: memory returned is not to stay in a cache.
    fn release(&self, chunk: ChunkRef) {
        let ledger = self.ledger();
        ledger.released_chunks.set(ledger.released_chunks.get() + 1);
        ledger.reserved_bytes.set(ledger.reserved_bytes.get() - chunk.block_bytes());
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
        let held = &self.ledger().reserved_bytes;
        held.set(held.get() - old.size() + bytes);
        // SAFETY: 1. the backing kept the old contents, the header among them; the block is ours.
        Some(unsafe { ChunkRef::resized(first, bytes) })
    }
}
