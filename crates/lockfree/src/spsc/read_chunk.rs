//! [`ReadChunk`]: values that are seen where they are, and taken together.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use super::consumer::Consumer;
use super::heap::Heap;
use super::shared::Storage;

/// The oldest values of a ring, lent by [`Consumer::read_chunk`].
///
/// [`as_slices`](Self::as_slices) shows them, [`commit`](Self::commit) drops the first of them, as an
/// iterator it moves them out. Whatever is not taken stays in the ring.
///
/// # Examples
///
/// ```
/// let (mut producer, mut consumer) = lockfree::SpscRing::new(8);
/// producer.push_batch(&mut (1..=5)).unwrap();
/// let chunk = consumer.read_chunk(4);
/// let (values, more) = chunk.as_slices(); // more: where the ring goes round
/// assert_eq!([values, more].concat(), [1, 2, 3, 4]);
/// chunk.commit(2);
/// assert_eq!(consumer.read_chunk(8).into_iter().collect::<Vec<_>>(), [3, 4, 5]);
/// ```
#[must_use = "values stay in the ring until a chunk is committed or iterated over"]
pub struct ReadChunk<'c, T, S: Storage = Heap> {
    consumer: &'c mut Consumer<T, S>,
    /// Values lent.
    len: usize,
    /// Shares values with whom it is shared, which a consumer does not.
    _lends: PhantomData<T>,
}

impl<'c, T, S: Storage> ReadChunk<'c, T, S> {
    /// A chunk of the next `len` slots, which are filled.
    #[inline]
    pub(super) fn new(consumer: &'c mut Consumer<T, S>, len: usize) -> Self {
        Self { consumer, len, _lends: PhantomData }
    }

    /// Returns how many values it has.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the producer touches.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether it has no value: the ring is empty.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the producer touches.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the values, oldest first: up to the end of the ring, and from its start on.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the producer touches.
    #[inline]
    #[must_use]
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let (slots, at) = self.consumer.place();
        // SAFETY: 1. a position, and no more than the filled slots; 2. values, which the consumer has
        // alone and which are borrowed.
        unsafe { slots.lend(at, self.len) }
    }

    /// Returns the values to be changed where they are.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that the producer touches.
    #[inline]
    #[must_use]
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        let (slots, at) = self.consumer.place();
        // SAFETY: 1. and 2. as in `as_slices`, and they are borrowed exclusively.
        let (straight, round) = unsafe { slots.lend_mut(at, self.len) };
        // SAFETY: filled (I2).
        let straight = unsafe { straight.assume_init_mut() };
        // SAFETY: as above.
        let round = unsafe { round.assume_init_mut() };
        (straight, round)
    }

    /// Drops the first `count` values, and makes their slots vacant together; the others stay.
    ///
    /// Their slots become vacant although a drop panics, and the other drops run.
    ///
    /// # Complexity
    ///
    /// O(1) where values need no drop, else O(`count`).
    ///
    /// # Panics
    ///
    /// Panics when the chunk has fewer than `count` values.
    ///
    /// # Concurrency
    ///
    /// Wait-free, apart from what the drops do; linearizes at its store of the head.
    #[inline]
    pub fn commit(self, count: usize) {
        /// Makes the slots vacant, also when a drop panicked.
        struct Publish<'c, T, S: Storage>(&'c mut Consumer<T, S>);
        impl<T, S: Storage> Drop for Publish<'_, T, S> {
            fn drop(&mut self) {
                self.0.publish();
            }
        }
        assert!(count <= self.len, "{count} values cannot be taken from a chunk of {}", self.len);
        let (slots, at) = self.consumer.place();
        // Past them first: whatever a drop does, they are not dropped again.
        self.consumer.skip(count);
        let _publish = Publish(self.consumer);
        // SAFETY: 1. a position, and no more than the chunk's; 2. filled, and gone past.
        unsafe { slots.drop_values(at, count) };
    }

    /// Drops all values, and makes their slots vacant together: [`commit`](Self::commit) of all.
    ///
    /// # Concurrency
    ///
    /// As [`commit`](Self::commit).
    #[inline]
    pub fn commit_all(self) {
        let len = self.len;
        self.commit(len);
    }
}

impl<'c, T, S: Storage> IntoIterator for ReadChunk<'c, T, S> {
    type Item = T;
    type IntoIter = ReadChunkIter<'c, T, S>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        ReadChunkIter { consumer: self.consumer, left: self.len }
    }
}

/// Moves the values of a [`ReadChunk`] out, oldest first.
///
/// Their slots become vacant together, when it is dropped; values that were not asked for stay in the
/// ring. If it is forgotten, the slots become vacant with the consumer's next success.
#[must_use = "values stay in the ring until they are asked for"]
pub struct ReadChunkIter<'c, T, S: Storage = Heap> {
    consumer: &'c mut Consumer<T, S>,
    left: usize,
}

impl<T, S: Storage> Iterator for ReadChunkIter<'_, T, S> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        let (slots, at) = self.consumer.place();
        // Past it first: whoever forgets this iterator cannot make the consumer take it again.
        self.consumer.skip_one();
        // SAFETY: 1. a position; 2. one of the chunk's values, and gone past.
        Some(unsafe { slots.take(at) })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T, S: Storage> ExactSizeIterator for ReadChunkIter<'_, T, S> {}
impl<T, S: Storage> FusedIterator for ReadChunkIter<'_, T, S> {}

impl<T, S: Storage> Drop for ReadChunkIter<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        self.consumer.publish();
    }
}

impl<T, S: Storage> fmt::Debug for ReadChunk<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadChunk").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T, S: Storage> fmt::Debug for ReadChunkIter<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadChunkIter").field("left", &self.left).finish_non_exhaustive()
    }
}
