//! `slab/shared`: threads that insert, look up and remove, their own values and each other's.
//!
//! ```text
//!   a thread's own table     1,000 values, replaced anywhere, which nobody else sees
//!   the tables that cross    what a thread put there in one round, the other one removes in the next
//! ```
//!
//! A round is 800 batches. A batch looks up 10 values, removes 10 and inserts as many: its own lookups
//! are of what the batch before inserted, and so find their values in the first level of cache; 0, 1
//! or 5 of the 10 are of the table that crosses, from its start to its end, and so were inserted by the other
//! thread in the round before. Threads meet after each round and exchange these tables.
//!
//! The control `share-nothing` is a private slab for each thread. Its tables do not cross: the same
//! work where every key is a thread's own.

use core::cell::UnsafeCell;
use core::hint::black_box;

use super::checksum::fold;
use super::linear::synthetic;
use super::slab::{CRATE, Random, Value, value_at};
use super::team::{Team, Work};
use crate::case::{Case, Engine, EngineSpec, Model};
use crate::engines::alloc_slab::Paged;
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::null::Null;
use crate::engines::shared_slots::{FewThreads, Locked, Private, Sharded, SharedSlots};
use crate::engines::{self, jemalloc, mimalloc, snmalloc};

use alloc_slab::SyncSlab;

/// Values that a thread has for itself.
const OWN: usize = 1000;

/// Values that are looked up, removed and inserted in a batch.
const BATCH: usize = 10;

/// Batches a round.
const BATCHES: usize = 800;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<1, 0>(
            "slab/shared/one-thread",
            "One thread alone looks up 10 of 1,000 values of 64 bytes, removes 10, inserts 10: what \
             being shareable costs",
        ),
        case::<2, 0>(
            "slab/shared/own-keys",
            "Two threads, each with 1,000 values in one slab, look up 10 of their own, remove 10, \
             insert 10",
        ),
        case::<2, 1>(
            "slab/shared/remote-10",
            "The same; a tenth of what a thread looks up and removes was inserted by the other",
        ),
        case::<2, 5>(
            "slab/shared/remote-50",
            "The same; half of what a thread looks up and removes was inserted by the other",
        ),
    ]
}

fn case<const THREADS: usize, const REMOTE: usize>(id: &'static str, what: &'static str) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Throughput,
        unit: "triple",
        input: || synthetic(0, (THREADS * (OWN + REMOTE * BATCHES)) as u64),
        working_set_bytes: (THREADS * (OWN + REMOTE * BATCHES) * size_of::<Value>()) as u64,
        threads: THREADS,
        engines: vec![
            row::<SyncSlab<Value>, THREADS, REMOTE>().primary(),
            row::<Private<Null>, THREADS, REMOTE>(),
            row::<Private<Paged<Value>>, THREADS, REMOTE>(),
            heap::<Glibc, THREADS, REMOTE>().reference(),
            heap::<mimalloc::Mimalloc, THREADS, REMOTE>(),
            heap::<jemalloc::Plain, THREADS, REMOTE>(),
            heap::<jemalloc::SizedFree, THREADS, REMOTE>(),
            heap::<snmalloc::Snmalloc, THREADS, REMOTE>(),
            row::<Sharded<Value>, THREADS, REMOTE>(),
            row::<Sharded<Value, FewThreads>, THREADS, REMOTE>(),
            row::<Locked<Value>, THREADS, REMOTE>(),
        ],
    }
}

fn heap<M: Malloc + Send + Sync, const THREADS: usize, const REMOTE: usize>() -> EngineSpec {
    row::<Heap<M>, THREADS, REMOTE>().counted_on(&row::<Heap<Counted>, THREADS, REMOTE>())
}

fn row<S: SharedSlots<Value>, const THREADS: usize, const REMOTE: usize>() -> EngineSpec {
    engines::spec_of(S::ABOUT, || {
        let mut team = Team::new(THREADS, Together::<S>::new(THREADS, REMOTE));
        team.run(super::WARM_ROUNDS);
        Box::new(Threads { team, ops: (THREADS * BATCH * BATCHES) as u64 })
    })
}

struct Threads {
    team: Team,
    ops: u64,
}

impl Engine for Threads {
    fn run(&mut self, rounds: u64) -> u64 {
        self.team.run(rounds)
    }

    fn ops_per_round(&self) -> u64 {
        self.ops
    }
}

/// What the team shares.
struct Together<S: SharedSlots<Value>> {
    slots: S,
    /// The tables that cross, one for each thread.
    crossing: Vec<UnsafeCell<Vec<S::Key>>>,
    /// Rounds so far.
    round: UnsafeCell<usize>,
    remote: usize,
    seed: u64,
}

// SAFETY: within a round each member takes `&mut` of the one table that is its own in this round, and
// `&` of the number of rounds; that changes between rounds alone. Keys go from thread to thread:
// `S::Key: Send`.
unsafe impl<S: SharedSlots<Value>> Sync for Together<S> {}

impl<S: SharedSlots<Value>> Together<S> {
    fn new(threads: usize, remote: usize) -> Self {
        let crossing = (0..threads).map(|_| UnsafeCell::default()).collect();
        let (round, seed) = (UnsafeCell::new(0), black_box(0x5EED));
        Self { slots: S::new(), crossing, round, remote, seed }
    }

    /// The table of a member in this round.
    fn table_of(&self, index: usize) -> *mut Vec<S::Key> {
        // SAFETY: changes between rounds alone.
        let round = unsafe { *self.round.get() };
        let turn = if S::CROSSES { round } else { 0 };
        self.crossing[(index + turn) % self.crossing.len()].get()
    }
}

/// A thread's own.
struct Member<S: SharedSlots<Value>> {
    own: S::Own,
    keys: Vec<S::Key>,
    index: usize,
    random: Random,
}

impl<S: SharedSlots<Value>> Work for Together<S> {
    type Member = Member<S>;

    fn join(&self, index: usize) -> Member<S> {
        let mut own = self.slots.join();
        let mut fill = |len: usize| {
            let values = (0..len).map(|place| value_at(place, self.seed));
            values.map(|value| self.slots.insert(&mut own, value)).collect::<Vec<_>>()
        };
        let keys = fill(OWN);
        let crossing = fill(self.remote * BATCHES);
        // SAFETY: before the first round each member has the table of its number.
        unsafe { *self.table_of(index) = crossing };
        Member { own, keys, index, random: Random::new(index as u64) }
    }

    fn round(&self, member: &mut Member<S>, sum: bool) -> u64 {
        let Member { own, keys, index, random } = member;
        // SAFETY: this member's table in this round.
        let crossing = unsafe { &mut *self.table_of(*index) };
        black_box(batches(&self.slots, own, (keys, crossing), random, self.remote, self.seed));
        if !sum {
            return 0;
        }
        keys.iter().chain(&*crossing).step_by(16).fold(1, |sum, &key| {
            // SAFETY: the tables' keys are of values that are there.
            unsafe { self.slots.get(own, key) }.into_iter().fold(sum, fold)
        })
    }

    unsafe fn between(&self) {
        // SAFETY: no member is in a round (the caller's promise).
        let round = unsafe { &mut *self.round.get() };
        *round = round.wrapping_add(1);
    }
}

#[inline(never)]
fn batches<S: SharedSlots<Value>>(
    slots: &S,
    own: &mut S::Own,
    (keys, crossing): (&mut [S::Key], &mut [S::Key]),
    random: &mut Random,
    remote: usize,
    seed: u64,
) -> u64 {
    let (part, mut sum, mut crossed) = (keys.len() / BATCH, 0_u64, 0);
    let local = BATCH - remote;
    // What the last batch inserted is what this one looks up.
    let mut places = [0; BATCH];
    for _ in 0..BATCHES {
        for (number, place) in places[..local].iter_mut().enumerate() {
            let before = *place;
            *place = number * part + random.below(part);
            // SAFETY: the table's keys are of values that are there, and nobody else knows them.
            let value = unsafe { slots.get(own, keys[before]) };
            sum = sum.wrapping_add(value[0]);
        }
        for number in crossed..crossed + remote {
            // What has not crossed back yet is further on in the table.
            let ahead = number + random.below(crossing.len() - number);
            // SAFETY: as above: in this round the table is this thread's.
            let value = unsafe { slots.get(own, crossing[ahead]) };
            sum = sum.wrapping_add(value[0]);
        }
        for &place in &places[..local] {
            // SAFETY: as above; the place gets another key below.
            unsafe { slots.remove(own, keys[place]) };
        }
        for &key in &crossing[crossed..crossed + remote] {
            // SAFETY: as above; the place gets another key below.
            unsafe { slots.remove(own, key) };
        }
        for &place in &places[..local] {
            keys[place] = slots.insert(own, value_at(place, seed));
        }
        for (number, key) in (crossed..).zip(&mut crossing[crossed..crossed + remote]) {
            *key = slots.insert(own, value_at(number, seed));
        }
        crossed += remote;
    }
    sum
}
