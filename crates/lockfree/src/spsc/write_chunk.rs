//! [`WriteChunk`]: vacant slots that are filled where they are, and published together.

use core::fmt;
use core::mem::MaybeUninit;

use super::heap::Heap;
use super::producer::Producer;
use super::shared::Storage;
use crate::PushError;

/// Vacant slots of a ring, reserved by [`Producer::write_chunk`].
///
/// Filled from the front, by [`push`](Self::push) and [`extend`](Self::extend) or by hand through
/// [`as_mut_slices`](Self::as_mut_slices), and published by [`commit`](Self::commit), all or in part.
/// A chunk that is dropped instead drops what was filled, and one that is forgotten forgets it: nothing
/// of it is ever seen.
///
/// # Examples
///
/// ```
/// let (mut producer, mut consumer) = lockfree::SpscRing::new(8);
/// let mut chunk = producer.write_chunk(3);
/// assert_eq!(chunk.extend([1, 2]), 2);
/// assert_eq!(chunk.push(3), Ok(()));
/// assert!(chunk.push(4).is_err(), "three were reserved");
/// assert_eq!(chunk.commit(), 3);
/// assert_eq!(consumer.len(), 3);
///
/// let mut chunk = producer.write_chunk(2);
/// let (slots, more) = chunk.as_mut_slices(); // more: where the ring goes round
/// for (slot, value) in slots.iter_mut().chain(more).zip(4..) {
///     slot.write(value);
/// }
/// // SAFETY: both were written.
/// unsafe { chunk.assume_filled(2) };
/// chunk.commit();
/// assert_eq!(consumer.read_chunk(8).into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
/// ```
#[must_use = "nothing is pushed before a chunk is committed"]
pub struct WriteChunk<'p, T, S: Storage = Heap> {
    producer: &'p mut Producer<T, S>,
    /// Slots reserved.
    len: usize,
    /// Slots filled, from the first on.
    filled: usize,
    /// The slot to fill next.
    at: *mut T,
}

// SAFETY: it is an exclusive borrow of a producer, and a position in its ring.
unsafe impl<T: Send, S: Storage> Send for WriteChunk<'_, T, S> {}
// SAFETY: through `&` there are only counts; no value is reached, so nothing is asked of `T`.
unsafe impl<T, S: Storage> Sync for WriteChunk<'_, T, S> {}

impl<'p, T, S: Storage> WriteChunk<'p, T, S> {
    /// A chunk of the next `len` slots, which are vacant.
    #[inline]
    pub(super) fn new(producer: &'p mut Producer<T, S>, len: usize) -> Self {
        let (_, at) = producer.place();
        Self { producer, len, filled: 0, at }
    }

    /// Returns how many slots were reserved.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the consumer touches.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no slot was reserved: the ring is full.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the consumer touches.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many slots are filled.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the consumer touches.
    #[inline]
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Fills the next slot.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] with the value when all reserved slots are filled; never `Closed`.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the consumer touches.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.filled == self.len {
            return Err(PushError::Full(value));
        }
        let (slots, _) = self.producer.place();
        // SAFETY: 1. a position; 2. one of `len` vacant slots, which `&mut` makes the chunk's alone.
        unsafe { slots.write(self.at, value) };
        self.at = slots.after(self.at);
        self.filled += 1;
        Ok(())
    }

    /// Fills slots until the values or the slots end, and returns how many.
    ///
    /// No value is asked for that there is no slot for. If `values` panics, the chunk has what it gave
    /// before.
    ///
    /// # Complexity
    ///
    /// O(values).
    ///
    /// # Concurrency
    ///
    /// Wait-free, if `values` is; touches nothing that the consumer touches.
    #[inline]
    pub fn extend(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let before = self.filled;
        for value in values.into_iter().take(self.len - before) {
            let pushed = self.push(value);
            debug_assert!(pushed.is_ok(), "{} of {} slots filled", self.filled, self.len);
        }
        self.filled - before
    }

    /// Returns the slots that are not filled yet, in order.
    ///
    /// One slice goes up to the end of the ring, the other on from its start. Say how many were written
    /// with [`assume_filled`](Self::assume_filled).
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the consumer touches.
    #[inline]
    pub fn as_mut_slices(&mut self) -> (&mut [MaybeUninit<T>], &mut [MaybeUninit<T>]) {
        let (slots, _) = self.producer.place();
        // SAFETY: 1. a position, and no more than the vacant slots; 2. they are the chunk's alone,
        // which is borrowed.
        unsafe { slots.lend_mut(self.at, self.len - self.filled) }
    }

    /// Says that the first `count` slots of [`as_mut_slices`](Self::as_mut_slices) are filled.
    ///
    /// # Panics
    ///
    /// Panics when fewer than `count` slots are left.
    ///
    /// # Safety
    ///
    /// They hold values.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the consumer touches.
    #[inline]
    pub unsafe fn assume_filled(&mut self, count: usize) {
        let left = self.len - self.filled;
        assert!(count <= left, "{count} slots cannot be filled: {left} are left of the chunk");
        let (slots, _) = self.producer.place();
        self.at = slots.advance(self.at, count);
        self.filled += count;
    }

    /// Publishes the slots that are filled, and returns how many; gives the others back.
    ///
    /// # Concurrency
    ///
    /// Wait-free; linearizes at its store of the tail.
    #[inline]
    pub fn commit(mut self) -> usize {
        let filled = core::mem::take(&mut self.filled);
        self.producer.publish(if cfg!(bug = "spsc-commits-all") { self.len } else { filled });
        filled
    }
}

impl<T, S: Storage> Drop for WriteChunk<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        if self.filled > 0 {
            let (slots, first) = self.producer.place();
            // SAFETY: 1. the chunk's first position, and no more than its slots; 2. filled, and not
            // published.
            unsafe { slots.drop_values(first, self.filled) };
        }
    }
}

impl<T, S: Storage> fmt::Debug for WriteChunk<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteChunk")
            .field("len", &self.len)
            .field("filled", &self.filled)
            .finish_non_exhaustive()
    }
}
