//! The sequential model: what a queue or a stack does when one thread has it.

use super::Subject;
use super::mixed::Mixed;
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
    /// What came out; nothing: it was empty, and not closed.
    Take(Vec<u32>),
    /// A value went in, and the next one of its batch right behind it.
    PushOfRun(u32, Option<u32>),
    /// What came out at once, at least one value; and whether nothing can have been left.
    TakeRun(Vec<u32>, bool),
    /// A value went in, where there was no room in place of the oldest.
    Force(u32, Option<u32>),
    /// It was closed; whether by this.
    Close(bool),
    /// A value was refused, since it was closed.
    Closed,
    /// Nothing came out, since it was empty and closed.
    Ended,
    /// Another thread was in the way: no constraint.
    Busy,
}

/// A container of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Container {
    order: Order,
    capacity: Option<usize>,
    refuses_exactly: bool,
    takes_all: bool,
    /// How many positions are together; a run that goes in is broken after the last of them only.
    run: Option<usize>,
    values: VecDeque<u32>,
    closed: bool,
    /// How many went in so far, where that says where runs are broken.
    pushed: usize,
    /// What has to go in next: a run is one step.
    due: Option<u32>,
}

impl Container {
    /// What `S` does, made for `capacity`.
    pub(crate) fn of<S: Subject<u32>>(capacity: usize) -> Self {
        Self {
            order: S::ORDER,
            capacity: S::BOUNDED.then_some(capacity),
            refuses_exactly: true,
            takes_all: S::TAKES_ALL,
            run: None,
            values: VecDeque::new(),
            closed: false,
            pushed: 0,
            due: None,
        }
    }

    /// What `M` does, made for `capacity`, while several threads are at work.
    pub(crate) fn mixed<M: Mixed>(capacity: usize) -> Self {
        Self {
            order: M::ORDER,
            capacity: M::BOUNDED.then_some(capacity),
            refuses_exactly: M::REFUSES_EXACTLY,
            takes_all: M::TAKES_ALL,
            run: M::RUN,
            values: VecDeque::new(),
            closed: false,
            pushed: 0,
            due: None,
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

impl Container {
    /// Puts `value` in, behind which `then` is due.
    fn push(&mut self, value: u32, then: Option<u32>) -> bool {
        self.values.push_back(value);
        let broken = self.run.is_some_and(|run| {
            self.pushed = (self.pushed + 1) % run;
            self.pushed == 0
        });
        self.due = if broken { None } else { then };
        !self.closed && self.capacity.is_none_or(|capacity| self.values.len() <= capacity)
    }
}

impl Specification for Container {
    type Op = Op;

    fn accepts(&mut self, op: &Op) -> bool {
        if self.due.is_some_and(|due| !matches!(op, Op::PushOfRun(value, _) if *value == due)) {
            return false;
        }
        match op {
            Op::Push(value) => self.push(*value, None),
            Op::PushOfRun(value, then) => self.push(*value, *then),
            Op::Force(value, displaced) => {
                let full = self.capacity == Some(self.values.len());
                let out = if full { self.values.pop_front() } else { None };
                out == *displaced && self.push(*value, None)
            }
            Op::Full(_) if self.closed => false,
            Op::Full(_) if self.refuses_exactly => self.capacity == Some(self.values.len()),
            Op::Full(_) => self.capacity.is_some(),
            Op::Take(values) if values.is_empty() => self.values.is_empty() && !self.closed,
            Op::Take(values) => {
                let all_right = values.iter().all(|&value| self.take(value));
                let enough =
                    if self.takes_all { self.values.is_empty() } else { values.len() == 1 };
                all_right && enough
            }
            Op::TakeRun(values, all) => {
                let all_right = values.iter().all(|&value| self.take(value));
                all_right && !values.is_empty() && (!all || self.values.is_empty())
            }
            Op::Close(first) => {
                let was_open = !self.closed;
                self.closed = true;
                was_open == *first
            }
            Op::Closed => self.closed,
            Op::Ended => self.closed && self.values.is_empty(),
            Op::Busy => true,
        }
    }
}
