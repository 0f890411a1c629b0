//! What queues without a bound allocate, and what they keep.
//!
//! `steady`: a queue that holds 1,024 values, of which 512 are popped and 512 pushed in turn: `allocs` is
//! what a value costs in calls of the allocator. `burst`: 250,000 values (2 MB) go in, then all come
//! out; `bytes_kept` is what stays resident after the allocator has given back what is free in it.

use core::marker::PhantomData;

use super::linear::synthetic;
use super::lockfree::{self, CRATE, Tally, first_of};
use super::slab_memory::give_back;
use super::{Round, checksum::fold};
use crate::case::{Case, Engine, EngineSpec, Model};
use crate::engines;
use crate::engines::channels::{self, Channel};
use crate::engines::concurrent_queue::Concurrent;
use crate::engines::crossbeam_queue::Seg;
use crate::engines::locked::{ParkingDeque, StdDeque};
use crate::engines::lockfree::Unbounded;
use crate::engines::queues::{Consumer, Nowhere, Producer, Queue};
use crate::runner::rusage::resident_bytes;

/// Values that stay in the queue.
const STANDING: u64 = 1024;

/// Values popped, and pushed, in turn.
const STEP: usize = 512;

/// Values a round.
const VALUES: u64 = 8 * STEP as u64;

/// Values of a burst.
const BURST: u64 = if cfg!(debug_assertions) { 10_000 } else { 250_000 };

macro_rules! peers {
    ($row:ident) => {
        vec![
            $row::<Unbounded>().primary(),
            $row::<Nowhere>(),
            $row::<StdDeque<u64, false>>().reference(),
            $row::<Seg<u64>>(),
            $row::<Concurrent<u64, false>>(),
            $row::<Channel<channels::Crossbeam, false, false>>(),
            $row::<Channel<channels::Flume, false, false>>(),
            $row::<Channel<channels::Kanal, false, false>>(),
            $row::<Channel<channels::Std, false, false>>(),
        ]
    };
}

pub(super) fn cases() -> Vec<Case> {
    let case = |id, what, model, values: fn() -> u64, engines| Case {
        id,
        krate: CRATE,
        what,
        model,
        unit: "value",
        input: if model == Model::Footprint {
            || synthetic(0, BURST)
        } else {
            || synthetic(0, VALUES)
        },
        working_set_bytes: values() * size_of::<u64>() as u64,
        threads: 1,
        engines,
    };
    vec![
        case(
            "lockfree/mpmc-unbounded/steady",
            "A queue that holds 1,024 values; 512 are popped and 512 pushed in turn: allocs is what \
             that asks of the allocator",
            Model::Churn,
            || STANDING,
            {
                let mut engines = peers!(steady);
                engines.push(steady::<ParkingDeque<u64, false>>());
                engines
            },
        ),
        case(
            "lockfree/mpmc-unbounded/burst",
            "Pushes 250,000 values and pops them all: bytes_kept is what stays resident",
            Model::Footprint,
            || BURST,
            {
                let mut engines = peers!(burst);
                engines.push(trimmed::<Unbounded>("trim", "MpmcQueue::trim after the burst"));
                engines.push(trimmed::<StdDeque<u64, false>>(
                    "shrunk",
                    "shrink_to_fit after the burst",
                ));
                engines
            },
        ),
    ]
}

fn steady<Q: Queue<u64>>() -> EngineSpec {
    engines::spec_of(Q::ABOUT, Steady::<Q>::build)
}

struct Steady<Q: Queue<u64>> {
    ends: (Q::Producer, Q::Consumer),
}

impl<Q: Queue<u64>> Round for Steady<Q> {
    const OPS: u64 = VALUES;

    fn new() -> Self {
        let mut ends = Q::ends(2048);
        for value in VALUES - STANDING..VALUES {
            lockfree::push(&mut ends.0, first_of(0) + value);
        }
        Self { ends }
    }

    fn round(&mut self, _: bool) -> u64 {
        let (to, from) = &mut self.ends;
        steps(to, from)
    }
}

#[inline(never)]
fn steps(to: &mut impl Producer<u64>, from: &mut impl Consumer<u64>) -> u64 {
    // What stands in the queue ends the round before.
    let (mut sum, mut next) = (1, VALUES - STANDING);
    for start in (0..VALUES).step_by(STEP) {
        for _ in 0..STEP {
            let value = lockfree::pop(from);
            sum = fold(sum, value ^ next);
            next = (next + 1) % VALUES;
        }
        for value in start..start + STEP as u64 {
            lockfree::push(to, value);
        }
    }
    sum
}

fn burst<Q: Queue<u64>>() -> EngineSpec {
    engines::spec_of(Q::ABOUT, || after_burst::<Q>(|ends| ends))
}

fn trimmed<Q: Queue<u64>>(config: &'static str, why: &'static str) -> EngineSpec {
    engines::spec_of(Q::ABOUT, || after_burst::<Q>(Q::trim)).configured(config, why)
}

type Ends<Q> = (<Q as Queue<u64>>::Producer, <Q as Queue<u64>>::Consumer);

/// Makes the engine, and reads what a burst leaves after `trim`.
fn after_burst<Q: Queue<u64>>(trim: fn(Ends<Q>) -> Ends<Q>) -> Box<dyn Engine> {
    give_back();
    let before = resident_bytes();
    let mut burst = Burst::<Q> { ends: Q::ends(1024), bytes_kept: None, queue: PhantomData };
    burst.run(1);
    burst.ends = trim(burst.ends);
    give_back();
    burst.bytes_kept = before.zip(resident_bytes()).map(|(before, now)| (now - before).max(0.0));
    Box::new(burst)
}

struct Burst<Q: Queue<u64>> {
    ends: (Q::Producer, Q::Consumer),
    bytes_kept: Option<f64>,
    queue: PhantomData<fn() -> Q>,
}

impl<Q: Queue<u64>> Engine for Burst<Q> {
    fn run(&mut self, rounds: u64) -> u64 {
        let (to, from) = &mut self.ends;
        (0..rounds).fold(0, |_, _| {
            (0..BURST).for_each(|value| lockfree::push(to, value));
            let mut tally = Tally::<1>::new();
            (0..BURST).for_each(|_| tally.take(lockfree::pop(from)));
            tally.checksum()
        })
    }

    fn ops_per_round(&self) -> u64 {
        BURST
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.bytes_kept.map(|bytes| ("bytes_kept", bytes)).into_iter().collect()
    }
}
