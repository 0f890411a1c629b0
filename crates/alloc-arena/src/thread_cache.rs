//! [`ThreadCache`]: chunks of arenas that are gone, kept for the next arena of the same thread.
//!
//! ```text
//!   this thread   1K .. 8K   16K        32K        64K  ..  2M        (classes: powers of two)
//!                   -        [ ]->[ ]   [ ]        -         [ ]
//!                 bytes <= budget; per class at most an eighth of the budget, or one chunk
//!   the seat      [16K]      one place of the class whose chunks are first ones, at hand
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
//!   in every other state no class has room, there is no seat, and chunks go to the global allocator.
//! * **T3** the seat is a place of its class: while there is a seat, `rooms` and `bytes` count a chunk
//!   in it, whether one sits there or not. So taking it and giving it back changes neither.
//! * **T4** a chunk in the seat has the header of the first chunk of a list
//!   ([`ChunkRef::begin_list`]), so that the arena which takes it has nothing to write there.
//!
//! # Ordering edges
//!
//! None: thread-local cells.
//!
//! # Cost
//!
//! The chunk in the seat: 8 instructions to take, 5 to give. Any other: about 15. The lists have no
//! destructor (a second thread-local has it), so reaching them tests no flag.

use core::cell::Cell;

use alloc_core::{Allocator, Global};
use primitives::sync::{MODELLED, thread_local};

use crate::chunk::{CLASSES, ChunkRef, FIRST_CLASS_BYTES, size_class};

const DEFAULT_BUDGET_BYTES: usize = 4 << 20;

/// The seat's class while there is none.
const NO_SEAT: u8 = u8::MAX;

const _: () = assert!(CLASSES < NO_SEAT as usize, "no class is NO_SEAT");

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
    seat: Cell<Option<ChunkRef>>,
    /// The size of the chunk that sits there, or will: read here, since reading it there would wait for
    /// the chunk.
    seat_bytes: Cell<usize>,
    /// Its class.
    seat_class: Cell<u8>,
    state: Cell<State>,
    hits: Cell<u64>,
    /// One more than there are classes, never filled, so that one index serves both arrays.
    tops: [Cell<Option<ChunkRef>>; CLASSES + 1],
    /// How many more chunks each class takes. None at all unless the state is `Open`, and never any
    /// for the chunks that have no class: the last entry. So one test covers all three.
    rooms: [Cell<u32>; CLASSES + 1],
    bytes: Cell<usize>,
    budget_bytes: Cell<usize>,
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
            lists.state.set(State::Gone);
            lists.free_all();
        });
    }
}

impl Lists {
    const fn new() -> Self {
        Self {
            seat: Cell::new(None),
            seat_bytes: Cell::new(0),
            seat_class: Cell::new(NO_SEAT),
            state: Cell::new(State::Fresh),
            hits: Cell::new(0),
            tops: [const { Cell::new(None) }; CLASSES + 1],
            rooms: [const { Cell::new(0) }; CLASSES + 1],
            bytes: Cell::new(0),
            budget_bytes: Cell::new(DEFAULT_BUDGET_BYTES),
            misses: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    /// Takes a chunk of a class from its list, or from the seat.
    fn pop(&self, class: usize) -> Option<ChunkRef> {
        let Some(chunk) = self.tops[class].get() else {
            return if self.seats(class) { self.seat.take() } else { None };
        };
        self.tops[class].set(chunk.next());
        self.rooms[class].set(self.rooms[class].get().wrapping_add(1));
        self.bytes.set(self.bytes.get() - chunk.block_bytes());
        Some(chunk)
    }

    /// Whether the seat is one of this class.
    fn seats(&self, class: usize) -> bool {
        usize::from(self.seat_class.get()) == class
    }

    /// Keeps a chunk, in the seat if it is free.
    fn push(&self, chunk: ChunkRef) -> bool {
        let class = chunk.class();
        if self.seats(class) && self.seat.get().is_none() {
            chunk.begin_list(); // T4
            self.seat.set(Some(chunk));
            return true;
        }
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

    /// Takes a chunk for an arena that has none yet: from the seat, or from its list, and then the
    /// place it had there becomes the seat.
    fn take_first(&self, class: u8) -> Option<ChunkRef> {
        let index = usize::from(class);
        if self.seats(index)
            && let Some(chunk) = self.seat.take()
        {
            self.hits.set(self.hits.get() + 1);
            return Some(chunk);
        }
        let Some(chunk) = self.tops[index].get() else {
            self.misses.set(self.misses.get() + 1);
            return None;
        };
        if self.seats(index) {
            self.pop(index); // the seat's own chunk is out, with another arena
        } else {
            self.leave_seat();
            self.tops[index].set(chunk.next());
            self.seat_class.set(class); // T3: its room and its bytes stay counted
            self.seat_bytes.set(chunk.block_bytes());
        }
        self.hits.set(self.hits.get() + 1);
        chunk.begin_list();
        Some(chunk)
    }

    /// Makes the seat a place of its class as any other.
    fn leave_seat(&self) {
        let class = usize::from(self.seat_class.replace(NO_SEAT));
        if class >= CLASSES {
            return;
        }
        match self.seat.take() {
            Some(chunk) => {
                chunk.set_next(self.tops[class].get());
                self.tops[class].set(Some(chunk));
            }
            None if cfg!(bug = "cache-seat-keeps-its-place") => {}
            None => {
                self.rooms[class].set(self.rooms[class].get() + 1);
                self.bytes.set(self.bytes.get() - self.seat_bytes.get());
            }
        }
    }

    /// The bytes of the chunks held.
    fn held_bytes(&self) -> usize {
        let class = usize::from(self.seat_class.get());
        let is_out = class < CLASSES && self.seat.get().is_none();
        self.bytes.get() - if is_out { self.seat_bytes.get() } else { 0 }
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
        let mut len = usize::from(self.seats(class) && self.seat.get().is_some());
        let mut look = self.tops[class].get();
        while let Some(chunk) = look {
            len += 1;
            look = chunk.next();
        }
        len
    }

    /// Frees all chunks, and takes none any more.
    ///
    /// A global allocator may drop arenas of its own when it takes a chunk back: by then nothing enters.
    fn free_all(&self) {
        self.leave_seat();
        let mut lists = self.tops.each_ref().map(Cell::take);
        self.bytes.set(0);
        if !cfg!(bug = "cache-opens-while-it-ends") {
            self.rooms.iter().for_each(|room| room.set(0)); // T2
        }
        for list in &mut lists {
            while let Some(chunk) = *list {
                *list = chunk.next();
                // SAFETY: T1: a live block of the global allocator with this layout; it left its list,
                // so nobody has it any more.
                unsafe { Global.deallocate(chunk.block(), chunk.layout()) };
            }
        }
    }

    /// Frees chunks, the largest first, until at most `bytes` are left.
    fn free_down_to(&self, bytes: usize) {
        self.leave_seat();
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
    if class >= CLASSES {
        return None;
    }
    with(|lists| {
        let taken = lists.pop(class);
        let count = if taken.is_some() { &lists.hits } else { &lists.misses };
        count.set(count.get() + 1);
        taken
    })
    .flatten()
}

/// Takes the chunk at hand, if it is of this class, and says its size; its header is that of the first
/// chunk of a list.
#[inline(always)]
pub(crate) fn take_first(class: u8) -> Option<(ChunkRef, usize)> {
    with(|lists| {
        if lists.seat_class.get() == class
            && let Some(chunk) = lists.seat.take()
        {
            lists.hits.set(lists.hits.get() + 1);
            return Some((chunk, lists.seat_bytes.get()));
        }
        None
    })
    .flatten()
}

/// Takes a chunk of a class below [`CLASSES`], at hand or not; its header is that of the first chunk of
/// a list.
pub(crate) fn take_first_slow(class: u8) -> Option<ChunkRef> {
    with(|lists| lists.take_first(class)).flatten()
}

/// Keeps a chunk, if its seat is free; says whether it did. If not, it is still the caller's.
///
/// # Safety
///
/// 1. the chunk is from [`take_first`] or [`take_first_slow`] of this class, on whatever thread, and
///    in no list; its header is as it was then.
#[inline(always)]
pub(crate) unsafe fn give_first(chunk: ChunkRef, class: u8) -> bool {
    debug_assert!(chunk.class() == usize::from(class), "{chunk:?} is not of class {class}");
    // T1 and T4: clause 1.
    with(|lists| {
        let is_free = lists.seat_class.get() == class && lists.seat.get().is_none();
        if is_free {
            lists.seat.set(Some(chunk));
        }
        is_free
    }) == Some(true)
}

/// Keeps a chunk; says whether it did. If not, it is still the caller's.
///
/// # Safety
///
/// 1. the chunk is a live block of the global allocator with [`ChunkRef::layout`], and in no list.
pub(crate) unsafe fn give(chunk: ChunkRef) -> bool {
    // T1: clause 1.
    with(|lists| lists.push(chunk) || lists.push_slow(chunk)) == Some(true)
}

/// Bytes that the thread's cache holds.
pub(crate) fn cached_bytes() -> usize {
    with(Lists::held_bytes).unwrap_or(0)
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
            cached_bytes: lists.held_bytes(),
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
            let before = lists.held_bytes();
            lists.free_down_to(bytes);
            before - lists.held_bytes()
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

impl CacheStats {
    /// Returns the share of the chunks looked for that were found here, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share is wanted to a few digits")]
    pub fn hit_rate(&self) -> f64 {
        let all = self.hits + self.misses;
        if all == 0 { 0.0 } else { self.hits as f64 / all as f64 }
    }
}
