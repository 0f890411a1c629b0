//! Pushing into a full ring: the newest value takes the oldest one's place.

use primitives::sync::atomic::Ordering::{Relaxed, Release};

use super::MpmcRing;
use super::refusal::{Refused, Retry};
use super::shape::{CLOSED, FORCED, full, hole};
use crate::error::{PushError, TryPushError};

impl<T> MpmcRing<T> {
    /// Puts a value behind all others; if there is no room, in the oldest one's place, and returns that.
    ///
    /// # Examples
    ///
    /// ```
    /// let last_two = lockfree::MpmcRing::new(2);
    /// assert_eq!(last_two.force_push(1), Ok(None));
    /// assert_eq!(last_two.force_push(2), Ok(None));
    /// assert_eq!(last_two.force_push(3), Ok(Some(1)));
    /// assert!(last_two.drain().eq([2, 3]));
    /// ```
    ///
    /// # Errors
    ///
    /// Closed, with the value; never Full.
    ///
    /// # Concurrency
    ///
    /// Blocking: retries [`try_force_push`](Self::try_force_push) while it is Busy, with back-off.
    /// Linearizes as that does.
    pub fn force_push(&self, mut value: T) -> Result<Option<T>, PushError<T>> {
        let retry = Retry::new();
        loop {
            match self.try_force_push(value) {
                Ok(displaced) => return Ok(displaced),
                Err(TryPushError::Closed(value)) => return Err(PushError::Closed(value)),
                Err(TryPushError::Busy(back) | TryPushError::Full(back)) => value = back,
            }
            retry.pause();
        }
    }

    /// Tries once to do what [`force_push`](Self::force_push) does.
    ///
    /// # Errors
    ///
    /// Busy or Closed, with the value; never Full.
    ///
    /// # Concurrency
    ///
    /// Wait-free: a bounded number of steps. Linearizes as [`try_push`](Self::try_push) where there
    /// is room. Else when it marks the tail, if it then gets the oldest value: nothing was pushed in
    /// between, because of the mark, nor popped, since the head had not moved. Both sides are Busy from
    /// the mark until the slot is stamped.
    pub fn try_force_push(&self, value: T) -> Result<Option<T>, TryPushError<T>> {
        // ORD Relaxed: where to try; the stamp and the compare-exchanges say whether that is right.
        let tail = self.tail.load(Relaxed);
        let slot = self.slot(tail);
        // The slot holds the oldest value, or is free, unless others are at work on it.
        let oldest = self.shape().lap_earlier(tail);
        let stamp = slot.stamp();
        if stamp == tail || (stamp == hole(oldest) && self.pop_refused(oldest, stamp).is_none()) {
            return self.try_push(value).map(|()| None).map_err(|error| match error {
                // Filled up since.
                TryPushError::Full(value) => self.refusals.lost_push().with(value),
                error => error,
            });
        }
        if tail & CLOSED != 0 {
            return Err(Refused::Closed.with(value));
        }
        if tail & FORCED != 0 || stamp != full(oldest) {
            return Err(self.refusals.lost_push().with(value));
        }
        // ORD Relaxed: keeps others from the tail (I4), and publishes nothing.
        if self.tail.compare_exchange(tail, tail | FORCED, Relaxed, Relaxed).is_err() {
            return Err(self.refusals.lost_push().with(value));
        }
        // ORD[forced] Release → fence in `pop_refused`: who finds the head as far as our position
        // must not find the tail unmarked, and say Empty.
        let won =
            self.head.compare_exchange(oldest, self.shape().next(oldest), Release, Relaxed).is_ok();
        // From marked to one further, or to unmarked; `close` may have added its bit meanwhile.
        let to = if won { self.shape().next(tail) } else { tail };
        #[cfg(bug = "ring-force-opens-a-closed-one")]
        // ORD Relaxed: a planted fault.
        self.tail.store(to, Relaxed);
        #[cfg(not(bug = "ring-force-opens-a-closed-one"))]
        // ORD Relaxed: claims the position, or lets go of it; publishes nothing.
        self.tail.fetch_add(to.wrapping_sub(tail | FORCED), Relaxed);
        if !won {
            // A pop took the value, and is about to free the slot.
            return Err(self.refusals.lost_push().with(value));
        }
        // SAFETY: 1. both positions are ours, and the stamp was full; 2. the next line fills it again.
        let displaced = unsafe { slot.take() };
        // SAFETY: 1. as above; 2. it was just emptied.
        unsafe { slot.put(value) };
        slot.stamp_as(full(tail));
        Ok(Some(displaced))
    }
}
