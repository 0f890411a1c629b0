//! The sequential model: what a queue or a stack does when one thread has it.

use super::Subject;
use primitives::history::Specification;
use std::collections::VecDeque;

/// In which order values come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Lifo,
    /// First in, first out of what one sender sent; senders in any order.
    FifoBySender,
}

/// Numbers of one sender begin here: its number times this.
pub(crate) const SENDER: u32 = 1_000;

/// What was done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A value went in.
    Push(u32),
    /// It was refused, since there was no room.
    Full(u32),
    /// What came out; nothing: it was empty.
    Take(Vec<u32>),
}

/// A container of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Container {
    order: Order,
    capacity: Option<usize>,
    refuses_exactly: bool,
    takes_all: bool,
    values: VecDeque<u32>,
}

impl Container {
    /// What `S` does, made for `capacity`.
    pub(crate) fn of<S: Subject<u32>>(capacity: usize) -> Self {
        Self {
            order: S::ORDER,
            capacity: S::BOUNDED.then_some(capacity),
            refuses_exactly: true,
            takes_all: S::TAKES_ALL,
            values: VecDeque::new(),
        }
    }

    /// What it may do while several threads are at work.
    pub(crate) fn shared<S: Subject<u32>>(capacity: usize) -> Self {
        Self { refuses_exactly: S::REFUSES_EXACTLY, ..Self::of::<S>(capacity) }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes `value` if it is one that could be next.
    fn take(&mut self, value: u32) -> bool {
        let at = match self.order {
            Order::Fifo => Some(0),
            Order::Lifo => self.values.len().checked_sub(1),
            Order::FifoBySender => {
                self.values.iter().position(|other| other / SENDER == value / SENDER)
            }
        };
        at.and_then(|at| self.values.remove(at)) == Some(value)
    }
}

impl Specification for Container {
    type Op = Op;

    fn accepts(&mut self, op: &Op) -> bool {
        match op {
            Op::Push(value) => {
                self.values.push_back(*value);
                self.capacity.is_none_or(|capacity| self.values.len() <= capacity)
            }
            Op::Full(_) if self.refuses_exactly => self.capacity == Some(self.values.len()),
            Op::Full(_) => self.capacity.is_some(),
            Op::Take(values) if values.is_empty() => self.values.is_empty(),
            Op::Take(values) => {
                let all_right = values.iter().all(|&value| self.take(value));
                let enough =
                    if self.takes_all { self.values.is_empty() } else { values.len() == 1 };
                all_right && enough
            }
        }
    }
}
