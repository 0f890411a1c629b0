//! Threads that push and pop together: what the cases of several threads of `lockfree` are made of.
//!
//! ```text
//!   streams     P producers, C consumers: each has its share of the round's values
//!   mixed       each thread pushes a value, then pops one
//!   private     as many threads, each with a queue of its own: what sharing could cost at least
//! ```
//!
//! Values are numbered by who pushes them, so all three move the same values and agree on their sum.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};

use super::lockfree::{self, Tally, first_of};
use super::team::{Team, Work};
use crate::case::{Engine, EngineSpec, Role};
use crate::engines;
use crate::engines::queues::{Consumer, Producer, Queue, Tries};

/// Who takes part: producers, consumers and the values of each producer a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    producers: usize,
    consumers: usize,
    values: usize,
}

impl Plan {
    pub(super) const fn streams(producers: usize, consumers: usize, values: usize) -> Self {
        assert!(values.is_multiple_of(consumers), "consumers have equal shares");
        Self { producers, consumers, values }
    }

    /// Threads that both push and pop.
    pub(super) const fn mixed(threads: usize, values: usize) -> Self {
        Self { producers: threads, consumers: 0, values }
    }

    pub(super) const fn threads(self) -> usize {
        self.producers + self.consumers
    }

    /// Values that go through a round.
    pub(super) const fn total(self) -> usize {
        self.producers * self.values
    }
}

/// What a scenario is: its plan, what it does in a batch, and the work between two operations.
pub(super) trait Script: Send + Sync + 'static {
    const PLAN: Plan;

    /// Values a call.
    const BATCH: usize = 1;

    /// Steps of work before each operation ([`labour`]).
    const WORK: u32 = 0;
}

/// Work that needs no memory and cannot be overlapped with itself: some 2 ns a step. (Steps of a linear
/// generator alone would be folded into one.)
#[inline]
pub(super) fn labour(mut state: u64, steps: u32) -> u64 {
    for _ in 0..steps {
        state = (state ^ (state >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    state
}

/// `Q` in script `S`; `FROM` is the number of producers, or 0 where there is no order.
pub(super) fn spec<Q: Queue<u64>, S: Script, const FROM: usize>() -> EngineSpec
where
    Q::Producer: Clone,
    Q::Consumer: Clone,
{
    engines::spec_of(Q::ABOUT, || {
        let (producer, consumer) = Q::ends(lockfree::CAPACITY.max(capacity_of::<S>(FROM)));
        let plan = S::PLAN;
        let mixed = plan.consumers == 0;
        let seats = if mixed {
            (0..plan.producers)
                .map(|at| {
                    Seat::new(
                        Some(producer.clone()),
                        Some(consumer.clone()),
                        first_of(at),
                        plan.values,
                    )
                })
                .collect()
        } else {
            let share = plan.total() / plan.consumers;
            let push = |at| Seat::new(Some(producer.clone()), None, first_of(at), plan.values);
            let pop = |_| Seat::new(None, Some(consumer.clone()), 0, share);
            (0..plan.producers).map(push).chain((0..plan.consumers).map(pop)).collect()
        };
        build::<Q, S, FROM>(seats)
    })
}

/// As [`spec`], for a queue of one producer and one consumer.
pub(super) fn single<Q: Queue<u64>, S: Script>() -> EngineSpec {
    engines::spec_of(Q::ABOUT, || {
        let (producer, consumer) = Q::ends(lockfree::CAPACITY);
        const { assert!(S::PLAN.producers == 1 && S::PLAN.consumers == 1, "one of each") };
        let seats = vec![
            Seat::new(Some(producer), None, first_of(0), S::PLAN.values),
            Seat::new(None, Some(consumer), 0, S::PLAN.values),
        ];
        build::<Q, S, 1>(seats)
    })
}

/// The control: as many threads, each with a `Q` of its own.
pub(super) fn private<Q: Queue<u64>, S: Script, const FROM: usize>() -> EngineSpec {
    let spec = engines::spec_of(Q::ABOUT, || {
        let plan = S::PLAN;
        let parts = plan.threads() / plan.producers;
        let share = plan.values / parts;
        let seats = (0..plan.threads())
            .map(|at| {
                let (producer, consumer) = Q::ends(lockfree::CAPACITY.max(capacity_of::<S>(FROM)));
                let first = first_of(at % plan.producers) + (at / plan.producers * share) as u64;
                Seat::new(Some(producer), Some(consumer), first, share)
            })
            .collect();
        build::<Q, S, FROM>(seats)
    });
    EngineSpec { name: "share-nothing", ..spec }
        .configured("default", "one of its own for each thread, the same meetings")
        .as_role(Role::Control)
}

/// Stacks have room for a round's values: those that have no bound let their producers run ahead.
fn capacity_of<S: Script>(from: usize) -> usize {
    if from == 0 { S::PLAN.total() } else { 0 }
}

fn build<Q: Queue<u64>, S: Script, const FROM: usize>(seats: Vec<Seat<Q>>) -> Box<dyn Engine> {
    let threads = seats.len();
    let flow = Arc::new(Flow::<Q, S, FROM> {
        seats: Mutex::new(seats.into_iter().map(Some).collect()),
        round: Totals::default(),
        last: Totals::default(),
        tries: Totals::default(),
        script: PhantomData,
    });
    let mut team = Team::new(threads, Arc::clone(&flow));
    team.run(lockfree::WARM_ROUNDS);
    Box::new(Flowing { team, flow })
}

struct Flowing<Q: Queue<u64>, S, const FROM: usize> {
    team: Team,
    flow: Arc<Flow<Q, S, FROM>>,
}

impl<Q: Queue<u64>, S: Script, const FROM: usize> Engine for Flowing<Q, S, FROM> {
    fn run(&mut self, rounds: u64) -> u64 {
        self.team.run(rounds);
        let [sum, xor, disorder] = self.flow.last.read();
        lockfree::checksum(sum, xor, disorder)
    }

    fn ops_per_round(&self) -> u64 {
        S::PLAN.total() as u64
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        busy_share(&self.flow.tries).into_iter().collect()
    }
}

/// `busy_share`, of who answers so.
pub(super) fn busy_share(tries: &Totals) -> Option<(&'static str, f64)> {
    let [calls, busy, _] = tries.read();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    (calls > 0).then(|| ("busy_share", busy as f64 / calls as f64))
}

/// Three words that threads add to at the end of a round.
#[derive(Debug, Default)]
pub(super) struct Totals([AtomicU64; 3]);

impl Totals {
    pub(super) fn add<const FROM: usize>(&self, tally: &Tally<FROM>) {
        // ORD Relaxed: the meeting after the round orders all three.
        self.0[0].fetch_add(tally.sum, Relaxed);
        self.0[1].fetch_xor(tally.xor, Relaxed);
        self.0[2].fetch_or(tally.disorder, Relaxed);
    }

    /// Notes an end's calls so far instead of those it had said before.
    pub(super) fn note(&self, now: Tries, before: Tries) {
        // ORD Relaxed: as above.
        self.0[0].fetch_add(now.calls - before.calls, Relaxed);
        self.0[1].fetch_add(now.busy - before.busy, Relaxed);
    }

    /// Moves all to `other`, and begins again at 0. Nobody adds meanwhile.
    pub(super) fn move_to(&self, other: &Self) {
        for (from, to) in self.0.iter().zip(&other.0) {
            // ORD Relaxed: as above.
            to.store(from.swap(0, Relaxed), Relaxed);
        }
    }

    pub(super) fn read(&self) -> [u64; 3] {
        // ORD Relaxed: the team's desk, where the caller waited, orders it.
        [0, 1, 2].map(|at| self.0[at].load(Relaxed))
    }
}

/// What a thread does: it pushes, it pops, or both.
pub(super) struct Seat<Q: Queue<u64>> {
    producer: Option<Q::Producer>,
    consumer: Option<Q::Consumer>,
    first: u64,
    values: usize,
    said: [Tries; 2],
}

impl<Q: Queue<u64>> Seat<Q> {
    fn new(
        producer: Option<Q::Producer>,
        consumer: Option<Q::Consumer>,
        first: u64,
        values: usize,
    ) -> Self {
        Self { producer, consumer, first, values, said: Default::default() }
    }

    /// Notes what its ends counted since it was last asked.
    fn note(&mut self, tries: &Totals) {
        let now = [
            self.producer.as_ref().map(Producer::tries).unwrap_or_default(),
            self.consumer.as_ref().map(Consumer::tries).unwrap_or_default(),
        ];
        for (now, before) in now.into_iter().zip(&mut self.said) {
            tries.note(now, *before);
            *before = now;
        }
    }
}

/// What the team shares.
struct Flow<Q: Queue<u64>, S, const FROM: usize> {
    seats: Mutex<Vec<Option<Seat<Q>>>>,
    /// Of this round, and of the one before.
    round: Totals,
    last: Totals,
    tries: Totals,
    script: PhantomData<S>,
}

impl<Q: Queue<u64>, S: Script, const FROM: usize> Work for Arc<Flow<Q, S, FROM>> {
    type Member = Seat<Q>;

    fn join(&self, index: usize) -> Seat<Q> {
        let mut seats = self.seats.lock().expect("nobody panics");
        seats[index].take().expect("a seat for each")
    }

    fn round(&self, seat: &mut Seat<Q>, _: bool) -> u64 {
        let Seat { producer, consumer, first, values, .. } = seat;
        // The ends live on the stack meanwhile, as where they are used without a benchmark round them.
        match (producer.take(), consumer.take()) {
            (Some(to), None) => *producer = Some(produce::<_, S>(to, *first, *values)),
            (None, Some(from)) => {
                let (from, tally) = consume::<_, S, FROM>(from, *values);
                self.round.add(&tally);
                *consumer = Some(from);
            }
            (to, from) => {
                let ends = to.zip(from).expect("a seat has an end");
                let (ends, tally) = exchange::<_, _, S, FROM>(ends, *first, *values);
                self.round.add(&tally);
                (*producer, *consumer) = (Some(ends.0), Some(ends.1));
            }
        }
        seat.note(&self.tries);
        0
    }

    unsafe fn between(&self) {
        self.round.move_to(&self.last);
    }
}

#[inline(never)]
fn produce<P: Producer<u64>, S: Script>(mut to: P, first: u64, values: usize) -> P {
    let end = first + values as u64;
    if S::BATCH == 1 {
        (first..end).for_each(|value| lockfree::push(&mut to, value));
    } else {
        let mut table = [0; 128];
        let table = &mut table[..S::BATCH];
        for start in (first..end).step_by(S::BATCH) {
            table.iter_mut().zip(start..).for_each(|(place, value)| *place = value);
            lockfree::push_batch(&mut to, table);
        }
    }
    to
}

#[inline(never)]
fn consume<C: Consumer<u64>, S: Script, const FROM: usize>(
    mut from: C,
    values: usize,
) -> (C, Tally<FROM>) {
    let mut tally = Tally::new();
    if S::BATCH == 1 {
        (0..values).for_each(|_| tally.take(lockfree::pop(&mut from)));
    } else {
        lockfree::pop_batches(&mut from, values, S::BATCH, |value| tally.take(value));
    }
    (from, tally)
}

/// Pushes and pops in turn, one or a batch.
#[inline(never)]
pub(super) fn exchange<P: Producer<u64>, C: Consumer<u64>, S: Script, const FROM: usize>(
    (mut to, mut from): (P, C),
    first: u64,
    values: usize,
) -> ((P, C), Tally<FROM>) {
    let mut tally = Tally::new();
    let mut work = first;
    let end = first + values as u64;
    if S::BATCH == 1 {
        for value in first..end {
            work = labour(work, S::WORK);
            lockfree::push(&mut to, value);
            work = labour(work, S::WORK);
            tally.take(lockfree::pop(&mut from));
        }
    } else {
        let mut table = [0; 128];
        let table = &mut table[..S::BATCH];
        for start in (first..end).step_by(S::BATCH) {
            table.iter_mut().zip(start..).for_each(|(place, value)| *place = value);
            lockfree::push_batch(&mut to, table);
            lockfree::pop_batches(&mut from, S::BATCH, S::BATCH, |value| tally.take(value));
        }
    }
    core::hint::black_box(work);
    ((to, from), tally)
}
