//! Many values at once: a run of slots is looked over, claimed by one compare-exchange, and then moved
//! into or out of, in at most two straight pieces.
//!
//! A run that was looked over stays as it was until its first position is claimed, since only who
//! claims a position changes its slot (I2) and positions are claimed in order: so one compare-exchange
//! from the first position to the one after the last says that all stamps still hold.
//!
//! # What becomes of slots that no value came for
//!
//! An iterator may panic, or end before the length it told. The slots it left over are claimed, and
//! pops wait for them. If nobody pushed behind them, the tail goes back to where they begin: their
//! stamps were never changed. The tail is then where it already was for nobody, since it came from
//! before the run to behind it in one step; and who read it *behind* the run, and finds it there again
//! after other pushes, sees the stamps of now. If somebody did push behind them (or is about to, by
//! force, I4), they are stamped as holes, which pops pass over; until then they count as values.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use primitives::sync::atomic::Ordering::{Relaxed, Release};

use super::refusal::{Refused, Retry};
use super::shape::{CLOSED, full, hole};
use super::slot::Slot;
use super::{MpmcRing, shape::Shape};
use crate::error::{PopError, PushError, TryPopError, TryPushError};

/// Positions that follow one another: the first, and how many before and after the end of the lap.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: u64,
    straight: usize,
    wrapped: usize,
}

impl Run {
    fn len(self) -> usize {
        self.straight + self.wrapped
    }

    /// The position after the last.
    fn end<T>(self, shape: &Shape<T>) -> u64 {
        shape.advance(self.start, self.len())
    }
}

impl<T> MpmcRing<T> {
    /// Tries once to put values behind all others, as many as there is room for, in one run.
    ///
    /// Returns how many it took from the front of `items`; the others stay there. The run is
    /// unbroken: no other producer's value comes between. It ends early where a slot is not free yet.
    ///
    /// `items` is asked for its length first, then for values, one for each slot claimed. Until it gave
    /// them, pops that get as far wait: let it hand out what is already there, not make it. What it
    /// gave before it panics or ends early is in the ring. It must not use this ring itself: what waits
    /// for a slot of the run would wait for ever.
    ///
    /// # Complexity
    ///
    /// O(values pushed), one compare-exchange.
    ///
    /// # Errors
    ///
    /// Nothing was taken from `items`: Full, Busy or Closed. No values at all are no error.
    ///
    /// # Concurrency
    ///
    /// Wait-free, if `items` is: a number of steps bounded by `items.len()`. Linearizes, for all its
    /// values, at the one compare-exchange of the tail; refusals as those of
    /// [`try_push`](Self::try_push).
    #[inline]
    pub fn try_push_batch<I>(&self, items: &mut I) -> Result<usize, TryPushError<()>>
    where
        I: ExactSizeIterator<Item = T>,
    {
        let want = items.len();
        if want == 0 {
            return Ok(0);
        }
        let run = self.claim_free(want).map_err(|refused| refused.with(()))?;
        let mut filling = Filling { ring: self, start: run.start, claimed: run.len(), filled: 0 };
        let (straight, wrapped) = self.slots_of(run);
        if filling.fill(straight, items) && !wrapped.is_empty() {
            filling.goes_on_in_the_next_lap();
            filling.fill(wrapped, items);
        }
        Ok(run.len() - filling.left())
    }

    /// Puts values behind all others, as many as there is room for, in one run.
    ///
    /// See [`try_push_batch`](Self::try_push_batch).
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{MpmcRing, PushError};
    ///
    /// let ring = MpmcRing::new(4);
    /// let mut items = vec![1, 2, 3, 4, 5, 6].into_iter();
    /// assert_eq!(ring.push_batch(&mut items), Ok(4));
    /// assert_eq!(ring.push_batch(&mut items), Err(PushError::Full(())));
    /// assert_eq!(items.len(), 2, "those that found no room");
    ///
    /// let mut popped = Vec::with_capacity(4);
    /// assert_eq!(ring.pop_batch(&mut popped, 3), Ok(3));
    /// assert_eq!(popped, [1, 2, 3]);
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing was taken from `items`: Full or Closed. No values at all are no error.
    ///
    /// # Concurrency
    ///
    /// Blocking: retries [`try_push_batch`](Self::try_push_batch) while it is Busy, with back-off.
    /// Linearizes as that does.
    #[inline]
    pub fn push_batch<I>(&self, items: &mut I) -> Result<usize, PushError<()>>
    where
        I: ExactSizeIterator<Item = T>,
    {
        let retry = Retry::new();
        loop {
            match self.try_push_batch(items) {
                Ok(count) => return Ok(count),
                Err(TryPushError::Full(())) => return Err(PushError::Full(())),
                Err(TryPushError::Closed(())) => return Err(PushError::Closed(())),
                Err(TryPushError::Busy(())) => retry.pause(),
            }
        }
    }

    /// Tries once to take the oldest values, at most `max`, in one run, to the end of `into`.
    ///
    /// Returns how many it took. The run is unbroken: no other consumer got a value in between. It
    /// ends early where a slot is not full yet. `into` grows, before anything is claimed, if it has no
    /// room for what there is.
    ///
    /// # Complexity
    ///
    /// O(values taken), one compare-exchange.
    ///
    /// # Errors
    ///
    /// Nothing was taken: Empty, Busy or Closed. A `max` of 0 is no error.
    ///
    /// # Panics
    ///
    /// As [`Vec::reserve`] does; the ring is unchanged then.
    ///
    /// # Concurrency
    ///
    /// Wait-free, but for the allocator where `into` grows: a number of steps bounded by `max` and the
    /// capacity. Linearizes, for all values, at the one compare-exchange of the head; refusals as those
    /// of [`try_pop`](Self::try_pop).
    #[inline]
    pub fn try_pop_batch(&self, into: &mut Vec<T>, max: usize) -> Result<usize, TryPopError> {
        if max == 0 {
            return Ok(0);
        }
        let mut passed = 0;
        loop {
            // ORD Relaxed: where to try; the stamps and the compare-exchange say whether that is right.
            let head = self.head.load(Relaxed);
            let run = self.look_over(head, max, full);
            if run.straight == 0 {
                let stamp = self.slot(head).stamp();
                if stamp == full(head) {
                    // Its value came after we had looked: its push was in between.
                    return Err(self.refusals.lost_pop().of_pop());
                }
                match self.pop_refused(head, stamp) {
                    Some(refused) => return Err(refused.of_pop()),
                    // Passed over more holes than there are at a time: others make them meanwhile.
                    None if passed == self.capacity() => {
                        return Err(self.refusals.lost_pop().of_pop());
                    }
                    None => passed += 1,
                }
                continue;
            }
            into.reserve(run.len());
            // ORD[ends] Release → fence in `pop_refused`, as in `try_pop`. The values came by the stamps.
            // ORD Relaxed on failure: nothing was done.
            if self.head.compare_exchange(head, run.end(&self.shape()), Release, Relaxed).is_err() {
                return Err(self.refusals.lost_pop().of_pop());
            }
            let (straight, wrapped) = self.slots_of(run);
            let later = self.shape().lap_later(head);
            let (first, rest) = into.spare_capacity_mut().split_at_mut(run.straight);
            empty(straight, first, later);
            empty(wrapped, rest, self.shape().first_of_next_lap(later));
            // SAFETY: there was room, and the loops wrote as many values as the run has slots.
            unsafe { into.set_len(into.len() + run.len()) };
            return Ok(run.len());
        }
    }

    /// Takes the oldest values, at most `max`, in one run, to the end of `into`.
    ///
    /// See [`try_pop_batch`](Self::try_pop_batch).
    ///
    /// # Errors
    ///
    /// Nothing was taken: Empty or Closed. A `max` of 0 is no error.
    ///
    /// # Panics
    ///
    /// As [`Vec::reserve`] does; the ring is unchanged then.
    ///
    /// # Concurrency
    ///
    /// Blocking: retries [`try_pop_batch`](Self::try_pop_batch) while it is Busy, with back-off.
    /// Linearizes as that does.
    #[inline]
    pub fn pop_batch(&self, into: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        let retry = Retry::new();
        loop {
            match self.try_pop_batch(into, max) {
                Ok(count) => return Ok(count),
                Err(TryPopError::Empty) => return Err(PopError::Empty),
                Err(TryPopError::Closed) => return Err(PopError::Closed),
                Err(TryPopError::Busy) => retry.pause(),
            }
        }
    }

    /// Claims a run of free slots for at most `want` values.
    ///
    /// Not inlined, so that what is, the loop that fills them, keeps its iterator in registers.
    #[inline(never)]
    fn claim_free(&self, want: usize) -> Result<Run, Refused> {
        // ORD Relaxed: where to try; the stamps and the compare-exchange say whether that is right.
        let tail = self.tail.load(Relaxed);
        let run = self.look_over(tail, want, |position| position);
        if run.straight == 0 {
            return Err(self.push_refused(tail));
        }
        // ORD[ends] Release → fence in `push_refused`, as in `try_push`. What happened to the slots came
        // by their stamps.
        // ORD Relaxed on failure: nothing was done.
        if self.tail.compare_exchange(tail, run.end(&self.shape()), Release, Relaxed).is_err() {
            return Err(self.refusals.lost_push());
        }
        Ok(run)
    }

    /// How many slots from `start` on have the stamp that `expected` makes of their position, at most
    /// `want` and the capacity.
    #[inline(always)]
    fn look_over(&self, start: u64, want: usize, expected: impl Fn(u64) -> u64) -> Run {
        let index = self.shape().index(start);
        let slots = &*self.fixed.slots;
        let to_end = want.min(slots.len() - index);
        let straight = ready(&slots[index..index + to_end], expected(start));
        let mut wrapped = 0;
        if straight == slots.len() - index && want > straight {
            let rest = (want - straight).min(index);
            wrapped = ready(&slots[..rest], expected(self.shape().first_of_next_lap(start)));
        }
        Run { start, straight, wrapped }
    }

    /// The slots of a run.
    #[inline(always)]
    fn slots_of(&self, run: Run) -> (&[Slot<T>], &[Slot<T>]) {
        let index = self.shape().index(run.start);
        let slots = &*self.fixed.slots;
        (&slots[index..index + run.straight], &slots[..run.wrapped])
    }

    /// Gives back the last `count` positions of a batch, from `start`, whose slots were not touched.
    #[cold]
    fn give_back(&self, start: u64, count: usize) {
        let end = self.shape().advance(start, count);
        // ORD Relaxed: where to try; the compare-exchange says whether that is right.
        let mut tail = self.tail.load(Relaxed);
        while tail & !CLOSED == end {
            // ORD Relaxed: who claims these positions next looks at their stamps, which are as we
            // found them.
            match self.tail.compare_exchange(tail, start | (tail & CLOSED), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => tail = now,
            }
        }
        let mut position = start;
        for _ in 0..count {
            if !cfg!(bug = "ring-batch-leaves-slots-claimed") {
                self.slot(position).stamp_as(hole(position));
            }
            position = self.shape().next(position);
        }
    }
}

/// How many slots from the first on have the stamps of positions that follow one another, `stamp` the
/// first.
#[inline(always)]
fn ready<T>(slots: &[Slot<T>], mut stamp: u64) -> usize {
    let mut count = 0;
    // By fours, which needs less counting.
    let (fours, few) = slots.as_chunks::<4>();
    for four in fours {
        if slot_differs(four, stamp) {
            break;
        }
        stamp = Shape::<T>::further_by(stamp, 4);
        count += 4;
    }
    let rest = if count == fours.len() * 4 { few } else { &slots[count..count + 4] };
    for slot in rest {
        if slot.stamp() != stamp {
            break;
        }
        stamp = Shape::<T>::further(stamp);
        count += 1;
    }
    count
}

/// Whether one of four slots has another stamp than it should, the first one's being `stamp`.
#[inline(always)]
fn slot_differs<T>(four: &[Slot<T>; 4], stamp: u64) -> bool {
    let [a, b, c, d] = four;
    a.stamp() != stamp
        || b.stamp() != Shape::<T>::further_by(stamp, 1)
        || c.stamp() != Shape::<T>::further_by(stamp, 2)
        || d.stamp() != Shape::<T>::further_by(stamp, 3)
}

/// Moves the values out of claimed slots that are full, and stamps these free, `stamp` the first.
#[inline(always)]
fn empty<T>(slots: &[Slot<T>], room: &mut [MaybeUninit<T>], mut stamp: u64) {
    for (slot, place) in slots.iter().zip(room) {
        // SAFETY: 1. the caller claimed the position, and saw the stamp full; 2. the stamp below says
        // free.
        place.write(unsafe { slot.take() });
        slot.stamp_as(stamp);
        stamp = Shape::<T>::further(stamp);
    }
}

/// Slots of a batch that were claimed and not yet filled: given back if no value comes for them.
struct Filling<'r, T> {
    ring: &'r MpmcRing<T>,
    /// The position of the first slot in this lap.
    start: u64,
    /// Slots from there on that are the batch's.
    claimed: usize,
    /// Slots from there on that have their values, all of them in this lap.
    filled: usize,
}

impl<T> Filling<'_, T> {
    /// Fills the slots of this lap in turn; returns whether there were values for all.
    #[inline(always)]
    fn fill(&mut self, slots: &[Slot<T>], items: &mut impl Iterator<Item = T>) -> bool {
        // By fours, which needs less counting; one count, and not the position and what is left, so
        // that there is less to keep up to date for an iterator that may panic.
        let (fours, few) = slots.as_chunks::<4>();
        fours.iter().all(|[a, b, c, d]| {
            self.put(a, items) && self.put(b, items) && self.put(c, items) && self.put(d, items)
        }) && few.iter().all(|slot| self.put(slot, items))
    }

    /// Fills the next slot; returns whether there was a value for it.
    #[inline(always)]
    fn put(&mut self, slot: &Slot<T>, items: &mut impl Iterator<Item = T>) -> bool {
        let Some(value) = items.next() else { return false };
        // SAFETY: 1. the position is ours, and its stamp was free; 2. free slots hold no value.
        unsafe { slot.put(value) };
        slot.stamp_as(full(Shape::<T>::further_by(self.start, self.filled as u64)));
        self.filled += 1;
        true
    }

    fn goes_on_in_the_next_lap(&mut self) {
        self.start = self.ring.shape().first_of_next_lap(self.start);
        self.claimed -= self.filled;
        self.filled = 0;
    }

    fn left(&self) -> usize {
        self.claimed - self.filled
    }
}

impl<T> Drop for Filling<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.left() > 0 {
            self.ring.give_back(self.ring.shape().advance(self.start, self.filled), self.left());
        }
    }
}
