//! Queues and stacks of `lockfree` beside their peers: pairs on one thread, streams, mixed threads,
//! batches, and where a mutex is as good.
//!
//! Only who can serve a case is in it: rings of one producer and one consumer in `spsc`, queues of any
//! number in `mpmc-*`. std's channels, with their one consumer, are where one consumer is.

use core::marker::PhantomData;

use super::Round;
use super::linear::synthetic;
use super::lockfree::{CAPACITY, CRATE, Tally, first_of};
use super::lockfree_flow::{Plan, Script, exchange, private, single, spec};
use crate::case::{Case, EngineSpec, Model};
use crate::engines;
use crate::engines::channels::{self, Channel};
use crate::engines::concurrent_queue::Concurrent;
use crate::engines::crossbeam_queue::{Array, Seg};
use crate::engines::locked::{ParkingDeque, ParkingPile, StdDeque, StdPile};
use crate::engines::lockfree::{ByHandle, Mpmc, Spsc, Unbounded};
use crate::engines::queues::{Nowhere, Queue};
use crate::engines::ringbuf;
use crate::engines::rtrb::Rtrb;
use crate::engines::stacks::{AsQueue, Treiber};
use lockfree::{EpochStack, IndexStack};

/// Values of a producer in a round of streams.
const STREAM: usize = 32 * 1024;

/// Values of a thread in a round of mixed threads.
const MIXED: usize = 8 * 1024;

/// Values in a round of one thread.
const ALONE: usize = 4 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = spsc();
    cases.extend(bounded());
    cases.extend(unbounded());
    cases.extend(stacks());
    cases.extend(crossing());
    cases
}

macro_rules! scripts {
    ($($name:ident: $plan:expr $(, batch $batch:expr)? $(, work $work:expr)?;)*) => {$(
        struct $name;

        impl Script for $name {
            const PLAN: Plan = $plan;
            $(const BATCH: usize = $batch;)?
            $(const WORK: u32 = $work;)?
        }
    )*};
}

scripts! {
    Alone: Plan::mixed(1, ALONE);
    Alone32: Plan::mixed(1, ALONE), batch 32;
    Stream: Plan::streams(1, 1, STREAM);
    Stream8: Plan::streams(1, 1, STREAM), batch 8;
    Stream32: Plan::streams(1, 1, STREAM), batch 32;
    Stream128: Plan::streams(1, 1, STREAM), batch 128;
    TwoByTwo: Plan::streams(2, 2, MIXED);
    Mixed: Plan::mixed(2, MIXED);
    Working50: Plan::mixed(2, 4096), work 25;
    Working200: Plan::mixed(2, 2048), work 100;
    Working800: Plan::mixed(2, 1024), work 400;
    Pile: Plan::streams(1, 1, MIXED);
}

type CrossbeamChannel<const BOUNDED: bool> = Channel<channels::Crossbeam, BOUNDED, false>;
type Flume<const BOUNDED: bool> = Channel<channels::Flume, BOUNDED, false>;
type Kanal<const BOUNDED: bool> = Channel<channels::Kanal, BOUNDED, false>;
type StdChannel<const BOUNDED: bool> = Channel<channels::Std, BOUNDED, false>;

// ---- one producer, one consumer -------------------------------------------------------------------

fn spsc() -> Vec<Case> {
    vec![
        case::<Alone>(
            "lockfree/spsc/one-thread",
            "Pushes a value and pops it, on one thread: what a ring costs where nobody else is",
            vec![
                pairs::<Spsc, Alone, 1>().primary(),
                pairs::<Nowhere, Alone, 1>(),
                pairs::<StdDeque<u64>, Alone, 1>().reference(),
                pairs::<Rtrb, Alone, 1>(),
                pairs::<ringbuf::Caching, Alone, 1>(),
                pairs::<ringbuf::Direct, Alone, 1>(),
                pairs::<Array<u64>, Alone, 1>(),
                pairs::<StdChannel<true>, Alone, 1>(),
            ],
        ),
        case::<Stream>(
            "lockfree/spsc/1p1c",
            "One thread pushes 32,768 values through a ring of 1,024, another pops them",
            vec![
                single::<Spsc, Stream>().primary(),
                single::<Nowhere, Stream>(),
                private::<Spsc, Stream, 1>(),
                single::<StdDeque<u64>, Stream>().reference(),
                single::<ParkingDeque<u64>, Stream>(),
                single::<Rtrb, Stream>(),
                single::<ringbuf::Caching, Stream>(),
                single::<ringbuf::Direct, Stream>(),
                single::<Array<u64>, Stream>(),
                single::<Kanal<true>, Stream>(),
                single::<CrossbeamChannel<true>, Stream>(),
                single::<StdChannel<true>, Stream>(),
            ],
        ),
        spsc_batch::<Stream8>("lockfree/spsc/1p1c-batch-8", "The same, in batches of 8"),
        spsc_batch::<Stream32>("lockfree/spsc/1p1c-batch-32", "The same, in batches of 32"),
        spsc_batch::<Stream128>("lockfree/spsc/1p1c-batch-128", "The same, in batches of 128"),
    ]
}

fn spsc_batch<S: Script>(id: &'static str, what: &'static str) -> Case {
    let mut engines = vec![
        single::<Spsc, S>().primary(),
        single::<Nowhere, S>(),
        private::<Spsc, S, 1>(),
        single::<StdDeque<u64>, S>().reference(),
        single::<Rtrb, S>(),
        single::<ringbuf::Caching, S>(),
    ];
    if S::BATCH == 32 {
        engines.push(single::<ringbuf::Direct, S>());
        engines.push(single::<ParkingDeque<u64>, S>());
    }
    case::<S>(id, what, engines)
}

// ---- any number of both, bounded ------------------------------------------------------------------

/// Applies a generic function to every bounded queue of any number of producers and consumers.
macro_rules! bounded_peers {
    ($row:ident, $script:ty $(, $from:literal)?) => {
        vec![
            $row::<Mpmc, $script $(, $from)?>().primary(),
            $row::<Nowhere, $script $(, $from)?>(),
            $row::<StdDeque<u64>, $script $(, $from)?>().reference(),
            $row::<ParkingDeque<u64>, $script $(, $from)?>(),
            $row::<Array<u64>, $script $(, $from)?>(),
            $row::<Concurrent<u64, true>, $script $(, $from)?>(),
            $row::<CrossbeamChannel<true>, $script $(, $from)?>(),
            $row::<Flume<true>, $script $(, $from)?>(),
            $row::<Kanal<true>, $script $(, $from)?>(),
        ]
    };
}

fn bounded() -> Vec<Case> {
    vec![
        case::<Alone>(
            "lockfree/mpmc-bounded/one-thread",
            "Pushes a value and pops it, on one thread: what a queue for many costs one",
            bounded_peers!(pairs, Alone, 1),
        ),
        case::<Alone32>(
            "lockfree/mpmc-bounded/one-thread-batch-32",
            "Pushes 32 values and pops them, on one thread",
            vec![
                pairs::<Mpmc, Alone32, 1>().primary(),
                pairs::<Nowhere, Alone32, 1>(),
                pairs::<StdDeque<u64>, Alone32, 1>().reference(),
                pairs::<ParkingDeque<u64>, Alone32, 1>(),
                pairs::<Array<u64>, Alone32, 1>(),
                pairs::<Concurrent<u64, true>, Alone32, 1>(),
                pairs::<Kanal<true>, Alone32, 1>(),
            ],
        ),
        case::<Stream>("lockfree/mpmc-bounded/1p1c", "One thread pushes, another pops", {
            let mut engines = bounded_peers!(single, Stream);
            engines.push(private::<Mpmc, Stream, 1>());
            engines.push(single::<Channel<channels::Crossbeam, true, true>, Stream>());
            engines.push(single::<Channel<channels::Kanal, true, true>, Stream>());
            engines.push(single::<StdChannel<true>, Stream>());
            engines
        }),
        bounded_batch::<Stream8>("lockfree/mpmc-bounded/1p1c-batch-8", "The same, in batches of 8"),
        bounded_batch::<Stream32>(
            "lockfree/mpmc-bounded/1p1c-batch-32",
            "The same, in batches of 32",
        ),
        bounded_batch::<Stream128>(
            "lockfree/mpmc-bounded/1p1c-batch-128",
            "The same, in batches of 128",
        ),
        case::<TwoByTwo>(
            "lockfree/mpmc-bounded/2p2c",
            "Two threads push and two pop, on as many CPUs as there are",
            {
                let mut engines = bounded_peers!(spec, TwoByTwo, 2);
                engines.push(private::<Mpmc, TwoByTwo, 2>());
                engines
            },
        ),
        case::<Mixed>(
            "lockfree/mpmc-bounded/mixed-2",
            "Two threads, each of which pushes a value and pops one",
            {
                let mut engines = bounded_peers!(spec, Mixed, 2);
                engines.push(private::<Mpmc, Mixed, 2>());
                engines.push(spec::<Mpmc<true>, Mixed, 2>());
                engines
            },
        ),
    ]
}

fn bounded_batch<S: Script>(id: &'static str, what: &'static str) -> Case {
    let mut engines = vec![
        single::<Mpmc, S>().primary(),
        single::<Nowhere, S>(),
        private::<Mpmc, S, 1>(),
        single::<StdDeque<u64>, S>().reference(),
        single::<ParkingDeque<u64>, S>(),
        single::<Array<u64>, S>(),
    ];
    if S::BATCH == 32 {
        engines.push(single::<Concurrent<u64, true>, S>());
        engines.push(single::<Kanal<true>, S>());
    }
    case::<S>(id, what, engines)
}

// ---- any number of both, no bound -----------------------------------------------------------------

/// Applies a generic function to every queue without a bound, of any number of both.
macro_rules! unbounded_peers {
    ($row:ident, $script:ty $(, $from:literal)?) => {
        vec![
            $row::<Unbounded, $script $(, $from)?>().primary(),
            $row::<Nowhere, $script $(, $from)?>(),
            $row::<StdDeque<u64, false>, $script $(, $from)?>().reference(),
            $row::<ParkingDeque<u64, false>, $script $(, $from)?>(),
            $row::<Seg<u64>, $script $(, $from)?>(),
            $row::<Concurrent<u64, false>, $script $(, $from)?>(),
            $row::<CrossbeamChannel<false>, $script $(, $from)?>(),
            $row::<Flume<false>, $script $(, $from)?>(),
            $row::<Kanal<false>, $script $(, $from)?>(),
        ]
    };
}

fn unbounded() -> Vec<Case> {
    vec![
        case::<Alone>(
            "lockfree/mpmc-unbounded/one-thread",
            "Pushes a value and pops it, on one thread",
            {
                let mut engines = unbounded_peers!(pairs, Alone, 1);
                engines.push(pairs::<StdChannel<false>, Alone, 1>());
                engines
            },
        ),
        case::<Stream>("lockfree/mpmc-unbounded/1p1c", "One thread pushes, another pops", {
            let mut engines = unbounded_peers!(single, Stream);
            engines.push(private::<Unbounded, Stream, 1>());
            engines.push(single::<StdChannel<false>, Stream>());
            engines
        }),
        case::<Alone32>(
            "lockfree/mpmc-unbounded/one-thread-batch-32",
            "Pushes 32 values and pops them, on one thread",
            vec![
                pairs::<Unbounded, Alone32, 1>().primary(),
                pairs::<Nowhere, Alone32, 1>(),
                pairs::<StdDeque<u64, false>, Alone32, 1>().reference(),
                pairs::<ParkingDeque<u64, false>, Alone32, 1>(),
                pairs::<Seg<u64>, Alone32, 1>(),
                pairs::<Concurrent<u64, false>, Alone32, 1>(),
                pairs::<Kanal<false>, Alone32, 1>(),
            ],
        ),
        case::<Stream32>(
            "lockfree/mpmc-unbounded/1p1c-batch-32",
            "One thread pushes, another pops, in batches of 32",
            vec![
                single::<Unbounded, Stream32>().primary(),
                single::<Nowhere, Stream32>(),
                private::<Unbounded, Stream32, 1>(),
                single::<StdDeque<u64, false>, Stream32>().reference(),
                single::<ParkingDeque<u64, false>, Stream32>(),
                single::<Seg<u64>, Stream32>(),
                single::<Concurrent<u64, false>, Stream32>(),
                single::<Kanal<false>, Stream32>(),
            ],
        ),
        case::<TwoByTwo>(
            "lockfree/mpmc-unbounded/2p2c",
            "Two threads push and two pop, on as many CPUs as there are",
            {
                let mut engines = unbounded_peers!(spec, TwoByTwo, 2);
                engines.push(private::<Unbounded, TwoByTwo, 2>());
                engines
            },
        ),
        case::<Mixed>(
            "lockfree/mpmc-unbounded/mixed-2",
            "Two threads, each of which pushes a value and pops one",
            {
                let mut engines = unbounded_peers!(spec, Mixed, 2);
                engines.push(private::<Unbounded, Mixed, 2>());
                engines
            },
        ),
    ]
}

// ---- stacks ---------------------------------------------------------------------------------------

fn stacks() -> Vec<Case> {
    vec![
        case::<Alone>(
            "lockfree/stack/one-thread",
            "Pushes a value and pops it, on one thread",
            vec![
                pairs::<ByHandle, Alone, 0>().primary(),
                pairs::<AsQueue<IndexStack<u64>>, Alone, 0>(),
                pairs::<AsQueue<EpochStack<u64>>, Alone, 0>(),
                pairs::<AsQueue<Nowhere>, Alone, 0>(),
                pairs::<AsQueue<StdPile<u64>>, Alone, 0>().reference(),
                pairs::<AsQueue<ParkingPile<u64>>, Alone, 0>(),
                pairs::<AsQueue<Treiber<u64>>, Alone, 0>(),
            ],
        ),
        case::<Alone32>(
            "lockfree/stack/one-thread-batch-32",
            "Pushes 32 values and pops them, on one thread",
            vec![
                pairs::<AsQueue<IndexStack<u64>>, Alone32, 0>().primary(),
                pairs::<ByHandle, Alone32, 0>(),
                pairs::<AsQueue<Nowhere>, Alone32, 0>(),
                pairs::<AsQueue<StdPile<u64>>, Alone32, 0>().reference(),
                pairs::<AsQueue<ParkingPile<u64>>, Alone32, 0>(),
                pairs::<AsQueue<Treiber<u64>>, Alone32, 0>(),
            ],
        ),
        case::<Pile>(
            "lockfree/stack/1p1c",
            "One thread pushes, another pops; there is room for all",
            vec![
                spec::<ByHandle, Pile, 0>().primary(),
                spec::<AsQueue<IndexStack<u64>>, Pile, 0>(),
                spec::<AsQueue<EpochStack<u64>>, Pile, 0>(),
                spec::<AsQueue<Nowhere>, Pile, 0>(),
                private::<ByHandle, Pile, 0>(),
                spec::<AsQueue<StdPile<u64>>, Pile, 0>().reference(),
                spec::<AsQueue<ParkingPile<u64>>, Pile, 0>(),
                spec::<AsQueue<Treiber<u64>>, Pile, 0>(),
            ],
        ),
        case::<Mixed>(
            "lockfree/stack/mixed-2",
            "Two threads, each of which pushes a value and pops one",
            vec![
                spec::<ByHandle, Mixed, 0>().primary(),
                spec::<AsQueue<IndexStack<u64>>, Mixed, 0>(),
                spec::<AsQueue<EpochStack<u64>>, Mixed, 0>(),
                spec::<AsQueue<Nowhere>, Mixed, 0>(),
                private::<ByHandle, Mixed, 0>(),
                spec::<AsQueue<StdPile<u64>>, Mixed, 0>().reference(),
                spec::<AsQueue<ParkingPile<u64>>, Mixed, 0>(),
                spec::<AsQueue<Treiber<u64>>, Mixed, 0>(),
            ],
        ),
    ]
}

// ---- where a mutex is as good ---------------------------------------------------------------------

fn crossing() -> Vec<Case> {
    vec![
        worked::<Working50>(
            "lockfree/crossing/work-50",
            "Two threads push and pop, with some 50 ns of work before each operation",
        ),
        worked::<Working200>(
            "lockfree/crossing/work-200",
            "Two threads push and pop, with some 200 ns of work before each operation",
        ),
        worked::<Working800>(
            "lockfree/crossing/work-800",
            "Two threads push and pop, with some 800 ns of work before each operation",
        ),
    ]
}

fn worked<S: Script>(id: &'static str, what: &'static str) -> Case {
    let engines = vec![
        spec::<Mpmc, S, 2>().primary(),
        spec::<Nowhere, S, 2>(),
        private::<Mpmc, S, 2>(),
        spec::<StdDeque<u64>, S, 2>().reference(),
        spec::<ParkingDeque<u64>, S, 2>(),
    ];
    case::<S>(id, what, engines)
}

// ---- what they are made of ------------------------------------------------------------------------

pub(super) fn case<S: Script>(
    id: &'static str,
    what: &'static str,
    engines: Vec<EngineSpec>,
) -> Case {
    let threads = S::PLAN.threads();
    Case {
        id,
        krate: CRATE,
        what,
        model: if threads == 1 { Model::Latency } else { Model::Throughput },
        unit: "value",
        input: || synthetic(0, S::PLAN.total() as u64),
        working_set_bytes: (CAPACITY * 2 * size_of::<u64>()) as u64,
        threads,
        engines,
    }
}

/// `Q` on one thread: pushes one or a batch, and pops as much.
fn pairs<Q: Queue<u64>, S: Script, const FROM: usize>() -> EngineSpec {
    engines::spec_of(Q::ABOUT, Pairs::<Q, S, FROM>::build)
}

struct Pairs<Q: Queue<u64>, S, const FROM: usize> {
    ends: Option<(Q::Producer, Q::Consumer)>,
    script: PhantomData<S>,
}

impl<Q: Queue<u64>, S: Script, const FROM: usize> Round for Pairs<Q, S, FROM> {
    const OPS: u64 = S::PLAN.total() as u64;

    fn new() -> Self {
        Self { ends: Some(Q::ends(CAPACITY)), script: PhantomData }
    }

    fn round(&mut self, _: bool) -> u64 {
        let ends = self.ends.take().expect("put back after each round");
        let (ends, tally): (_, Tally<FROM>) =
            exchange::<_, _, S, FROM>(ends, first_of(0), S::PLAN.total());
        self.ends = Some(ends);
        tally.checksum()
    }
}
