//! `stack/depot`: jobs that each borrow memory from what all threads share, use it, and give it back:
//! requests on a pool of threads.
//!
//! A job copies two or three slices of 4 to 32 words and reads their ends. All members of a team do 1,024
//! jobs a round, then meet. The control by hand is the same stacks behind a lock.

use core::cell::UnsafeCell;

use rand::Rng;

use super::checksum::fold;
use super::linear::{numbers, synthetic};
use super::stack::CRATE;
use super::team::{Team, Work};
use crate::case::{Case, Engine, EngineSpec, Model};
use crate::engines;
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::leases::{
    Job, Leases, MOST_WORDS, OfBumpPool, OfBumps, OfDepot, OfHerd, OfMutex, Places, Word,
};
use crate::engines::{jemalloc, mimalloc, snmalloc};

/// Jobs of a thread a round.
const JOBS: usize = 1024;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<1>(
            "stack/depot/1-thread",
            "One thread does 1,024 jobs, each with memory borrowed from what threads could share",
        ),
        case::<2>(
            "stack/depot/2-threads",
            "Two threads do 1,024 jobs each, each job with memory borrowed from what they share",
        ),
    ]
}

fn case<const THREADS: usize>(id: &'static str, what: &'static str) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Throughput,
        unit: "job",
        input: || synthetic(0, (THREADS * JOBS) as u64),
        working_set_bytes: (THREADS * JOBS * MOST_WORDS * size_of::<Word>() / 2) as u64,
        threads: THREADS,
        engines: vec![
            jobs::<OfDepot, THREADS>().primary(),
            jobs::<OfMutex, THREADS>(),
            jobs::<Places, THREADS>(),
            heap::<Glibc, THREADS>().reference(),
            heap::<mimalloc::Mimalloc, THREADS>(),
            heap::<jemalloc::Plain, THREADS>(),
            heap::<jemalloc::SizedFree, THREADS>(),
            heap::<snmalloc::Snmalloc, THREADS>(),
            jobs::<OfBumpPool, THREADS>(),
            jobs::<OfHerd, THREADS>(),
            jobs::<OfBumps, THREADS>(),
        ],
    }
}

fn heap<M: Malloc, const THREADS: usize>() -> EngineSpec
where
    Heap<M>: Leases,
{
    jobs::<Heap<M>, THREADS>().counted_on(&jobs::<Heap<Counted>, THREADS>())
}

fn jobs<L: Leases, const THREADS: usize>() -> EngineSpec {
    engines::spec_of(L::ABOUT, || {
        let mut team = Team::new(THREADS, Together(UnsafeCell::new(L::new())));
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
        (THREADS * JOBS) as u64
    }
}

/// What the team shares.
struct Together<L>(UnsafeCell<L>);

// SAFETY: members share the leases, which are `Sync`, within a round; between rounds one of them has
// them alone, while the others wait (`Work::between`).
unsafe impl<L: Leases> Sync for Together<L> {}

impl<L: Leases> Work for Together<L> {
    /// What a member's jobs copy.
    type Member = Vec<Box<[Word]>>;

    fn join(&self, index: usize) -> Self::Member {
        let mut numbers = numbers(0x6465_706f + index as u64);
        (0..JOBS)
            .map(|_| {
                let len = numbers.random_range(4..=MOST_WORDS);
                (0..len).map(|_| numbers.random()).collect()
            })
            .collect()
    }

    fn round(&self, member: &mut Self::Member, _: bool) -> u64 {
        // SAFETY: nobody has them alone within a round.
        let leases = unsafe { &*self.0.get() };
        member.iter().fold(1, |sum, words| fold(sum, serve(leases, words)))
    }

    unsafe fn between(&self) {
        // SAFETY: every member waits.
        unsafe { &mut *self.0.get() }.settle();
    }
}

#[inline(never)]
fn serve<L: Leases>(leases: &L, words: &[Word]) -> u64 {
    leases.serve(Copies(words))
}

/// The job.
struct Copies<'w>(&'w [Word]);

impl Job for Copies<'_> {
    #[inline]
    fn run<'m>(self, mut copy: impl FnMut(&[Word]) -> &'m mut [Word]) -> u64 {
        let own = copy(self.0);
        let last = own.len() - 1;
        own[last] ^= 0x5EED;
        let half = copy(&own[..own.len() / 2]);
        half[0] ^= own[last];
        let third = if own[0].is_multiple_of(2) { copy(half) } else { &mut [] };
        // All are read at the end: none may have been overwritten.
        let ends = [own[0], own[last], half[0], half[half.len() - 1]];
        let sum = ends.into_iter().chain(third.first().copied());
        sum.fold(1, |sum, word| fold(sum, u64::from(word)))
    }
}
