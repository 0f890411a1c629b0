//! `…/requests/metadata`: each package that `cargo metadata` lists is a request of its own: its JSON
//! becomes a tree, is walked, and dies.
//!
//! Most are a few kilobytes and a few a hundred times that. The parser, the tree and the walk are those
//! of `json-dom`; an engine decides whether an arena is made for each request or kept and reset, and
//! where the tree lives. The heap is that of a process that has run for a while ([`heap_top`]).

use core::marker::PhantomData;
use std::sync::OnceLock;

use super::{Into, Null, OnHeap, Program, SameParser, Serde, Tree, parse};
use crate::case::{Case, Engine, EngineSpec, Input, Model};
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::{
    About, Bump, arena, blink_alloc, bump_scope, bumpalo, glibc, jemalloc, mimalloc, oxc,
    scoped_arena, snmalloc, spec, spec_of,
};
use crate::input::metadata;
use crate::scenarios::heap_top::{self, HeapTop};
use crate::scenarios::programs::fold;

/// What an arena begins with, where that can be said: the tree of a short request.
pub(super) const FIRST_CHUNK_BYTES: usize = 16 << 10;

/// The requests' texts.
pub(super) fn requests() -> &'static [String] {
    static REQUESTS: OnceLock<Vec<String>> = OnceLock::new();
    REQUESTS.get_or_init(|| {
        let document: serde_json::Value =
            serde_json::from_str(metadata::text()).expect("cargo prints JSON");
        let packages = document["packages"].as_array().expect("a list of packages");
        packages.iter().map(ToString::to_string).collect()
    })
}

/// The case.
pub(in crate::scenarios) fn case() -> Case {
    let each = "an arena made for each request";
    let one = "one arena, reset after each request";
    Case {
        id: "arena/requests/metadata",
        krate: "alloc-arena",
        what: "Reads each package of cargo metadata into a tree of its own, walks it and drops it, \
               an arena for each; a block above the chunks pins glibc's heap",
        model: Model::Churn,
        unit: "request",
        input: || {
            heap_top::arrange(HeapTop::Pinned);
            let bytes = requests().iter().map(|text| text.len() as u64).sum();
            Input { kind: "metadata", bytes, count: requests().len() as u64 }
        },
        working_set_bytes: 64 << 10,
        threads: 1,
        engines: vec![
            engine::<Serde>().reference(),
            engine::<SameParser>(),
            engine::<Null>(),
            fresh::<arena::New<8>>().configured("per-request", each).primary(),
            kept::<arena::New<8>>().configured("reset", one),
            fresh::<bumpalo::New>().configured("per-request", each),
            fresh::<bumpalo::WithCapacity<8>>().configured(
                "per-request-sized",
                "an arena made for each request, with room for a short one, minimum alignment 8",
            ),
            kept::<bumpalo::New>().configured("reset", one),
            fresh::<bump_scope::Scope<8, false>>().configured("per-request", each),
            fresh::<blink_alloc::New>().configured("per-request", each),
            fresh::<oxc::New>().configured("per-request", each),
            fresh::<oxc::WithCapacity>().configured(
                "per-request-sized",
                "an arena made for each request, with room for a short one",
            ),
            kept::<oxc::New>().configured("reset", "one arena, reset, as oxc pools them"),
            fresh::<scoped_arena::WithCapacity>().configured("per-request", each),
            heap::<glibc::Glibc>(),
            heap::<mimalloc::Mimalloc>(),
            heap::<jemalloc::SizedFree>(),
            heap::<snmalloc::Snmalloc>(),
        ],
    }
}

struct Serve<P: Program>(P::Keep);

impl<P: Program> Engine for Serve<P> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| {
            let serve = |sum, text: &String| fold(sum, P::document(&mut self.0, text));
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
}

fn build<P: Program>() -> Box<dyn Engine> {
    let mut engine = Serve::<P>(P::start());
    // Chunks have settled and pages are touched after three rounds.
    engine.run(3);
    Box::new(engine)
}

fn engine<P: Program>() -> EngineSpec {
    spec_of(P::ABOUT, build::<P>)
}

fn fresh<R: Bump>() -> EngineSpec {
    spec::<R>(build::<Fresh<R>>)
}

fn kept<R: Bump>() -> EngineSpec {
    spec::<R>(build::<Kept<R>>)
}

fn heap<M: Malloc>() -> EngineSpec {
    EngineSpec { counted: Some(build::<OnHeap<Counted>>), ..spec::<Heap<M>>(build::<OnHeap<M>>) }
}

/// A region made for each request.
struct Fresh<R>(PhantomData<R>);

impl<R: Bump> Program for Fresh<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = ();

    fn start() {}

    fn document((): &mut (), text: &str) -> u64 {
        let region = R::with_capacity(FIRST_CHUNK_BYTES);
        let tree: Tree<'_> = parse(&mut Into(&region), text);
        tree.walk()
    }
}

/// A region kept for all requests and reset after each.
struct Kept<R>(PhantomData<R>);

impl<R: Bump> Program for Kept<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = R;

    fn start() -> R {
        R::with_capacity(FIRST_CHUNK_BYTES)
    }

    fn document(region: &mut R, text: &str) -> u64 {
        let sum = parse(&mut Into(&*region), text).walk();
        region.reset();
        sum
    }
}
