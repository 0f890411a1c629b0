//! `linear/shared`: several threads allocate from one region and reset it together.
//!
//! Each thread takes 16,384 values of 24 bytes a round, then all meet and one of them resets. The
//! control `share-nothing` is a private `Linear` for each thread with the same meetings: what
//! sharing could cost at the least. Four threads on fewer CPUs are oversubscribed; the row says so.

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::ptr::NonNull;

use super::linear::{CRATE, synthetic};
use super::linear_typed::{Value, fill_with, sum_of};
use super::team::{Team, Work};
use crate::case::{Case, Engine, EngineSpec, Model, Role};
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::linear::{self, Linear};
use crate::engines::null::Null;
use crate::engines::shared::{PerThread, Shared};
use crate::engines::{self, blink_alloc, bump_scope, bumpalo, jemalloc, mimalloc, snmalloc};

/// Values a thread and round.
pub(super) const VALUES: usize = 16 * 1024;

/// What a thread needs a round, and some blocks more.
const BYTES_PER_THREAD: usize = VALUES * size_of::<Value>() + 256 * 1024;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<1>("linear/shared/1-thread", "One thread: what being shareable costs alone"),
        case::<2>(
            "linear/shared/2-threads",
            "Two threads allocate 16,384 values each from one region, meet, and reset it",
        ),
        case::<4>(
            "linear/shared/4-threads",
            "Four threads allocate 16,384 values each from one region, meet, and reset it",
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
            spec::<linear::Local, THREADS>().primary(),
            spec::<linear::Direct, THREADS>(),
            spec::<PerThread<Null>, THREADS>(),
            EngineSpec {
                name: "share-nothing",
                ..private(
                    spec::<PerThread<Linear<8>>, THREADS>(),
                    "a private Linear<8> each, the same meetings",
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
            private(
                spec::<PerThread<bumpalo::WithCapacity<8>>, THREADS>(),
                "a Bump is not Sync: one each is how its users share",
            ),
        ],
    }
}

pub(super) fn heap<M: Malloc, const THREADS: usize>() -> EngineSpec {
    spec::<PerThread<Heap<M>>, THREADS>().counted_on(&spec::<PerThread<Heap<Counted>>, THREADS>())
}

pub(super) fn spec<S: Shared, const THREADS: usize>() -> EngineSpec {
    engines::spec_of(S::ABOUT, || {
        let mut team = Team::new(THREADS, Together::<S>::new(THREADS));
        team.run(super::WARM_ROUNDS);
        Box::new(Threads::<THREADS>(team))
    })
}

struct Threads<const THREADS: usize>(Team);

impl<const THREADS: usize> Engine for Threads<THREADS> {
    fn run(&mut self, rounds: u64) -> u64 {
        self.0.run(rounds)
    }

    fn ops_per_round(&self) -> u64 {
        (THREADS * VALUES) as u64
    }
}

/// What the team shares.
struct Together<S> {
    region: UnsafeCell<S>,
    seed: u64,
}

// SAFETY: members take `&S` within rounds, which `S: Sync` allows; `&mut S` is taken only between
// rounds, when the team promises that nobody is in one. A reset may drop what other threads put
// there, hence `S: Send` too (both are supertraits of `Shared`).
unsafe impl<S: Shared> Sync for Together<S> {}

impl<S: Shared> Together<S> {
    fn new(threads: usize) -> Self {
        let region = UnsafeCell::new(S::with_capacity(threads * BYTES_PER_THREAD, threads));
        Self { region, seed: black_box(0x5EED) }
    }
}

/// A thread's own.
struct Member<S: Shared> {
    own: S::Own,
    table: Vec<NonNull<Value>>,
    seed: u64,
}

impl<S: Shared> Work for Together<S> {
    type Member = Member<S>;

    fn join(&self, index: usize) -> Member<S> {
        // SAFETY: before the first round nobody has `&mut S`.
        let region = unsafe { &*self.region.get() };
        let table = vec![NonNull::dangling(); VALUES];
        Member { own: region.join(), table, seed: self.seed.wrapping_add(index as u64) }
    }

    fn round(&self, member: &mut Member<S>, sum: bool) -> u64 {
        let Member { own, table, seed } = member;
        // SAFETY: within a round nobody has `&mut S`.
        let region = unsafe { &*self.region.get() };
        let sum = fill(region, own, table, *seed, sum);
        // SAFETY: 1. this thread's blocks of the round; 2. the next round overwrites the table.
        unsafe { region.leave(own, table) };
        sum
    }

    unsafe fn between(&self) {
        // SAFETY: no member is in a round (the caller's promise), and none keeps a reference.
        let region = unsafe { &mut *self.region.get() };
        region.reset();
    }
}

#[inline(never)]
fn fill<S: Shared>(
    region: &S,
    own: &mut S::Own,
    table: &mut [NonNull<Value>],
    seed: u64,
    sum: bool,
) -> u64 {
    region.with_local(own, |local| {
        fill_with(table, seed, |value| S::alloc(local, value));
        if sum { sum_of(table) } else { 0 }
    })
}
