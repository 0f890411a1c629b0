//! Taking all values: shared with other threads, or alone.

use core::fmt;
use core::iter::FusedIterator;

use super::MpmcRing;

/// Takes the oldest value of a ring at each step, until there is none; see [`MpmcRing::drain`].
#[derive(Debug)]
pub struct RingDrain<'r, T> {
    ring: Option<&'r MpmcRing<T>>,
}

/// The values of a ring, the oldest first; those not taken out of it are dropped with it.
pub struct RingIntoIter<T> {
    ring: MpmcRing<T>,
}

impl<T> MpmcRing<T> {
    /// Takes the oldest value at each step, until it finds the ring empty.
    ///
    /// What is not asked for stays in the ring. Where producers go on it may never end; take as many
    /// as you want.
    ///
    /// # Examples
    ///
    /// ```
    /// let ring = lockfree::MpmcRing::new(4);
    /// (0..4).for_each(|value| ring.push(value).unwrap());
    /// assert!(ring.drain().take(2).eq([0, 1]));
    /// assert!(ring.drain().eq([2, 3]));
    /// ```
    ///
    /// # Concurrency
    ///
    /// Blocking: each step is a [`pop`](Self::pop), and linearizes as one; the whole does not.
    pub fn drain(&self) -> RingDrain<'_, T> {
        RingDrain { ring: Some(self) }
    }
}

impl<T> Iterator for RingDrain<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let value = self.ring?.pop().ok();
        if value.is_none() {
            self.ring = None;
        }
        value
    }
}

impl<T> FusedIterator for RingDrain<'_, T> {}

impl<T> Iterator for RingIntoIter<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.ring.pop_alone()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Holes count in the length.
        (0, Some(self.ring.len()))
    }
}

impl<T> FusedIterator for RingIntoIter<T> {}

impl<T> IntoIterator for MpmcRing<T> {
    type Item = T;
    type IntoIter = RingIntoIter<T>;

    fn into_iter(self) -> RingIntoIter<T> {
        RingIntoIter { ring: self }
    }
}

impl<T> fmt::Debug for RingIntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingIntoIter").finish_non_exhaustive()
    }
}
