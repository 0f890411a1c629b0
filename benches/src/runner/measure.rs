//! Measures one case: processes until the A/A control agrees, then the counts.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use crate::case::{Case, Model, Role};
use crate::report::schema::CaseRow;
use crate::runner::assemble;
use crate::runner::budget::Budget;
use crate::runner::instructions;
use crate::runner::job::{Answer, Sample, SlotAnswer, Tail, Task};
use crate::runner::probe::Limits;
use crate::runner::spawn::{Death, Flavour, Spawner, in_parallel};
use crate::stats::{Interval, Sweeps};
use crate::threads;

/// The A/A control must lie this close to 1, or the case counts as not done.
pub const AA_TOLERANCE: f64 = 0.02;
/// Why an engine that was not asked for has no figures; its row is left out.
const NOT_NEEDED: &str = "not needed";
/// Cases whose shortest rounds last longer are counted under callgrind only when asked for one by one.
const LONG_ROUND_NS: f64 = 25e6;
/// Percentiles for a tail case: passes in one process.
const TAIL_SWEEPS: u32 = 6;

/// Everything gathered about one engine.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Why it has no figures.
    pub error: Option<String>,
    /// Nanoseconds of a round, roughly.
    pub round_ns: f64,
    /// Timed samples, by process.
    pub samples: Vec<Vec<Sample>>,
    /// Passes over single operations, by process.
    pub tails: Vec<Vec<Tail>>,
    /// Figures of its own, by process.
    pub metrics: Vec<BTreeMap<String, f64>>,
    /// Calls of the system allocator per operation.
    pub allocs: Option<f64>,
    /// Growth of resident memory, by process.
    pub peaks: Vec<f64>,
    /// Page faults per operation, by process.
    pub faults: Vec<f64>,
    /// Instructions per operation, the loop included.
    pub gross_instructions: Option<f64>,
}

/// Everything gathered about one case.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// Input as described in a child: kind, bytes, items.
    pub input: Option<(String, u64, u64)>,
    /// By the engines' index in the case.
    pub engines: Vec<Gathered>,
    /// Samples of the second instance of our primary engine, by process.
    pub twin: Vec<Vec<Sample>>,
    /// How its samples are filed; all NEAR with one thread.
    pub limits: Option<Limits>,
}

/// What a run of several cases shares.
#[derive(Debug)]
pub struct Session {
    spawner: Spawner,
    /// The sizes of this run.
    pub budget: Budget,
    /// Every hand-off probe so far.
    pub probes: Vec<f64>,
    /// What the reader must know beside the rows.
    pub notes: Vec<String>,
    /// The engines to measure of a case, by index; all of them for a case that is not listed.
    pub needed: BTreeMap<&'static str, BTreeSet<usize>>,
    /// Count the instructions of rounds that take a minute under callgrind.
    pub long_counts: bool,
    scratch: PathBuf,
    valgrind: Result<(), String>,
}

impl Session {
    /// A session whose children write into `scratch`.
    #[must_use]
    pub fn new(spawner: Spawner, budget: Budget, scratch: &Path) -> Self {
        let valgrind = if budget.instructions {
            instructions::available().map_err(|e| format!("instructions: {e}"))
        } else {
            Err("instructions: not run; ask for them with --instructions".to_owned())
        };
        instructions::sweep(scratch);
        let notes = valgrind.clone().err().into_iter().collect();
        Session {
            spawner,
            budget,
            probes: Vec::new(),
            notes,
            needed: BTreeMap::new(),
            long_counts: false,
            scratch: scratch.to_owned(),
            valgrind,
        }
    }

    /// Measures one case within about `share`.
    pub fn case(&mut self, case: &Case, share: Duration, step: &mut dyn FnMut(&str)) -> CaseRow {
        let cores = threads::cpus().len();
        if case.threads > 1 && cores < 2 {
            let why = format!("not applicable: needs 2 CPUs, this process may use {cores}");
            return assemble::row(case, &Data { engines: failed(case, &why), ..Data::default() });
        }
        if let Err(error) = self.spawner.executable(case, Flavour::Plain) {
            return assemble::row(
                case,
                &Data { engines: failed(case, &error.to_string()), ..Data::default() },
            );
        }
        let limited = self.budget.limits.is_some();
        let began = Instant::now();
        // Half for the times: a second try and the counts come out of the rest.
        let mut data = self.timed(case, share / 2, step);
        let time_left = share.saturating_sub(began.elapsed()) / 2;
        if let Some(aa) = not_done(case, &data).filter(|_| time_left > share / 6 || !limited) {
            step(&format!("again: A/A was {:.3}", aa.ratio));
            let again = self.timed(case, if limited { time_left } else { share }, step);
            if not_done(case, &again).is_none_or(|second| miss(&second) < miss(&aa)) {
                data = again;
            }
        }
        if case.model == Model::Tail {
            self.tails(case, &mut data, share / 3, step);
        }
        self.counts(case, &mut data, step);
        if self.valgrind.is_ok() && case.threads == 1 {
            self.instructions(case, &mut data, step);
        }
        if let Some(aa) = not_done(case, &data) {
            self.notes.push(format!(
                "{}: not done: A/A {:.3} [{:.3}, {:.3}] is beyond {:.0} %",
                case.id,
                aa.ratio,
                aa.lo,
                aa.hi,
                100.0 * AA_TOLERANCE
            ));
        }
        let mut row = assemble::row(case, &data);
        row.engines.retain(|engine| engine.error.as_deref() != Some(NOT_NEEDED));
        row
    }

    /// Processes of interleaved samples, more of them while the control is not resolved.
    fn timed(&mut self, case: &Case, share: Duration, step: &mut dyn FnMut(&str)) -> Data {
        let began = Instant::now();
        let mut data =
            Data { engines: vec![Gathered::default(); case.engines.len()], ..Data::default() };
        if let Some(needed) = self.needed.get(case.id) {
            for (index, engine) in data.engines.iter_mut().enumerate() {
                engine.error = (!needed.contains(&index)).then(|| NOT_NEEDED.to_owned());
            }
        }
        let budget = self.budget;
        let mut done = 0;
        while done < budget.max_processes {
            step(&format!("process {} of {}", done + 1, budget.processes.max(done + 1)));
            let limit = (share / budget.processes).max(Duration::from_millis(200));
            let task = Task::Time {
                sweeps: budget.sweeps,
                min_sweeps: budget.min_sweeps,
                sample_ns: budget.sample_ns(case.threads, threads::cpus().len()),
                limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                process: done,
            };
            let Some(answer) =
                self.one(case, &mut data, task, 10 * limit + Duration::from_secs(120))
            else {
                break;
            };
            self.file(case, &mut data, answer);
            done += 1;
            let used = began.elapsed();
            let next_fits = used + used / done <= share;
            if done >= budget.processes && (resolved(case, &data) || !next_fits) {
                break;
            }
            if budget.limits.is_some() && done >= 2 && !next_fits {
                break;
            }
        }
        data
    }

    /// Runs one process with every engine still alive, again without those that killed it.
    fn one(&self, case: &Case, data: &mut Data, task: Task, timeout: Duration) -> Option<Answer> {
        loop {
            let mut slots: Vec<usize> =
                (0..case.engines.len()).filter(|&i| data.engines[i].error.is_none()).collect();
            if slots.is_empty() {
                return None;
            }
            if matches!(task, Task::Time { .. })
                && let Some(primary) = slots.iter().copied().find(|&i| case.engines[i].primary)
            {
                slots.push(primary);
            }
            match self.spawner.run(case, Flavour::Plain, &slots, task, timeout) {
                Ok(answer) => return Some(answer),
                Err(Death { slot, why }) => match slot.and_then(|slot| slots.get(slot)) {
                    Some(&engine) => data.engines[engine].error = Some(why),
                    None => {
                        data.engines.iter_mut().for_each(|e| {
                            e.error.get_or_insert(why.clone());
                        });
                        return None;
                    }
                },
            }
        }
    }

    /// Files the answer of one timing process.
    fn file(&mut self, case: &Case, data: &mut Data, answer: Answer) {
        judge(case, data, &answer);
        data.input.get_or_insert(answer.input);
        let mut seen = vec![false; case.engines.len()];
        for slot in answer.slots {
            self.probes.extend(slot.samples.iter().map(|s| s.handoff[0]).filter(|&ns| ns > 0.0));
            if core::mem::replace(&mut seen[slot.engine], true) {
                data.twin.push(slot.samples);
                continue;
            }
            let engine = &mut data.engines[slot.engine];
            engine.round_ns = slot.round_ns;
            engine.samples.push(slot.samples);
            engine.metrics.push(slot.metrics);
        }
        data.limits = (case.threads > 1).then(|| Limits::of(&self.probes));
    }

    fn tails(&mut self, case: &Case, data: &mut Data, share: Duration, step: &mut dyn FnMut(&str)) {
        let began = Instant::now();
        for process in 0..self.budget.processes {
            // As for times: two processes at least, and a third where it fits.
            let used = began.elapsed();
            if self.budget.limits.is_some() && process >= 2 && used + used / process > share {
                return;
            }
            step(&format!("tail, process {} of {}", process + 1, self.budget.processes));
            let limit_ms =
                u64::try_from((share / self.budget.processes).as_millis()).unwrap_or(u64::MAX);
            let task = Task::Tail { sweeps: TAIL_SWEEPS, process, limit_ms };
            let Some(answer) = self.one(case, data, task, 10 * share + Duration::from_secs(120))
            else {
                return;
            };
            judge(case, data, &answer);
            for slot in answer.slots {
                data.engines[slot.engine].tails.push(slot.tails);
                data.engines[slot.engine].metrics.push(slot.metrics);
            }
        }
    }

    /// Resident memory and page faults, a process for each engine, and allocator calls, all in one;
    /// a process for each CPU, but one at a time where its threads are pinned: two would wait for
    /// each other's.
    fn counts(&mut self, case: &Case, data: &mut Data, step: &mut dyn FnMut(&str)) {
        step("memory and allocator calls");
        let sample_ns = self.budget.sample_ns / 2;
        let everyone = alive(data);
        let mut work = Vec::new();
        if case.on_allocator().is_none() {
            work.push((everyone.clone(), Flavour::Count, Task::Allocs { sample_ns }));
        }
        for engine in everyone {
            let memory = (vec![engine], Flavour::Plain, Task::Memory { sample_ns });
            work.extend((0..self.budget.memory_processes).map(|_| memory.clone()));
        }
        let width = if case.threads > 1 { 1 } else { threads::cpus().len().min(4) };
        let answers = in_parallel(&work, width, |(engines, flavour, task)| {
            self.counted(case, engines, *flavour, *task)
        });
        for (engine, answer) in answers.into_iter().flatten() {
            match answer {
                Ok(slot) => {
                    let gathered = &mut data.engines[engine];
                    gathered.peaks.extend(slot.peak_bytes);
                    gathered.faults.extend(slot.page_faults);
                    if let Some(own) = slot.metrics.get("allocs") {
                        gathered.allocs = Some(*own);
                    } else {
                        gathered.allocs = slot.allocs.or(gathered.allocs);
                    }
                }
                Err(why) => self.counting_failed(case, engine, &why),
            }
        }
    }

    /// What one process counts of some engines; again without those that killed it.
    fn counted(
        &self,
        case: &Case,
        engines: &[usize],
        flavour: Flavour,
        task: Task,
    ) -> Vec<(usize, Result<SlotAnswer, String>)> {
        let mut left = engines.to_vec();
        let mut counted = Vec::new();
        while !left.is_empty() {
            let timeout = Duration::from_secs(120 * left.len() as u64);
            match self.spawner.run(case, flavour, &left, task, timeout) {
                Ok(answer) => {
                    counted.extend(answer.slots.into_iter().map(|mut slot| {
                        let error = slot.error.take();
                        (slot.engine, error.map_or(Ok(slot), Err))
                    }));
                    break;
                }
                Err(Death { slot: Some(slot), why }) if slot < left.len() => {
                    counted.push((left.remove(slot), Err(why)));
                }
                Err(Death { why, .. }) => {
                    counted.extend(left.drain(..).map(|engine| (engine, Err(why.clone()))));
                }
            }
        }
        counted
    }

    fn counting_failed(&mut self, case: &Case, engine: usize, why: &str) {
        let spec = &case.engines[engine];
        let note = format!("{}: {}/{}: counting: {why}", case.id, spec.name, spec.config);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn instructions(&mut self, case: &Case, data: &mut Data, step: &mut dyn FnMut(&str)) {
        step("instructions");
        let work: Vec<(usize, f64)> =
            alive(data).into_iter().map(|engine| (engine, data.engines[engine].round_ns)).collect();
        let shortest_ns = work.iter().map(|&(_, round_ns)| round_ns).fold(f64::MAX, f64::min);
        if shortest_ns > LONG_ROUND_NS && !work.is_empty() && !self.long_counts {
            self.notes.push(format!(
                "{}: instructions: not counted: a round takes {:.0} ms and more, a hundred times \
                 that under callgrind; ask with --case",
                case.id,
                shortest_ns / 1e6
            ));
            return;
        }
        // A process for each CPU, as starting one takes longer than most engines' rounds.
        let width = threads::cpus().len().clamp(1, 4).min(work.len().max(1));
        let shares: Vec<Vec<(usize, f64)>> =
            (0..width).map(|at| work.iter().copied().skip(at).step_by(width).collect()).collect();
        let numbered: Vec<(usize, &Vec<(usize, f64)>)> = shares.iter().enumerate().collect();
        let counted = in_parallel(&numbered, width, |&(number, share)| {
            let out = instructions::out_file(&self.scratch, number);
            self.count(case, share, &out)
        });
        for (engine, result) in counted.into_iter().flatten() {
            match result {
                Ok(count) => data.engines[engine].gross_instructions = Some(count),
                Err(error) => self.counting_failed(case, engine, &error),
            }
        }
    }

    /// Counts the instructions of some engines, again without those that killed the process.
    fn count(
        &self,
        case: &Case,
        engines: &[(usize, f64)],
        out: &Path,
    ) -> Vec<(usize, Result<f64, String>)> {
        let mut left = engines.to_vec();
        let mut counted = Vec::new();
        while !left.is_empty() {
            match instructions::count(&self.spawner, case, &left, out) {
                Ok(counts) => {
                    let counts = counts.into_iter().map(|c| c.map_err(|e| format!("{e:#}")));
                    counted.extend(left.iter().map(|&(engine, _)| engine).zip(counts));
                    break;
                }
                Err(Death { slot: Some(slot), why }) if slot < left.len() => {
                    counted.push((left.remove(slot).0, Err(why)));
                }
                Err(Death { why, .. }) => {
                    counted.extend(left.drain(..).map(|(engine, _)| (engine, Err(why.clone()))));
                }
            }
        }
        counted
    }
}

/// Marks what panicked or answered wrongly: the reference's checksum of the same process decides.
fn judge(case: &Case, data: &mut Data, answer: &Answer) {
    for slot in &answer.slots {
        if let Some(error) = &slot.error {
            data.engines[slot.engine].error.get_or_insert(error.clone());
        }
    }
    let Some(reference) = case.engines.iter().position(|e| e.reference) else { return };
    let expected = answer
        .slots
        .iter()
        .find(|slot| slot.engine == reference && slot.error.is_none())
        .and_then(|slot| slot.checksum)
        .filter(|&checksum| checksum != 0);
    let Some(expected) = expected else {
        let name = case.engines[reference].name;
        for engine in &mut data.engines {
            engine.error.get_or_insert(format!(
                "not comparable: the reference engine {name} failed, or summed up nothing"
            ));
        }
        return;
    };
    for slot in &answer.slots {
        if case.engines[slot.engine].role == Role::Null {
            continue;
        }
        if let Some(checksum) = slot.checksum.filter(|&c| c != expected) {
            data.engines[slot.engine].error.get_or_insert(format!(
                "wrong answer: checksum {checksum:#x} instead of {expected:#x}"
            ));
        }
    }
}

/// Every engine of a case, failed for the same reason.
fn failed(case: &Case, why: &str) -> Vec<Gathered> {
    vec![Gathered { error: Some(why.to_owned()), ..Gathered::default() }; case.engines.len()]
}

fn alive(data: &Data) -> Vec<usize> {
    (0..data.engines.len()).filter(|&i| data.engines[i].error.is_none()).collect()
}

fn miss(aa: &Interval) -> f64 {
    (aa.ratio - 1.0).abs()
}

/// The control, when it lies outside the tolerance.
fn not_done(case: &Case, data: &Data) -> Option<Interval> {
    assemble::control(case, data).filter(|aa| miss(aa) > AA_TOLERANCE)
}

/// More processes would not tell more: the control's interval lies within the tolerance, and with
/// several threads ours has NEAR samples in each process.
fn resolved(case: &Case, data: &Data) -> bool {
    let Some(aa) = assemble::control(case, data) else {
        return case.engines.iter().all(|e| !e.primary)
            || data.engines.iter().all(|e| e.error.is_some());
    };
    let narrow = aa.hi - 1.0 <= AA_TOLERANCE && 1.0 - aa.lo <= AA_TOLERANCE;
    let near = |sweeps: &Sweeps| !sweeps.is_empty();
    let everyone = alive(data)
        .into_iter()
        .all(|i| assemble::near(data, &data.engines[i].samples).iter().all(near));
    narrow && everyone
}

/// What a single pass over every engine found: for `--verify`.
#[derive(Clone, Debug)]
pub struct Checked {
    /// `case: engine`.
    pub row: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// Runs every engine of a case, three rounds in two runs, and compares checksums; nothing is timed.
#[must_use]
pub fn check(spawner: &Spawner, case: &Case) -> Vec<Checked> {
    let mut data =
        Data { engines: vec![Gathered::default(); case.engines.len()], ..Data::default() };
    let session = Session {
        spawner: spawner.clone(),
        budget: Budget::quick(false),
        probes: Vec::new(),
        notes: Vec::new(),
        needed: BTreeMap::new(),
        long_counts: false,
        scratch: PathBuf::new(),
        valgrind: Err(String::new()),
    };
    // Threads above the CPUs still answer right, only slowly: everything is checked everywhere.
    if let Some(answer) = session.one(case, &mut data, Task::Check, Duration::from_secs(300)) {
        judge(case, &mut data, &answer);
    }
    let faults = case.faults();
    let mut rows: Vec<Checked> = case
        .engines
        .iter()
        .zip(&data.engines)
        .map(|(spec, got)| Checked {
            row: format!("{}: {}/{}", case.id, spec.name, spec.config),
            error: got.error.clone(),
        })
        .collect();
    rows.extend(
        faults.into_iter().map(|fault| Checked { row: case.id.to_owned(), error: Some(fault) }),
    );
    rows
}
