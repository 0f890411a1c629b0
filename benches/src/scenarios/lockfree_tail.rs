//! `lockfree/mpmc-bounded/oversubscribed-4-on-2`, and `…/mpmc-unbounded/…`: the slowest operations where
//! threads take turns.
//!
//! Four threads on two CPUs push and pop one queue, so that a thread is sent away in the middle of an
//! operation now and then, for some milliseconds. What happens to the others then is the question: a
//! holder of a lock stops all; who refuses meanwhile is asked again, by all alike, until it has done
//! what it was asked. An operation's time is the time to its success, and `goodput` is of those.
//!
//! `above_100us` counts operations of a million; some of them are those of threads that were sent away
//! themselves, which no queue can help.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::linear::synthetic;
use super::lockfree::{self, CAPACITY, CRATE, Tally, first_of};
use super::lockfree_flow::{Totals, busy_share};
use super::team::{Team, Work};
use crate::case::{Case, Engine, EngineSpec, Model};
use crate::engines::channels::{self, Channel};
use crate::engines::concurrent_queue::Concurrent;
use crate::engines::crossbeam_queue::{Array, Seg};
use crate::engines::locked::{ParkingDeque, StdDeque};
use crate::engines::lockfree::{Mpmc, Unbounded};
use crate::engines::queues::{Consumer, Nowhere, Producer, Queue, Tries};
use crate::engines::{self};

/// Threads.
const THREADS: usize = 4;

/// The CPUs that they share, of those there are.
const CPUS: usize = 2;

/// Pairs of a thread in a round.
const PAIRS: usize = if cfg!(debug_assertions) { 1000 } else { 16 * 1024 };

/// Rounds' pairs in a pass whose operations are timed one by one.
const TIMED: usize = 3 * PAIRS;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "lockfree/mpmc-bounded/oversubscribed-4-on-2",
            vec![
                row::<Mpmc>().primary(),
                row::<Mpmc<true>>(),
                row::<Nowhere>(),
                row::<StdDeque<u64>>().reference(),
                row::<ParkingDeque<u64>>(),
                row::<Array<u64>>(),
                row::<Concurrent<u64, true>>(),
                row::<Channel<channels::Crossbeam, true, false>>(),
                row::<Channel<channels::Flume, true, false>>(),
                row::<Channel<channels::Kanal, true, false>>(),
            ],
        ),
        case(
            "lockfree/mpmc-unbounded/oversubscribed-4-on-2",
            vec![
                row::<Unbounded>().primary(),
                row::<Nowhere>(),
                row::<StdDeque<u64, false>>().reference(),
                row::<ParkingDeque<u64, false>>(),
                row::<Seg<u64>>(),
                row::<Channel<channels::Kanal, false, false>>(),
            ],
        ),
    ]
}

fn case(id: &'static str, engines: Vec<EngineSpec>) -> Case {
    Case {
        id,
        krate: CRATE,
        what: "Four threads on two CPUs push and pop: the time to success of each operation, when \
               threads are sent away in the middle of one",
        model: Model::Tail,
        unit: "operation",
        input: || synthetic(0, (THREADS * PAIRS) as u64),
        working_set_bytes: (CAPACITY * 2 * size_of::<u64>()) as u64,
        threads: THREADS,
        engines,
    }
}

fn row<Q: Queue<u64>>() -> EngineSpec
where
    Q::Producer: Clone,
    Q::Consumer: Clone,
{
    engines::spec_of(Q::ABOUT, || {
        let (producer, consumer) = Q::ends(CAPACITY);
        let ends = (0..THREADS).map(|_| Some((producer.clone(), consumer.clone()))).collect();
        let crowd = Arc::new(Crowd::<Q> {
            ends: Mutex::new(ends),
            timed: AtomicBool::new(false),
            times: [const { Mutex::new(Vec::new()) }; THREADS],
            round: Totals::default(),
            last: Totals::default(),
            tries: Totals::default(),
            queue: PhantomData,
        });
        let mut team = Team::on(CPUS, THREADS, Arc::clone(&crowd));
        team.run(lockfree::WARM_ROUNDS);
        Box::new(Tail { team, crowd })
    })
}

struct Tail<Q: Queue<u64>> {
    team: Team,
    crowd: Arc<Crowd<Q>>,
}

impl<Q: Queue<u64>> Engine for Tail<Q> {
    fn run(&mut self, rounds: u64) -> u64 {
        self.team.run(rounds);
        let [sum, xor, disorder] = self.crowd.last.read();
        lockfree::checksum(sum, xor, disorder)
    }

    fn ops_per_round(&self) -> u64 {
        (2 * THREADS * PAIRS) as u64
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        busy_share(&self.crowd.tries).into_iter().collect()
    }

    fn run_timed(&mut self, out: &mut Vec<u64>) -> bool {
        // ORD Relaxed: the team's desk orders it before the run and after it.
        self.crowd.timed.store(true, Relaxed);
        self.team.run(1);
        // ORD Relaxed: as above.
        self.crowd.timed.store(false, Relaxed);
        for index in 0..THREADS {
            out.append(&mut self.crowd.times_of(index));
        }
        true
    }
}

/// What the team shares.
struct Crowd<Q: Queue<u64>> {
    ends: Mutex<Vec<Option<Ends<Q>>>>,
    /// Whether each operation of this run is timed.
    timed: AtomicBool,
    times: [Mutex<Vec<u64>>; THREADS],
    round: Totals,
    last: Totals,
    tries: Totals,
    queue: PhantomData<fn() -> Q>,
}

type Ends<Q> = (<Q as Queue<u64>>::Producer, <Q as Queue<u64>>::Consumer);

impl<Q: Queue<u64>> Crowd<Q> {
    fn times_of(&self, index: usize) -> MutexGuard<'_, Vec<u64>> {
        self.times[index].lock().expect("nobody panics")
    }
}

struct Member<Q: Queue<u64>> {
    ends: Option<Ends<Q>>,
    index: usize,
    said: [Tries; 2],
}

impl<Q: Queue<u64>> Work for Arc<Crowd<Q>> {
    type Member = Member<Q>;

    fn join(&self, index: usize) -> Member<Q> {
        let ends = self.ends.lock().expect("nobody panics")[index].take();
        Member { ends, index, said: Default::default() }
    }

    fn round(&self, member: &mut Member<Q>, _: bool) -> u64 {
        let ends = member.ends.take().expect("put back after each round");
        // ORD Relaxed: written while everybody sleeps.
        let (ends, tally) = if self.timed.load(Relaxed) {
            timed(ends, first_of(member.index), &mut self.times_of(member.index))
        } else {
            untimed(ends, first_of(member.index))
        };
        self.round.add(&tally);
        let now = [ends.0.tries(), ends.1.tries()];
        for (now, before) in now.into_iter().zip(&mut member.said) {
            self.tries.note(now, *before);
            *before = now;
        }
        member.ends = Some(ends);
        0
    }

    unsafe fn between(&self) {
        self.round.move_to(&self.last);
    }
}

#[inline(never)]
fn untimed<P: Producer<u64>, C: Consumer<u64>>(
    (mut to, mut from): (P, C),
    first: u64,
) -> ((P, C), Tally<THREADS>) {
    let mut tally = Tally::new();
    for value in first..first + PAIRS as u64 {
        lockfree::push(&mut to, value);
        tally.take(lockfree::pop(&mut from));
    }
    ((to, from), tally)
}

#[inline(never)]
fn timed<P: Producer<u64>, C: Consumer<u64>>(
    (mut to, mut from): (P, C),
    first: u64,
    times: &mut Vec<u64>,
) -> ((P, C), Tally<THREADS>) {
    times.reserve(2 * TIMED);
    let mut tally = Tally::new();
    let mut before = Instant::now();
    let mut lap = || {
        let after = Instant::now();
        let ns = u64::try_from((after - before).as_nanos()).unwrap_or(u64::MAX);
        before = after;
        ns
    };
    for value in first..first + TIMED as u64 {
        lockfree::push(&mut to, value);
        times.push(lap());
        tally.take(lockfree::pop(&mut from));
        times.push(lap());
    }
    ((to, from), tally)
}
