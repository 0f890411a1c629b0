//! The command line, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::case::{Case, Role};
use crate::claims::{self, verdict};
use crate::report::schema::{Report, SCHEMA};
use crate::report::terminal;
use crate::runner::budget::{Budget, Shares};
use crate::runner::job::Catalogue;
use crate::runner::measure::Session;
use crate::runner::spawn::Spawner;
use crate::runner::{canary, probe, worker};
use crate::{list, machine, select, threads, verify};

/// Measures this workspace's crates beside the best peers, on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench", disable_version_flag = true)]
struct Args {
    /// Only cases of these crates.
    #[arg(value_name = "CRATE")]
    crates: Vec<String>,
    /// Only cases whose id matches: `linear/*/warm`; all below a leading part, as in `stack/*`; or
    /// one part of an id, as in `typed-24`.
    #[arg(long, value_name = "GLOB")]
    case: Option<String>,
    /// The same cases, engines and inputs with fewer rounds: minutes for everything.
    #[arg(long)]
    quick: bool,
    /// Count instructions with valgrind even with --quick.
    #[arg(long)]
    instructions: bool,
    /// Write the report as JSON here too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as one HTML page here too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Check the targets and what the READMEs state: the full budget, exit 1 unless all hold.
    #[arg(long)]
    claims: bool,
    /// Print the cases and engines and stop.
    #[arg(long)]
    list: bool,
    /// Run every row once and compare checksums; nothing is timed.
    #[arg(long)]
    verify: bool,
    /// Build another revision and measure our engines of both, process by process.
    #[arg(long, value_name = "REV")]
    compare: Option<String>,
    /// What adopting each crate or a peer costs: packages, cold compile seconds, code bytes.
    #[arg(long)]
    adoption: bool,
    /// Write a pprof file and a flame graph of our primary engine.
    #[arg(long, num_args = 2, value_names = ["cpu|heap", "CASE"])]
    profile: Option<Vec<String>>,
    /// Engines that misbehave on purpose in place of the scenarios: a test of the runner.
    #[arg(long, hide = true)]
    canaries: bool,
}

/// The `main` of every executable of this package.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything pins a thread.
    threads::cpus();
    let arguments: Vec<OsString> = env::args_os().collect();
    let result = match arguments.get(1) {
        Some(word) if word == "worker" => worker::serve().map(|()| ExitCode::SUCCESS),
        _ => run(&Args::parse_from(arguments)),
    };
    result.unwrap_or_else(|error| {
        // The reader of a failed run needs its one line, whatever became of the pipe.
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> Result<ExitCode> {
    let catalogue = if args.canaries { Catalogue::Canaries } else { Catalogue::Scenarios };
    let all = canary::catalogue(catalogue);
    let mut out = io::stdout().lock();
    let passed = |well: bool| Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    if args.claims {
        return passed(check_claims(&mut out, args, all, catalogue)?);
    }
    if args.adoption {
        crate::adoption::run(&mut out, &args.crates)?;
        return passed(true);
    }
    if let Some(profile) = &args.profile {
        let [kind, case] = &profile[..] else { bail!("--profile takes cpu or heap, and a case") };
        let [case] = &select::select(all, &args.crates, Some(case))?[..] else {
            bail!("--profile {kind} {case}: more than one case matches; name one");
        };
        crate::profile::run(&mut out, &spawner(catalogue)?, case, kind)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cases = select::select(all, &args.crates, args.case.as_deref())?;
    if args.list {
        list::print(&mut out, &cases)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.verify {
        let untimed = Spawner::of_self(catalogue, &machine::out_dir())?;
        return passed(verify::run(&mut out, &untimed, &cases)?);
    }
    let spawner = spawner(catalogue)?;
    if let Some(revision) = &args.compare {
        crate::compare::run(&mut out, &spawner, &cases, revision, args.quick)?;
        return Ok(ExitCode::SUCCESS);
    }
    let budget = if args.quick { Budget::quick(args.instructions) } else { Budget::standard() };
    let (report, notes) = measure(spawner, &cases, budget, args.case.is_some(), BTreeMap::new());
    finish(&mut out, args, &report, &notes, &cases)?;
    Ok(ExitCode::SUCCESS)
}

fn spawner(catalogue: Catalogue) -> Result<Spawner> {
    if !machine::optimised() {
        let _ = writeln!(
            io::stderr(),
            "warning: not built to be measured; its times mean nothing (use cargo xtask bench)"
        );
    }
    Spawner::of_self(catalogue, &machine::out_dir())
}

/// Measures the cases one after the other.
fn measure(
    spawner: Spawner,
    cases: &[Case],
    budget: Budget,
    long_counts: bool,
    needed: BTreeMap<&'static str, BTreeSet<usize>>,
) -> (Report, Vec<String>) {
    let machine = machine::describe();
    let mut session = Session::new(spawner, budget, &machine::out_dir());
    session.needed = needed;
    session.long_counts = long_counts;
    let mut shares = Shares::new(&budget, cases.len());
    let bar = progress(cases.len());
    let mut rows = Vec::new();
    for case in cases {
        bar.set_message(case.id);
        if !io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "[{}/{}] {}", rows.len() + 1, cases.len(), case.id);
        }
        rows.push(session.case(case, shares.take(), &mut |step| {
            bar.set_message(format!("{}: {step}", case.id))
        }));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut notes = session.notes;
    if !machine::optimised() {
        notes.push("not built to be measured: these times mean nothing".to_owned());
    }
    notes.extend(probe::describe(&session.probes));
    #[expect(clippy::cast_precision_loss, reason = "a handful of CPUs")]
    let busy = machine.load > 0.5 * machine.cores as f64;
    if busy {
        notes.push(format!(
            "the machine was busy when the run began (load {:.1} on {} CPUs): expect wide intervals",
            machine.load, machine.cores
        ));
    }
    (Report { schema: SCHEMA, machine, cases: rows }, notes)
}

fn progress(cases: usize) -> ProgressBar {
    let bar = ProgressBar::new(cases as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(core::time::Duration::from_secs(1));
    bar
}

/// Prints the tables and writes the files.
fn finish(
    out: &mut dyn Write,
    args: &Args,
    report: &Report,
    notes: &[String],
    cases: &[Case],
) -> Result<()> {
    let faults = report.faults();
    if !faults.is_empty() {
        bail!("this report contradicts itself: {}", faults.join("; "));
    }
    terminal::print(out, report, notes)?;
    let folder = machine::out_dir();
    let json = serde_json::to_string_pretty(report)? + "\n";
    let page = crate::report::html::page(report, notes, cases);
    write(out, &folder.join("report.json"), &json)?;
    write(out, &folder.join("report.md"), &crate::report::markdown::page(report, notes, cases))?;
    write(out, &folder.join("report.html"), &page)?;
    if let Some(path) = &args.json {
        write(out, path, &json)?;
    }
    if let Some(path) = &args.html {
        write(out, path, &page)?;
    }
    Ok(())
}

fn write(out: &mut dyn Write, path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    writeln!(out, "wrote {}", path.display())?;
    Ok(())
}

/// `--claims`: the full budget for just the cases that the targets need.
fn check_claims(
    out: &mut dyn Write,
    args: &Args,
    all: Vec<Case>,
    catalogue: Catalogue,
) -> Result<bool> {
    let mut targets = claims::of_crates(claims::load()?, &args.crates)?;
    if let Some(glob) = &args.case {
        let matching = select::matcher(glob)?;
        let known = targets.clone();
        targets.retain(|target| matching(&target.case));
        if targets.is_empty() {
            let near = select::nearest(glob, known.iter().map(|target| target.case.as_str()));
            bail!("no target's case matches {glob:?}; nearest: {}", near.join(", "));
        }
    }
    let cases: Vec<Case> = all
        .into_iter()
        .filter(|case| targets.iter().any(|target| target.case == case.id))
        .collect();
    // Whoever no target speaks of need not run: on real programs a sample is a tenth of a second.
    let needed = cases
        .iter()
        .map(|case| {
            let here = || targets.iter().filter(|target| target.case == case.id);
            let engines = case.engines.iter().enumerate().filter(|(_, engine)| {
                engine.primary
                    || engine.reference
                    || engine.role == Role::Null
                    || here().any(|target| target.speaks_of(engine))
            });
            (case.id, engines.map(|(index, _)| index).collect())
        })
        .collect();
    let (report, notes) = measure(spawner(catalogue)?, &cases, Budget::full(), true, needed);
    // Where every case is missing there is nothing to report, and the last report stays.
    if !cases.is_empty() {
        finish(out, args, &report, &notes, &cases)?;
    }
    let findings: Vec<claims::Finding> = targets
        .iter()
        .map(|target| {
            verdict::judge(target, &report, report.machine.cores, claims::stands(&target.krate()))
        })
        .collect();
    Ok(claims::print(out, &findings)?)
}
