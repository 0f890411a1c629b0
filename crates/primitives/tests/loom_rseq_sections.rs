//! The rules under which a restartable section is safe, as a machine with two CPUs that loom interleaves.
//!
//! Each step below is one instruction of `src/percpu/sections.rs` that touches memory, in that file's order. The
//! machine keeps the kernel's promise and nothing more: when a thread takes a step, every other thread on that CPU was
//! interrupted, and if it was inside a section it resumes at the abort handler; a thread that is moved likewise.
//!
//! Two broken sections are checked beside the right one, and the model must find a double or lost word in each: it can
//! fail.
#![cfg(loom)]

use primitives::model::{Model, Seen};
use primitives::sync::{Arc, Mutex, thread};

const CPUS: usize = 2;
const CAPACITY: usize = 1;

/// What differs between the section as it is and its broken variants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    AsBuilt,
    /// The id is read before the section is armed, and not again on restart.
    IdOnce,
    /// The length goes up before the word is stored.
    CommitFirst,
}

#[derive(Clone, Copy, Default)]
struct Shard {
    len: usize,
    slots: [usize; CAPACITY],
}

struct Machine {
    /// Where each thread runs.
    cpu: [usize; 2],
    /// Whether each thread is inside a section that nothing has interrupted.
    armed: [bool; 2],
    shards: [Shard; CPUS],
    aborts: usize,
}

struct Aborted;

struct Cpus(Mutex<Machine>);

impl Cpus {
    fn new(on: [usize; 2], words: [Option<usize>; CPUS]) -> Arc<Self> {
        let shards = words
            .map(|word| Shard { len: usize::from(word.is_some()), slots: [word.unwrap_or(0)] });
        Arc::new(Self(Mutex::new(Machine { cpu: on, armed: [false; 2], shards, aborts: 0 })))
    }

    /// One instruction of `thread`: whoever else is on its CPU is not running, hence interrupted.
    fn step<R>(&self, thread: usize, instruction: impl FnOnce(&mut Machine) -> R) -> R {
        let mut machine = self.0.lock().unwrap();
        let (other, here) = (1 - thread, machine.cpu[thread]);
        if machine.cpu[other] == here {
            machine.armed[other] = false;
        }
        instruction(&mut machine)
    }

    /// One instruction inside the section.
    fn inside<R>(
        &self,
        thread: usize,
        instruction: impl FnOnce(&mut Machine) -> R,
    ) -> Result<R, Aborted> {
        self.step(thread, |machine| {
            if machine.armed[thread] {
                Ok(instruction(machine))
            } else {
                machine.aborts += 1;
                Err(Aborted)
            }
        })
    }

    fn migrate(&self, thread: usize, cpu: usize) {
        let mut machine = self.0.lock().unwrap();
        machine.cpu[thread] = cpu;
        machine.armed[thread] = false;
    }

    /// Runs a section until it is not sent back.
    fn restarting<R>(
        &self,
        section: Section,
        thread: usize,
        body: impl Fn(&Self, usize) -> Result<R, Aborted>,
    ) -> R {
        let early =
            (section == Section::IdOnce).then(|| self.step(thread, |machine| machine.cpu[thread]));
        loop {
            self.step(thread, |machine| machine.armed[thread] = true);
            let attempt = match early {
                Some(cpu) => body(self, cpu),
                None => self
                    .inside(thread, |machine| machine.cpu[thread])
                    .and_then(|cpu| body(self, cpu)),
            };
            if let Ok(result) = attempt {
                return result;
            }
        }
    }

    fn push(&self, section: Section, thread: usize, word: usize) -> bool {
        self.restarting(section, thread, |cpus, cpu| {
            let len = cpus.inside(thread, |machine| machine.shards[cpu].len)?;
            if len >= CAPACITY {
                return Ok(false);
            }
            let store = |machine: &mut Machine| machine.shards[cpu].slots[len] = word;
            let commit = |machine: &mut Machine| machine.shards[cpu].len = len + 1;
            if section == Section::CommitFirst {
                cpus.inside(thread, commit)?;
                cpus.inside(thread, store)?;
            } else {
                cpus.inside(thread, store)?;
                cpus.inside(thread, commit)?;
            }
            Ok(true)
        })
    }

    fn pop(&self, section: Section, thread: usize) -> Option<usize> {
        self.restarting(section, thread, |cpus, cpu| {
            let len = cpus.inside(thread, |machine| machine.shards[cpu].len)?;
            let Some(top) = len.checked_sub(1) else { return Ok(None) };
            let word = cpus.inside(thread, |machine| machine.shards[cpu].slots[top])?;
            cpus.inside(thread, |machine| machine.shards[cpu].len = top)?;
            Ok(Some(word))
        })
    }
}

/// Thread 0 pushes word 1 and pops, thread 1 pops and pushes word 2; `migration` moves a thread meanwhile. Word 3
/// lies in CPU 0's shard from the start.
fn race(section: Section, on: [usize; 2], migration: (usize, usize), seen: &Seen) {
    let cpus = Cpus::new(on, [Some(3), None]);
    let first = Arc::clone(&cpus);
    let first = thread::spawn(move || {
        let pushed = first.push(section, 0, 1);
        (pushed, first.pop(section, 0))
    });
    let second = Arc::clone(&cpus);
    let second = thread::spawn(move || {
        let popped = second.pop(section, 1);
        (second.push(section, 1, 2), popped)
    });
    cpus.migrate(migration.0, migration.1);
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    let machine = cpus.0.lock().unwrap();
    let mut places = [0; 4];
    for word in [first.1, second.1].into_iter().flatten() {
        places[word] += 1;
    }
    for shard in &machine.shards {
        for &word in &shard.slots[..shard.len] {
            places[word] += 1;
        }
    }
    let whole = places == [0, usize::from(first.0), usize::from(second.0), 1];
    seen.record(match (whole, machine.aborts > 0) {
        (true, true) => "whole after an abort",
        (true, false) => "whole",
        (false, _) => "a word doubled or lost",
    });
}

/// Both start on CPU 0, and one is moved away.
#[test]
fn loom_rseq_section_as_built() {
    let outcomes = ["whole", "whole after an abort"];
    Model::new("rseq_section_as_built").reaches(outcomes).preemptions(3).floor(2_000).check(
        |seen| {
            race(Section::AsBuilt, [0, 0], (0, 1), seen);
        },
    );
}

/// They start on different CPUs, and one is moved to the other's.
#[test]
fn loom_rseq_section_as_built_moving_in() {
    let outcomes = ["whole", "whole after an abort"];
    Model::new("rseq_section_as_built_moving_in")
        .reaches(outcomes)
        .preemptions(3)
        .floor(2_000)
        .check(|seen| {
            race(Section::AsBuilt, [0, 1], (1, 0), seen);
        });
}

/// With an id that is not read again, two CPUs work on one shard.
#[test]
fn loom_rseq_section_with_a_stale_id_breaks() {
    let outcomes = ["whole", "whole after an abort", "a word doubled or lost"];
    Model::new("rseq_section_with_a_stale_id_breaks")
        .reaches(outcomes)
        .preemptions(3)
        .floor(2_000)
        .check(|seen| {
            race(Section::IdOnce, [0, 0], (0, 1), seen);
        });
}

/// With the commit first, an abort leaves a word that was never stored.
#[test]
fn loom_rseq_section_that_commits_first_breaks() {
    let outcomes = ["whole", "whole after an abort", "a word doubled or lost"];
    Model::new("rseq_section_that_commits_first_breaks")
        .reaches(outcomes)
        .preemptions(3)
        .floor(2_000)
        .check(|seen| {
            race(Section::CommitFirst, [0, 0], (0, 1), seen);
        });
}
