//! Queues as threads hold them: a producer's end and a consumer's.
//!
//! ```text
//!   Queue        makes the two ends; SPSC rings give one of each, everybody else's can be cloned
//!     ├─ Producer   one call: done, or the value comes back
//!     └─ Consumer   one call: a value, or none
//!   Shared       a queue used by `&self`
//!     └─ ByRef      … whose ends are two `Arc`s of it
//! ```
//!
//! A call is what the crate offers as a call: who blocks blocks in it, who refuses at once refuses at
//! once, and the scenario waits before the next one in the same way for all. A peer without batches
//! gets as many calls as the batch has values.

use core::arch::asm;
use core::marker::PhantomData;
use std::sync::Arc;

use super::About;
use crate::case::Role;

/// A queue of `T`, by its ends.
pub trait Queue<T: Send + 'static>: 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What pushes.
    type Producer: Producer<T>;

    /// What pops.
    type Consumer: Consumer<T>;

    /// Makes one for `capacity` values; who knows no capacity ignores it.
    fn ends(capacity: usize) -> (Self::Producer, Self::Consumer);

    /// Gives back the memory that an empty one does not need, where it is asked to and can.
    fn trim(ends: (Self::Producer, Self::Consumer)) -> (Self::Producer, Self::Consumer) {
        ends
    }
}

/// The end where values go in.
pub trait Producer<T>: Send + 'static {
    /// Pushes a value in one call.
    ///
    /// # Errors
    ///
    /// The value, where it was refused.
    fn push(&mut self, value: T) -> Result<(), T>;

    /// Pushes values from the front of `values`, as many as go, and returns how many went.
    #[inline]
    fn push_batch(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        values.iter().position(|&value| self.push(value).is_err()).unwrap_or(values.len())
    }

    /// Calls so far, and those of them that were refused as busy, where that is an answer.
    fn tries(&self) -> Tries {
        Tries::default()
    }
}

/// The end where values come out.
pub trait Consumer<T>: Send + 'static {
    /// Pops a value in one call, if one is there.
    fn pop(&mut self) -> Option<T>;

    /// Pops values, `most` at most, gives them to `each` in order, and returns how many there were.
    #[inline]
    fn pop_batch(&mut self, most: usize, mut each: impl FnMut(T)) -> usize {
        for popped in 0..most {
            let Some(value) = self.pop() else { return popped };
            each(value);
        }
        most
    }

    /// As [`Producer::tries`].
    fn tries(&self) -> Tries {
        Tries::default()
    }
}

/// How often one attempt was not enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    /// Calls.
    pub calls: u64,
    /// Those that found another thread in between.
    pub busy: u64,
}

/// A queue that all threads use by `&self`.
pub trait Shared<T>: Send + Sync + Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// As [`Queue::ends`].
    fn with_capacity(capacity: usize) -> Self;

    /// As [`Producer::push`].
    ///
    /// # Errors
    ///
    /// The value, where it was refused.
    fn push(&self, value: T) -> Result<(), T>;

    /// As [`Consumer::pop`].
    fn pop(&self) -> Option<T>;

    /// As [`Queue::trim`].
    fn trim(&mut self) {}

    /// As [`Producer::push_batch`].
    #[inline]
    fn push_batch(&self, values: &[T]) -> usize
    where
        T: Copy,
    {
        values.iter().position(|&value| self.push(value).is_err()).unwrap_or(values.len())
    }

    /// As [`Consumer::pop_batch`].
    #[inline]
    fn pop_batch(&self, most: usize, mut each: impl FnMut(T)) -> usize {
        for popped in 0..most {
            let Some(value) = self.pop() else { return popped };
            each(value);
        }
        most
    }
}

/// A [`Shared`] queue by its ends.
#[derive(Debug)]
pub struct ByRef<Q>(PhantomData<fn() -> Q>);

/// An end of a [`Shared`] queue.
#[derive(Debug)]
pub struct End<Q>(Arc<Q>);

impl<Q> Clone for End<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static, Q: Shared<T>> Queue<T> for ByRef<Q> {
    const ABOUT: About = Q::ABOUT;

    type Producer = End<Q>;
    type Consumer = End<Q>;

    fn ends(capacity: usize) -> (End<Q>, End<Q>) {
        let queue = Arc::new(Q::with_capacity(capacity));
        (End(Arc::clone(&queue)), End(queue))
    }

    fn trim((producer, End(mut queue)): (End<Q>, End<Q>)) -> (End<Q>, End<Q>) {
        drop(producer);
        Arc::get_mut(&mut queue).expect("the other end is gone").trim();
        (End(Arc::clone(&queue)), End(queue))
    }
}

impl<T, Q: Shared<T>> Producer<T> for End<Q> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        self.0.push(value)
    }

    #[inline]
    fn push_batch(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.0.push_batch(values)
    }
}

impl<T, Q: Shared<T>> Consumer<T> for End<Q> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    #[inline]
    fn pop_batch(&mut self, most: usize, each: impl FnMut(T)) -> usize {
        self.0.pop_batch(most, each)
    }
}

/// No queue: values go nowhere and come from nowhere, and each passes a register as a value that
/// goes through a queue does.
#[derive(Clone, Debug)]
pub struct Nowhere;

impl Queue<u64> for Nowhere {
    const ABOUT: About = About {
        name: "null",
        config: "loop",
        package: "benches",
        why: "the loop, the values made and added up, without a queue",
        role: Role::Null,
    };

    type Producer = Self;
    type Consumer = Self;

    fn ends(_: usize) -> (Self, Self) {
        (Self, Self)
    }
}

/// A value of which the compiler knows nothing; no instruction.
#[inline]
fn unknown(mut value: u64) -> u64 {
    // SAFETY: emits nothing but a comment; the value stays in its register.
    unsafe { asm!("/* {0} */", inout(reg) value, options(nostack, preserves_flags)) };
    value
}

impl Producer<u64> for Nowhere {
    #[inline]
    fn push(&mut self, value: u64) -> Result<(), u64> {
        unknown(value);
        Ok(())
    }
}

impl Consumer<u64> for Nowhere {
    #[inline]
    fn pop(&mut self) -> Option<u64> {
        Some(unknown(0))
    }
}
