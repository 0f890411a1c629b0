//! What happens when a segment is full: the slow paths of taking memory.
//!
//! A new segment is as large as the request needs, as [`StackConfig::segment_bytes`] asks, or a
//! quarter of what the stack holds already, whichever is most: so their number grows with the
//! logarithm of the stack's size. If the backing refuses that, or the limit does, what the request
//! needs is asked for alone.
//!
//! Nothing of the stack changes before the backing has answered, so a backing that refuses, panics,
//! or uses the stack itself leaves it in order.
//!
//! [`StackConfig::segment_bytes`]: crate::StackConfig::segment_bytes

use core::ptr::NonNull;

use alloc_core::place::dangling;
use alloc_core::{Allocator, ErrorKind, Layout, TryAllocError, bump};

use crate::Stack;
use crate::mark::Mark;
use crate::segment::{Before, Segment, block_len_for};
use crate::stack::Negated;

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Serves a request that [`Self::bump`] refused, or says why not.
    #[cold]
    #[inline(never)]
    pub(crate) fn bump_slow(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        self.counters.slow();
        if layout.size() == 0 {
            self.counters.allocated(0, 0, || self.used_now());
            return Ok(dangling(layout.align()));
        }
        self.open_for(layout)?;
        self.bump(layout).ok_or_else(|| self.refusal(ErrorKind::Full, layout))
    }

    /// [`Self::bump_slow`] for the infallible methods.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn bump_slow_or_panic(&self, layout: Layout) -> NonNull<u8> {
        match self.bump_slow(layout) {
            Ok(block) => block,
            Err(error) => no_room(error),
        }
    }

    /// [`Self::bump_slow`] from a fast path that knows the alignment's negative.
    #[cold]
    #[inline(never)]
    pub(crate) fn bump_slow_by(&self, layout: Negated) -> Result<NonNull<u8>, TryAllocError> {
        self.bump_slow(layout.layout())
    }

    /// [`Self::bump_slow_or_panic`] from a fast path that knows the alignment's negative.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn bump_slow_by_or_panic(&self, layout: Negated) -> NonNull<u8> {
        self.bump_slow_or_panic(layout.layout())
    }

    /// [`Self::bump_slow`] for a raw push, whose mark says that it opened a segment.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_slow(&self, layout: Negated) -> Result<(NonNull<u8>, Mark), TryAllocError> {
        let before = self.cursor.get();
        let events = self.events.get();
        let block = self.bump_slow(layout.layout())?;
        // An empty block on a stack without a segment: the way back leads to the end of the oldest,
        // if there is one by then.
        let opened = self.events.get() != events || before == Self::NOWHERE;
        Ok((block, if opened { self.mark_of_segment() } else { self.mark_within(before) }))
    }

    /// [`Self::push_slow`] for the infallible method.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn push_slow_or_panic(&self, layout: Negated) -> (NonNull<u8>, Mark) {
        match self.push_slow(layout) {
            Ok(pushed) => pushed,
            Err(error) => no_room(error),
        }
    }

    /// [`Self::bump_slow`] for a raw push that may be popped in any order.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_any_slow(
        &self,
        layout: Negated,
    ) -> Result<(NonNull<u8>, Mark), TryAllocError> {
        let layout = layout.layout();
        self.counters.slow();
        if layout.size() == 0 {
            self.counters.allocated(0, 0, || self.used_now());
            // An empty block in no segment, which gives nothing back.
            let block = dangling(layout.align());
            return Ok((block, self.mark_within(block.addr().get())));
        }
        self.open_for(layout)?;
        let before = self.cursor.get();
        match self.bump_whole(layout) {
            Some(block) => Ok((block, self.mark_within(before))),
            None => Err(self.refusal(ErrorKind::Full, layout)),
        }
    }

    /// [`Self::push_any_slow`] for the infallible method.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn push_any_slow_or_panic(&self, layout: Negated) -> (NonNull<u8>, Mark) {
        match self.push_any_slow(layout) {
            Ok(pushed) => pushed,
            Err(error) => no_room(error),
        }
    }

    /// Serves a request for a block that may go in any order which the fast path refused, or says
    /// why not.
    #[cold]
    #[inline(never)]
    pub(crate) fn grains_slow(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        if layout.size() == 0 {
            self.counters.allocated(0, 0, || self.used_now());
            return Ok(dangling(layout.align()));
        }
        self.counters.slow();
        self.open_for(layout)?;
        self.bump_any(layout).ok_or_else(|| self.refusal(ErrorKind::Full, layout))
    }

    /// [`Self::grains_slow`] for the infallible method.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn grains_slow_or_panic(&self, layout: Layout) -> NonNull<u8> {
        match self.grains_slow(layout) {
            Ok(block) => block,
            Err(error) => no_room(error),
        }
    }

    /// [`Self::bump_grains`] at any alignment. What an alignment above the grain skips becomes a
    /// block of its own, dead from the start: it goes when the block below it goes.
    #[cold]
    #[inline(never)]
    pub(crate) fn bump_aligned(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            return None; // nothing to align: no padding either
        }
        let cursor = self.cursor.get();
        let from = bump::round_down(cursor, Self::GRAIN);
        let address = self.place_below(from, layout)?;
        let block = self.take(cursor, address, layout.size());
        self.bury(self.end_of(address, layout), from);
        Some(block)
    }

    /// Where a block that may go in any order is placed below `from`, a multiple of the grain.
    pub(crate) fn place_below(&self, from: usize, layout: Layout) -> Option<usize> {
        if MIN_ALIGN > 16 {
            bump::down::<MIN_ALIGN>(self.start.get(), from, layout)
        } else {
            bump::down::<16>(self.start.get(), from, layout)
        }
    }

    /// Where the room of a block that may go in any order ends (I4).
    #[inline(always)]
    pub(crate) fn end_of(&self, address: usize, layout: Layout) -> usize {
        debug_assert!(address.is_multiple_of(Self::GRAIN) || layout.size() == 0, "{address:#x}");
        // A block begins at a whole grain, so this is where its size rounded up ends.
        address + bump::round_down(layout.size() + (Self::GRAIN - 1), Self::GRAIN)
    }

    /// Makes the bytes from `from` to `to` of the current segment, which nobody uses, a dead block.
    pub(crate) fn bury(&self, from: usize, to: usize) {
        let buried = from < to && !cfg!(bug = "padding-is-not-buried");
        if let Some(segment) = self.segment.get()
            && buried
        {
            // SAFETY: 1. multiples of the grain within the current segment, since its blocks begin
            // and end at such (I2, I4); 2. the caller's promise.
            unsafe { segment.mark_dead(from, to, Self::GRAIN) };
            self.watch.set(self.watch.get().min(from));
            self.happened();
        }
    }

    /// Opens a segment that has room for `layout`, or says why none can be had.
    fn open_for(&self, layout: Layout) -> Result<(), TryAllocError> {
        // From the end of a segment down, a block needs its size in whole grains, and what an
        // alignment above the grain may skip.
        let skipped = if layout.align() > Self::GRAIN { layout.align() } else { 0 };
        let room = bump::round_up(layout.size(), Self::GRAIN)
            .and_then(|bytes| bytes.checked_add(skipped))
            .ok_or_else(|| self.refusal(ErrorKind::CapacityOverflow, layout))?;
        let segment = match self.take_spare(room) {
            Some(segment) => segment,
            None => self.obtain(room, layout)?,
        };
        self.open(segment);
        Ok(())
    }

    /// Opens the first segment, with room for `capacity_bytes` and no more than that needs.
    pub(crate) fn open_first(&self, capacity_bytes: usize) -> Result<(), TryAllocError> {
        let overflow = TryAllocError::overflow::<u8>(capacity_bytes);
        let least = block_len_for(capacity_bytes, Self::GRAIN).ok_or(overflow)?;
        let layout = Layout::from_size_align(capacity_bytes, 1).map_err(|_| overflow)?;
        let segment = self.request(least, layout)?;
        self.open(segment);
        Ok(())
    }

    /// Makes sure that `bytes` more can be taken, in blocks that fit into one segment together,
    /// without a call of the backing.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    pub fn try_reserve(&self, bytes: usize) -> Result<(), TryAllocError> {
        let fits = |segment: Segment| segment.room() >= bytes;
        if self.remaining_bytes() >= bytes || self.spare.get().is_some_and(fits) {
            return Ok(());
        }
        let overflow = TryAllocError::overflow::<u8>(bytes);
        let layout = Layout::from_size_align(bytes, 1).map_err(|_| overflow)?;
        let segment = self.obtain(bytes, layout)?;
        if self.segment.get().is_none() {
            self.open(segment);
        } else {
            self.retire(segment);
        }
        Ok(())
    }

    /// Makes sure that `bytes` more can be taken, in blocks that fit into one segment together,
    /// without a call of the backing.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_reserve`](Self::try_reserve).
    pub fn reserve(&self, bytes: usize) {
        if let Err(error) = self.try_reserve(bytes) {
            no_room(error);
        }
    }

    /// The spare, if it has that much room.
    fn take_spare(&self, room: usize) -> Option<Segment> {
        let segment = self.spare.get().filter(|segment| segment.room() >= room)?;
        self.spare.set(None);
        Some(segment)
    }

    /// A new segment for `layout`, which needs `room` bytes: larger if the backing has more.
    fn obtain(&self, room: usize, layout: Layout) -> Result<Segment, TryAllocError> {
        let least = block_len_for(room, Self::GRAIN)
            .ok_or_else(|| self.refusal(ErrorKind::CapacityOverflow, layout))?;
        let limit = self.config.limit_bytes;
        if least > limit.saturating_sub(self.reserved.get()) {
            // What is spare is too small for this request, and in its way.
            self.drop_spare();
        }
        let allowed = limit.saturating_sub(self.reserved.get());
        if least > allowed && !cfg!(bug = "limit-is-ignored") {
            return Err(self.refusal(ErrorKind::Full, layout));
        }
        let wanted = self.config.segment_bytes.max(self.reserved.get() / 4).min(allowed);
        if wanted > least
            && let Ok(segment) = self.request(wanted, layout)
        {
            return Ok(segment);
        }
        self.request(least, layout)
    }

    /// Asks the backing for a segment of `len` bytes, for `layout`.
    fn request(&self, len: usize, layout: Layout) -> Result<Segment, TryAllocError> {
        let refusal = |_| self.refusal(ErrorKind::Backing, layout);
        let block_layout = Layout::from_size_align(len, Self::GRAIN)
            .map_err(|_| self.refusal(ErrorKind::CapacityOverflow, layout))?;
        let block = self.backing.allocate(block_layout).map_err(refusal)?;
        // What the backing gives beyond the request is used, within the limit.
        let allowed = self.config.limit_bytes.saturating_sub(self.reserved.get()).max(len);
        let given =
            if cfg!(bug = "limit-is-ignored") { block.len() } else { block.len().min(allowed) };
        let given = NonNull::slice_from_raw_parts(block.cast(), given);
        // SAFETY: 1. fresh from the backing, with this alignment: as much of it as was asked for, or
        // more; 2. it is our grain.
        match unsafe { Segment::new(given, Self::GRAIN) } {
            Some(segment) => {
                self.reserved.set(self.reserved.get() + segment.block_len());
                Ok(segment)
            }
            None => {
                // SAFETY: just allocated from this backing with this layout, and not used.
                unsafe { self.backing.deallocate(block.cast(), block_layout) };
                Err(self.refusal(ErrorKind::Backing, layout))
            }
        }
    }

    /// Makes an empty segment of ours the current one.
    fn open(&self, segment: Segment) {
        let used_bytes = self.used_now();
        self.counters.look(used_bytes);
        let prev = self.segment.get();
        if let Some(prev) = prev {
            prev.set_watch(self.watch.get());
        }
        let serial = self.serial.get() + 1;
        self.serial.set(serial);
        segment.open(&Before {
            prev,
            cursor: self.cursor.get(),
            used_bytes,
            tails_bytes: prev.map_or(0, |prev| prev.tails_before() + self.remaining_bytes()),
            serial,
        });
        self.segment.set(Some(segment));
        self.cursor.set(segment.end());
        self.set_start(segment.start());
        self.watch.set(segment.watch());
        self.happened();
    }

    /// The error about `layout`.
    fn refusal(&self, kind: ErrorKind, layout: Layout) -> TryAllocError {
        TryAllocError::new(kind, layout, self.remaining_bytes())
    }
}

/// Ends an infallible method that found no room.
#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn no_room(error: TryAllocError) -> ! {
    panic!("stack: {error}")
}
