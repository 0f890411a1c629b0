//! `lockfree/counter`: threads that add up; and `lockfree/false-sharing`: words on one line.
//!
//! `words` is the real input: two threads read the registry's sources, a half each, and count words by
//! their first letter, in 32 counters that both add to.

use core::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use crossbeam_utils::CachePadded;
use lockfree::Counter;

use super::checksum::fold;
use super::linear::synthetic;
use super::lockfree::{CRATE, WARM_ROUNDS};
use super::programs::words;
use super::team::{Team, Work};
use crate::case::{Case, Engine, EngineSpec, Input, Model};
use crate::engines::counters::{Adjacent, Count, Neighbours, Padded, Private, Shards};
use crate::engines::lockfree::Local;
use crate::engines::queues::Nowhere;
use crate::engines::{self};
use crate::input::registry::{Source, sources};

/// Additions of a thread in a round.
const ADDITIONS: u64 = 64 * 1024;

/// Counters of words.
const LETTERS: usize = 32;

pub(super) fn cases() -> Vec<Case> {
    vec![
        counter::<1>("lockfree/counter/one-thread", "One thread adds 65,536 times to a counter"),
        counter::<2>(
            "lockfree/counter/2-threads",
            "Two threads add 65,536 times each to a counter",
        ),
        Case {
            id: "lockfree/counter/words",
            krate: CRATE,
            what: "Two threads read half of the registry's sources each and count words by first \
                   letter in 32 counters that both add to",
            model: Model::Throughput,
            unit: "word",
            input: registry,
            working_set_bytes: 20 << 20,
            threads: 2,
            engines: vec![
                letters::<Counter>().primary(),
                letters::<Nowhere>(),
                letters::<AtomicU64>().reference(),
                letters::<CachePadded<AtomicU64>>(),
                letters::<Shards>(),
                letters::<Private>(),
            ],
        },
        Case {
            id: "lockfree/false-sharing/2-threads",
            krate: CRATE,
            what: "Two threads add 65,536 times each to words of their own: side by side on one \
                   line, or padded",
            model: Model::Throughput,
            unit: "addition",
            input: || synthetic(0, 2 * ADDITIONS),
            working_set_bytes: 256,
            threads: 2,
            engines: vec![
                neighbours::<Padded<primitives::CachePadded<AtomicU64>>>().primary(),
                neighbours::<Nowhere>(),
                neighbours::<Adjacent>().reference(),
                neighbours::<Padded<CachePadded<AtomicU64>>>(),
            ],
        },
    ]
}

fn registry() -> Input {
    let sources = sources();
    Input { kind: "registry", bytes: sources.bytes, count: sources.files.len() as u64 }
}

fn counter<const THREADS: usize>(id: &'static str, what: &'static str) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Throughput,
        unit: "addition",
        input: || synthetic(0, THREADS as u64 * ADDITIONS),
        working_set_bytes: 128 * THREADS as u64,
        threads: THREADS,
        engines: vec![
            adding::<Counter, THREADS>().primary(),
            adding::<Local, THREADS>(),
            adding::<Nowhere, THREADS>(),
            adding::<AtomicU64, THREADS>().reference(),
            adding::<Shards, THREADS>(),
            adding::<Mutex<u64>, THREADS>(),
            adding::<Private, THREADS>(),
        ],
    }
}

// ---- a counter, or two words ----------------------------------------------------------------------

/// What the threads of a case do, and what it leaves.
trait Task: Send + Sync + 'static {
    type Member: 'static;

    fn new(threads: usize) -> Self;

    fn join(&self, index: usize) -> Self::Member;

    fn round(&self, member: &mut Self::Member);

    /// What all rounds so far have added up to, in one word a counter.
    fn sums(&self) -> Vec<u64>;
}

struct Adding<T> {
    task: T,
    /// The sums after the round before this one, and after this one.
    sums: Mutex<[Vec<u64>; 2]>,
}

impl<T: Task> Work for Arc<Adding<T>> {
    type Member = T::Member;

    fn join(&self, index: usize) -> T::Member {
        self.task.join(index)
    }

    fn round(&self, member: &mut T::Member, _: bool) -> u64 {
        self.task.round(member);
        0
    }

    unsafe fn between(&self) {
        let [before, after] = &mut *self.sums.lock().expect("nobody panics");
        core::mem::swap(before, after);
        *after = self.task.sums();
    }
}

struct Threads<T> {
    team: Team,
    adding: Arc<Adding<T>>,
    ops: u64,
}

fn build<T: Task>(threads: usize, ops: u64, warm: u64) -> Box<dyn Engine> {
    let task = T::new(threads);
    let sums = task.sums();
    let adding = Arc::new(Adding { task, sums: Mutex::new([sums.clone(), sums]) });
    let mut team = Team::new(threads, Arc::clone(&adding));
    team.run(warm);
    Box::new(Threads { team, adding, ops })
}

impl<T: Task> Engine for Threads<T> {
    fn run(&mut self, rounds: u64) -> u64 {
        self.team.run(rounds);
        let [before, after] = &*self.adding.sums.lock().expect("nobody panics");
        after.iter().zip(before).fold(1, |sum, (after, before)| fold(sum, after - before))
    }

    fn ops_per_round(&self) -> u64 {
        self.ops
    }
}

/// One counter.
struct One<C>(C);

impl<C: Count> Task for One<C> {
    type Member = C::Own;

    fn new(_: usize) -> Self {
        Self(C::new())
    }

    fn join(&self, index: usize) -> C::Own {
        self.0.join(index)
    }

    #[inline(never)]
    fn round(&self, own: &mut C::Own) {
        self.0.count_to(own, ADDITIONS);
        self.0.leave(own);
    }

    fn sums(&self) -> Vec<u64> {
        vec![self.0.sum()]
    }
}

fn adding<C: Count, const THREADS: usize>() -> EngineSpec {
    engines::spec_of(C::ABOUT, || build::<One<C>>(THREADS, THREADS as u64 * ADDITIONS, WARM_ROUNDS))
}

/// Two words.
struct Two<N>(N);

impl<N: Neighbours> Task for Two<N> {
    type Member = usize;

    fn new(_: usize) -> Self {
        Self(N::new())
    }

    fn join(&self, index: usize) -> usize {
        index
    }

    #[inline(never)]
    fn round(&self, index: &mut usize) {
        let index = *index;
        for _ in 0..ADDITIONS {
            self.0.add(index);
        }
    }

    fn sums(&self) -> Vec<u64> {
        vec![self.0.sum()]
    }
}

fn neighbours<N: Neighbours>() -> EngineSpec {
    engines::spec_of(N::ABOUT, || build::<Two<N>>(2, 2 * ADDITIONS, WARM_ROUNDS))
}

// ---- words ----------------------------------------------------------------------------------------

/// A counter for each letter.
struct Letters<C> {
    counters: Vec<C>,
    threads: usize,
}

struct Reader<C: Count> {
    files: Vec<&'static Source>,
    /// The first letters of a file's words.
    letters: Vec<u8>,
    own: Vec<C::Own>,
}

/// Finds the words of a file. One function for all, so that engines differ in how they count and not in
/// how this was compiled.
#[inline(never)]
fn first_letters(text: &[u8], letters: &mut Vec<u8>) {
    letters.clear();
    words(text, |word| letters.push(word[0]));
}

impl<C: Count> Task for Letters<C> {
    type Member = Reader<C>;

    fn new(threads: usize) -> Self {
        Self { counters: (0..LETTERS).map(|_| C::new()).collect(), threads }
    }

    fn join(&self, index: usize) -> Reader<C> {
        let files = sources().files.iter().skip(index).step_by(self.threads).collect();
        let letters = Vec::with_capacity(sources().longest_bytes);
        Reader {
            files,
            letters,
            own: self.counters.iter().map(|counter| counter.join(index)).collect(),
        }
    }

    #[inline(never)]
    fn round(&self, reader: &mut Reader<C>) {
        for file in &reader.files {
            first_letters(file.text.as_bytes(), &mut reader.letters);
            for &letter in &reader.letters {
                let letter = usize::from(letter) % LETTERS;
                self.counters[letter].add(&mut reader.own[letter], 1);
            }
        }
        self.counters.iter().zip(&mut reader.own).for_each(|(counter, own)| counter.leave(own));
    }

    fn sums(&self) -> Vec<u64> {
        self.counters.iter().map(Count::sum).collect()
    }
}

fn letters<C: Count>() -> EngineSpec {
    engines::spec_of(C::ABOUT, || {
        let mut count = 0;
        sources().files.iter().for_each(|file| words(file.text.as_bytes(), |_| count += 1));
        build::<Letters<C>>(2, count, 1)
    })
}
