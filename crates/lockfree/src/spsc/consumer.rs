//! [`Consumer`]: the end of a ring that empties slots.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use primitives::prefetch;

use super::heap::Heap;
use super::read_chunk::ReadChunk;
use super::shared::{Shared, Storage, finish};
use super::slots::Slots;
use crate::PopError;

/// How far ahead of a chunk values are fetched: as many lines as a processor has on their way at once.
const READ_AHEAD_BYTES: usize = 12 * 64;

/// The end of a ring that values come out of, oldest first.
///
/// One thread has it at a time; it can be sent to another. Dropping it tells the producer.
///
/// It stands on cache lines of its own, so that the two ends may lie side by side.
///
/// # Concurrency
///
/// Every method is wait-free. The ring's memory is retained until both ends are dropped.
// Aligned as `CachePadded` is.
#[repr(align(128))]
pub struct Consumer<T, S: Storage = Heap> {
    /// The slot to empty next: all before it are published, or will be by a chunk under way (I3).
    head: *mut T,
    /// The producer's position, as last seen.
    tail: usize,
    slots: Slots<T>,
    shared: NonNull<Shared>,
    /// Receives what the producer sends: the same `T`, no other lifetime of it.
    _receives: PhantomData<fn(T) -> T>,
    _storage: PhantomData<S>,
}

/// The ring was empty, the producer being at `empty`; is it so for good? Returns where it is now, if it
/// moved on.
#[inline]
fn look_closely(shared: &Shared, empty: usize) -> Result<usize, PopError> {
    if !shared.is_other_gone() {
        return Err(PopError::Empty);
    }
    // The producer may have pushed between the look at its position and its end; now it stays.
    let tail = if cfg!(bug = "spsc-closed-too-early") { empty } else { shared.tail_hint() };
    if tail == empty { Err(PopError::Closed) } else { Ok(tail) }
}

// SAFETY: it moves values from the producer's thread to its own, hence `T: Send`. Nobody else has the
// values that it can see (I2), and what it shares is atomic.
unsafe impl<T: Send, S: Storage> Send for Consumer<T, S> {}
// SAFETY: through `&` there are only counts; no value is reached, so nothing is asked of `T`.
unsafe impl<T, S: Storage> Sync for Consumer<T, S> {}

impl<T, S: Storage> Consumer<T, S> {
    /// Makes the consumer of a ring.
    ///
    /// # Safety
    ///
    /// 1. `shared` and `slots` are those of one ring of `S`, which has begun and holds nothing.
    /// 2. It has no other consumer.
    pub(super) unsafe fn attach(shared: NonNull<Shared>, slots: Slots<T>) -> Self {
        let first = slots.first();
        Self {
            head: first,
            tail: first.addr(),
            slots,
            shared,
            _receives: PhantomData,
            _storage: PhantomData,
        }
    }

    #[inline]
    fn shared(&self) -> &Shared {
        // SAFETY: it is freed by the end that leaves last, and this one has not left.
        unsafe { self.shared.as_ref() }
    }

    /// Takes the oldest value.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{PopError, SpscRing};
    ///
    /// let (mut producer, mut consumer) = SpscRing::new(2);
    /// assert_eq!(consumer.pop(), Err(PopError::Empty));
    /// producer.push('a').unwrap();
    /// drop(producer);
    /// assert_eq!(consumer.pop(), Ok('a'));
    /// assert_eq!(consumer.pop(), Err(PopError::Closed));
    /// ```
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] when there is no value, [`PopError::Closed`] when there is none and the
    /// producer is gone.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its store of the head; empty, at its load of the tail; closed, when
    /// the producer left. A refusal is not ordered with one at the other end: see
    /// [`Producer::push`](super::Producer::push).
    #[inline]
    pub fn pop(&mut self) -> Result<T, PopError> {
        if self.head.addr() == self.tail {
            self.look()?;
        }
        // SAFETY: 1. I1; 2. I2: the head is not at the tail, so its slot is filled and the consumer's.
        let value = unsafe { self.slots.take(self.head) };
        self.head = self.slots.after(self.head);
        self.shared().publish_head(self.head.addr());
        Ok(value)
    }

    /// Looks again where the producer is: there is a value then, or the error says what there is
    /// instead.
    #[inline]
    fn look(&mut self) -> Result<(), PopError> {
        self.tail = self.shared().tail();
        if self.head.addr() != self.tail {
            return Ok(());
        }
        self.tail = look_closely(self.shared(), self.tail)?;
        Ok(())
    }

    /// Returns the oldest value, which stays in the ring.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = lockfree::SpscRing::new(2);
    /// producer.push(7).unwrap();
    /// assert_eq!(consumer.peek(), Ok(&7));
    /// assert_eq!(consumer.pop(), Ok(7));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Concurrency
    ///
    /// Wait-free; linearizes at its load of the tail, or at an earlier one that saw the value.
    #[inline]
    pub fn peek(&mut self) -> Result<&T, PopError> {
        self.peek_mut().map(|value| &*value)
    }

    /// Returns the oldest value, to be changed where it is.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Concurrency
    ///
    /// As [`peek`](Self::peek).
    #[inline]
    pub fn peek_mut(&mut self) -> Result<&mut T, PopError> {
        if self.head.addr() == self.tail {
            self.look()?;
        }
        // SAFETY: 1. I1; 2. I2: its slot is filled, and the consumer's for as long as it is borrowed.
        let (value, _) = unsafe { self.slots.lend_mut(self.head, 1) };
        // SAFETY: filled, as above; one slot from a position on is one straight run.
        Ok(unsafe { value[0].assume_init_mut() })
    }

    /// Takes the oldest values, at most `max`, to the end of `into`, and returns how many.
    ///
    /// Two moves of memory at most, and one store that makes their slots vacant together. `into`
    /// grows, before anything is taken, if it has no room. A [`read_chunk`](Self::read_chunk) gives
    /// values one by one, to anything.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{PopError, SpscRing};
    ///
    /// let (mut producer, mut consumer) = SpscRing::new(4);
    /// assert_eq!(producer.push_batch(&mut (1..=4)), Ok(4));
    /// let mut taken = Vec::with_capacity(4);
    /// assert_eq!(consumer.pop_batch(&mut taken, 3), Ok(3));
    /// assert_eq!(consumer.pop_batch(&mut taken, 3), Ok(1));
    /// assert_eq!(consumer.pop_batch(&mut taken, 3), Err(PopError::Empty));
    /// assert_eq!(taken, [1, 2, 3, 4]);
    /// ```
    ///
    /// # Complexity
    ///
    /// O(values taken), at most the capacity.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), and nothing was taken. A `max` of 0 is no error.
    ///
    /// # Panics
    ///
    /// As [`Vec::reserve`] does; the ring is unchanged then.
    ///
    /// # Concurrency
    ///
    /// Wait-free, but for the allocator where `into` grows. Linearizes at its store of the head;
    /// refusals as those of [`pop`](Self::pop).
    pub fn pop_batch(&mut self, into: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        let count = self.there_for(max)?;
        into.reserve(count);
        // SAFETY: 1. I1; 2. I2: that many slots are filled, and borrowed no longer than `self`.
        let (straight, round) = unsafe { self.slots.lend_mut(self.head, count) };
        let (before, after) = into.spare_capacity_mut()[..count].split_at_mut(straight.len());
        let (before, after) = (before.as_mut_ptr(), after.as_mut_ptr());
        // SAFETY: as many places as slots, of another allocation; nothing below fails before the slots
        // are gone past, so that no value is there twice.
        unsafe { before.copy_from_nonoverlapping(straight.as_ptr(), straight.len()) };
        // SAFETY: as above.
        unsafe { after.copy_from_nonoverlapping(round.as_ptr(), round.len()) };
        self.skip(count);
        // SAFETY: there was room, and so many values were moved there.
        unsafe { into.set_len(into.len() + count) };
        if !cfg!(bug = "spsc-batch-keeps-its-slots") {
            self.publish();
        }
        Ok(count)
    }

    /// Copies the oldest values to the front of a slice, and returns how many.
    ///
    /// As many as fit, or as there are. Two copies of memory at most, and one store.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = lockfree::SpscRing::new(8);
    /// assert_eq!(producer.push_slice(b"hello"), Ok(5));
    /// let mut bytes = [0; 4];
    /// assert_eq!((consumer.pop_slice(&mut bytes), &bytes), (Ok(4), b"hell"));
    /// ```
    ///
    /// # Complexity
    ///
    /// O(values taken), at most the capacity.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), and nothing was taken. An empty slice is no error.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its store of the head; refusals as those of [`pop`](Self::pop).
    #[inline]
    pub fn pop_slice(&mut self, into: &mut [T]) -> Result<usize, PopError>
    where
        T: Copy,
    {
        // SAFETY: the same memory, and only values are written to it.
        let into = unsafe { &mut *(&raw mut *into as *mut [MaybeUninit<T>]) };
        self.pop_slice_uninit(into)
    }

    /// Copies the oldest values to the front of uninitialised memory, and returns how many.
    ///
    /// # Complexity
    ///
    /// As [`pop_slice`](Self::pop_slice).
    ///
    /// # Errors
    ///
    /// As [`pop_slice`](Self::pop_slice).
    ///
    /// # Concurrency
    ///
    /// As [`pop_slice`](Self::pop_slice).
    #[inline]
    pub fn pop_slice_uninit(&mut self, into: &mut [MaybeUninit<T>]) -> Result<usize, PopError>
    where
        T: Copy,
    {
        let count = self.there_for(into.len())?;
        // SAFETY: 1. I1; 2. I2: that many slots are filled, and borrowed no longer than `self`.
        let (straight, round) = unsafe { self.slots.lend(self.head, count) };
        let (before, after) = into[..count].split_at_mut(straight.len());
        before.write_copy_of_slice(straight);
        after.write_copy_of_slice(round);
        self.skip(count);
        self.publish();
        Ok(count)
    }

    /// Lends up to `max` values, oldest first, as slices or to be taken together.
    ///
    /// Fewer, or none, when the ring holds no more; see [`ReadChunk`] for an example.
    ///
    /// # Concurrency
    ///
    /// Wait-free.
    #[inline]
    pub fn read_chunk(&mut self, max: usize) -> ReadChunk<'_, T, S> {
        let len = self.filled_of(max);
        ReadChunk::new(self, len)
    }

    /// Lends exactly `len` values, or none.
    ///
    /// # Errors
    ///
    /// The number of values in the ring, when that is less than `len`. More than the capacity are
    /// never there.
    ///
    /// # Concurrency
    ///
    /// Wait-free.
    #[inline]
    pub fn read_chunk_exact(&mut self, len: usize) -> Result<ReadChunk<'_, T, S>, usize> {
        match self.filled_of(len) {
            filled if filled < len => Err(filled),
            _ => Ok(ReadChunk::new(self, len)),
        }
    }

    /// How many slots are filled, but at most `max`; or why there is none, if `max` is not 0.
    #[inline]
    fn there_for(&mut self, max: usize) -> Result<usize, PopError> {
        let filled = self.filled_of(max);
        if filled > 0 || max == 0 {
            return Ok(filled);
        }
        self.tail = look_closely(self.shared(), self.tail)?;
        Ok(self.filled_of(max))
    }

    /// How many slots are filled, but at most `max`; looks where the producer is only if what it
    /// remembers is not enough. Those that follow come into the cache meanwhile.
    #[inline]
    fn filled_of(&mut self, max: usize) -> usize {
        let mut filled = self.slots.between(self.head.addr(), self.tail);
        let looks = filled < max;
        if looks {
            self.tail = self.shared().tail();
            filled = self.slots.between(self.head.addr(), self.tail);
        }
        let len = filled.min(max);
        for (start, bytes) in self.slots.ahead(self.head, (len, filled), READ_AHEAD_BYTES, looks) {
            prefetch::to_read(start, bytes);
        }
        len
    }

    /// The slots of the ring, and the one to empty next.
    #[inline]
    pub(super) fn place(&self) -> (Slots<T>, *mut T) {
        (self.slots, self.head)
    }

    /// Goes past `count` values, which are the caller's now; [`publish`](Self::publish) makes their
    /// slots vacant.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.head = self.slots.advance(self.head, count);
    }

    /// Goes past one value.
    #[inline]
    pub(super) fn skip_one(&mut self) {
        self.head = self.slots.after(self.head);
    }

    /// Makes the slots of all values that were gone past vacant.
    #[inline]
    pub(super) fn publish(&mut self) {
        self.shared().publish_head(self.head.addr());
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

    /// Returns how many values are in the ring: that many pops will succeed at least.
    ///
    /// # Concurrency
    ///
    /// Wait-free; linearizes at its load of the tail.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.between(self.head.addr(), self.shared().tail_hint())
    }

    /// Returns whether the ring is empty, unless the producer pushes something.
    ///
    /// # Concurrency
    ///
    /// As [`len`](Self::len).
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the producer is gone: once the ring is empty, it stays so.
    ///
    /// All that was pushed is visible when this is true.
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

impl<T, S: Storage> Drop for Consumer<T, S> {
    fn drop(&mut self) {
        // Values that a forgotten iterator gave away are not in the ring any more.
        if !cfg!(bug = "spsc-leaves-in-silence") {
            self.publish();
        }
        if self.shared().leave() {
            // SAFETY: 1. the producer left before; 2. this ring's own.
            unsafe { finish::<T, S>(self.shared, self.slots) };
        }
    }
}

impl<T, S: Storage> fmt::Debug for Consumer<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_abandoned", &self.is_abandoned())
            .finish_non_exhaustive()
    }
}
