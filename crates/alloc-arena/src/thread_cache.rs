//! [`ThreadCache`]: chunks of arenas that are gone, kept for the next arena of the same thread.
//!
//! ```text
//!   this thread   1K .. 8K   16K        32K        64K  ..  2M        (classes: powers of two)
//!                   -        [ ]->[ ]   [ ]        -         [ ]
//!                 bytes <= budget; per class at most an eighth of the budget, or one chunk
//! ```
//!
//! An arena that lives for microseconds is dear because of its memory, not its allocations: the
//! system takes the pages back when it goes and faults them in again for the next one. A few chunks
//! kept per thread end that. The default budget, 4 MiB, holds one chunk of each size of the default
//! ladder (16 KiB to 2 MiB).
//!
//! # Invariants
//!
//! * **T1** a cached chunk is a live block of the global allocator with the layout that its header
//!   says, and nobody uses it.
//! * **T2** chunks enter only while the destructor that frees them is registered and has not run:
//!   `state == OPEN`. Afterwards every chunk goes to the global allocator.
//!
//! # Ordering edges
//!
//! None: thread-local cells.
//!
//! # Cost
//!
//! Taking or giving a chunk: about 20 instructions, once per chunk. The lists have no destructor
//! (a second thread-local has it), so reaching them tests no flag.

use core::cell::Cell;

use alloc_core::{Allocator, Global};
use primitives::sync::{MODELLED, thread_local};

use crate::chunk::ChunkRef;

/// The smallest and the largest class, as powers of two.
const FIRST_LOG2: u32 = 10;
const LAST_LOG2: u32 = 21;
const CLASSES: usize = (LAST_LOG2 - FIRST_LOG2 + 1) as usize;

const DEFAULT_BUDGET_BYTES: usize = 4 << 20;

/// No chunk has entered yet, so nothing needs to be freed when the thread ends.
const FRESH: u8 = 0;
/// The destructor is registered.
const OPEN: u8 = 1;
/// The destructor has run, or could not be registered.
const GONE: u8 = 2;

struct Lists {
    tops: [Cell<Option<ChunkRef>>; CLASSES],
    lens: [Cell<u32>; CLASSES],
    state: Cell<u8>,
    bytes: Cell<usize>,
    budget_bytes: Cell<usize>,
    hits: Cell<u64>,
    misses: Cell<u64>,
    refused: Cell<u64>,
}

thread_local! {
    static LISTS: Lists = const { Lists::new() };
    static AT_EXIT: AtExit = const { AtExit };
}

/// Frees the chunks when the thread ends.
struct AtExit;

impl Drop for AtExit {
    fn drop(&mut self) {
        with(|lists| {
            lists.state.set(GONE); // T2: first, so that nothing enters behind our back
            lists.free_down_to(0);
        });
    }
}

impl Lists {
    const fn new() -> Self {
        Self {
            tops: [const { Cell::new(None) }; CLASSES],
            lens: [const { Cell::new(0) }; CLASSES],
            state: Cell::new(FRESH),
            bytes: Cell::new(0),
            budget_bytes: Cell::new(DEFAULT_BUDGET_BYTES),
            hits: Cell::new(0),
            misses: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    fn pop(&self, class: usize) -> Option<ChunkRef> {
        let chunk = self.tops[class].get()?;
        self.tops[class].set(chunk.next());
        self.lens[class].set(self.lens[class].get() - 1);
        self.bytes.set(self.bytes.get() - chunk.block_bytes());
        Some(chunk)
    }

    fn admits(&self, class: usize, bytes: usize) -> bool {
        let budget_bytes = self.budget_bytes.get();
        let of_class = bytes * (self.lens[class].get() as usize + 1);
        let fits = self.bytes.get() + bytes <= budget_bytes
            && (of_class == bytes || of_class <= budget_bytes / 8);
        fits || cfg!(bug = "cache-forgets-its-budget")
    }

    /// Whether the destructor will run (T2).
    fn is_open(&self) -> bool {
        if self.state.get() == FRESH {
            let registered = AT_EXIT.try_with(|_| ()).is_ok();
            self.state.set(if registered { OPEN } else { GONE });
        }
        self.state.get() == OPEN
    }

    /// Frees chunks, the largest first, until at most `bytes` are left.
    fn free_down_to(&self, bytes: usize) {
        for class in (0..CLASSES).rev() {
            while self.bytes.get() > bytes
                && let Some(chunk) = self.pop(class)
            {
                free(chunk);
            }
        }
    }
}

fn free(chunk: ChunkRef) {
    // SAFETY: T1: a live block of the global allocator with this layout; it just left its list, so
    // nobody has it any more.
    unsafe { Global.deallocate(chunk.block(), chunk.layout()) };
}

/// The thread's lists. `None` under a model, whose threads share one real thread (and outside of
/// which its thread-locals cannot be reached).
#[inline]
fn with<R>(f: impl FnOnce(&Lists) -> R) -> Option<R> {
    if MODELLED { None } else { LISTS.try_with(f).ok() }
}

/// The class of chunks of exactly `bytes` bytes.
#[inline]
fn class(bytes: usize) -> Option<usize> {
    let log2 = bytes.checked_ilog2()?;
    let is_class = bytes.is_power_of_two() && (FIRST_LOG2..=LAST_LOG2).contains(&log2);
    is_class.then(|| (log2 - FIRST_LOG2) as usize)
}

/// Takes a chunk of exactly `bytes` bytes.
pub(crate) fn take(bytes: usize) -> Option<ChunkRef> {
    let class = class(bytes)?;
    with(|lists| {
        let taken = lists.pop(class);
        let count = if taken.is_some() { &lists.hits } else { &lists.misses };
        count.set(count.get() + 1);
        taken
    })
    .flatten()
}

/// Keeps a chunk; says whether it did. If not, it is still the caller's.
///
/// # Safety
///
/// 1. the chunk is a live block of the global allocator with [`ChunkRef::layout`], and in no list.
pub(crate) unsafe fn give(chunk: ChunkRef) -> bool {
    let bytes = chunk.block_bytes();
    let Some(class) = class(bytes) else { return false };
    let kept = with(|lists| {
        if !lists.admits(class, bytes) || !lists.is_open() {
            lists.refused.set(lists.refused.get() + 1);
            return false;
        }
        chunk.set_next(lists.tops[class].get());
        lists.tops[class].set(Some(chunk)); // T1: clause 1
        lists.lens[class].set(lists.lens[class].get() + 1);
        lists.bytes.set(lists.bytes.get() + bytes);
        true
    });
    kept == Some(true)
}

/// The chunks that the calling thread keeps for its next arenas.
///
/// Arenas over the global allocator take their chunks from here and leave them here when they are
/// dropped, so an arena that lives for microseconds faults no pages. The cache is bounded by a
/// budget (4 MiB a thread unless set otherwise) and freed when the thread ends; arenas dropped after
/// that, by destructors of other thread-locals, free their chunks at once.
///
/// # Examples
///
/// ```
/// use alloc_arena::{Arena, ThreadCache};
///
/// for request in ["a b", "c d e"] {
///     let arena = Arena::new(); // from the second on: no call of the system allocator
///     let words = arena.alloc_from_iter(request.split(' '));
///     assert!(words.len() >= 2);
/// }
/// assert_eq!(ThreadCache::stats().cached_chunks, 1);
/// assert_eq!(ThreadCache::trim(), 16 * 1024);
/// ```
#[derive(Debug)]
pub struct ThreadCache(());

impl ThreadCache {
    /// Returns what the calling thread's cache holds and did.
    #[must_use]
    pub fn stats() -> CacheStats {
        with(|lists| CacheStats {
            cached_chunks: lists.lens.iter().map(|len| len.get() as usize).sum(),
            cached_bytes: lists.bytes.get(),
            budget_bytes: lists.budget_bytes.get(),
            hits: lists.hits.get(),
            misses: lists.misses.get(),
            refused: lists.refused.get(),
        })
        .unwrap_or_default()
    }

    /// Gives all cached chunks of the calling thread back; returns how many bytes they had.
    pub fn trim() -> usize {
        Self::trim_to(0)
    }

    /// Gives cached chunks back until at most `bytes` are left, the largest first; returns how many
    /// bytes went.
    pub fn trim_to(bytes: usize) -> usize {
        with(|lists| {
            let before = lists.bytes.get();
            lists.free_down_to(bytes);
            before - lists.bytes.get()
        })
        .unwrap_or(0)
    }

    /// Sets the most bytes that the calling thread's cache may hold; 0 turns it off.
    ///
    /// What it holds beyond that is given back at once.
    pub fn set_budget_bytes(bytes: usize) {
        with(|lists| {
            lists.budget_bytes.set(bytes);
            lists.free_down_to(bytes);
        });
    }
}

/// Figures of one thread's [`ThreadCache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CacheStats {
    /// Chunks held now.
    pub cached_chunks: usize,
    /// Bytes of the chunks held now.
    pub cached_bytes: usize,
    /// Most bytes that may be held.
    pub budget_bytes: usize,
    /// Chunks that an arena found here.
    pub hits: u64,
    /// Chunks that an arena looked for and did not find.
    pub misses: u64,
    /// Chunks that found no room here and went back to the global allocator.
    pub refused: u64,
}
