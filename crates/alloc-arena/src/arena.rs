//! [`Arena`]: chunks filled from their high ends down, emptied at once and kept.
//!
//! Not thread-safe (`Send`, not `Sync`); allocating is a few instructions, wait-free but for the
//! backing when a chunk is full.
//!
//! ```text
//!   [H|low|..|high]  <--  [H|low|..|high]  <--  [H|low| free ....... |high]     used: newest last
//!                                                   ^base ^start  cursor^  ^end
//!   [H| one block ]  <--  [H| one block ]                                       large
//! ```
//!
//! Blocks are taken from the high end of the current chunk; those that grow move to the low end,
//! where they grow in place (`allocator.rs`). When a chunk is full, the next one is twice as large.
//! A block that would waste more of the current chunk than of its own gets a *large* chunk for
//! itself, and the current one stays current.
//!
//! # Invariants
//!
//! * **I1** a chunk is one live block of the backing, its header initialised, and it stands in
//!   exactly one list: used (the current chunk and those before it), large, spare, or a thread's
//!   cache.
//! * **I2** in the current chunk `base <= start <= cursor <= end`; `base`, `cursor` and `end` are
//!   multiples of `MIN_ALIGN` (B2 to B4 of [`alloc_core::bump`]). An arena without chunk has
//!   `cursor == start - 1`: every request leaves the fast path by the branch that notices a full
//!   chunk, the empty request included.
//! * **I3** `start..cursor` of the current chunk is nobody's, and a chunk that is not current hands
//!   out nothing: a block taken overlaps no other.
//! * **I4** blocks end by `reset`, `rewind`, the drop of the frame they were taken in, and the drop
//!   of the arena. Each needs the arena (or the frame's guard) exclusively, and every reference
//!   handed out borrows it.
//!
//! # Ordering edges
//!
//! None: cells, no atomics.
//!
//! # Cost
//!
//! As `alloc-linear`: constant size 5 instructions, run-time layout 8. A full chunk costs about 100
//! where one is spare or cached, else what the backing takes too; `reset` is a few stores for each
//! chunk.
//!
//! # Source
//!
//! D. Hanson, "Fast Allocation and Deallocation of Memory Based on Object Lifetimes" (1990), for
//! arenas of chunks that are kept; the direction is N. Fitzgerald's ("Always Bump Downwards", 2019).

mod build;
mod unwind;

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use alloc_core::place::dangling;
use alloc_core::{Allocator, ErrorKind, Global, Layout, TryAllocError, bump};

pub(crate) use self::unwind::Mark;
use crate::ArenaConfig;
use crate::chunk::{CHUNK_ALIGN, ChunkRef, FIRST_CLASS_BYTES, HEADER_BYTES, at, bytes_for};
use crate::counters::Counters;
use crate::drops::DropList;
use crate::ledger::Ledger;
use crate::supply::Supply;

/// A bump allocator over chunks that grow, are emptied at once, and kept.
///
/// `MIN_ALIGN` is the alignment that every block has at least: with 8, values aligned to 8 or
/// less are placed without rounding, at the price of up to 7 bytes each. `A` is where the chunks
/// come from.
///
/// **Values are dropped only if asked for** ([`alloc_drop`](Self::alloc_drop)); the other methods
/// refuse types that need dropping at compile time. Wrap a value in
/// [`ManuallyDrop`](core::mem::ManuallyDrop) to say that its drop may be skipped.
///
/// # Examples
///
/// ```
/// use alloc_arena::Arena;
///
/// let mut arena = Arena::new(); // takes no memory until it is used
/// for line in ["a = 1", "b = 2"] {
///     let words = arena.alloc_from_iter(line.split(' '));
///     assert_eq!(words[1], "=");
///     arena.reset(); // the chunks are used again
/// }
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` (where `A` is), not `Sync`.
// The order of the fields is part of the fast path: `cursor` and `start` share a cache line but
// are not neighbours, so that AArch64 compilers do not fuse their loads into one `ldp`, which
// would wait for the store that the previous allocation made to `cursor`.
#[repr(C)]
pub struct Arena<const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    cursor: Cell<NonNull<u8>>,
    chunk: Cell<Option<ChunkRef>>,
    start: Cell<NonNull<u8>>,
    large: Cell<Option<ChunkRef>>,
    pub(crate) drops: DropList,
    pub(crate) counters: Counters,
    supply: Supply<A>,
}

// SAFETY: an `Arena` owns its chunks; its pointers are to them alone and are not tied to a thread.
// Sending it needs `A: Send`. Of the values in it, those that it will drop are `Send` by
// `alloc_drop`'s bound; no reference to any other can exist while the arena moves (I4), and it
// never touches them again.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Send> Send for Arena<MIN_ALIGN, A> {}

/// Requests up to this size and alignment take their first chunk from the thread's cache without
/// comparing sizes; a power of two, so that sizes and alignments can be compared at once.
const SMALL_BYTES: usize = 512;

const _: () = assert!(
    SMALL_BYTES.is_power_of_two() && SMALL_BYTES + HEADER_BYTES + CHUNK_ALIGN <= FIRST_CLASS_BYTES,
    "small beside the smallest chunk of the thread's cache"
);

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Where the free part of an arena without chunk begins: nowhere, aligned.
    const NOWHERE: NonNull<u8> = {
        assert!(MIN_ALIGN.is_power_of_two(), "MIN_ALIGN is a power of two");
        dangling(if MIN_ALIGN > 16 { MIN_ALIGN } else { 16 })
    };

    /// The cursor that refuses every request (I2).
    const CLOSED: NonNull<u8> = dangling(if MIN_ALIGN > 16 { MIN_ALIGN - 1 } else { 15 });

    const fn from_supply(supply: Supply<A>) -> Self {
        Self {
            cursor: Cell::new(Self::CLOSED),
            chunk: Cell::new(None),
            start: Cell::new(Self::NOWHERE),
            large: Cell::new(None),
            drops: DropList::new(),
            counters: Counters::new(),
            supply,
        }
    }

    /// Returns where a block of `layout` goes, having taken it; the fast path.
    #[inline(always)]
    pub(crate) fn bump(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let address = bump::down::<MIN_ALIGN>(self.start_address(), cursor.addr().get(), layout)?;
        Some(self.take(cursor, address, layout.size()))
    }

    /// [`Self::bump`] for `size` bytes of `T`s, whose alignment the compiler knows.
    #[inline(always)]
    pub(crate) fn bump_for<T>(&self, size: usize) -> Option<NonNull<u8>> {
        if const { size_of::<T>() == 0 } {
            // Not even padding: an alignment larger than the arena's would cost some.
            self.counters.allocated(0, 0, || self.used_bytes());
            return Some(dangling(align_of::<T>()));
        }
        let cursor = self.cursor.get();
        let address =
            bump::down_for::<T, MIN_ALIGN>(self.start_address(), cursor.addr().get(), size)?;
        Some(self.take(cursor, address, size))
    }

    #[inline(always)]
    fn take(&self, cursor: NonNull<u8>, address: usize, size: usize) -> NonNull<u8> {
        debug_assert!(
            self.start_address() <= address && address + size <= cursor.addr().get(),
            "I3: block {address:#x} + {size} is not between {:#x} and {cursor:p}",
            self.start_address()
        );
        let block = at(cursor, address);
        self.cursor.set(block);
        self.counters.allocated(size, cursor.addr().get() - address, || self.used_bytes());
        block
    }

    #[inline(always)]
    fn start_address(&self) -> usize {
        self.start.get().addr().get()
    }

    /// Serves a request that the fast path refused, or says why not.
    #[cold]
    #[inline(never)]
    pub(crate) fn bump_slow(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.bump_in_first_chunk(layout) {
            Some(block) => Ok(block),
            None => self.bump_in_next_chunk(layout),
        }
    }

    /// [`Self::bump_slow`] for the infallible methods.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn bump_slow_or_panic(&self, layout: Layout) -> NonNull<u8> {
        match self.bump_in_first_chunk(layout) {
            Some(block) => block,
            None => self.bump_in_next_chunk_or_panic(layout),
        }
    }

    #[inline(never)]
    #[track_caller]
    fn bump_in_next_chunk_or_panic(&self, layout: Layout) -> NonNull<u8> {
        match self.bump_in_next_chunk(layout) {
            Ok(block) => block,
            Err(error) => no_room(error),
        }
    }

    /// Whether a request may be the first in whatever chunk the thread's cache has: neither huge
    /// beside it, nor nothing, which takes no chunk.
    #[inline(always)]
    fn is_small(layout: Layout) -> bool {
        // One comparison for both: an alignment is not 0 either.
        MIN_ALIGN <= CHUNK_ALIGN
            && layout.size().wrapping_sub(1) | (layout.align() - 1) < SMALL_BYTES
    }

    /// Serves the first request of an arena, if the thread's cache has a chunk at hand.
    ///
    /// Short, and calls nobody: nothing is saved and restored around it.
    #[inline(always)]
    fn bump_in_first_chunk(&self, layout: Layout) -> Option<NonNull<u8>> {
        if !Self::is_small(layout) {
            return None;
        }
        let (chunk, bytes) = self.supply.take_first()?;
        debug_assert_eq!(bytes, chunk.block_bytes(), "{chunk:?} of the thread's cache");
        // As `set_current`, without a look at the chunk, whose header nothing here waits for.
        self.chunk.set(Some(chunk));
        self.cursor.set(at(chunk.block(), chunk.block().addr().get() + bytes));
        self.start.set(chunk.base::<MIN_ALIGN>());
        self.bump(layout)
    }

    #[inline(never)]
    fn bump_in_next_chunk(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        if Self::is_small(layout)
            && let Some(chunk) = self.supply.take_first_slow()
        {
            self.set_current(chunk);
            if let Some(block) = self.bump(layout) {
                return Ok(block);
            }
        }
        self.ledger().figures.slow();
        if layout.size() == 0 {
            self.counters.allocated(0, 0, || self.used_bytes());
            return Ok(dangling(layout.align().max(MIN_ALIGN)));
        }
        if let Some(block) = self.refill(layout, 0)? {
            return Ok(block);
        }
        let block = self.bump(layout);
        debug_assert!(block.is_some(), "a chunk was made for {layout:?} and has no room for it");
        block.ok_or(TryAllocError::new(ErrorKind::Backing, layout, self.remaining_bytes()))
    }

    /// Takes a chunk that has room for a block of `layout`, and for `growth_bytes` more if that is
    /// to be had.
    ///
    /// Returns the block if the chunk became a large one; otherwise it is the current one, and the
    /// block is still to be taken. On an error nothing changed.
    pub(crate) fn refill(
        &self,
        layout: Layout,
        growth_bytes: usize,
    ) -> Result<Option<NonNull<u8>>, TryAllocError> {
        let overflow = TryAllocError::new(ErrorKind::CapacityOverflow, layout, 0);
        let least = bytes_for::<MIN_ALIGN>(layout).ok_or(overflow)?;
        let wanted = self.wanted_bytes(least, growth_bytes);
        let chunk = self.supply.take(wanted, least).map_err(|kind| {
            let left = self.supply.allowed_bytes();
            TryAllocError::new(kind, layout, self.remaining_bytes().max(left))
        })?;
        // The backing may have allocated from here: what follows reads the arena as it is now.
        let (base, end) = (chunk.base::<MIN_ALIGN>(), chunk.end::<MIN_ALIGN>());
        let left_there = (end.addr().get() - base.addr().get()).saturating_sub(layout.size());
        // A block beyond the ladder is large wherever it comes: its chunk is not to become the first
        // one, which every reset keeps, nor to be spent on small blocks later.
        if left_there < self.remaining_bytes() || least > self.supply.config().max_chunk_bytes {
            return Ok(Some(self.add_large(chunk, layout)));
        }
        self.add_current(chunk);
        Ok(None)
    }

    /// Why a block of `layout` was refused a moment ago, by [`Self::refill`] to somebody who does not
    /// tell.
    #[cold]
    pub(crate) fn refusal(&self, layout: Layout) -> TryAllocError {
        let allowed = self.supply.allowed_bytes();
        let kind = match bytes_for::<MIN_ALIGN>(layout) {
            None => ErrorKind::CapacityOverflow,
            Some(least) if least > bump::round_down(allowed, CHUNK_ALIGN) => ErrorKind::Full,
            Some(_) => ErrorKind::Backing,
        };
        TryAllocError::new(kind, layout, self.remaining_bytes().max(allowed))
    }

    /// The size that the growth policy gives to a chunk which must have `least` bytes.
    fn wanted_bytes(&self, least: usize, growth_bytes: usize) -> usize {
        let config = self.supply.config();
        if least > config.max_chunk_bytes {
            return least;
        }
        let next = match self.chunk.get() {
            Some(chunk) => chunk.block_bytes().saturating_mul(2),
            None => config.first_chunk_bytes,
        };
        let with_growth = least.saturating_add(growth_bytes);
        let rounded = with_growth.checked_next_power_of_two().unwrap_or(with_growth);
        let bytes = next.max(rounded).min(config.max_chunk_bytes).max(least);
        // A chunk is a multiple of 16 bytes, whatever the configuration says.
        bump::round_down(bytes, CHUNK_ALIGN)
    }

    /// Makes `chunk` the current one, behind the one that was.
    fn add_current(&self, chunk: ChunkRef) {
        chunk.begin_list();
        if let Some(before) = self.chunk.get() {
            before.leave_at(self.cursor.get(), self.start.get());
            chunk.set_used_before(self.used_in_chunks());
            chunk.set_tail_before(before.tail_before() + self.remaining_bytes());
            chunk.set_depth(before.depth() + 1);
            chunk.set_next(Some(before));
        }
        self.set_current(chunk);
    }

    /// Takes blocks from `chunk`, which is empty, from now on.
    #[inline(always)]
    fn set_current(&self, chunk: ChunkRef) {
        self.chunk.set(Some(chunk));
        self.cursor.set(chunk.end::<MIN_ALIGN>());
        self.start.set(chunk.base::<MIN_ALIGN>());
    }

    /// Places a block of `layout` in a chunk of its own.
    fn add_large(&self, chunk: ChunkRef, layout: Layout) -> NonNull<u8> {
        let base = chunk.base::<MIN_ALIGN>();
        // Does not wrap: `bytes_for` made the chunk large enough for the rounded block.
        let align = layout.align().max(MIN_ALIGN);
        let address = (base.addr().get() + (align - 1)) & align.wrapping_neg();
        let block = at(base, address);
        let block_end = at(base, address + layout.size());
        debug_assert!(block_end <= chunk.end::<MIN_ALIGN>(), "{layout:?} in {chunk:?}");
        chunk.leave_at(block, block_end);
        // Newer than the newest checkpoint, even if large blocks from before it were freed since.
        self.push_large(chunk, self.ledger().records.large_depth());
        let moved = block_end.addr().get() - base.addr().get();
        self.counters.allocated(layout.size(), moved, || self.used_bytes());
        block
    }

    /// Puts a chunk with its one block on top of the large ones, at `depth` or deeper.
    pub(crate) fn push_large(&self, chunk: ChunkRef, depth: usize) {
        let before = self.large.get();
        chunk.set_used_before(self.used_in_large());
        chunk.set_depth(before.map_or(depth, |before| depth.max(before.depth() + 1)));
        chunk.set_next(before);
        self.large.set(Some(chunk));
    }

    /// Takes the newest large chunk out of the list.
    pub(crate) fn pop_large(&self, large: ChunkRef) {
        debug_assert_eq!(self.large.get(), Some(large), "only the newest may go");
        self.large.set(large.next());
    }

    /// The bytes in use in the used chunks.
    #[inline(always)]
    fn used_in_chunks(&self) -> usize {
        let Some(chunk) = self.chunk.get() else { return 0 };
        let all = chunk.end::<MIN_ALIGN>().addr().get() - chunk.base::<MIN_ALIGN>().addr().get();
        // I2: what is not between `start` and `cursor` is in use.
        let free = self.cursor.get().addr().get() - self.start_address();
        chunk.used_before() + (all - free)
    }

    /// The bytes in use in the large chunks.
    #[inline]
    fn used_in_large(&self) -> usize {
        let Some(large) = self.large.get() else { return 0 };
        let (_, end) = large.left_at();
        large.used_before() + (end.addr().get() - large.base::<MIN_ALIGN>().addr().get())
    }

    /// The depth that the next large chunk has at least.
    fn large_depth(&self) -> usize {
        self.large.get().map_or(0, |large| large.depth() + 1)
    }

    /// Makes sure that blocks of `bytes` bytes together, at most `MIN_ALIGN` aligned, find room
    /// without another call of the backing.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_reserve`](Self::try_reserve).
    #[track_caller]
    pub fn reserve(&self, bytes: usize) {
        if let Err(error) = self.try_reserve(bytes) {
            no_room(error);
        }
    }

    /// Makes sure that blocks of `bytes` bytes together find room without another call of the
    /// backing, or returns the reason why that cannot be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOverflow`] above `isize::MAX`, [`ErrorKind::Full`] at the limit,
    /// [`ErrorKind::Backing`] if the backing refuses.
    pub fn try_reserve(&self, bytes: usize) -> Result<(), TryAllocError> {
        if bytes <= self.remaining_bytes() {
            return Ok(());
        }
        let first_room = self.supply.config().first_chunk_bytes - HEADER_BYTES;
        if MIN_ALIGN <= CHUNK_ALIGN
            && bytes <= first_room
            && let Some(chunk) = self.supply.take_first_slow()
        {
            self.set_current(chunk);
            return Ok(());
        }
        let layout =
            Layout::from_size_align(bytes, 1).map_err(|_| TryAllocError::overflow::<u8>(bytes))?;
        let overflow = TryAllocError::new(ErrorKind::CapacityOverflow, layout, 0);
        let least = bytes_for::<MIN_ALIGN>(layout).ok_or(overflow)?;
        let chunk = self.supply.take(self.wanted_bytes(least, 0), least);
        let left = self.remaining_bytes().max(self.supply.allowed_bytes());
        self.add_current(chunk.map_err(|kind| TryAllocError::new(kind, layout, left))?);
        Ok(())
    }

    /// Gives the chunks that are kept but not in use back to the backing, all of them if the arena is
    /// empty; returns how many bytes they had.
    ///
    /// ```
    /// let mut arena = alloc_arena::Arena::new();
    /// arena.alloc_slice_fill_copy(100_000, 0u8);
    /// arena.alloc_slice_fill_copy(100_000, 0u8);
    /// arena.reset();
    /// assert!(arena.trim() > 200_000);
    /// assert_eq!(arena.reserved_bytes(), 0);
    /// ```
    pub fn trim(&mut self) -> usize {
        if self.used_bytes() == 0 {
            self.drop_chunks(0, 0);
            if let Some(first) = self.chunk.take() {
                self.cursor.set(Self::CLOSED);
                self.start.set(Self::NOWHERE);
                self.supply.keep(first, false);
            }
        }
        self.supply.trim()
    }

    /// Returns the bytes handed out since the last reset, padding included.
    #[must_use]
    #[inline]
    pub fn used_bytes(&self) -> usize {
        self.used_in_chunks() + self.used_in_large()
    }

    /// Returns the bytes that the current chunk has left: what requests of alignment `MIN_ALIGN` can
    /// get without another chunk.
    #[must_use]
    #[inline]
    pub fn remaining_bytes(&self) -> usize {
        self.cursor.get().addr().get().saturating_sub(self.start_address())
    }

    /// Returns the bytes held from the backing, used or kept.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.supply.reserved_bytes()
    }

    /// Returns whether `ptr` points into memory that is handed out.
    ///
    /// # Complexity
    ///
    /// Linear in the number of chunks.
    #[must_use]
    pub fn contains(&self, ptr: *const u8) -> bool {
        let address = ptr.addr();
        let within = |from: NonNull<u8>, to: NonNull<u8>| {
            (from.addr().get()..to.addr().get()).contains(&address)
        };
        let mut free = (self.cursor.get(), self.start.get());
        let mut look = self.chunk.get();
        while let Some(chunk) = look {
            if within(chunk.base::<MIN_ALIGN>(), free.1) || within(free.0, chunk.end::<MIN_ALIGN>())
            {
                return true;
            }
            look = chunk.next();
            free = look.map_or(free, ChunkRef::left_at);
        }
        let mut look = self.large.get();
        while let Some(large) = look {
            let (from, to) = large.left_at();
            if within(from, to) {
                return true;
            }
            look = large.next();
        }
        false
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        self.supply.backing()
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> ArenaConfig {
        *self.supply.config()
    }

    pub(crate) fn supply(&self) -> &Supply<A> {
        &self.supply
    }

    /// What the arena has to remember beyond its first chunk.
    #[inline]
    pub(crate) fn ledger(&self) -> &Ledger {
        self.supply.ledger()
    }

    pub(crate) fn chunk(&self) -> Option<ChunkRef> {
        self.chunk.get()
    }

    pub(crate) fn large(&self) -> Option<ChunkRef> {
        self.large.get()
    }

    /// The newest large chunk, if `block` is the one in it.
    #[inline]
    pub(crate) fn newest_large(&self, block: NonNull<u8>) -> Option<ChunkRef> {
        self.large.get().filter(|large| large.left_at().0 == block)
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.get()
    }

    #[inline(always)]
    pub(crate) fn cursor(&self) -> NonNull<u8> {
        self.cursor.get()
    }

    /// Moves the cursor of the current chunk: gives back the newest block, or takes the bytes below
    /// it. The caller answers for I3.
    #[inline(always)]
    pub(crate) fn set_cursor(&self, cursor: NonNull<u8>) {
        debug_assert!(
            self.start.get() <= cursor
                && self.chunk.get().is_some_and(|chunk| cursor <= chunk.end::<MIN_ALIGN>()),
            "I2: cursor {cursor:p} below {:p} or beyond {:?}",
            self.start.get(),
            self.chunk.get()
        );
        self.cursor.set(cursor);
    }

    /// Moves the lower limit of the free part, for a block that grew or shrank at the low end. The
    /// caller answers for I3.
    #[inline(always)]
    pub(crate) fn set_start(&self, start: NonNull<u8>) {
        debug_assert!(
            start <= self.cursor.get()
                && self.chunk.get().is_some_and(|chunk| chunk.base::<MIN_ALIGN>() <= start),
            "I2: start {start:p} above {:p} or below {:?}",
            self.cursor.get(),
            self.chunk.get()
        );
        self.start.set(start);
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Arena<MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.get()
            && self.supply.has_first_alone()
            && self.drops.head().is_none()
        {
            self.supply.give_first(chunk);
        } else {
            self.drop_slow();
        }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Drops the values and gives all chunks back.
    #[inline(never)]
    fn drop_slow(&mut self) {
        /// Gives the chunks back, also if a drop panics.
        struct Freed<'a, const MIN_ALIGN: usize, A: Allocator>(&'a Arena<MIN_ALIGN, A>);
        impl<const MIN_ALIGN: usize, A: Allocator> Drop for Freed<'_, MIN_ALIGN, A> {
            fn drop(&mut self) {
                for list in [&self.0.chunk, &self.0.large] {
                    while let Some(chunk) = list.get() {
                        list.set(chunk.next());
                        self.0.supply.give(chunk);
                    }
                }
                self.0.supply.give_spare();
            }
        }
        let freed = Freed(self);
        // SAFETY: 1. every value is 'static, and its memory has not been given back yet; 2. the arena
        // is held exclusively.
        unsafe { freed.0.drops.run_down_to(None) };
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Arena<MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("min_align", &MIN_ALIGN)
            .field("used_bytes", &self.used_bytes())
            .field("reserved_bytes", &self.reserved_bytes())
            .finish_non_exhaustive()
    }
}

/// Ends an infallible method that found no room.
#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn no_room(error: TryAllocError) -> ! {
    panic!("arena: {error}")
}
