//! The SPSC ring against a `VecDeque`: any steps of both ends, taken by one thread.
//!
//! Chunks are committed, dropped and forgotten, in whole and in part; ends leave at any time. What the
//! model adds to the queue is what the documentation says of forgetting: slots of a forgotten iterator
//! are vacant with the consumer's next success, and values of a forgotten write chunk leak.
#![cfg(not(loom))]
#![expect(clippy::mem_forget, reason = "what is forgotten must do no harm")]

use core::fmt::Debug;
use lockfree::spsc::{Consumer, Producer, Storage};
use lockfree::{PopError, PushError, SpscRing, StaticSpscRing};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::VecDeque;
use std::rc::Rc;

/// What is sent: a number, told apart from every other one.
trait Value: Debug + Sized {
    fn new(number: u32, alive: &Rc<()>) -> Self;
    fn number(&mut self) -> &mut u32;
    fn push_all<S: Storage>(
        into: &mut Producer<Self, S>,
        values: Vec<Self>,
    ) -> Result<usize, PushError<()>>;
    fn pop_all<S: Storage>(from: &mut Consumer<Self, S>, max: usize)
    -> Result<Vec<Self>, PopError>;
}

/// Copied in and out, by slices.
impl Value for u32 {
    fn new(number: u32, _: &Rc<()>) -> Self {
        number
    }

    fn number(&mut self) -> &mut u32 {
        self
    }

    fn push_all<S: Storage>(
        into: &mut Producer<Self, S>,
        values: Vec<Self>,
    ) -> Result<usize, PushError<()>> {
        into.push_slice(&values)
    }

    fn pop_all<S: Storage>(
        from: &mut Consumer<Self, S>,
        max: usize,
    ) -> Result<Vec<Self>, PopError> {
        let mut values = vec![0; max];
        let count = from.pop_slice(&mut values)?;
        values.truncate(count);
        Ok(values)
    }
}

/// Counted while it lives, in batches.
#[derive(Debug)]
struct Owned {
    number: u32,
    _alive: Rc<()>,
}

impl Value for Owned {
    fn new(number: u32, alive: &Rc<()>) -> Self {
        Self { number, _alive: Rc::clone(alive) }
    }

    fn number(&mut self) -> &mut u32 {
        &mut self.number
    }

    fn push_all<S: Storage>(
        into: &mut Producer<Self, S>,
        values: Vec<Self>,
    ) -> Result<usize, PushError<()>> {
        let (given, mut values) = (values.len(), values.into_iter());
        let pushed = into.push_batch(&mut values);
        assert_eq!(values.len(), given - pushed.unwrap_or(0), "the others are still there");
        pushed
    }

    fn pop_all<S: Storage>(
        from: &mut Consumer<Self, S>,
        max: usize,
    ) -> Result<Vec<Self>, PopError> {
        let mut values = Vec::new();
        let count = from.pop_batch(&mut values, max)?;
        assert_eq!(values.len(), count);
        Ok(values)
    }
}

/// How a chunk ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// So many values are committed, one by one or at once.
    Commit(usize),
    /// So many values are iterated over.
    Take(usize),
    Drop,
    /// After so many values of its iterator, if it has one.
    Forget(usize),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    PushAll(usize),
    Write { len: usize, exact: bool, extend: usize, by_hand: usize, end: End },
    Pop,
    Peek { change: bool },
    PopAll(usize),
    Read { len: usize, exact: bool, change: bool, end: End },
    ProducerLeaves,
    ConsumerLeaves,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = || {
        prop_oneof![
            4 => (0..7_usize).prop_map(End::Commit),
            4 => (0..7_usize).prop_map(End::Take),
            1 => Just(End::Drop),
            1 => (0..7_usize).prop_map(End::Forget),
        ]
    };
    let write = (0..7_usize, any::<bool>(), 0..7_usize, 0..3_usize, end()).prop_map(
        |(len, exact, extend, by_hand, end)| Step::Write { len, exact, extend, by_hand, end },
    );
    let read = (0..7_usize, any::<bool>(), any::<bool>(), end())
        .prop_map(|(len, exact, change, end)| Step::Read { len, exact, change, end });
    let step = prop_oneof![
        8 => Just(Step::Push),
        4 => (0..7_usize).prop_map(Step::PushAll),
        6 => write,
        8 => Just(Step::Pop),
        2 => any::<bool>().prop_map(|change| Step::Peek { change }),
        4 => (0..7_usize).prop_map(Step::PopAll),
        6 => read,
    ];
    let leave = prop_oneof![Just(Step::ProducerLeaves), Just(Step::ConsumerLeaves)];
    // One of them leaves at last, and something comes after.
    (proptest::collection::vec(step.clone(), 0..80), leave, proptest::collection::vec(step, 0..20))
        .prop_map(|(before, leave, after)| [before, vec![leave], after].concat())
}

/// The ring, and what it should be.
struct Pair<V: Value, S: Storage> {
    producer: Option<Producer<V, S>>,
    consumer: Option<Consumer<V, S>>,
    capacity: usize,
    queue: VecDeque<u32>,
    /// Slots of forgotten iterators that the producer does not know to be vacant.
    kept: usize,
    leaked: usize,
    next: u32,
    alive: Rc<()>,
}

impl<V: Value, S: Storage> Pair<V, S> {
    fn new((producer, consumer): (Producer<V, S>, Consumer<V, S>), capacity: usize) -> Self {
        Self {
            producer: Some(producer),
            consumer: Some(consumer),
            capacity,
            queue: VecDeque::new(),
            kept: 0,
            leaked: 0,
            next: 0,
            alive: Rc::new(()),
        }
    }

    fn room(&self) -> usize {
        self.capacity - self.queue.len() - self.kept
    }

    fn values(&mut self, count: usize) -> Vec<V> {
        let first = self.next;
        self.next += u32::try_from(count).expect("few");
        (first..self.next).map(|number| V::new(number, &self.alive)).collect()
    }

    /// Values went in, from number `first` on.
    fn went_in(&mut self, first: u32, count: usize) {
        self.queue.extend(first..first + u32::try_from(count).expect("few"));
    }

    fn nothing(&self) -> PopError {
        if self.producer.is_some() { PopError::Empty } else { PopError::Closed }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push | Step::PushAll(_) | Step::Write { .. } => {
                let Some(mut producer) = self.producer.take() else { return Ok(()) };
                self.send(&mut producer, step)?;
                self.producer = Some(producer);
            }
            Step::Pop | Step::Peek { .. } | Step::PopAll(_) | Step::Read { .. } => {
                let Some(mut consumer) = self.consumer.take() else { return Ok(()) };
                self.receive(&mut consumer, step)?;
                self.consumer = Some(consumer);
            }
            Step::ProducerLeaves => drop(self.producer.take()),
            Step::ConsumerLeaves => {
                self.consumer = None;
                self.kept = 0;
            }
        }
        self.counts()
    }

    fn send(&mut self, producer: &mut Producer<V, S>, step: Step) -> Result<(), TestCaseError> {
        let (first, room) = (self.next, self.room());
        let other_gone = producer.is_abandoned();
        match step {
            Step::Push => {
                let value = self.values(1).remove(0);
                let pushed = producer.push(value).map_err(|error| match error {
                    PushError::Full(mut value) => PushError::Full(*value.number()),
                    PushError::Closed(mut value) => PushError::Closed(*value.number()),
                });
                let refused = if other_gone { PushError::Closed } else { PushError::Full };
                prop_assert_eq!(pushed, if room > 0 { Ok(()) } else { Err(refused(first)) });
                self.went_in(first, room.min(1));
            }
            Step::PushAll(count) => {
                let values = self.values(count);
                let fits = count.min(room);
                let refused = if other_gone { PushError::Closed(()) } else { PushError::Full(()) };
                let expected = if count > 0 && room == 0 { Err(refused) } else { Ok(fits) };
                prop_assert_eq!(V::push_all(producer, values), expected);
                self.went_in(first, fits);
            }
            Step::Write { len, exact, extend, by_hand, end } => {
                let values = self.values(extend + by_hand + 1);
                let mut values = values.into_iter();
                let mut chunk = if exact {
                    match producer.write_chunk_exact(len) {
                        Ok(chunk) => chunk,
                        Err(vacant) => {
                            prop_assert!(vacant == room && room < len);
                            return Ok(());
                        }
                    }
                } else {
                    producer.write_chunk(len)
                };
                let len = len.min(room);
                prop_assert_eq!((chunk.len(), chunk.is_empty()), (len, len == 0));
                let extended = chunk.extend(values.by_ref().take(extend));
                prop_assert_eq!(extended, extend.min(len));
                let (slots, more) = chunk.as_mut_slices();
                prop_assert_eq!(slots.len() + more.len(), len - extended);
                let by_hand = by_hand.min(len - extended);
                for slot in slots.iter_mut().chain(more).take(by_hand) {
                    slot.write(values.next().expect("one each"));
                }
                // SAFETY: that many were written.
                unsafe { chunk.assume_filled(by_hand) };
                let mut filled = extended + by_hand;
                let last = values.next().expect("one more");
                match chunk.push(last) {
                    Ok(()) => filled += 1,
                    Err(error) => {
                        prop_assert!(matches!(error, PushError::Full(_)) && filled == len);
                    }
                }
                prop_assert_eq!(chunk.filled(), filled);
                match end {
                    End::Commit(_) | End::Take(_) => {
                        prop_assert_eq!(chunk.commit(), filled);
                        self.went_in(first, filled);
                    }
                    End::Drop => drop(chunk),
                    End::Forget(_) => {
                        core::mem::forget(chunk);
                        self.leaked += filled;
                    }
                }
            }
            _ => unreachable!("{step:?} is the consumer's"),
        }
        Ok(())
    }

    fn receive(&mut self, consumer: &mut Consumer<V, S>, step: Step) -> Result<(), TestCaseError> {
        let (there, nothing) = (self.queue.len(), self.nothing());
        match step {
            Step::Pop => {
                let popped = consumer.pop().map(|mut value| *value.number());
                prop_assert_eq!(popped, self.queue.pop_front().ok_or(nothing));
                if popped.is_ok() {
                    self.kept = 0;
                }
            }
            Step::Peek { change } => {
                let seen = consumer.peek_mut().map(|value| {
                    *value.number() += u32::from(change);
                    *value.number()
                });
                if let Some(oldest) = self.queue.front_mut() {
                    *oldest += u32::from(change);
                }
                prop_assert_eq!(seen, self.queue.front().copied().ok_or(nothing));
            }
            Step::PopAll(max) => {
                let popped = V::pop_all(consumer, max);
                if max > 0 && there == 0 {
                    prop_assert_eq!(popped.map(|_| ()), Err(nothing));
                } else {
                    let numbers = popped.unwrap_or_default();
                    let numbers = numbers.into_iter().map(|mut value| *value.number());
                    prop_assert!(numbers.eq(self.queue.drain(..max.min(there))));
                    self.kept = 0;
                }
            }
            Step::Read { len, exact, change, end } => {
                let mut chunk = if exact {
                    match consumer.read_chunk_exact(len) {
                        Ok(chunk) => chunk,
                        Err(filled) => {
                            prop_assert!(filled == there && there < len);
                            return Ok(());
                        }
                    }
                } else {
                    consumer.read_chunk(len)
                };
                let len = len.min(there);
                prop_assert_eq!((chunk.len(), chunk.is_empty()), (len, len == 0));
                let (values, more) = chunk.as_mut_slices();
                for (value, expected) in values.iter_mut().chain(more).zip(&mut self.queue) {
                    prop_assert_eq!(*value.number(), *expected);
                    *value.number() += u32::from(change);
                    *expected += u32::from(change);
                }
                let (values, more) = chunk.as_slices();
                prop_assert_eq!(values.len() + more.len(), len);
                match end {
                    End::Commit(count) => {
                        chunk.commit(count.min(len));
                        self.queue.drain(..count.min(len));
                        self.kept = 0;
                    }
                    End::Take(count) => {
                        let count = count.min(len);
                        let mut values = chunk.into_iter();
                        let taken = values.by_ref().take(count).map(|mut value| *value.number());
                        prop_assert!(taken.eq(self.queue.drain(..count)));
                        prop_assert_eq!(values.len(), len - count);
                        drop(values);
                        self.kept = 0;
                    }
                    End::Drop => drop(chunk),
                    End::Forget(count) => {
                        let count = count.min(len);
                        let mut values = chunk.into_iter();
                        let taken = values.by_ref().take(count).map(|mut value| *value.number());
                        prop_assert!(taken.eq(self.queue.drain(..count)));
                        core::mem::forget(values);
                        self.kept += count;
                    }
                }
            }
            _ => unreachable!("{step:?} is the producer's"),
        }
        Ok(())
    }

    /// What both ends tell, and how many values live.
    fn counts(&self) -> Result<(), TestCaseError> {
        let (len, room) = (self.queue.len(), self.room());
        if let Some(producer) = &self.producer {
            prop_assert_eq!((producer.capacity(), producer.vacant()), (self.capacity, room));
            prop_assert_eq!(producer.len(), self.capacity - room);
            prop_assert_eq!(
                (producer.is_full(), producer.is_empty()),
                (room == 0, room == self.capacity)
            );
            prop_assert_eq!(producer.is_abandoned(), self.consumer.is_none());
        }
        if let Some(consumer) = &self.consumer {
            prop_assert_eq!((consumer.capacity(), consumer.len()), (self.capacity, len));
            prop_assert_eq!(consumer.is_empty(), len == 0);
            prop_assert_eq!(consumer.is_abandoned(), self.producer.is_none());
        }
        Ok(())
    }
}

/// Takes all steps; then both ends leave, and the rest is dropped.
fn follow<V: Value, S: Storage>(
    ends: (Producer<V, S>, Consumer<V, S>),
    capacity: usize,
    steps: &[Step],
    alive: impl Fn(usize, usize) -> bool,
) -> Result<(), TestCaseError> {
    let mut pair = Pair::new(ends, capacity);
    for &step in steps {
        pair.take(step)?;
        let values = Rc::strong_count(&pair.alive) - 1;
        // While an end is there, its values are; then those that leaked are.
        let gone = pair.producer.is_none() && pair.consumer.is_none();
        let expected = pair.leaked + if gone { 0 } else { pair.queue.len() };
        prop_assert!(
            alive(values, expected),
            "{values} values live after {step:?}, not {expected}"
        );
    }
    drop((pair.producer.take(), pair.consumer.take()));
    let values = Rc::strong_count(&pair.alive) - 1;
    prop_assert!(alive(values, pair.leaked), "{values} values live, not {}", pair.leaked);
    // A leak on purpose is none that a tool should report.
    for _ in 0..values {
        // SAFETY: the pointer is the count's; each value that leaked has a share, which it never drops.
        unsafe { Rc::decrement_strong_count(Rc::as_ptr(&pair.alive)) };
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn spsc_one_thread_sees_a_bounded_queue(capacity in 1..6_usize, steps in steps()) {
        follow::<u32, _>(SpscRing::new(capacity), capacity, &steps, |_, _| true)?;
        follow::<Owned, _>(SpscRing::new(capacity), capacity, &steps, |is, should| is == should)?;
        let mut ring = StaticSpscRing::<Owned, 3>::new();
        follow(ring.split(), 3, &steps, |is, should| is == should)?;
    }
}
