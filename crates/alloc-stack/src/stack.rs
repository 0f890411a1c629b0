//! [`Stack`]: segments that are filled from their high end down, and unwound exactly.
//!
//! Not thread-safe (`Send`, not `Sync`); every operation is a few instructions, and wait-free as far
//! as the backing is.
//!
//! ```text
//!   segment 1                    segment 2 = current
//!     [H|bits| tail |blocks]  <--  [H|bits| free ....... | newest | dead | live | dead |  ... ]
//!                                          ^start        ^cursor  ^watch                      ^end
//! ```
//!
//! # Invariants
//!
//! * **I1** `segment` is current; it and those before it by `prev` links, and `spare`, are live
//!   segments (G1 of `segment.rs`), each once.
//! * **I2** in the current segment `start <= cursor <= end`; `start` and `end` are multiples of the
//!   grain (16, or `MIN_ALIGN` if that is more), `cursor` of `MIN_ALIGN`. Without a segment `start`
//!   is the grain, and `cursor` one less: every request leaves the fast path, the empty one included.
//! * **I3** `start..cursor` is nobody's, and a segment that is not current lends nothing: so a block
//!   taken from there overlaps no other.
//! * **I4** blocks that may be given back in any order begin at a multiple of the grain and occupy
//!   their size rounded up to it: the cursor before them follows from address and size. What lies
//!   between that and the cursor that there was is padding below a grain, and goes with the block or
//!   frame above which it lies.
//! * **I5** `watch` is at most the lowest address of a dead block of the current segment above the
//!   cursor, at most `end` if there is a segment before it, and at most `end + 1` if not; 0 without a
//!   segment. A cursor that rises to `watch` or above settles (`unwind.rs`): below it there is
//!   nothing to look for.
//! * **I6** no dead block is the newest, and no empty segment but the oldest is current: what was freed
//!   is free.
//! * **I7** `events` changes whenever the current segment does, and whenever a block becomes dead or
//!   a dead one is found. Between two looks at equal `events`, moving the cursor back is all that
//!   unwinding takes.
//!
//! # Ordering edges
//!
//! None: cells; the counter of stack ids is only counted.
//!
//! # Cost
//!
//! x86-64, run-time layouts. `push`: load, sub, neg, and, cmp, branch, store; `pop`: test, branch,
//! store. Any order: one `and` more to take, and to give back compare, branch, add, and, compare,
//! branch, store. Nothing is counted on these paths (feature `stats` does).
//!
//! # Source
//!
//! Stacks of regions with marks are as old as obstacks; that the previous cursor follows from
//! address and layout if sizes are rounded, so that nothing needs to stand beside a live block, and
//! the map of dead blocks are this crate's.

mod build;

use core::cell::Cell;
use core::fmt;
use core::hint::cold_path;
use core::marker::PhantomData;
use core::ptr::NonNull;

use alloc_core::place::dangling;
use alloc_core::{AllocStats, Allocator, Global, Layout, TryAllocError, bump};

use crate::config::StackConfig;
use crate::counters::Counters;
use crate::mark::Mark;
use crate::segment::{Segment, grain};

/// What memory that was given back is overwritten with in debug builds.
pub(crate) const POISON: u8 = 0xA5;

/// Stack memory: what is given back in order, in any order, or by the end of a frame leaves nothing
/// behind.
///
/// `MIN_ALIGN` is the alignment that every block has at least. `A` is where the segments come from.
///
/// | to take memory | given back |
/// |---|---|
/// | [`top`](Self::top), then [`Top::push`](crate::Top::push) | in reverse order, checked by the compiler |
/// | [`frame`](Self::frame), then [`Scope::alloc`](crate::Scope::alloc) | together, when the frame ends |
/// | [`alloc_box`](Self::alloc_box), or `&Stack` as an [`Allocator`] | one by one, in any order |
/// | [`push`](Self::push), [`alloc_layout`](Self::alloc_layout) | by `unsafe` calls |
///
/// # Examples
///
/// ```
/// use alloc_stack::Stack;
///
/// let mut stack = Stack::new();
/// let mut frame = stack.frame();
/// let mut scope = frame.scope();
/// let words = scope.alloc_from_iter("to be or not".split(' '));
/// {
///     let mut inner = scope.frame(); // what it takes goes when it ends; `words` stays
///     let longest = inner.scope().alloc(words.iter().map(|word| word.len()).max());
///     assert_eq!(*longest, Some(3));
/// }
/// drop(frame);
/// assert_eq!(stack.used_bytes(), 0);
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` (where `A` is), not `Sync`.
// The order of the fields is part of the fast path: `cursor` and `start` share a cache line but are
// not neighbours, so that AArch64 compilers do not fuse their loads into one `ldp`, which would wait
// for the store that the previous operation made to `cursor`.
#[repr(C)]
pub struct Stack<const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    /// Where the newest block begins.
    pub(crate) cursor: Cell<usize>,
    /// Where to look for dead blocks, or for the segment's end (I5).
    pub(crate) watch: Cell<usize>,
    /// Where the current segment begins.
    pub(crate) start: Cell<usize>,
    pub(crate) events: Cell<u64>,
    /// What pointers into the current segment are made of: their provenance. Apart from `start`, with
    /// which addresses are compared, so that making a pointer of an address takes no instruction.
    memory: Cell<NonNull<u8>>,
    pub(crate) segment: Cell<Option<Segment>>,
    pub(crate) spare: Cell<Option<Segment>>,
    /// Bytes held from the backing.
    pub(crate) reserved: Cell<usize>,
    /// The number of the segment opened last.
    pub(crate) serial: Cell<u64>,
    /// Tells this stack from every other; 0 until somebody asks.
    pub(crate) id: Cell<u64>,
    pub(crate) config: StackConfig,
    pub(crate) counters: Counters,
    pub(crate) backing: A,
    /// Segments are owned: their headers hold pointers to each other.
    owned: PhantomData<*mut u8>,
}

// SAFETY: a `Stack` owns its segments; its pointers lead to them alone and are not tied to a thread.
// Sending it needs `A: Send` and nothing of the values on it: every reference to them borrows the
// stack, and it never touches them again, not even to drop them.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Send> Send for Stack<MIN_ALIGN, A> {}

/// A position to come back to, and what must not have happened in between for the way back to be
/// a single store (I7).
#[derive(Clone, Copy)]
pub(crate) struct Saved {
    pub(crate) cursor: usize,
    pub(crate) events: u64,
}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// What the sizes of blocks that may go in any order are rounded to.
    pub(crate) const GRAIN: usize = {
        assert!(MIN_ALIGN.is_power_of_two(), "MIN_ALIGN is a power of two");
        assert!(
            MIN_ALIGN <= 1 << 28,
            "MIN_ALIGN is at most 2^28: sizes of segments are reckoned in it"
        );
        grain(MIN_ALIGN)
    };

    /// The cursor of a stack without a segment (I2): one below `start`, so that every request leaves
    /// the fast path, the empty one included.
    pub(crate) const NOWHERE: usize = Self::GRAIN - 1;

    const fn unchecked(config: StackConfig, backing: A) -> Self {
        Self {
            cursor: Cell::new(Self::NOWHERE),
            watch: Cell::new(0),
            start: Cell::new(Self::GRAIN),
            memory: Cell::new(dangling(Self::GRAIN)),
            events: Cell::new(0),
            segment: Cell::new(None),
            spare: Cell::new(None),
            reserved: Cell::new(0),
            serial: Cell::new(0),
            id: Cell::new(0),
            config,
            counters: Counters::new(),
            backing,
            owned: PhantomData,
        }
    }

    /// Returns where a block of `layout` goes, having taken it: in order, or in a frame.
    #[inline(always)]
    pub(crate) fn bump(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let address = bump::down::<MIN_ALIGN>(self.start.get(), cursor, layout)?;
        Some(self.take(cursor, address, layout.size()))
    }

    /// [`Self::bump`] for `size` bytes of `T`s, whose alignment the compiler knows.
    #[inline(always)]
    pub(crate) fn bump_for<T>(&self, size: usize) -> Option<NonNull<u8>> {
        if const { size_of::<T>() == 0 } {
            // Not even padding: an alignment larger than the stack's would cost some.
            self.counters.allocated(0, 0, || self.used_now());
            return Some(dangling(align_of::<T>()));
        }
        let cursor = self.cursor.get();
        let address = bump::down_for::<T, MIN_ALIGN>(self.start.get(), cursor, size)?;
        Some(self.take(cursor, address, size))
    }

    /// [`Self::bump`] for a block of `size` bytes that may go in any order (I4): aligned to the
    /// grain.
    #[inline(always)]
    pub(crate) fn bump_grains(&self, size: usize) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        // Sizes are rounded from a whole grain down, so that the block's end, rounded up again, does
        // not pass the cursor.
        let from = if MIN_ALIGN >= Self::GRAIN || cfg!(bug = "grains-from-any-cursor") {
            cursor
        } else {
            bump::round_down(cursor, Self::GRAIN)
        };
        // The grain as a constant: `MIN_ALIGN`, unless that is less than 16.
        let address = if MIN_ALIGN > 16 {
            bump::down_for::<u8, MIN_ALIGN>(self.start.get(), from, size)
        } else {
            bump::down_for::<u8, 16>(self.start.get(), from, size)
        }?;
        Some(self.take(cursor, address, size))
    }

    /// [`Self::bump_grains`] at the alignment of `layout`.
    #[inline(always)]
    pub(crate) fn bump_any(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.align() <= Self::GRAIN {
            self.bump_grains(layout.size())
        } else {
            cold_path();
            self.bump_aligned(layout)
        }
    }

    /// [`Self::bump`] for a block at a whole grain, the cursor rounded down to one before: so it has
    /// at least a grain for itself, if it has a size.
    #[inline(always)]
    pub(crate) fn bump_whole(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let from =
            if MIN_ALIGN >= Self::GRAIN { cursor } else { bump::round_down(cursor, Self::GRAIN) };
        let address = if MIN_ALIGN > 16 {
            bump::down::<MIN_ALIGN>(self.start.get(), from, layout)
        } else {
            bump::down::<16>(self.start.get(), from, layout)
        }?;
        Some(self.take(cursor, address, layout.size()))
    }

    #[inline(always)]
    pub(crate) fn take(&self, cursor: usize, address: usize, size: usize) -> NonNull<u8> {
        debug_assert!(
            self.start.get() <= address && address + size <= cursor,
            "I3: block {address:#x} + {size} is not between {:#x} and {cursor:#x}",
            self.start.get()
        );
        self.cursor.set(address);
        self.counters.allocated(size, cursor - address, || self.used_now());
        self.pointer(address)
    }

    /// The pointer at `address`, which is in the current segment.
    #[inline(always)]
    pub(crate) fn pointer(&self, address: usize) -> NonNull<u8> {
        at(self.memory.get(), address)
    }

    /// Makes the segment that begins at `start` the one to take from.
    pub(crate) fn set_start(&self, start: NonNull<u8>) {
        self.start.set(start.addr().get());
        self.memory.set(start);
    }

    /// Takes a block of `layout`, its contents undefined, and returns the mark to pop it with.
    ///
    /// Blocks taken so are given back in reverse order, by [`pop`](Self::pop); or together, by
    /// [`pop_to`](Self::pop_to), the end of a frame around them, or [`reset`](Self::reset). Zero-sized
    /// blocks succeed even in a full stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::Layout;
    /// let stack = alloc_stack::Stack::new();
    /// let (block, mark) = stack.push(Layout::new::<u64>());
    /// // SAFETY: fresh memory for a `u64`.
    /// unsafe { block.cast::<u64>().write(7) };
    /// // SAFETY: `mark` is of the newest block, which is not used again.
    /// unsafe { stack.pop(mark) };
    /// assert_eq!(stack.used_bytes(), 0);
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_push`](Self::try_push).
    #[inline]
    #[track_caller]
    pub fn push(&self, layout: Layout) -> (NonNull<u8>, Mark) {
        let before = self.cursor.get();
        match self.bump(layout) {
            Some(block) => (block, self.mark_within(before)),
            None => self.push_slow_or_panic(Negated::of(layout)),
        }
    }

    /// Takes a block of `layout` and returns the mark to pop it with, or the reason why there is no
    /// room.
    ///
    /// # Errors
    ///
    /// If the newest segment has no room and another is refused: by the backing, the limit, or since
    /// no object can be so large.
    #[inline]
    pub fn try_push(&self, layout: Layout) -> Result<(NonNull<u8>, Mark), TryAllocError> {
        let before = self.cursor.get();
        match self.bump(layout) {
            Some(block) => Ok((block, self.mark_within(before))),
            None => self.push_slow(Negated::of(layout)),
        }
    }

    /// Gives back the newest block.
    ///
    /// # Safety
    ///
    /// 1. `mark` was returned by a push of this stack whose block was not given back since, by itself,
    ///    by a reset or rewind, or, if it has no size, by a [`trim`](Self::trim) of the empty stack;
    /// 2. every block taken since then was given back (not forgotten), every frame and handle begun
    ///    since then has ended, and no older block was given back since then: it is the newest of all,
    ///    and what is below it is as it was;
    /// 3. the block is not used again.
    #[inline]
    pub unsafe fn pop(&self, mark: Mark) {
        self.check_newest(&mark);
        self.counters.freed();
        match mark.cursor {
            Some(cursor) => {
                self.raise(cursor.get());
                self.check_settled();
            }
            None => {
                cold_path();
                self.pop_segment();
            }
        }
    }

    /// Takes a block of `layout`, its contents undefined, that may be popped in any order, and
    /// returns the mark to pop it with.
    ///
    /// As [`alloc_layout`](Self::alloc_layout), with the bookkeeping on the caller's side: popping
    /// needs no layout, over-alignment costs nothing, and what is given back is exact even above
    /// blocks of odd sizes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::Layout;
    /// let stack = alloc_stack::Stack::new();
    /// let (a, mark_a) = stack.push_any(Layout::new::<[u8; 5]>());
    /// let (b, mark_b) = stack.push_any(Layout::new::<[u8; 7]>());
    /// // SAFETY: each block's own mark; neither is used again.
    /// unsafe { stack.pop_any(a, mark_a) };
    /// // SAFETY: as above.
    /// unsafe { stack.pop_any(b, mark_b) };
    /// assert_eq!(stack.used_bytes(), 0);
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_push_any`](Self::try_push_any).
    #[inline]
    #[track_caller]
    pub fn push_any(&self, layout: Layout) -> (NonNull<u8>, Mark) {
        let before = self.cursor.get();
        match self.bump_whole(layout) {
            Some(block) => (block, self.mark_within(before)),
            None => self.push_any_slow_or_panic(Negated::of(layout)),
        }
    }

    /// Takes a block of `layout` that may be popped in any order, and returns the mark to pop it
    /// with, or the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    #[inline]
    pub fn try_push_any(&self, layout: Layout) -> Result<(NonNull<u8>, Mark), TryAllocError> {
        let before = self.cursor.get();
        match self.bump_whole(layout) {
            Some(block) => Ok((block, self.mark_within(before))),
            None => self.push_any_slow(Negated::of(layout)),
        }
    }

    /// Gives back a block, the newest or any other: its memory is free as soon as every newer block
    /// has been given back.
    ///
    /// # Complexity
    ///
    /// As [`dealloc_layout`](Self::dealloc_layout).
    ///
    /// # Safety
    ///
    /// 1. `block` and `mark` were returned together by [`push_any`](Self::push_any) of this stack,
    ///    or its `try_` form, and the block was not given back since, neither by itself nor with a
    ///    frame or mark below it;
    /// 2. it is not used again.
    #[inline]
    pub unsafe fn pop_any(&self, block: NonNull<u8>, mark: Mark) {
        self.counters.freed();
        self.check_own(&mark);
        debug_assert!(mark.cursor.is_some(), "{mark:?} is not of `push_any`");
        // SAFETY: clause 1: a mark of `push_any` always has the cursor before its block, in the
        // block's own segment.
        let before = unsafe { mark.cursor.unwrap_unchecked() }.get();
        if block.addr().get() != self.cursor.get() {
            cold_path();
            // SAFETY: clauses 1 and 2: the block and its padding, up to the cursor before it.
            return unsafe { self.free_older_to(block, before) };
        }
        if before >= self.watch.get() {
            cold_path();
            return self.settle(before);
        }
        self.raise(before);
    }

    /// Returns a block of `layout`, its contents undefined, that may be given back in any order.
    ///
    /// It occupies its size rounded up to 16 (or `MIN_ALIGN`, if that is more).
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.bump_any(layout) {
            Some(block) => block,
            None => self.grains_slow_or_panic(layout),
        }
    }

    /// Returns a block of `layout`, its contents undefined, that may be given back in any order, or
    /// the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.bump_any(layout) {
            Some(block) => Ok(block),
            None => self.grains_slow(layout),
        }
    }

    /// Gives back a block, the newest or any other.
    ///
    /// The memory is free at once if the block is the newest; otherwise as soon as every newer one
    /// has been given back.
    ///
    /// # Complexity
    ///
    /// Constant, amortised; finding the segment of a block that is not in the newest takes a step
    /// for each segment that is newer, of which there are as many as the logarithm of the stack's
    /// size.
    ///
    /// # Safety
    ///
    /// 1. the block was returned by [`alloc_layout`](Self::alloc_layout), its `try_` form, or the
    ///    [`Allocator`] of this stack for this size (or resized to it since), and was not given back
    ///    since, neither by itself nor with a frame or mark below it;
    /// 2. it is not used again.
    #[inline]
    pub unsafe fn dealloc_layout(&self, block: NonNull<u8>, layout: Layout) {
        self.counters.freed();
        // SAFETY: clauses 1 and 2, passed on.
        unsafe { self.release(block, layout) };
    }

    /// [`Self::dealloc_layout`], not counted.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    pub(crate) unsafe fn release(&self, block: NonNull<u8>, layout: Layout) {
        let address = block.addr().get();
        if address != self.cursor.get() {
            cold_path();
            // SAFETY: clauses 1 and 2, passed on.
            return unsafe { self.free_older(block, layout) };
        }
        let end = self.end_of(address, layout);
        if end >= self.watch.get() {
            cold_path();
            return self.settle(end);
        }
        self.raise(end);
    }

    /// Moves the cursor up within the current segment, over memory that is given back.
    #[inline(always)]
    pub(crate) fn raise(&self, to: usize) {
        debug_assert!(
            self.is_position(to),
            "I2: cursor {to:#x} not in {:#x}.. of the current segment",
            self.cursor.get()
        );
        self.poison_to(to);
        self.cursor.set(to);
    }

    /// Where the stack is, to come back to it.
    #[inline(always)]
    pub(crate) fn save(&self) -> Saved {
        Saved { cursor: self.cursor.get(), events: self.events.get() }
    }

    /// Comes back to where the stack was: everything newer is given back.
    ///
    /// The caller answers for nobody using what is newer.
    #[inline(always)]
    pub(crate) fn restore(&self, saved: Saved) {
        if self.events.get() == saved.events {
            self.raise(saved.cursor);
        } else {
            self.restore_slow(saved.cursor);
        }
    }

    /// Returns the bytes in use: of all blocks that were not given back, of those that were given
    /// back out of order and wait for newer ones, and of padding.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_now()
    }

    /// [`Self::used_bytes`], as the cursor says.
    pub(crate) fn used_now(&self) -> usize {
        self.segment
            .get()
            .map_or(0, |segment| segment.used_before() + (segment.end() - self.cursor.get()))
    }

    /// Returns the bytes that the newest segment still has.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        self.cursor.get().saturating_sub(self.start.get())
    }

    /// Returns the bytes held from the backing, used or not.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.reserved.get()
    }

    /// Returns whether nothing is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used_bytes() == 0
    }

    /// Returns whether `ptr` points into memory that is in use.
    #[must_use]
    pub fn contains(&self, ptr: *const u8) -> bool {
        let mut cursor = self.cursor.get();
        let mut next = self.segment.get();
        while let Some(segment) = next {
            if (cursor..segment.end()).contains(&ptr.addr()) {
                return true;
            }
            cursor = segment.prev_cursor();
            next = segment.prev();
        }
        false
    }

    /// The number of this stack, never used twice; 0 where there are no atomics of 64 bits.
    #[cfg(any(debug_assertions, target_has_atomic = "64"))]
    pub(crate) fn id(&self) -> u64 {
        #[cfg(target_has_atomic = "64")]
        if self.id.get() == 0 {
            use primitives::sync::atomic::Ordering::Relaxed;
            use primitives::sync::unmodelled::AtomicU64;
            static NEXT_ID: AtomicU64 = AtomicU64::new(1);
            // ORD Relaxed: only uniqueness matters, which the modification order gives.
            self.id.set(NEXT_ID.fetch_add(1, Relaxed));
        }
        self.id.get()
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.backing
    }

    /// Returns how the stack grows.
    #[must_use]
    pub fn config(&self) -> StackConfig {
        self.config
    }

    /// Returns what the stack did so far.
    ///
    /// `used_bytes` is what [`used_bytes`](Self::used_bytes) says; `waste_tail_bytes` are the ends of
    /// segments that were too small for what came next, as long as those segments are in use. The
    /// peak is looked at when a segment is opened or closed, at resets, and now; with feature
    /// `stats` at every allocation.
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        let used_bytes = self.used_bytes();
        let tails_bytes = self.segment.get().map_or(0, Segment::tails_before);
        self.counters.stats(used_bytes, self.reserved.get(), tails_bytes)
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Stack<MIN_ALIGN, A> {
    fn drop(&mut self) {
        self.close_all();
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Stack<MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("min_align", &MIN_ALIGN)
            .field("used_bytes", &self.used_now())
            .field("reserved_bytes", &self.reserved_bytes())
            .finish_non_exhaustive()
    }
}

/// A layout on its way to a slow path: its size, and the negative of its alignment.
///
/// The fast path needs the negative alone. Were the alignment itself needed by the call in the cold
/// branch, the fast path would keep both: one more instruction.
#[derive(Clone, Copy)]
pub(crate) struct Negated {
    size: usize,
    mask: usize,
}

impl Negated {
    #[inline(always)]
    pub(crate) fn of(layout: Layout) -> Self {
        cold_path();
        Self { size: layout.size(), mask: layout.align().wrapping_neg() }
    }

    #[inline(always)]
    pub(crate) fn layout(self) -> Layout {
        // SAFETY: the size and the alignment of a layout, the latter negated twice.
        unsafe { Layout::from_size_align_unchecked(self.size, self.mask.wrapping_neg()) }
    }
}

/// The pointer at `address` in the segment that `origin` points into.
///
/// `address` is not below the segment's first grain, so it is not zero.
#[inline(always)]
pub(crate) fn at(origin: NonNull<u8>, address: usize) -> NonNull<u8> {
    debug_assert!(address != 0, "no segment starts at address zero");
    let pointer = origin.as_ptr().with_addr(address);
    // SAFETY: `address` is at least a segment's start, which is not zero.
    unsafe { NonNull::new_unchecked(pointer) }
}
