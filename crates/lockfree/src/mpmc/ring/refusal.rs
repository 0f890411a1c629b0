//! Why an attempt failed: told apart off the fast path, and counted there.

use core::cell::Cell;

use primitives::sync::atomic::Ordering::{Relaxed, SeqCst};
use primitives::sync::atomic::fence;
use primitives::sync::{hint, unmodelled};
use primitives::{Backoff, CachePadded};

use super::shape::{CLOSED, hole};
use super::{MpmcRing, full};
use crate::error::{TryPopError, TryPushError};

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// No room for a push.
    Full,
    /// No value for a pop.
    Empty,
    /// Another thread is in between.
    Busy,
    /// No push will succeed; for a pop: and no value is left.
    Closed,
}

impl Refused {
    #[inline(always)]
    pub(super) fn with<V>(self, value: V) -> TryPushError<V> {
        match self {
            Self::Full => TryPushError::Full(value),
            Self::Closed => TryPushError::Closed(value),
            Self::Busy | Self::Empty => TryPushError::Busy(value),
        }
    }

    #[inline(always)]
    pub(super) fn of_pop(self) -> TryPopError {
        match self {
            Self::Empty => TryPopError::Empty,
            Self::Closed => TryPopError::Closed,
            Self::Busy | Self::Full => TryPopError::Busy,
        }
    }
}

/// Pauses between attempts that are Busy.
///
/// The first gives the processor away: the thread in the way may be one that was sent away in the
/// middle of its operation, and to pause for it is to use up the time that it needs. Where it runs on
/// another processor that costs no more than a pause does. All further ones are those of [`Backoff`].
pub(super) struct Retry {
    yielded: Cell<bool>,
    backoff: Backoff,
}

impl Retry {
    pub(super) const fn new() -> Self {
        Self { yielded: Cell::new(false), backoff: Backoff::new() }
    }

    pub(super) fn pause(&self) {
        if self.yielded.replace(true) { self.backoff.snooze() } else { hint::yield_now() }
    }
}

/// How often attempts on a ring found another thread in their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingStats {
    /// Attempts to push that were Busy, those that `push` retried included.
    pub busy_pushes: u64,
    /// Attempts to pop that were Busy, those that `pop` retried included.
    pub busy_pops: u64,
}

/// The counters behind [`RingStats`]. No other thread reads anything by them, so no model needs
/// to see them.
#[derive(Default)]
pub(super) struct Refusals {
    pushes: CachePadded<unmodelled::AtomicU64>,
    pops: CachePadded<unmodelled::AtomicU64>,
}

impl Refusals {
    /// Counts a push that another thread was in the way of.
    #[cold]
    #[inline(never)]
    pub(super) fn lost_push(&self) -> Refused {
        // ORD Relaxed: a statistic.
        self.pushes.fetch_add(1, Relaxed);
        Refused::Busy
    }

    /// Counts a pop that another thread was in the way of.
    #[cold]
    #[inline(never)]
    pub(super) fn lost_pop(&self) -> Refused {
        // ORD Relaxed: a statistic.
        self.pops.fetch_add(1, Relaxed);
        Refused::Busy
    }

    pub(super) fn stats(&self) -> RingStats {
        RingStats {
            // ORD Relaxed: a statistic.
            busy_pushes: self.pushes.load(Relaxed),
            // ORD Relaxed: a statistic.
            busy_pops: self.pops.load(Relaxed),
        }
    }
}

impl<T> MpmcRing<T> {
    /// Says why the slot at `tail` was not free.
    ///
    /// Full when, at the read of the tail, every position was claimed: `head` is read later, and is no
    /// older than who claimed the position before the tail saw it, so at that moment it was at most what it
    /// is now, and a lap behind the tail is as far as it can be (I1). A claimed position counts as a value,
    /// since that is when its push takes place.
    #[cold]
    #[inline(never)]
    pub(super) fn push_refused(&self, tail: u64) -> Refused {
        if tail & CLOSED != 0 {
            return Refused::Closed;
        }
        // ORD[refused] SeqCst fence ↔ that of `pop_refused`: two threads that each popped before they
        // were refused do not both miss the other's pop.
        // ORD[ends] And Acquire, for the tail read before it ← Release in `try_push`: the head is seen as far
        // as who claimed up to that tail saw it.
        if !cfg!(bug = "ring-full-without-its-fence") {
            fence(SeqCst);
        }
        // ORD Relaxed: the fence orders it; the value steers nothing but the answer.
        let head = self.head.load(Relaxed);
        if self.shape().lap_later(head) == tail { Refused::Full } else { self.refusals.lost_push() }
    }

    /// Says why the slot at `head` holds no value, or passes over it if none will come.
    ///
    /// Empty when the tail stands at `head`: the head is at least where it was read, and not past the
    /// tail (I1). With `FORCED` in the tail a value is on its way, and the two differ.
    #[cold]
    #[inline(never)]
    pub(super) fn pop_refused(&self, head: u64, stamp: u64) -> Option<Refused> {
        if stamp == hole(head) {
            let next = self.shape().next(head);
            // ORD Relaxed: claims the position as any pop does, but pops nothing: no answer has to come after
            // it.
            if self.head.compare_exchange(head, next, Relaxed, Relaxed).is_err() {
                return Some(self.refusals.lost_pop());
            }
            self.slot(head).stamp_as(self.shape().lap_later(head));
            return None;
        }
        debug_assert_ne!(stamp, full(head), "a pop refused that need not be");
        // ORD[refused] SeqCst fence ↔ that of `push_refused`: two threads that each pushed before they
        // were refused do not both miss the other's push.
        // ORD[forced] And Acquire, for the head read before it ← Release in `try_force_push`: the tail
        // is seen marked, or further.
        // ORD[ends] And ← Release in `try_pop`: the tail is seen as far as who popped up to there saw it.
        fence(SeqCst);
        // ORD Relaxed: the fence orders it; the value steers nothing but the answer.
        let tail = self.tail.load(Relaxed);
        Some(if tail == head {
            Refused::Empty
        } else if tail == head | CLOSED {
            Refused::Closed
        } else {
            self.refusals.lost_pop()
        })
    }
}
