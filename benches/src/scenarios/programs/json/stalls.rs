//! Requests timed one by one: how long does each of them spend with its allocator, at worst?
//!
//! A request is a package of `cargo metadata` ([`requests`](super::requests)): its tree is made, walked
//! and dropped. What counts is the time of making and dropping, without the time that reading the same
//! text takes when nothing is kept of it, measured in the same process. Plain code and ours run the
//! same parser, so the difference is the memory: calls, freeing, and pages or caches that miss.

use core::marker::PhantomData;
use std::time::Instant;

use super::requests::{FIRST_CHUNK_BYTES, requests};
use super::{CONTROL, Count, Into, OnHeap, Owned, parse};
use crate::case::{Case, Engine, EngineSpec, Input, Model};
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::{About, Bump, arena, bumpalo, glibc, jemalloc, mimalloc, spec, spec_of};
use crate::scenarios::heap_top::{self, HeapTop};
use crate::scenarios::programs::fold;
use allocator_api2::alloc::Global;

/// Passes of a sample: each times every request once, so that a thousandth of all is a few readings.
const PASSES: usize = 16;

/// Of how many readings without a tree the shortest counts.
const READINGS: usize = 5;

/// The case.
pub(in crate::scenarios) fn case(id: &'static str, krate: &'static str) -> Case {
    let each = "an arena made for each request";
    Case {
        id,
        krate,
        what: "Reads each package of cargo metadata into a tree, walks it and drops it: p99.9 of the \
               time that a request spends on memory",
        model: Model::Tail,
        unit: "request",
        input: || {
            heap_top::arrange(HeapTop::Pinned);
            let bytes = requests().iter().map(|text| text.len() as u64).sum();
            Input { kind: "metadata", bytes, count: requests().len() as u64 }
        },
        working_set_bytes: 64 << 10,
        threads: 1,
        engines: vec![
            engine::<Null>(),
            engine::<Plain>().reference(),
            spec::<arena::New<8>>(build::<Fresh<arena::New<8>>>)
                .configured("per-request", each)
                .primary(),
            spec::<arena::New<8>>(build::<Kept<arena::New<8>>>)
                .configured("reset", "one arena, reset after each request"),
            spec::<bumpalo::New>(build::<Fresh<bumpalo::New>>).configured("per-request", each),
            heap::<glibc::Glibc>(),
            heap::<mimalloc::Mimalloc>(),
            heap::<jemalloc::SizedFree>(),
        ],
    }
}

fn engine<S: Serve>() -> EngineSpec {
    spec_of(S::ABOUT, build::<S>)
}

fn heap<M: Malloc>() -> EngineSpec {
    EngineSpec { counted: Some(build::<OnHeap<Counted>>), ..spec::<Heap<M>>(build::<OnHeap<M>>) }
}

/// One way of holding a request's tree.
trait Serve: 'static {
    const ABOUT: About;

    /// What it keeps from request to request.
    type Keep;

    fn start() -> Self::Keep;

    /// Serves a request; `lap` is called when its tree is made, when it is walked, and when it is gone.
    fn serve(keep: &mut Self::Keep, text: &str, lap: impl FnMut()) -> u64;
}

struct Requests<S: Serve> {
    keep: S::Keep,
    /// Nanoseconds that reading each request takes when nothing is kept.
    reading_ns: Vec<u64>,
}

fn build<S: Serve>() -> Box<dyn Engine> {
    let reading = |text: &String| {
        let times = (0..READINGS).map(|_| timed::<Null>(&mut (), text));
        times.min().unwrap_or(0)
    };
    let reading_ns = requests().iter().map(reading).collect();
    let mut engine = Requests::<S> { keep: S::start(), reading_ns };
    // Chunks have settled and pages are touched after three rounds.
    engine.run(3);
    Box::new(engine)
}

/// Nanoseconds of making and dropping, reading included.
fn timed<S: Serve>(keep: &mut S::Keep, text: &str) -> u64 {
    let start = Instant::now();
    let mut laps = [start; 3];
    let mut passed = 0;
    S::serve(keep, text, || {
        laps[passed] = Instant::now();
        passed += 1;
    });
    let [made, walked, gone] = laps;
    let spent = made.duration_since(start) + gone.duration_since(walked);
    u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX)
}

impl<S: Serve> Engine for Requests<S> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| {
            let serve = |sum, text: &String| fold(sum, S::serve(&mut self.keep, text, || ()));
            requests().iter().fold(1, serve)
        })
    }

    fn ops_per_round(&self) -> u64 {
        requests().len() as u64
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        heap_top::verify();
        Vec::new()
    }

    fn run_timed(&mut self, out: &mut Vec<u64>) -> bool {
        for _ in 0..PASSES {
            out.extend(requests().iter().zip(&self.reading_ns).map(|(text, reading_ns)| {
                timed::<S>(&mut self.keep, text).saturating_sub(*reading_ns)
            }));
        }
        true
    }
}

/// Reads, and keeps nothing.
struct Null;

impl Serve for Null {
    const ABOUT: About = super::NULL;
    type Keep = ();

    fn start() {}

    fn serve((): &mut (), text: &str, mut lap: impl FnMut()) -> u64 {
        let sum = parse(&mut Count, text).1;
        lap();
        lap();
        lap();
        sum
    }
}

/// `Box` and `Vec` on the global allocator.
struct Plain;

impl Serve for Plain {
    const ABOUT: About = About {
        name: "plain",
        why: "the parser that the arenas run, with Vec on the global allocator",
        ..CONTROL
    };
    type Keep = ();

    fn start() {}

    fn serve((): &mut (), text: &str, lap: impl FnMut()) -> u64 {
        owned(&mut Owned(Global), text, lap)
    }
}

impl<M: Malloc> Serve for OnHeap<M> {
    const ABOUT: About = M::ABOUT;
    type Keep = Heap<M>;

    fn start() -> Heap<M> {
        Heap::new()
    }

    fn serve(heap: &mut Heap<M>, text: &str, lap: impl FnMut()) -> u64 {
        use crate::engines::Backing;
        owned(&mut Owned(heap.handle()), text, lap)
    }
}

fn owned<A: allocator_api2::alloc::Allocator + Copy>(
    blocks: &mut Owned<A>,
    text: &str,
    mut lap: impl FnMut(),
) -> u64 {
    let value = parse(blocks, text);
    lap();
    let sum = Owned::walk(&value);
    lap();
    drop(value);
    lap();
    sum
}

/// A region made for each request.
struct Fresh<R>(PhantomData<R>);

impl<R: Bump> Serve for Fresh<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = ();

    fn start() {}

    fn serve((): &mut (), text: &str, mut lap: impl FnMut()) -> u64 {
        let region = R::with_capacity(FIRST_CHUNK_BYTES);
        let tree = parse(&mut Into(&region), text);
        lap();
        let sum = tree.walk();
        lap();
        drop(region);
        lap();
        sum
    }
}

/// A region kept for all requests and reset after each.
struct Kept<R>(PhantomData<R>);

impl<R: Bump> Serve for Kept<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = R;

    fn start() -> R {
        R::with_capacity(FIRST_CHUNK_BYTES)
    }

    fn serve(region: &mut R, text: &str, mut lap: impl FnMut()) -> u64 {
        let tree = parse(&mut Into(&*region), text);
        lap();
        let sum = tree.walk();
        lap();
        region.reset();
        lap();
        sum
    }
}
