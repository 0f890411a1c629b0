//! rtrb: one producer, one consumer.

use ::rtrb::{PushError, RingBuffer};

use super::About;
use super::queues::{Consumer, Producer, Queue};
use crate::case::Role;

/// Values one by one, and its chunks for batches.
#[derive(Debug)]
pub struct Rtrb;

impl<T: Send + 'static> Queue<T> for Rtrb {
    const ABOUT: About = About {
        name: "rtrb",
        config: "default",
        package: "rtrb",
        why: "push and pop; in batches slices, and chunks read in place, as its documentation advises",
        role: Role::Peer,
    };

    type Producer = ::rtrb::Producer<T>;
    type Consumer = ::rtrb::Consumer<T>;

    fn ends(capacity: usize) -> (Self::Producer, Self::Consumer) {
        RingBuffer::new(capacity)
    }
}

impl<T: Send + 'static> Producer<T> for ::rtrb::Producer<T> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        self.push(value).map_err(|PushError::Full(value)| value)
    }

    #[inline]
    fn push_batch(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.push_partial_slice(values).0.len()
    }
}

impl<T: Send + 'static> Consumer<T> for ::rtrb::Consumer<T> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.pop().ok()
    }

    #[inline]
    fn pop_batch(&mut self, most: usize, each: impl FnMut(T)) -> usize {
        let there = match self.cached_slots() {
            0 => self.slots(),
            cached => cached,
        };
        let Ok(chunk) = self.read_chunk(most.min(there)) else { return 0 };
        let len = chunk.len();
        chunk.into_iter().for_each(each);
        len
    }
}
