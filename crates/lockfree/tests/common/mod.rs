//! What every structure of this crate is held to, written once: each is a [`Subject`], and the tests
//! beside this folder run each suite on each subject.
//!
//! | file | what is there |
//! |---|---|
//! | `container.rs` | what a queue or a stack does when one thread has it: the sequential model |
//! | `subjects.rs` | the structures |
//! | `suite.rs` | one thread: the model, drops, panics, what is forgotten, odd types, capacities |
//! | `histories.rs`, `rounds.rs` | several threads: recorded histories against the sequential model |
//! | `mixed.rs` | histories of batches, attempts, force and closing |
//! | `crowd.rs` | many threads: nothing lost, torn down in any order |
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod container;
pub(crate) mod crowd;
pub(crate) mod histories;
pub(crate) mod mixed;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod rounds;
pub(crate) mod subjects;
pub(crate) mod suite;

pub(crate) use container::Order;

/// A structure that values go into and come out of.
///
/// Senders and receivers may be the same object, shared by all.
pub(crate) trait Subject<T: Send + 'static>: 'static {
    /// What values go in through; one thread has it at a time.
    type Sender: Send + 'static;
    /// What values come out of; one thread has it at a time.
    type Receiver: Send + 'static;

    /// In which order values come out.
    const ORDER: Order;
    /// Whether a full one refuses values.
    const BOUNDED: bool;
    /// Whether it refuses only at its capacity, also when other threads are at work.
    const REFUSES_EXACTLY: bool = true;
    /// Whether taking takes all there is.
    const TAKES_ALL: bool;
    /// At most so many senders, and so many receivers.
    const MOST: (usize, usize) = (8, 8);

    /// A new one with exactly this capacity where it has any, with its senders and receivers.
    fn open(
        capacity: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>);

    /// Puts a value in, unless it is full. A busy answer is tried again.
    fn push(into: &mut Self::Sender, value: T) -> Result<(), T>;

    /// Takes one value or, where [`Self::TAKES_ALL`], all, the next one first; nothing when it is
    /// empty. A busy answer is tried again.
    fn take(from: &mut Self::Receiver) -> Vec<T>;

    /// Puts in what the iterator yields, by the structure's own method where it has one, until it is
    /// full. What was yielded and not put in is dropped.
    fn push_all(into: &mut Self::Sender, values: &mut dyn Iterator<Item = T>) {
        for value in values {
            if Self::push(into, value).is_err() {
                return;
            }
        }
    }

    /// The structure's own iterator that takes values out, where it has one.
    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(
            core::iter::from_fn(|| Some(Self::take(from)))
                .take_while(|taken| !taken.is_empty())
                .flatten(),
        )
    }
}
