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
//!   in every other state no class has room, and chunks go to the global allocator.
//!
//! # Ordering edges
//!
//! None: thread-local cells.
//!
//! # Cost
//!
//! Taking or giving a chunk: about 15 instructions. The lists have no destructor
//! (a second thread-local has it), so reaching them tests no flag.

use core::cell::Cell;

use alloc_core::{Allocator, Global};
use primitives::sync::{MODELLED, thread_local};

use crate::chunk::{CLASSES, ChunkRef, FIRST_CLASS_BYTES, size_class};

const DEFAULT_BUDGET_BYTES: usize = 4 << 20;

/// Whether the thread's destructor is registered, and has run (T2).
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Not registered: no chunk was given yet.
    Fresh,
    Open,
    /// It has run, or could not be registered.
    Gone,
}

struct Lists {
    /// One more than there are classes, never filled, so that one index serves both arrays.
    tops: [Cell<Option<ChunkRef>>; CLASSES + 1],
    /// How many more chunks each class takes. None at all unless the state is `Open`, and never any
    /// for the chunks that have no class: the last entry. So one test covers all three.
    rooms: [Cell<u32>; CLASSES + 1],
    bytes: Cell<usize>,
    budget_bytes: Cell<usize>,
    hits: Cell<u64>,
    misses: Cell<u64>,
    refused: Cell<u64>,
    state: Cell<State>,
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
            lists.state.set(State::Gone);
            lists.free_down_to(0);
            lists.rooms.iter().for_each(|room| room.set(0)); // T2: nothing enters any more
        });
    }
}

impl Lists {
    const fn new() -> Self {
        Self {
            tops: [const { Cell::new(None) }; CLASSES + 1],
            rooms: [const { Cell::new(0) }; CLASSES + 1],
            bytes: Cell::new(0),
            budget_bytes: Cell::new(DEFAULT_BUDGET_BYTES),
            hits: Cell::new(0),
            misses: Cell::new(0),
            refused: Cell::new(0),
            state: Cell::new(State::Fresh),
        }
    }

    #[inline(always)]
    fn pop(&self, class: usize) -> Option<ChunkRef> {
        let chunk = self.tops[class].get()?;
        self.tops[class].set(chunk.next());
        self.rooms[class].set(self.rooms[class].get().wrapping_add(1));
        self.bytes.set(self.bytes.get() - chunk.block_bytes());
        Some(chunk)
    }

    #[inline(always)]
    fn push(&self, chunk: ChunkRef) -> bool {
        let class = chunk.class();
        let bytes = self.bytes.get() + chunk.block_bytes();
        let room = self.rooms[class].get();
        if room == 0 || bytes > self.budget_bytes.get() && !cfg!(bug = "cache-forgets-its-budget") {
            return false;
        }
        self.rooms[class].set(room - 1);
        self.bytes.set(bytes);
        chunk.set_next(self.tops[class].get());
        self.tops[class].set(Some(chunk));
        true
    }

    /// Opens the lists if they are still to be opened, and tries again.
    #[cold]
    #[inline(never)]
    fn push_slow(&self, chunk: ChunkRef) -> bool {
        let pushed = self.state.get() == State::Fresh && {
            let registered = AT_EXIT.try_with(|_| ()).is_ok();
            self.state.set(if registered { State::Open } else { State::Gone });
            self.set_rooms();
            self.push(chunk)
        };
        if !pushed {
            self.refused.set(self.refused.get() + 1);
        }
        pushed
    }

    /// Says how many chunks each (empty) class takes: an eighth of the budget, or one chunk.
    fn set_rooms(&self) {
        if self.state.get() != State::Open {
            return;
        }
        for class in 0..CLASSES {
            let share = self.budget_bytes.get() / 8 / (FIRST_CLASS_BYTES << class);
            let room = u32::try_from(share).unwrap_or(u32::MAX).max(1);
            self.rooms[class].set(room);
        }
    }

    /// The chunks of a class.
    fn len(&self, class: usize) -> usize {
        let mut len = 0;
        let mut look = self.tops[class].get();
        while let Some(chunk) = look {
            len += 1;
            look = chunk.next();
        }
        len
    }

    /// Frees chunks, the largest first, until at most `bytes` are left.
    fn free_down_to(&self, bytes: usize) {
        for class in (0..CLASSES).rev() {
            while self.bytes.get() > bytes
                && let Some(chunk) = self.pop(class)
            {
                // SAFETY: T1: a live block of the global allocator with this layout; it just left
                // its list, so nobody has it any more.
                unsafe { Global.deallocate(chunk.block(), chunk.layout()) };
            }
        }
    }
}

/// The thread's lists. `None` under a model, whose threads share one real thread (and outside of
/// which its thread-locals cannot be reached).
#[inline(always)]
fn with<R>(f: impl FnOnce(&Lists) -> R) -> Option<R> {
    if MODELLED { None } else { LISTS.try_with(f).ok() }
}

/// Takes a chunk of exactly `bytes` bytes.
pub(crate) fn take(bytes: usize) -> Option<ChunkRef> {
    let class = size_class(bytes);
    if class < CLASSES { take_of_class(class) } else { None }
}

/// Takes a chunk of a class below [`CLASSES`].
#[inline(always)]
pub(crate) fn take_of_class(class: usize) -> Option<ChunkRef> {
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
#[inline(always)]
pub(crate) unsafe fn give(chunk: ChunkRef) -> bool {
    // T1: clause 1.
    with(|lists| lists.push(chunk) || lists.push_slow(chunk)) == Some(true)
}

/// Bytes that the thread's cache holds.
pub(crate) fn cached_bytes() -> usize {
    with(|lists| lists.bytes.get()).unwrap_or(0)
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
            cached_chunks: (0..CLASSES).map(|class| lists.len(class)).sum(),
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
    /// What it holds is given back at once.
    pub fn set_budget_bytes(bytes: usize) {
        with(|lists| {
            // The shares of the classes change with the budget: all of them begin anew.
            lists.free_down_to(0);
            lists.budget_bytes.set(bytes);
            lists.set_rooms();
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
