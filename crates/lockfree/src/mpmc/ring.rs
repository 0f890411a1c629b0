//! [`MpmcRing`]: a bounded first-in first-out queue between any number of threads.
//!
//! # Picture
//!
//! ```text
//!  head ─┐ (consumers' end: the oldest value)      tail ─┐ (producers' end: the next free slot)
//!        ▼                                               ▼
//!  ┌─────────┬─────────┬─────────┬─────────┬─────────┬─────────┬─────────┐
//!  │ free    │ full    │ full    │ claimed │ full    │ free    │ free    │   each slot: stamp, value
//!  └─────────┴─────────┴─────────┴─────────┴─────────┴─────────┴─────────┘
//!             ▲                   ▲ a push between its two steps: it may be overtaken by younger
//!             │                     pushes, and holds back the pops that get as far
//! ```
//!
//! A push claims the position at `tail` by compare-exchange, writes the value into the slot, and
//! stamps it full. A pop claims the position at `head`, reads the value, and stamps the slot free for
//! the next lap. What the stamps are stands in [`shape`].
//!
//! # Invariants
//!
//! * **I1** `head` ≤ `tail` ≤ `head` + capacity, as positions. A position is claimed only by who saw
//!   the slot's stamp say that it is its turn.
//! * **I2** The stamp of a slot changes only by who claimed the position that the stamp named; between
//!   claim and stamp the value is that thread's alone.
//! * **I3** `head` only grows. `tail` only grows, but for the end of a batch that nobody pushed behind
//!   (it gives back slots whose stamps it never changed, see [`batch`](self)).
//! * **I4** While `tail` has `FORCED`, nothing changes it but `close`, which adds its own bit.
//!
//! # Ordering edges
//!
//! * `slot`: the stamp, Release to Acquire. All that passes from thread to thread goes over it.
//! * `ends`: a claim of a position, Release, to the fence of who reads it and is refused: who sees a push
//!   sees the pops that its thread made before, and the other way round. So it does not find full, or
//!   empty, what never was.
//! * `refused`: a sequentially consistent fence before the *other* end is read to say Full or Empty.
//!   Two threads that each popped from one ring and are refused by the push to the other's cannot both
//!   have missed what the other did: if our fence is first, they see our pop; if theirs is, we see
//!   theirs.
//!
//! # Cost
//!
//! A slot takes 8 bytes beside the value. A push or a pop is one compare-exchange and one store; a
//! batch is one compare-exchange for all its values, and two moves of 8 bytes for each.
//!
//! # Source
//!
//! Dmitry Vyukov's bounded queue (2010). Different here: any capacity, also 1; one attempt that says
//! what stood in its way, and never waits; runs of slots claimed at once, and what becomes of those
//! that no value came for; closing.

mod batch;
mod force;
mod iter;
mod refusal;
mod shape;
mod slot;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::fmt;

use primitives::CachePadded;
use primitives::sync::atomic::Ordering::{Relaxed, Release};
use primitives::sync::atomic::{AtomicU64, Exclusive};

pub use self::iter::{RingDrain, RingIntoIter};
pub use self::refusal::RingStats;
use self::refusal::{Refusals, Refused, Retry};
use self::shape::{CLOSED, FORCED, Shape, full};
use self::slot::Slot;
use crate::error::{ConfigError, PopError, PushError, TryPopError, TryPushError};

/// A bounded first-in first-out queue of any capacity, for any number of producers and consumers.
///
/// Values leave in the order in which their pushes took place ([`try_push`](Self::try_push) says when
/// that is). Nothing is allocated after the ring is built.
///
/// # Examples
///
/// ```
/// use lockfree::{MpmcRing, PopError, PushError};
///
/// let ring = MpmcRing::new(2);
/// ring.push("a")?;
/// ring.push("b")?;
/// assert_eq!(ring.push("c"), Err(PushError::Full("c")));
/// assert_eq!(ring.pop(), Ok("a"));
/// ring.close();
/// assert_eq!(ring.push("d"), Err(PushError::Closed("d")));
/// assert_eq!(ring.pop(), Ok("b"));
/// assert_eq!(ring.pop(), Err(PopError::Closed));
/// # Ok::<(), PushError<&str>>(())
/// ```
///
/// # Concurrency
///
/// **Not lock-free as a whole, and no ring of this kind is.** A push first claims a slot, then fills
/// it; a thread that is stopped in between keeps back every pop that gets as far as its slot, and a
/// pop that is stopped keeps back the push one lap later. What each method does then:
///
/// | methods | class | behind a stopped thread |
/// |---|---|---|
/// | `try_push`, `try_pop`, `try_push_batch`, `try_pop_batch`, `try_force_push` | wait-free: one attempt, a bounded number of steps | answer Busy |
/// | `push`, `pop`, `push_batch`, `pop_batch`, `force_push`, `drain` | blocking | wait for that thread, with back-off |
/// | `close`, `is_closed`, `len`, `is_empty`, `is_full`, `capacity`, `stats` | wait-free | answer |
///
/// Memory retained: the slots, until the ring is dropped.
pub struct MpmcRing<T> {
    /// The position of the next pop.
    head: CachePadded<AtomicU64>,
    /// The position of the next push, and its flags.
    tail: CachePadded<AtomicU64>,
    fixed: CachePadded<Fixed<T>>,
    refusals: Refusals,
}

/// What never changes, on cache lines that nobody writes.
struct Fixed<T> {
    slots: Box<[Slot<T>]>,
    shape: Shape<T>,
}

// SAFETY: values move in and out by claimed positions, each by one thread (I2), so `T: Send` is
// needed. `T: Sync` is not: nobody gets a reference to a value inside.
unsafe impl<T: Send> Send for MpmcRing<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for MpmcRing<T> {}

impl<T> core::panic::UnwindSafe for MpmcRing<T> {}
// No method leaves a claimed slot behind when user code panics.
impl<T> core::panic::RefUnwindSafe for MpmcRing<T> {}

impl<T> MpmcRing<T> {
    /// The largest capacity whose slots an allocation can hold.
    pub const MAX_CAPACITY: usize = isize::MAX.unsigned_abs() / size_of::<Slot<T>>();

    /// Returns an empty ring for `capacity` values.
    ///
    /// # Complexity
    ///
    /// O(capacity): each slot is stamped.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0 or larger than [`MAX_CAPACITY`](Self::MAX_CAPACITY), with the message of
    /// [`try_new`](Self::try_new). Memory that is refused ends as it does in other collections, through
    /// `handle_alloc_error`.
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self::try_new(capacity).unwrap_or_else(|error| error.raise())
    }

    /// Returns an empty ring for `capacity` values, or what is wrong with that.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::MpmcRing;
    ///
    /// let error = MpmcRing::<u64>::try_new(0).unwrap_err();
    /// assert_eq!(error.to_string(), format!("capacity is 0, not in 1..={}", isize::MAX / 16));
    /// ```
    ///
    /// # Complexity
    ///
    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `capacity` is 0 or larger than [`MAX_CAPACITY`](Self::MAX_CAPACITY), or if the
    /// memory for it was refused.
    #[track_caller]
    pub fn try_new(capacity: usize) -> Result<Self, ConfigError> {
        let out_of_range = ConfigError::out_of_range("capacity", capacity, 1, Self::MAX_CAPACITY);
        if capacity == 0 {
            return Err(out_of_range);
        }
        let layout = Layout::array::<Slot<T>>(capacity).map_err(|_| out_of_range)?;
        let mut slots = Vec::new();
        slots
            .try_reserve_exact(capacity)
            .map_err(|_| ConfigError::no_memory("capacity", capacity, layout))?;
        let shape = Shape::new(capacity);
        let mut position = 0;
        for _ in 0..capacity {
            slots.push(Slot::new(position));
            position = Shape::<T>::further(position);
        }
        let fixed = Fixed { slots: slots.into_boxed_slice(), shape };
        Ok(Self {
            head: CachePadded::new(AtomicU64::new(0)),
            tail: CachePadded::new(AtomicU64::new(0)),
            fixed: CachePadded::new(fixed),
            refusals: Refusals::default(),
        })
    }

    /// Tries once to put a value behind all others.
    ///
    /// Busy says that another thread was faster, or is in the middle of its own operation on the
    /// slot; nothing was done. Who tries again gives the processor away first, or calls
    /// [`push`](Self::push), which does.
    ///
    /// # Errors
    ///
    /// Full, Busy or Closed, with the value.
    ///
    /// # Concurrency
    ///
    /// Wait-free: a bounded number of steps. Linearizes at the compare-exchange of the tail; Full at
    /// the load of the tail, when every position up to it was claimed; Closed at the load of the tail. Full
    /// is ordered by a `SeqCst` fence: of a producer that says it sleeps and then is refused, and a consumer
    /// that pops, makes such a fence and then looks for sleepers, one sees the other. What a batch claims
    /// and gives back, because its iterator panicked or told a wrong length, was room taken without a
    /// value: no pop wakes a producer that was refused meanwhile, so who makes such batches wakes it.
    #[inline]
    pub fn try_push(&self, value: T) -> Result<(), TryPushError<T>> {
        // ORD Relaxed: where to try; the stamp and the compare-exchange say whether that is right.
        let tail = self.tail.load(Relaxed);
        let (slot, next) = (self.slot(tail), self.shape().next(tail));
        if slot.stamp() != tail {
            return Err(self.push_refused(tail).with(value));
        }
        // ORD[ends] Release → fence in `push_refused`: who sees this push sees the pops before it, and does
        // not say Full by an older head. What happened to the slot came by its stamp.
        // ORD Relaxed on failure: nothing was done.
        if self.tail.compare_exchange(tail, next, Release, Relaxed).is_err() {
            return Err(self.refusals.lost_push().with(value));
        }
        // SAFETY: 1. the position is ours, and its stamp was free; 2. free slots hold no value.
        unsafe { slot.put(value) };
        slot.stamp_as(full(tail));
        Ok(())
    }

    /// Tries once to take the oldest value.
    ///
    /// # Errors
    ///
    /// Empty, Busy ([`try_push`](Self::try_push) says what that is), or Closed: empty, and no push
    /// will succeed.
    ///
    /// # Concurrency
    ///
    /// Wait-free: a bounded number of steps, and one more for each place that a batch claimed and left
    /// without a value, up to the capacity and then Busy. Linearizes at the compare-exchange of the head;
    /// Empty and Closed at the load of the tail. Empty is ordered as a Full of [`try_push`](Self::try_push) is,
    /// for consumers that sleep.
    #[inline]
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        match self.pop_once() {
            Ok(value) => Ok(value),
            Err(Some(refused)) => Err(refused.of_pop()),
            Err(None) => self.try_pop_past(self.capacity()),
        }
    }

    /// Takes the oldest value, or says why not; for no reason if it passed over a hole instead.
    #[inline(always)]
    fn pop_once(&self) -> Result<T, Option<Refused>> {
        // ORD Relaxed: where to try; the stamp and the compare-exchange say whether that is right.
        let head = self.head.load(Relaxed);
        let (slot, shape) = (self.slot(head), self.shape());
        let stamp = slot.stamp();
        if stamp != full(head) {
            return Err(self.pop_refused(head, stamp));
        }
        let next = shape.next(head);
        // ORD[ends] Release → fence in `pop_refused`: who sees this pop sees the pushes before it, and
        // does not say Empty by an older tail. The value came by the stamp.
        // ORD Relaxed on failure: nothing was done.
        if self.head.compare_exchange(head, next, Release, Relaxed).is_err() {
            return Err(Some(self.refusals.lost_pop()));
        }
        if cfg!(bug = "ring-frees-before-it-reads") {
            slot.stamp_as(shape.lap_later(head));
        }
        // SAFETY: 1. the position is ours, and its stamp was full; 2. the stamp below says free.
        let value = unsafe { slot.take() };
        slot.stamp_as(shape.lap_later(head));
        Ok(value)
    }

    /// Goes on behind a hole, and past at most `most` others. There are no more than the capacity at a
    /// time: who meets more of them meets those that others make meanwhile, and could for ever.
    #[cold]
    #[inline(never)]
    fn try_pop_past(&self, most: usize) -> Result<T, TryPopError> {
        let most = if cfg!(bug = "ring-pop-passes-any-holes") { usize::MAX - 1 } else { most };
        for _ in 0..=most {
            match self.pop_once() {
                Ok(value) => return Ok(value),
                Err(Some(refused)) => return Err(refused.of_pop()),
                Err(None) => {}
            }
        }
        Err(self.refusals.lost_pop().of_pop())
    }

    /// Puts a value behind all others.
    ///
    /// # Errors
    ///
    /// Full or Closed, with the value.
    ///
    /// # Concurrency
    ///
    /// Blocking: retries [`try_push`](Self::try_push) while it is Busy, with back-off. Linearizes as
    /// that does.
    #[inline]
    pub fn push(&self, value: T) -> Result<(), PushError<T>> {
        self.try_push(value).or_else(|error| self.push_again(error))
    }

    /// Takes the oldest value.
    ///
    /// # Errors
    ///
    /// Empty, or Closed: empty, and no push will succeed.
    ///
    /// # Concurrency
    ///
    /// Blocking: retries [`try_pop`](Self::try_pop) while it is Busy, with back-off. Linearizes as
    /// that does.
    #[inline]
    pub fn pop(&self) -> Result<T, PopError> {
        self.try_pop().or_else(|error| self.pop_again(error))
    }

    #[cold]
    #[inline(never)]
    fn push_again(&self, mut error: TryPushError<T>) -> Result<(), PushError<T>> {
        let retry = Retry::new();
        loop {
            match error {
                TryPushError::Full(value) => return Err(PushError::Full(value)),
                TryPushError::Closed(value) => return Err(PushError::Closed(value)),
                TryPushError::Busy(value) => {
                    retry.pause();
                    match self.try_push(value) {
                        Ok(()) => return Ok(()),
                        Err(again) => error = again,
                    }
                }
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn pop_again(&self, mut error: TryPopError) -> Result<T, PopError> {
        let retry = Retry::new();
        loop {
            match error {
                TryPopError::Empty => return Err(PopError::Empty),
                TryPopError::Closed => return Err(PopError::Closed),
                TryPopError::Busy => {
                    retry.pause();
                    match self.try_pop() {
                        Ok(value) => return Ok(value),
                        Err(again) => error = again,
                    }
                }
            }
        }
    }

    /// Closes the ring: no push will succeed, pops take what is there. Returns whether it was open.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its read-modify-write of the tail: pushes that claimed their slot
    /// before are completed.
    pub fn close(&self) -> bool {
        // ORD Relaxed: a flag in the word that pushes compare and exchange; it publishes nothing.
        self.tail.fetch_or(CLOSED, Relaxed) & CLOSED == 0
    }

    /// Returns whether the ring is closed; values may still be in it.
    ///
    /// # Concurrency
    ///
    /// Wait-free; linearizes at its load. Once true it stays so.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // ORD Relaxed: a flag, which publishes nothing.
        self.tail.load(Relaxed) & CLOSED != 0
    }

    /// Returns about how many values there are: give or take those that come and go meanwhile.
    ///
    /// At most the capacity, and exact while nobody else uses the ring. Positions that a batch claimed
    /// and left without values count until a pop passes over them.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Approximate: the two ends are read one after the other.
    #[must_use]
    pub fn len(&self) -> usize {
        // ORD Relaxed: an approximation, which publishes nothing.
        let head = self.head.load(Relaxed);
        // ORD Relaxed: as above. Read after the head, so that it is seldom behind it.
        let tail = self.tail.load(Relaxed);
        self.shape().distance(head, tail)
    }

    /// Returns whether there is no value; approximate as [`len`](Self::len).
    ///
    /// # Concurrency
    ///
    /// As [`len`](Self::len).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether there is no room; approximate as [`len`](Self::len).
    ///
    /// # Concurrency
    ///
    /// As [`len`](Self::len).
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Returns how many values there can be.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shape().capacity()
    }

    /// Returns how often an attempt found another thread in its way.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Each number is right for some moment during the call, and counts up only.
    #[must_use]
    pub fn stats(&self) -> RingStats {
        self.refusals.stats()
    }

    #[inline(always)]
    fn shape(&self) -> Shape<T> {
        self.fixed.shape
    }

    /// The slot of a position, whatever its flags.
    #[inline(always)]
    fn slot(&self, position: u64) -> &Slot<T> {
        let (slots, offset) = (&*self.fixed.slots, self.shape().offset(position));
        debug_assert!(offset < size_of_val(slots), "offset {offset} of {}", size_of_val(slots));
        // SAFETY: the offsets of positions, which `Shape` alone makes, are those of the slots: a
        // multiple of their size, and at most the last one's.
        let slot = unsafe { slots.as_ptr().byte_add(offset) };
        // SAFETY: as above; a shared reference to a slot is sound at any time, as its fields are.
        unsafe { &*slot }
    }

    /// Takes the oldest value of a ring that is this thread's alone.
    fn pop_alone(&mut self) -> Option<T> {
        let shape = self.fixed.shape;
        let tail = self.tail.get() & !(CLOSED | FORCED);
        loop {
            let head = self.head.get();
            if head == tail {
                return None;
            }
            self.head.with_mut(|head| *head = shape.next(*head));
            let slot = &mut self.fixed.slots[shape.index(head)];
            let stamp = slot.exclusive_stamp();
            slot.set_stamp(shape.lap_later(head));
            if stamp == full(head) {
                // SAFETY: 1. nobody else can reach the slot; 2. it was full, and is free now.
                return Some(unsafe { slot.take() });
            }
            // Else a hole.
            debug_assert_eq!(stamp, shape::hole(head), "neither full nor a hole");
        }
    }
}

impl<T> Drop for MpmcRing<T> {
    fn drop(&mut self) {
        /// Drops the others too when a value's drop panics.
        struct GoOn<'r, T>(&'r mut MpmcRing<T>);
        impl<T> Drop for GoOn<'_, T> {
            fn drop(&mut self) {
                if !cfg!(bug = "ring-drop-stops-at-a-panic") {
                    while self.0.pop_alone().is_some() {}
                }
            }
        }
        if core::mem::needs_drop::<T>() {
            let rest = GoOn(self);
            while rest.0.pop_alone().is_some() {}
        }
    }
}

impl<T> fmt::Debug for MpmcRing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MpmcRing")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// Pushes a value behind three places that it then leaves empty.
    struct PushesBehind<'r>(&'r MpmcRing<u32>);

    impl Iterator for PushesBehind<'_> {
        type Item = u32;

        fn next(&mut self) -> Option<u32> {
            self.0.try_push(7).expect("there is room");
            None
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (3, Some(3))
        }
    }

    impl ExactSizeIterator for PushesBehind<'_> {}

    /// Others may leave places empty as fast as a pop passes over them: it gives up.
    #[test]
    fn a_single_try_passes_over_a_bounded_number_of_holes() {
        let ring = MpmcRing::new(8);
        assert_eq!(ring.try_push_batch(&mut PushesBehind(&ring)), Ok(0));
        assert_eq!(ring.try_pop_past(1), Err(TryPopError::Busy));
        assert_eq!(ring.stats().busy_pops, 1);
        assert_eq!(ring.try_pop_past(1), Ok(7), "one hole was left");
        assert_eq!(ring.try_push_batch(&mut PushesBehind(&ring)), Ok(0));
        assert_eq!(ring.try_pop(), Ok(7), "as many as fit in the ring");
    }
}
