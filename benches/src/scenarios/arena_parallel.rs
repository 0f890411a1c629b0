//! `arena/parallel`: several threads fill one arena whose values live until all of it dies.
//!
//! The work is that of [`linear_shared`]: each thread places 16,384 values of 24 bytes a round, then
//! all meet and one of them resets. The control `share-nothing` is a private arena for each thread
//! with the same meetings; bumpalo-herd, bump-scope's pool and blink-alloc are the peers that share.

use super::arena::CRATE;
use super::linear::synthetic;
use super::linear_shared::{VALUES, heap, spec};
use super::linear_typed::Value;
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines::arena::{self, New};
use crate::engines::glibc::Glibc;
use crate::engines::null::Null;
use crate::engines::shared::PerThread;
use crate::engines::{blink_alloc, bump_scope, bumpalo, jemalloc, mimalloc, snmalloc};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<1>("arena/parallel/1-thread", "One thread: what being shareable costs alone"),
        case::<2>(
            "arena/parallel/2-threads",
            "Two threads place 16,384 values each in one arena, meet, and reset it",
        ),
    ]
}

fn case<const THREADS: usize>(id: &'static str, what: &'static str) -> Case {
    let private = |spec: EngineSpec, why| spec.configured("per-thread", why);
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Throughput,
        unit: "allocation",
        input: || synthetic(0, (THREADS * VALUES) as u64),
        working_set_bytes: (THREADS * VALUES * (size_of::<Value>() + size_of::<usize>())) as u64,
        threads: THREADS,
        engines: vec![
            spec::<arena::Local, THREADS>().primary(),
            spec::<arena::Direct, THREADS>(),
            spec::<PerThread<Null>, THREADS>(),
            EngineSpec {
                name: "share-nothing",
                ..private(
                    spec::<PerThread<New<8>>, THREADS>(),
                    "a private Arena<8> each, the same meetings",
                )
                .as_role(Role::Control)
            },
            heap::<Glibc, THREADS>().reference(),
            heap::<mimalloc::Mimalloc, THREADS>(),
            heap::<jemalloc::Plain, THREADS>(),
            heap::<jemalloc::SizedFree, THREADS>(),
            heap::<snmalloc::Snmalloc, THREADS>(),
            spec::<blink_alloc::SharedLocal, THREADS>(),
            spec::<blink_alloc::SharedDirect, THREADS>(),
            spec::<bump_scope::Pool, THREADS>(),
            spec::<bumpalo::Herd, THREADS>(),
            private(
                spec::<PerThread<bumpalo::WithCapacity<8>>, THREADS>(),
                "a Bump is not Sync: one each is how its users share",
            ),
        ],
    }
}
