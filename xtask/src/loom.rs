//! `cargo xtask loom`: runs every loom model in a process of its own.
//!
//! A model is a test whose name's last part starts with `loom_`; it runs through
//! `primitives::model`, which prints what it explored. One process per model, because loom ends
//! the whole process on some failures. Then a thread is frozen at each call of an atomic in those that
//! speak of progress ([`crate::progress`]); with `--weaken` the orderings follow ([`crate::weaken`]).

use crate::cargo::{self, Build, Package, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Steps, passed};
use crate::test::{Count, every_feature_of};
use crate::{progress, weaken};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What `cargo xtask loom` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Crates whose models to run; all when none is named.
    crates: Vec<String>,
    /// Explore with preemption bound 3 instead of 2.
    #[arg(long)]
    deep: bool,
    /// Run only the models that speak of progress, and freeze threads in them.
    #[arg(long, conflicts_with = "weaken")]
    freeze: bool,
    /// Weaken every memory ordering, one step at a time, and expect a model to fail.
    #[arg(long)]
    weaken: bool,
    /// Write what was found to this file (schema 1).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Models are explored by optimised code (`[profile.model]` in the root manifest says of what).
pub(crate) const PROFILE: &str = "--profile=model";

/// One model of one crate.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) package: Package,
    pub(crate) name: String,
    program: PathBuf,
}

/// How one run of a model ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Every execution was explored and every assertion held.
    Passed,
    /// An assertion failed, or the process died.
    Failed,
    /// It was ended at its time limit.
    TimedOut,
    /// loom gave up: one execution was longer than it allows (a spin that never ends).
    BranchLimit,
}

/// One run of a model.
pub(crate) struct Run {
    pub(crate) end: End,
    pub(crate) executions: u64,
    pub(crate) seconds: f64,
    pub(crate) text: String,
    /// The command, to run it again by hand.
    pub(crate) shown: String,
}

/// What `--json` writes, and the weaken run starts from.
#[derive(Serialize)]
pub(crate) struct ModelRow {
    #[serde(rename = "crate")]
    pub(crate) krate: String,
    pub(crate) name: String,
    pub(crate) executions: u64,
    pub(crate) seconds: f64,
    pub(crate) ok: bool,
}

#[derive(Serialize)]
struct Record {
    schema: u32,
    models: Vec<ModelRow>,
    sites: Vec<weaken::SiteRow>,
    progress: Vec<progress::Row>,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let packages = workspace.choose(&args.crates, false)?;
    let mut steps = Steps::new("loom");
    let mut count = Count::default();
    let bound = if args.deep { 3 } else { 2 };
    let (models, rows, told) = {
        let which = if args.freeze { Which::OfProgress } else { Which::All };
        run_models(&mut steps, &workspace, &packages, bound, which, &mut count)
    };
    steps.step("models there are", || {
        if rows.is_empty() {
            bail!("no model was executed");
        }
        passed(format!("{} models", rows.len()))
    });
    let progress = progress::run(&mut steps, &workspace, &packages, &models, &told);
    let mut sites = Vec::new();
    if args.weaken {
        // Mutants always run at bound 2: a mutant that needs bound 3 to die wants a smaller model.
        sites = weaken::run(&mut steps, &workspace, &packages, &models);
    }
    if let Some(path) = &args.json {
        let text =
            serde_json::to_string_pretty(&Record { schema: 1, models: rows, sites, progress })?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(steps.finish())
}

/// Which models to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Named `loom_progress_…`, and the canaries.
    OfProgress,
}

impl Which {
    /// What stands in a file that has some.
    fn text(self) -> &'static str {
        if self == Self::All { "fn loom_" } else { "fn loom_progress_" }
    }

    fn wants(self, name: &str) -> bool {
        let last = name.rsplit("::").next().unwrap_or(name);
        self == Self::All || last.starts_with("loom_progress_") || last.starts_with("loom_canary_")
    }
}

/// Builds and runs the models of `packages`, one step per crate; prints a table. Returns the models,
/// their rows, and the files to which they told what they claim of progress.
pub(crate) fn run_models(
    steps: &mut Steps,
    workspace: &Workspace,
    packages: &[&Package],
    bound: u32,
    which: Which,
    count: &mut Count,
) -> (Vec<Model>, Vec<ModelRow>, Vec<PathBuf>) {
    let (mut all, mut rows, mut told) = (Vec::new(), Vec::new(), Vec::new());
    steps.step("models compiled", || {
        all = find(workspace, packages, &Build::loom(), which.text())?;
        all.retain(|model| which.wants(&model.name));
        told = (0..all.len()).map(|at| progress::told(workspace, at)).collect::<Result<_>>()?;
        passed(format!("{} models", all.len()))
    });
    for package in packages {
        let models: Vec<_> =
            all.iter().zip(&told).filter(|(model, _)| model.package.name == package.name).collect();
        if models.is_empty() {
            continue;
        }
        steps.step(format!("{} models at preemption bound {bound}", package.name), || {
            let mut failures = Vec::new();
            let runs = weaken::in_parallel(models.len(), |at| {
                let (model, told) = models[at];
                let told = told.to_string_lossy();
                run(model, bound, &[("QUARRY_LOOM_PROGRESS", &told)], limit(bound))
            })?;
            let (mut executions, ran) = (0, runs.len());
            for ((model, _), run) in models.iter().zip(runs) {
                let fault = run.fault();
                let mark = if fault.is_none() { "ok" } else { "FAILED" };
                println!(
                    "   {:<56} {:>9} {:>7.2} s  {mark}",
                    model.name, run.executions, run.seconds
                );
                match fault {
                    None => count.passed += 1,
                    Some(fault) => {
                        count.failed += 1;
                        failures.push(format!("{}: {fault}\n{}", run.shown, run.text));
                    }
                }
                executions += run.executions;
                rows.push(ModelRow {
                    krate: package.name.clone(),
                    name: model.name.clone(),
                    executions: run.executions,
                    seconds: run.seconds,
                    ok: run.fault().is_none(),
                });
            }
            if !failures.is_empty() {
                bail!("{} of {ran} models failed\n{}", failures.len(), failures.join("\n"));
            }
            passed(format!("{ran} models, {executions} executions"))
        });
    }
    (all, rows, told)
}

/// Builds the test programs of `packages` whose source holds `text`, and finds the models in them.
pub(crate) fn find(
    workspace: &Workspace,
    packages: &[&Package],
    build: &Build,
    text: &str,
) -> Result<Vec<Model>> {
    let mut having = Vec::new();
    for &package in packages {
        if !cargo::targets_with(&[package], text)?.is_empty() {
            having.push(package);
        }
    }
    if having.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = vec![PROFILE.to_owned()];
    args.extend(cargo::targets_with(&having, text)?);
    args.extend(every_feature_of(&having));
    let programs = cargo::test_programs(workspace, &having, build, &args)?;
    let models = programs.into_iter().flat_map(|program| {
        let names = program.tests.into_iter().filter(|name| is_model(name));
        names.map(move |name| (program.package.clone(), name, program.path.clone()))
    });
    Ok(models.map(|(package, name, program)| Model { package, name, program }).collect())
}

/// Runs one model in a process of its own.
pub(crate) fn run(model: &Model, bound: u32, env: &[(&str, &str)], limit: Duration) -> Result<Run> {
    let mut command = cargo::test_command(&model.program, &model.package);
    command.args([&model.name, "--exact", "--nocapture", "--test-threads", "1"]);
    command.env("LOOM_MAX_PREEMPTIONS", bound.to_string()).envs(env.iter().copied());
    let done = child::run(&mut command, Stderr::Captured, Some(limit))?;
    let (text, shown) = (done.text(), child::show(&command));
    let end = if done.status.is_none() {
        End::TimedOut
    } else if done.ok() {
        End::Passed
    } else if text.contains("exceeded maximum number of branches") {
        End::BranchLimit
    } else {
        End::Failed
    };
    Ok(Run { end, executions: executions(&text), seconds: done.seconds, text, shown })
}

impl Run {
    /// What is wrong with it, if anything: one that explored nothing did not pass.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self.end {
            End::Failed => Some("failed"),
            End::TimedOut => Some("timed out"),
            End::BranchLimit => Some("exceeded loom's branch limit"),
            End::Passed if self.executions == 0 => Some(
                "printed no `model … executions=N` line: it must run through primitives::model",
            ),
            End::Passed => None,
        }
    }
}

/// Time limit of one model on its own source.
pub(crate) fn limit(bound: u32) -> Duration {
    Duration::from_secs(if bound > 2 { 900 } else { 180 })
}

/// A test is a model when the last part of its name starts with `loom_`.
fn is_model(name: &str) -> bool {
    name.rsplit("::").next().is_some_and(|last| last.starts_with("loom_"))
}

/// Sums `executions=N` over the `model …` lines that `primitives::model` prints.
pub(crate) fn executions(text: &str) -> u64 {
    // libtest prints `test NAME ... ` without a line end before the model's own line.
    let lines = text.lines().filter(|line| line.starts_with("model ") || line.contains(" model "));
    let numbers = lines.filter_map(|line| {
        let rest = line.split_once("executions=")?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::{End, Run, executions, is_model};

    #[test]
    fn models_are_found_by_the_last_part_of_their_name() {
        assert!(is_model("tests::slots::loom_claim_and_exit"));
        assert!(is_model("loom_claim"));
        assert!(!is_model("loom_models::helper"));
        assert!(!is_model("tests::no_loom_here"));
    }

    #[test]
    fn executions_are_read_from_the_harness_lines() {
        let text = "running 1 test\ntest a::loom_b ... model loom_b executions=1204 seconds=0.31 \
                    outcomes=3\nmodel second executions=6 seconds=0.00 outcomes=1\nexecutions=9\nok";
        assert_eq!(executions(text), 1210);
    }

    #[test]
    fn a_model_that_explored_nothing_did_not_pass() {
        let run = |end, executions| Run {
            end,
            executions,
            seconds: 0.0,
            text: String::new(),
            shown: String::new(),
        };
        assert!(run(End::Passed, 0).fault().is_some());
        assert!(run(End::Passed, 1).fault().is_none());
        assert!(run(End::TimedOut, 1).fault().is_some());
    }
}
