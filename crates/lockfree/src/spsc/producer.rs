//! [`Producer`]: the end of a ring that fills slots.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use primitives::prefetch;

use super::heap::Heap;
use super::shared::{Shared, Storage, finish};
use super::slots::Slots;
use super::write_chunk::WriteChunk;
use crate::PushError;

/// How far ahead of a batch slots are fetched, which are in the consumer's cache.
const WRITE_AHEAD_BYTES: usize = 8 * 64;

/// The end of a ring that values go into.
///
/// One thread has it at a time; it can be sent to another. Dropping it tells the consumer, which can
/// still take all that was pushed.
///
/// It stands on cache lines of its own, so that the two ends may lie side by side.
///
/// # Concurrency
///
/// Every method is wait-free. A push is visible to the consumer as soon as it returns. The ring's
/// memory is retained until both ends are dropped.
// Aligned as `CachePadded` is.
#[repr(align(128))]
pub struct Producer<T, S: Storage = Heap> {
    /// The slot to fill next: in front of it lie values that are published, and such as a batch under
    /// way will publish (I3).
    tail: *mut T,
    /// The consumer's position, as last seen.
    head: usize,
    slots: Slots<T>,
    shared: NonNull<Shared>,
    /// Sends values of `T`, and so must not be taken for an end that sends shorter-lived ones.
    _sends: PhantomData<fn(T) -> T>,
    _storage: PhantomData<S>,
}

/// The ring was full, the consumer being at `full`; is it so for good? Returns where it is now, too.
#[inline]
fn look_closely(shared: &Shared, full: usize) -> (usize, Sight) {
    if !shared.is_other_gone() {
        return (full, Sight::Full);
    }
    // The consumer may have taken values between the look at its position and its end; now the
    // position stays.
    let head = if cfg!(bug = "spsc-closed-with-room") { full } else { shared.head_hint() };
    (head, if head == full { Sight::Closed } else { Sight::Vacant })
}

/// What a producer that has no slot left in sight sees when it looks again.
enum Sight {
    Vacant,
    Full,
    Closed,
}

// SAFETY: it moves values from its thread to the consumer's, and drops them where it is dropped, hence
// `T: Send`. Nobody else has its slots (I2), and what it shares is atomic.
unsafe impl<T: Send, S: Storage> Send for Producer<T, S> {}
// SAFETY: through `&` there are only counts; no value is reached, so nothing is asked of `T`.
unsafe impl<T, S: Storage> Sync for Producer<T, S> {}

impl<T, S: Storage> Producer<T, S> {
    /// Makes the producer of a ring.
    ///
    /// # Safety
    ///
    /// 1. `shared` and `slots` are those of one ring of `S`, which has begun and holds nothing.
    /// 2. It has no other producer.
    pub(super) unsafe fn attach(shared: NonNull<Shared>, slots: Slots<T>) -> Self {
        let first = slots.first();
        Self {
            tail: first,
            head: first.addr(),
            slots,
            shared,
            _sends: PhantomData,
            _storage: PhantomData,
        }
    }

    #[inline]
    fn shared(&self) -> &Shared {
        // SAFETY: it is freed by the end that leaves last, and this one has not left.
        unsafe { self.shared.as_ref() }
    }

    /// Appends a value.
    ///
    /// A push does not ask whether the consumer is still there until the ring is full:
    /// [`is_abandoned`](Self::is_abandoned) does. Values that nobody took are dropped with the ring.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{PushError, SpscRing};
    ///
    /// let (mut producer, consumer) = SpscRing::new(1);
    /// assert_eq!(producer.push("a"), Ok(()));
    /// assert_eq!(producer.push("b"), Err(PushError::Full("b")));
    /// drop(consumer);
    /// assert_eq!(producer.push("b"), Err(PushError::Closed("b")));
    /// ```
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] when there is no vacant slot, [`PushError::Closed`] when there is none and
    /// the consumer is gone; the value is handed back.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its store of the tail; full, at its load of the head; closed, when the
    /// consumer left. A refusal is not ordered with one at the other end: each may look before the
    /// other's last store is seen, so that one is told full and the other empty.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        let next = self.slots.after(self.tail);
        if next.addr() == self.head {
            match self.look(next) {
                Sight::Vacant => {}
                Sight::Full => return Err(PushError::Full(value)),
                Sight::Closed => return Err(PushError::Closed(value)),
            }
        }
        // SAFETY: 1. I1; 2. I2: the tail is not the spare, as the head is not right behind it.
        unsafe { self.slots.write(self.tail, value) };
        self.tail = next;
        self.shared().publish_tail(next.addr());
        Ok(())
    }

    /// Looks again where the consumer is: may the slot before `next` be filled?
    #[inline]
    fn look(&mut self, next: *mut T) -> Sight {
        if !cfg!(bug = "spsc-full-for-good") {
            self.head = self.shared().head();
        }
        if next.addr() != self.head {
            return Sight::Vacant;
        }
        let (head, sight) = look_closely(self.shared(), self.head);
        self.head = head;
        sight
    }

    /// Appends values until they end or the ring is full, and returns how many.
    ///
    /// The others are still in `items`. Those that are in become visible to the consumer together, by one
    /// store. If `items` panics, what it gave before is pushed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{PushError, SpscRing};
    ///
    /// let (mut producer, mut consumer) = SpscRing::new(4);
    /// let mut numbers = 0..6;
    /// assert_eq!(producer.push_batch(&mut numbers), Ok(4));
    /// assert_eq!(producer.push_batch(&mut numbers), Err(PushError::Full(())));
    /// assert_eq!(consumer.pop(), Ok(0));
    /// assert_eq!(producer.push_batch(&mut numbers), Ok(1));
    /// assert_eq!(numbers, 5..6);
    /// ```
    ///
    /// # Complexity
    ///
    /// O(values pushed), at most the capacity.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and nothing was asked of `items` but its
    /// [`size_hint`](Iterator::size_hint). No values at all are no error.
    ///
    /// # Concurrency
    ///
    /// Wait-free, if `items` is. Linearizes at its store of the tail; refusals as those of
    /// [`push`](Self::push).
    pub fn push_batch<I>(&mut self, items: &mut I) -> Result<usize, PushError<()>>
    where
        I: Iterator<Item = T>,
    {
        /// Publishes what was written, also when the iterator panics.
        struct Publish<'p, T, S: Storage>(&'p mut Producer<T, S>);
        impl<T, S: Storage> Drop for Publish<'_, T, S> {
            fn drop(&mut self) {
                self.0.shared().publish_tail(self.0.tail.addr());
            }
        }
        let room = self.room_for(items.size_hint().1.unwrap_or(usize::MAX))?;
        let batch = Publish(self);
        for pushed in 0..room {
            let Some(value) = items.next() else { return Ok(pushed) };
            let at = batch.0.tail;
            // SAFETY: 1. I1; 2. I2: one of `room` vacant slots.
            unsafe { batch.0.slots.write(at, value) };
            batch.0.tail = batch.0.slots.after(at);
        }
        Ok(room)
    }

    /// Appends values from the front of a slice until the ring is full, and returns how many.
    ///
    /// Two copies of memory at most, and one store that makes them visible together.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = lockfree::SpscRing::new(4);
    /// assert_eq!(producer.push_slice(b"hello"), Ok(4));
    /// assert_eq!(consumer.pop(), Ok(b'h'));
    /// ```
    ///
    /// # Complexity
    ///
    /// O(values pushed), at most the capacity.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and nothing was pushed. An empty slice is no error.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its store of the tail; refusals as those of [`push`](Self::push).
    #[inline]
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, PushError<()>>
    where
        T: Copy,
    {
        let count = self.room_for(values.len())?;
        // SAFETY: 1. I1; 2. I2: that many slots are vacant, and are borrowed no longer than `self`.
        let (straight, round) = unsafe { self.slots.lend_mut(self.tail, count) };
        let (before, after) = values[..count].split_at(straight.len());
        straight.write_copy_of_slice(before);
        round.write_copy_of_slice(after);
        self.publish(count);
        Ok(count)
    }

    /// Reserves up to `max` vacant slots, which are filled in place and published together.
    ///
    /// Fewer, or none, when the ring has no more; see [`WriteChunk`] for an example.
    ///
    /// # Concurrency
    ///
    /// Wait-free.
    #[inline]
    pub fn write_chunk(&mut self, max: usize) -> WriteChunk<'_, T, S> {
        let len = self.vacant_of(max);
        WriteChunk::new(self, len)
    }

    /// Reserves exactly `len` vacant slots, or none.
    ///
    /// # Errors
    ///
    /// The number of vacant slots, when that is less than `len`. More than the capacity are never
    /// vacant.
    ///
    /// # Concurrency
    ///
    /// Wait-free.
    #[inline]
    pub fn write_chunk_exact(&mut self, len: usize) -> Result<WriteChunk<'_, T, S>, usize> {
        match self.vacant_of(len) {
            vacant if vacant < len => Err(vacant),
            _ => Ok(WriteChunk::new(self, len)),
        }
    }

    /// How many slots are vacant, but at most `max`; or why there is none, if `max` is not 0.
    #[inline]
    fn room_for(&mut self, max: usize) -> Result<usize, PushError<()>> {
        let room = self.vacant_of(max);
        if room > 0 || max == 0 {
            return Ok(room);
        }
        let (head, sight) = look_closely(self.shared(), self.head);
        self.head = head;
        match sight {
            Sight::Vacant => Ok(self.vacant_of(max)),
            Sight::Full => Err(PushError::Full(())),
            Sight::Closed => Err(PushError::Closed(())),
        }
    }

    /// How many slots are vacant, but at most `max`; looks where the consumer is only if what it
    /// remembers is not enough. Those that follow come into the cache meanwhile.
    #[inline]
    fn vacant_of(&mut self, max: usize) -> usize {
        let mut vacant = self.vacant_up_to(self.head);
        let looks = vacant < max;
        if looks {
            self.head = self.shared().head();
            vacant = self.vacant_up_to(self.head);
        }
        let len = vacant.min(max);
        for (start, bytes) in self.slots.ahead(self.tail, (len, vacant), WRITE_AHEAD_BYTES, looks) {
            prefetch::to_write(start, bytes);
        }
        len
    }

    /// How many slots are vacant when the consumer is at `head`; the spare is not one of them.
    #[inline]
    fn vacant_up_to(&self, head: usize) -> usize {
        self.slots.count() - 1 - self.slots.between(head, self.tail.addr())
    }

    /// Publishes `count` slots that are filled.
    #[inline]
    pub(super) fn publish(&mut self, count: usize) {
        self.tail = self.slots.advance(self.tail, count);
        self.shared().publish_tail(self.tail.addr());
    }

    /// The slots of the ring, and the one to fill next.
    #[inline]
    pub(super) fn place(&self) -> (Slots<T>, *mut T) {
        (self.slots, self.tail)
    }

    /// Returns how many values the ring holds at most.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.count() - 1
    }

    /// Returns how many values are in the ring: no fewer than the consumer leaves there.
    ///
    /// # Concurrency
    ///
    /// Wait-free; linearizes at its load of the head.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.between(self.shared().head_hint(), self.tail.addr())
    }

    /// Returns whether the ring is empty: the consumer took all that was pushed.
    ///
    /// # Concurrency
    ///
    /// As [`len`](Self::len).
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many values can be pushed at least before the ring is full.
    ///
    /// # Concurrency
    ///
    /// As [`len`](Self::len).
    #[inline]
    #[must_use]
    pub fn vacant(&self) -> usize {
        self.capacity() - self.len()
    }

    /// Returns whether the ring is full, unless the consumer takes something.
    ///
    /// # Concurrency
    ///
    /// As [`len`](Self::len).
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.vacant() == 0
    }

    /// Returns whether the consumer is gone: nobody will take what is pushed.
    ///
    /// # Concurrency
    ///
    /// Wait-free; linearizes at its load. Once true it stays so.
    #[inline]
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared().is_other_gone()
    }
}

impl<T, S: Storage> Drop for Producer<T, S> {
    fn drop(&mut self) {
        if self.shared().leave() {
            // SAFETY: 1. the consumer left before; 2. this ring's own.
            unsafe { finish::<T, S>(self.shared, self.slots) };
        }
    }
}

impl<T, S: Storage> fmt::Debug for Producer<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_abandoned", &self.is_abandoned())
            .finish_non_exhaustive()
    }
}
