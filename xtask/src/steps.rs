//! What every command is made of: named steps, each passed, failed or not run, and a summary.
//!
//! A step that did not run says so with its reason, never "passed". A command fails when any of
//! its steps fails; a step that was not run does not fail it, but stands in the summary.

use anyhow::{Result, bail};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Steps at once where they need nothing of each other.
const WORKERS: usize = 2;

/// How a step ended, when it did not fail (a failure is an `Err`).
pub(crate) enum Outcome {
    /// It ran and is in order; the text says how much it did (`34 tests`).
    Passed(String),
    /// It could not run; the text says why, and which command installs what is missing.
    NotRun(String),
}

/// Shorthand for [`Outcome::Passed`].
pub(crate) fn passed(what: impl Into<String>) -> Result<Outcome> {
    Ok(Outcome::Passed(what.into()))
}

/// Shorthand for [`Outcome::NotRun`].
pub(crate) fn not_run(why: impl Into<String>) -> Result<Outcome> {
    Ok(Outcome::NotRun(why.into()))
}

/// Turns a list of findings into a step's end: none is `what`, any is a failure that lists them.
pub(crate) fn findings(what: impl Into<String>, found: Vec<String>) -> Result<Outcome> {
    if found.is_empty() {
        return passed(what);
    }
    bail!("{} found:\n{}", found.len(), found.join("\n"))
}

enum State {
    Passed,
    Failed,
    NotRun,
}

struct Step {
    name: String,
    state: State,
    note: String,
    took: Duration,
}

/// The steps of one command so far.
pub(crate) struct Steps {
    command: &'static str,
    started: Instant,
    steps: Vec<Step>,
    /// Words of which a step's name must hold one; none chooses all.
    only: Vec<String>,
}

impl Steps {
    /// Starts a command.
    pub(crate) fn new(command: &'static str) -> Self {
        Self { command, started: Instant::now(), steps: Vec::new(), only: Vec::new() }
    }

    /// Runs only steps whose name holds one of `words`, if there are any.
    pub(crate) fn only(mut self, words: &[String]) -> Self {
        self.only = words.to_vec();
        self
    }

    /// Runs one step and says how it ended; returns whether it passed.
    pub(crate) fn step(
        &mut self,
        name: impl Into<String>,
        body: impl FnOnce() -> Result<Outcome>,
    ) -> bool {
        let name = name.into();
        if !self.only.is_empty() && !self.only.iter().any(|word| name.contains(word)) {
            return false;
        }
        println!("== {name}");
        let started = Instant::now();
        let result = body();
        self.ended(name, result, started.elapsed())
    }

    /// Runs steps that need nothing of each other, two at a time; each is told when it has ended,
    /// the summary has them in their order. Returns how many passed.
    pub(crate) fn side_by_side(
        &mut self,
        count: usize,
        name: impl Fn(usize) -> String,
        body: impl Fn(usize) -> Result<Outcome> + Sync,
    ) -> usize {
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        let before = self.steps.len();
        let mut ends = Vec::new();
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                let (next, body, sender) = (&next, &body, sender.clone());
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= count {
                            break;
                        }
                        let started = Instant::now();
                        let result = body(at);
                        // The receiver lives until the last sender is gone.
                        let _ = sender.send((at, result, started.elapsed()));
                    }
                });
            }
            drop(sender);
            for (at, result, took) in receiver {
                println!("== {}", name(at));
                ends.push((at, self.ended(name(at), result, took)));
            }
        });
        let mut order: Vec<_> =
            ends.iter().map(|&(at, _)| at).zip(self.steps.drain(before..)).collect();
        order.sort_by_key(|&(at, _)| at);
        self.steps.extend(order.into_iter().map(|(_, step)| step));
        ends.into_iter().filter(|&(_, passed)| passed).count()
    }

    fn ended(&mut self, name: String, result: Result<Outcome>, took: Duration) -> bool {
        let (state, note) = match result {
            Ok(Outcome::Passed(note)) => (State::Passed, note),
            Ok(Outcome::NotRun(why)) => (State::NotRun, why),
            Err(error) => (State::Failed, format!("{error:#}")),
        };
        println!("   {} ({:.1} s) {note}", state.word(), took.as_secs_f64());
        let passed = matches!(state, State::Passed);
        self.steps.push(Step { name, state, note, took });
        passed
    }

    /// Prints the summary; the exit code says whether any step failed.
    pub(crate) fn finish(self) -> ExitCode {
        if self.steps.is_empty() {
            println!("{}: no such step ({})", self.command, self.only.join(", "));
            return ExitCode::FAILURE;
        }
        println!("\n{}: {} steps in {:.1} s", self.command, self.steps.len(), self.seconds());
        for step in &self.steps {
            let first = step.note.lines().next().unwrap_or_default();
            let took = step.took.as_secs_f64();
            println!("  {:<7} {took:>7.1} s  {}: {first}", step.state.word(), step.name);
        }
        let failed = self.failed();
        if failed > 0 {
            println!("{}: {failed} of {} steps FAILED", self.command, self.steps.len());
            return ExitCode::FAILURE;
        }
        let waiting = self.steps.iter().filter(|s| matches!(s.state, State::NotRun)).count();
        if waiting > 0 {
            println!("{}: no step failed, {waiting} NOT RUN", self.command);
        }
        ExitCode::SUCCESS
    }

    /// How many steps failed.
    pub(crate) fn failed(&self) -> usize {
        self.steps.iter().filter(|s| matches!(s.state, State::Failed)).count()
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl State {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotRun => "NOT RUN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Steps, findings, not_run, passed};
    use anyhow::anyhow;
    use std::process::ExitCode;

    #[test]
    fn one_failed_step_fails_the_command() {
        let mut steps = Steps::new("planted");
        assert!(steps.step("good", || passed("1 thing")));
        assert!(!steps.step("bad", || Err(anyhow!("planted"))));
        assert_eq!(steps.failed(), 1);
        assert_eq!(format!("{:?}", steps.finish()), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn only_chosen_steps_run_and_choosing_none_fails() {
        let mut steps = Steps::new("planted").only(&["unsafe".to_owned()]);
        assert!(!steps.step("licences", || panic!("not chosen")));
        assert!(steps.step("every unsafe block", || passed("1 place")));
        let mut none = Steps::new("planted").only(&["no such word".to_owned()]);
        assert!(!none.step("licences", || panic!("not chosen")));
        assert_eq!(format!("{:?}", none.finish()), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn steps_side_by_side_are_all_counted_and_keep_their_order() {
        let mut steps = Steps::new("planted");
        let passed_count = steps.side_by_side(
            5,
            |at| format!("step {at}"),
            |at| if at == 3 { Err(anyhow!("planted")) } else { passed("1 thing") },
        );
        assert_eq!((passed_count, steps.failed()), (4, 1));
        let names: Vec<_> = steps.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["step 0", "step 1", "step 2", "step 3", "step 4"]);
    }

    #[test]
    fn a_step_not_run_neither_passes_nor_fails() {
        let mut steps = Steps::new("planted");
        assert!(!steps.step("absent", || not_run("no such tool: apt-get install it")));
        assert_eq!(steps.failed(), 0);
    }

    #[test]
    fn findings_fail_when_there_are_any() {
        assert!(findings("nothing", vec![]).is_ok());
        let error = findings("nothing", vec!["a.rs:3: planted".into()]).err().expect("must fail");
        assert!(error.to_string().contains("a.rs:3"), "{error}");
    }
}
