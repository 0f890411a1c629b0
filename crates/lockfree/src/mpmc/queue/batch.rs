//! Many values at once: one compare-exchange claims a run of positions in a block, and then values are
//! moved into or out of its slots one after the other.
//!
//! An iterator may panic, or end before the length that it told, and leave claimed slots without
//! values. Those are stamped as holes, which pops pass over; until then they count as values.

use ::alloc::alloc::handle_alloc_error;
use ::alloc::vec::Vec;
use primitives::Backoff;

use super::MpmcQueue;
use super::block::{Block, slots_from};
use super::depot::NoMemory;
use super::ends::NoPlace;
use crate::error::{PopError, PushError, TryPopError};

/// Slots `next..end` of a block, claimed by a push that has no values for them yet.
struct Filling<'b, T> {
    block: &'b Block<T>,
    next: u64,
    end: u64,
}

impl<T> Drop for Filling<'_, T> {
    fn drop(&mut self) {
        for position in self.next..self.end {
            if !cfg!(bug = "queue-batch-leaves-no-holes") {
                self.block.slot(position).leave_hole(position);
            }
        }
    }
}

impl<T> MpmcQueue<T> {
    /// Puts all values of `items` in, behind all others, and returns how many.
    ///
    /// Less than all only if the queue was closed in between, and then the others are still in `items`.
    ///
    /// Values go in in runs of up to 64, to the end of a block; no other producer's value comes into a
    /// run.
    ///
    /// `items` is asked for its length first, then for values, one for each slot claimed. Until it gave
    /// them, pops that get as far wait: let it hand out what is already there, not make it. What it
    /// gave before it panics or ends early is in the queue. It must not pop from this queue itself: it
    /// would wait for its own next value.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::MpmcQueue;
    ///
    /// let queue = MpmcQueue::new();
    /// assert_eq!(queue.push_batch(&mut (0..100)), Ok(100));
    ///
    /// let mut popped = Vec::with_capacity(32);
    /// assert_eq!(queue.pop_batch(&mut popped, 32), Ok(32));
    /// assert!(popped.into_iter().eq(0..32));
    /// ```
    ///
    /// # Complexity
    ///
    /// O(values), one compare-exchange for each run.
    ///
    /// # Errors
    ///
    /// [`PushError::Closed`], and nothing was taken from `items`. No values at all are no error.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), without memory for a block.
    ///
    /// # Concurrency
    ///
    /// As [`push`](Self::push), if `items` is lock-free. Each run is pushed at its compare-exchange of
    /// the tail.
    pub fn push_batch<I>(&self, items: &mut I) -> Result<usize, PushError<()>>
    where
        I: ExactSizeIterator<Item = T>,
    {
        let mut taken = 0;
        loop {
            let left = items.len();
            if left == 0 {
                return Ok(taken);
            }
            let (block, start, count) =
                match self.push_claim(|position| slots_from(position).min(left) as u64) {
                    Ok(run) => run,
                    Err(NoPlace::Memory(NoMemory(layout))) => handle_alloc_error(layout),
                    Err(_) if taken != 0 => return Ok(taken),
                    Err(_) => return Err(PushError::Closed(())),
                };
            let mut filling = Filling { block, next: start, end: start + count };
            while filling.next != filling.end {
                let Some(value) = items.next() else { return Ok(taken) };
                // SAFETY: 1: claimed with that block, and in it.
                unsafe { block.slot(filling.next).put(filling.next, value) };
                filling.next += 1;
                taken += 1;
            }
        }
    }

    /// Takes the oldest values, at most `max`, to the end of `into`, or says at once why there is none.
    ///
    /// Returns how many it took, in runs of up to 64, to the end of a block; no other consumer gets a
    /// value of a run. It ends at the first value whose push is not done. `into` grows, before
    /// anything is claimed, if it has no room.
    ///
    /// # Complexity
    ///
    /// O(values taken), one compare-exchange for each run.
    ///
    /// # Errors
    ///
    /// Nothing was taken: as [`try_pop`](Self::try_pop). A `max` of 0 is no error.
    ///
    /// # Panics
    ///
    /// As [`Vec::reserve`] does; what it took before is in `into`.
    ///
    /// # Concurrency
    ///
    /// Lock-free, but for the allocator where `into` grows. Each run is popped at its compare-exchange
    /// of the head.
    pub fn try_pop_batch(&self, into: &mut Vec<T>, max: usize) -> Result<usize, TryPopError> {
        let mut taken = 0;
        while taken < max {
            let run = |block: &Block<T>, start: u64| {
                let run = block.full_from(start, slots_from(start).min(max - taken));
                into.reserve(run);
                run as u64
            };
            let (block, start, count) = match self.pop_claim(run) {
                Ok(run) => run,
                Err(_) if taken != 0 => break,
                Err(why) => return Err(why),
            };
            for position in start..start + count {
                // SAFETY: 1: claimed with that block, whose slots were full.
                into.push(unsafe { block.slot(position).take(position) });
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// Takes the oldest values, at most `max`, to the end of `into`.
    ///
    /// Waits for the push of the first, if that is not done; see [`try_pop_batch`](Self::try_pop_batch).
    ///
    /// # Errors
    ///
    /// Nothing was taken: as [`pop`](Self::pop).
    ///
    /// # Panics
    ///
    /// As [`try_pop_batch`](Self::try_pop_batch).
    ///
    /// # Concurrency
    ///
    /// **Blocking** while [`try_pop_batch`](Self::try_pop_batch) is busy.
    pub fn pop_batch(&self, into: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        let backoff = Backoff::new();
        loop {
            match self.try_pop_batch(into, max) {
                Ok(count) => return Ok(count),
                Err(TryPopError::Empty) => return Err(PopError::Empty),
                Err(TryPopError::Closed) => return Err(PopError::Closed),
                Err(TryPopError::Busy) => backoff.snooze(),
            }
        }
    }
}
