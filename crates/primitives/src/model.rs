//! The model harness: runs a closure under loom or shuttle and proves that the run meant something.
//!
//! A model checker that skips interleavings reports success. So a model says which outcomes it must
//! reach, all of them and no other, and how many executions it takes at least.
//!
//! ```
//! # #[cfg(loom)] {
//! use primitives::model::Model;
//! use primitives::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}, thread};
//!
//! Model::new("two_adders").reaches(["0 then 1", "1 then 0"]).floor(2).check(|seen| {
//!     let counter = Arc::new(AtomicUsize::new(0));
//!     let other = Arc::clone(&counter);
//!     let theirs = thread::spawn(move || other.fetch_add(1, Relaxed));
//!     let ours = counter.fetch_add(1, Relaxed);
//!     seen.record(format!("{ours} then {}", theirs.join().unwrap()));
//! });
//! # }
//! ```
//!
//! Each run prints one line, which `cargo xtask loom` reads:
//! `model <name> executions=<n> seconds=<s> outcomes=<a,b,…>`.
//!
//! # Under loom
//!
//! * `LOOM_MAX_PREEMPTIONS` bounds the search; unset or empty it is 2.
//! * **Spurious failures.** After the search without, the model is searched again once for each
//!   weak compare-exchange it met (the n-th call of a thread), with that one call failing. So every
//!   place sees a failure, and an execution at most one, which keeps retry loops finite.
//!   `QUARRY_LOOM_SPURIOUS=0` leaves these searches out.
//! * `QUARRY_LOOM_RECORD=file` appends every call site met: `file:line:column:slot Ordering`.
//! * `QUARRY_LOOM_WEAKEN=file:line:column:slot=Ordering` gives that one call another ordering; a
//!   relaxed fence is none. The line then ends in ` weakened=<calls>`.
//! * `QUARRY_LOOM_FREEZE=file:line:column:slot`, or [`Model::freeze`], stops the first thread that
//!   arrives there while another is at work, until every other thread has ended or waits to join.
//!   What then still depends on the frozen thread spins into loom's branch limit or deadlocks: it is
//!   not lock-free. Outcomes may be missing then, and executions few. The line then ends in
//!   ` frozen=<executions>`.
//! * `QUARRY_LOOM_PROGRESS=file` is written if the model says which methods are lock-free
//!   ([`Model::lock_free`]) or blocking ([`Model::blocking`]): what it says, and each call site at
//!   which freezing a thread can show it. `cargo xtask loom` does so for each.
//!
//! In destructors of thread-locals no call fails spuriously and no thread is frozen: loom cannot
//! say there which thread runs.
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

#[cfg(loom)]
pub use crate::sync::loomed::site::{ParseSiteError, Site, Slot};

/// One model: its name and what a run must show.
#[derive(Clone, Debug)]
#[must_use = "a model does nothing until it is checked"]
pub struct Model {
    name: String,
    expected: BTreeSet<String>,
    floor: usize,
    #[cfg(loom)]
    preemptions: Option<usize>,
    #[cfg(loom)]
    freeze: Option<Site>,
    /// Lines of the file that `QUARRY_LOOM_PROGRESS` names.
    #[cfg(loom)]
    progress: BTreeSet<String>,
}

/// Where a model notes which outcomes it reached; clones share the notes.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<BTreeSet<String>>>);

impl Seen {
    /// Notes an outcome of this execution.
    pub fn record(&self, outcome: impl ToString) {
        // Outside the model on purpose: a std mutex, which no checker sees.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(outcome.to_string());
    }
}

/// What a run of a model found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Executions, those with a spurious failure included.
    pub executions: usize,
    /// Outcomes recorded.
    pub outcomes: BTreeSet<String>,
    /// Wall time.
    pub elapsed: Duration,
    /// Every ordering met, with its name.
    #[cfg(loom)]
    pub sites: BTreeSet<(Site, &'static str)>,
    /// Call sites met while another thread was at work: where freezing a thread can show something.
    #[cfg(loom)]
    pub together: BTreeSet<Site>,
    /// Executions in which a thread was frozen.
    #[cfg(loom)]
    pub frozen: usize,
}

impl Model {
    /// Names a model: as its test function, without `loom_` or `shuttle_`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            expected: BTreeSet::new(),
            floor: 1,
            #[cfg(loom)]
            preemptions: None,
            #[cfg(loom)]
            freeze: None,
            #[cfg(loom)]
            progress: BTreeSet::new(),
        }
    }

    /// Sets the outcomes that a run must reach, all of them and no other.
    pub fn reaches<O: Into<String>>(mut self, outcomes: impl IntoIterator<Item = O>) -> Self {
        self.expected = outcomes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how many executions a run takes at least: fewer means that the search was cut short. It does not
    /// hold where an ordering is weakened, or a thread frozen.
    pub fn floor(mut self, executions: usize) -> Self {
        self.floor = executions;
        self
    }

    fn judge(&self, report: &Report) {
        // One machine-readable line for the task runner, which captures standard output.
        let outcomes = report.outcomes.iter().map(|outcome| outcome.replace([' ', ','], "_")).fold(
            String::new(),
            |all, one| if all.is_empty() { one } else { format!("{all},{one}") },
        );
        #[cfg_attr(not(loom), expect(unused_mut, reason = "only loom's line has more to say"))]
        let mut line = format!(
            "model {} executions={} seconds={:.3} outcomes={outcomes}",
            self.name,
            report.executions,
            report.elapsed.as_secs_f64()
        );
        #[cfg(loom)]
        search::describe(self, &mut line);
        #[expect(clippy::print_stdout, reason = "the task runner reads this line")]
        {
            std::println!("{line}");
        }
        let missing: BTreeSet<_> = self.expected.difference(&report.outcomes).collect();
        let unexpected: BTreeSet<_> = report.outcomes.difference(&self.expected).collect();
        // One thread stands still until the others are through: they never meet it further on. And a weakened
        // ordering has to be found by what goes wrong, not by a search that is shorter.
        #[cfg(loom)]
        let (missing, floor) = if search::freezes() {
            (BTreeSet::new(), 1)
        } else if search::weakens() {
            (missing, 1)
        } else {
            (missing, self.floor)
        };
        #[cfg(not(loom))]
        let floor = self.floor;
        assert!(
            missing.is_empty() && unexpected.is_empty(),
            "model {}: never reached {missing:?}, reached unexpectedly {unexpected:?}",
            self.name
        );
        assert!(
            report.executions >= floor,
            "model {}: {} executions, at least {floor} expected: was the search cut short?",
            self.name,
            report.executions,
        );
    }
}

#[cfg(loom)]
mod search {
    use super::*;
    use crate::sync::loomed::{execution, freeze, site};

    const FREEZE: &str = "QUARRY_LOOM_FREEZE";
    const PROGRESS: &str = "QUARRY_LOOM_PROGRESS";
    const SPURIOUS: &str = "QUARRY_LOOM_SPURIOUS";
    const PREEMPTIONS: &str = "LOOM_MAX_PREEMPTIONS";
    /// Bound on preemptions when the environment sets none.
    const DEFAULT_PREEMPTIONS: usize = 2;
    /// Bound on branches of one execution: the shadow accesses double what a model needs.
    const MAX_BRANCHES: usize = 4_000;

    impl Model {
        /// Sets the bound on preemptions, whatever the environment says.
        pub fn preemptions(mut self, bound: usize) -> Self {
            self.preemptions = Some(bound);
            self
        }

        /// Freezes the first thread that arrives at `site` until all others have ended.
        ///
        /// The run fails when no thread ever arrives.
        pub fn freeze(mut self, site: Site) -> Self {
            self.freeze = Some(site);
            self
        }

        /// Says that the threads of this model call these methods (`Type::method`), and that all but
        /// one finish while that one is frozen, at whatever call of an atomic it is.
        pub fn lock_free(mut self, methods: &[&str]) -> Self {
            self.progress.extend(methods.iter().map(|method| format!("lock-free {method}")));
            self
        }

        /// Says that these methods (`Type::method`) wait for a thread that is frozen at one of these
        /// places, each of them, and at no other. A place is a function and a slot (`Type::method
        /// store`), and a number where the function has several such (`Type::method cas-ok 2`).
        pub fn blocking(mut self, methods: &[&str], places: &[&str]) -> Self {
            self.progress.extend(methods.iter().map(|method| format!("blocking {method}")));
            self.progress.extend(places.iter().map(|place| format!("blocks-at {place}")));
            self
        }

        /// Writes what the model says about progress, and where freezing a thread can show it.
        fn tell_progress(&self, report: &Report) {
            let path = std::env::var(PROGRESS).ok().filter(|path| !path.is_empty());
            let Some(path) = path.filter(|_| !self.progress.is_empty()) else { return };
            let sites = report.together.iter().map(|site| format!("site {site}"));
            let lines = self.progress.iter().cloned().chain(sites);
            let text: String = lines.flat_map(|line| [line, "\n".into()]).collect();
            std::fs::write(&path, text)
                .unwrap_or_else(|error| panic!("{PROGRESS}={path}: {error}"));
        }

        /// Searches the model's executions.
        ///
        /// # Panics
        ///
        /// Panics when an execution does, when an outcome is missing or unexpected, or when there
        /// are fewer executions than the floor.
        pub fn check(&self, model: impl Fn(&Seen) + Send + Sync + 'static) -> Report {
            let started = Instant::now();
            let seen = Seen::default();
            let executions = Arc::new(AtomicUsize::new(0));
            let model = Arc::new(model);
            let builder = self.builder();
            execution::reset();
            let asked = std::env::var(FREEZE).ok().filter(|text| !text.is_empty());
            let freeze = self.freeze.clone().or_else(|| {
                asked.map(|text| text.parse().unwrap_or_else(|error| panic!("{FREEZE}: {error}")))
            });
            execution::run(|run| run.freeze = freeze);

            let search = || {
                let (seen, executions, model) =
                    (seen.clone(), Arc::clone(&executions), Arc::clone(&model));
                builder.check(move || {
                    // ORD Relaxed: not modelled, one OS thread.
                    executions.fetch_add(1, Ordering::Relaxed);
                    freeze::begin();
                    model(&seen);
                    freeze::done(0);
                });
            };
            search();
            if std::env::var(SPURIOUS).is_ok_and(|value| value == "0") {
                // Asked to leave out the searches below.
            } else {
                for call in execution::run(|run| run.weak_calls.clone()) {
                    execution::run(|run| run.fails = Some(call));
                    search();
                }
            }

            let report = execution::run(|run| Report {
                // ORD Relaxed: not modelled, one OS thread.
                executions: executions.load(Ordering::Relaxed),
                outcomes: seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                elapsed: started.elapsed(),
                sites: core::mem::take(&mut run.sites),
                together: core::mem::take(&mut run.together),
                frozen: run.frozen,
            });
            self.judge(&report);
            self.tell_progress(&report);
            if let Some(site) = &self.freeze {
                assert!(report.frozen > 0, "model {}: no thread arrives at {site}", self.name);
            }
            execution::reset();
            report
        }

        fn builder(&self) -> loom::model::Builder {
            if std::env::var_os(PREEMPTIONS).is_some_and(|value| value.is_empty()) {
                // loom's builder panics on an empty value, and has no other constructor.
                // SAFETY: std's own lock guards the environment against std's readers, and a test
                // process under loom has no others.
                unsafe { std::env::remove_var(PREEMPTIONS) };
            }
            let mut builder = loom::model::Builder::new();
            builder.preemption_bound =
                self.preemptions.or(builder.preemption_bound).or(Some(DEFAULT_PREEMPTIONS));
            builder.max_branches = builder.max_branches.max(MAX_BRANCHES);
            // Names the two accesses when a cell reports a race.
            builder.location = true;
            builder
        }
    }

    /// Whether the run under way freezes a thread.
    pub(super) fn freezes() -> bool {
        execution::run(|run| run.freeze.is_some())
    }

    /// Whether the run under way weakens an ordering.
    pub(super) fn weakens() -> bool {
        site::weakening().is_some()
    }

    pub(super) fn describe(model: &Model, line: &mut String) {
        let (weakened, frozen, freezes) =
            execution::run(|run| (run.weakened, run.frozen, run.freeze.is_some()));
        if site::weakening().is_some() {
            *line += &format!(" weakened={weakened}");
        }
        if freezes {
            *line += &format!(" frozen={frozen}");
        }
        let _ = model;
    }
}

#[cfg(shuttle)]
mod search {
    use super::*;

    impl Model {
        /// Runs the model under `iterations` random schedules.
        ///
        /// # Panics
        ///
        /// Panics when an execution does, when an outcome is missing or unexpected, or when there
        /// are fewer executions than the floor.
        pub fn check_random(
            &self,
            iterations: usize,
            model: impl Fn(&Seen) + Send + Sync + 'static,
        ) -> Report {
            let started = Instant::now();
            let seen = Seen::default();
            let executions = Arc::new(AtomicUsize::new(0));
            let (noted, counted) = (seen.clone(), Arc::clone(&executions));
            shuttle::check_random(
                move || {
                    // ORD Relaxed: a statistic of the harness.
                    counted.fetch_add(1, Ordering::Relaxed);
                    model(&noted);
                },
                iterations,
            );
            let report = Report {
                // ORD Relaxed: a statistic of the harness; the run is over.
                executions: executions.load(Ordering::Relaxed),
                outcomes: seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                elapsed: started.elapsed(),
            };
            self.judge(&report);
            report
        }
    }
}
