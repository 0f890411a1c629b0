//! `cargo xtask guide`: runs the programs of the guide and writes what they found into `GUIDE.md`.
//!
//! Each program of `guide/examples` runs in several processes. What they print goes to
//! `guide/record.json`, and from there to wherever `GUIDE.md` has `<!-- guide: NAME -->` …
//! `<!-- /guide -->`; `<!-- guide: machine -->` is where it was measured. `cargo xtask check`
//! compares. Nobody writes a number into the guide by hand.

use crate::cargo::{Build, Package, Workspace, clean};
use crate::child::{self, Stderr};
use crate::history::Named;
use anyhow::{Context, Result, bail};
use core::fmt::Write as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, ExitCode};

/// What `cargo xtask guide` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Programs to measure; all when none is named. The others keep their figures.
    programs: Vec<String>,
    /// Measure nothing: write the guide's figures from `guide/record.json`.
    #[arg(long)]
    render: bool,
}

const PAGE: &str = "GUIDE.md";
const RECORD: &str = "guide/record.json";
const PACKAGE: &str = "guide";

/// Processes that each program runs in: an odd number.
const PROCESSES: usize = 5;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema: u32,
    machine: Machine,
    programs: BTreeMap<String, Found>,
}

/// Where all programs ran: figures of two machines do not stand on one page.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    cpu: String,
    rustc: String,
}

/// What a program found.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    /// The commit it ran at, with `-dirty` when the work tree differed from it.
    commit: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    comparisons: Vec<Comparison>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Fact>,
}

/// A line that a program prints.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Comparison(Comparison),
    Fact(Fact),
}

#[derive(Clone, Serialize, Deserialize)]
struct Comparison {
    unit: String,
    units: usize,
    control: Ratio,
    ways: Vec<Way>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Way {
    name: String,
    ns: f64,
    allocs: u64,
    peak_bytes: u64,
    ratio: Ratio,
}

/// Times, the plain way's over another's.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ratio {
    median: f64,
    lo: f64,
    hi: f64,
}

#[derive(Serialize, Deserialize)]
struct Fact {
    what: String,
    value: String,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    if !args.render {
        measure(&workspace, &args.programs)?;
    }
    let page = workspace.root.join(PAGE);
    let text = fs::read_to_string(&page).context(PAGE)?;
    let (rendered, count) = render(&text, &load(&workspace)?)?;
    fs::write(&page, rendered)?;
    println!("{count} figures in {PAGE}");
    Ok(ExitCode::SUCCESS)
}

/// How many figures the guide has, and what is wrong with them.
pub(crate) fn stale(workspace: &Workspace) -> Result<(usize, Vec<String>)> {
    let text = fs::read_to_string(workspace.root.join(PAGE)).context(PAGE)?;
    let (rendered, count) = render(&text, &load(workspace)?)?;
    let mut found = Vec::new();
    if rendered != text {
        found.push(format!("{PAGE} is not what {RECORD} says: run `cargo xtask guide --render`"));
    }
    for name in package(workspace)?.examples() {
        if !text.contains(&open(name)) {
            found.push(format!("{PAGE} has no figures of guide/examples/{name}.rs"));
        }
    }
    Ok((count, found))
}

/// The commits that the record names: one for each program.
pub(crate) fn measured_at(workspace: &Workspace) -> Result<Vec<Named>> {
    let programs = load(workspace)?.programs.into_iter();
    let named = programs
        .map(|(name, found)| Named { record: format!("{RECORD}: {name}"), commit: found.commit });
    Ok(named.collect())
}

fn package(workspace: &Workspace) -> Result<&Package> {
    let found = workspace.packages.iter().find(|package| package.name == PACKAGE);
    found.with_context(|| format!("no package `{PACKAGE}`"))
}

fn load(workspace: &Workspace) -> Result<Record> {
    let text = fs::read_to_string(workspace.root.join(RECORD)).context(RECORD)?;
    let record: Record = serde_json::from_str(&text).context(RECORD)?;
    if record.schema != 1 {
        bail!("{RECORD}: schema {}, this reads schema 1", record.schema);
    }
    Ok(record)
}

/// Runs the programs, and writes the record.
fn measure(workspace: &Workspace, names: &[String]) -> Result<()> {
    let programs = package(workspace)?.examples();
    if let Some(unknown) = names.iter().find(|name| !programs.contains(&name.as_str())) {
        bail!("no program `{unknown}` in guide/examples; there are: {}", programs.join(", "));
    }
    let mut build = Build::plain().cargo(workspace, "build");
    build.args(["--release", "--package", PACKAGE, "--examples"]);
    child::must(&mut build, Stderr::Terminal)?;
    let (machine, commit) = (machine(workspace)?, commit(workspace)?);
    let kept = if names.is_empty() { None } else { Some(load(workspace)?) };
    if kept.as_ref().is_some_and(|kept| kept.machine != machine) {
        bail!(
            "{RECORD} is of another machine or compiler: measure all, `cargo xtask guide`, or \
             figures that do not belong together stand side by side"
        );
    }
    let mut record = Record {
        schema: 1,
        machine,
        programs: kept.map(|record| record.programs).unwrap_or_default(),
    };
    for name in programs {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        println!("== {name}");
        let path = workspace.target.join("release/examples").join(name);
        let runs: Result<Vec<_>> = (0..PROCESSES).map(|_| run(&mut Command::new(&path))).collect();
        let found = Found { commit: commit.clone(), ..merge(runs?) };
        record.programs.insert(name.to_owned(), found);
    }
    fs::write(workspace.root.join(RECORD), serde_json::to_string_pretty(&record)? + "\n")?;
    Ok(())
}

fn run(command: &mut Command) -> Result<Found> {
    clean(command);
    let done = child::run(command.arg("--json"), Stderr::Captured, None)?;
    if !done.ok() {
        bail!("`{}`: {}\n{}", child::show(command), done.end(), done.text());
    }
    let mut found = Found::default();
    for line in done.stdout.lines() {
        match serde_json::from_str(line).with_context(|| line.to_owned())? {
            Line::Comparison(comparison) => found.comparisons.push(comparison),
            Line::Fact(fact) => found.facts.push(fact),
        }
    }
    Ok(found)
}

/// One finding of several processes': the process in the middle, and all that was seen around it.
fn merge(mut runs: Vec<Found>) -> Found {
    let across = |pick: &dyn Fn(&Found) -> Option<Ratio>| {
        let mut seen: Vec<_> = runs.iter().filter_map(pick).collect();
        seen.sort_by(|a, b| a.median.total_cmp(&b.median));
        let lo = seen.iter().map(|ratio| ratio.lo).fold(f64::INFINITY, f64::min);
        let hi = seen.iter().map(|ratio| ratio.hi).fold(0.0, f64::max);
        seen.get(seen.len() / 2).map(|ratio| Ratio { median: ratio.median, lo, hi })
    };
    let mut merged = Vec::new();
    for (at, first) in runs.first().map_or(&[][..], |run| &run.comparisons).iter().enumerate() {
        let mut comparison = first.clone();
        if let Some(control) = across(&|run| Some(run.comparisons.get(at)?.control)) {
            comparison.control = control;
        }
        for (nth, way) in comparison.ways.iter_mut().enumerate() {
            if let Some(ratio) = across(&|run| Some(run.comparisons.get(at)?.ways.get(nth)?.ratio))
            {
                way.ratio = ratio;
            }
        }
        merged.push(comparison);
    }
    let facts = if runs.is_empty() { Vec::new() } else { runs.swap_remove(0).facts };
    Found { comparisons: merged, facts, ..Found::default() }
}

fn said(workspace: &Workspace, program: &str, args: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args).current_dir(&workspace.root);
    let done = child::run(&mut command, Stderr::Captured, None)?;
    if !done.ok() {
        bail!("`{}`: {}\n{}", child::show(&command), done.end(), done.text());
    }
    Ok(done.stdout.trim().to_owned())
}

/// The commit of the work tree; the page and the record, which this command writes, do not count
/// as a difference.
fn commit(workspace: &Workspace) -> Result<String> {
    let commit = said(workspace, "git", &["rev-parse", "--short=10", "HEAD"])?;
    let changed = said(workspace, "git", &["status", "--porcelain", "--untracked-files=no"])?;
    let written = [PAGE, RECORD];
    let mut files = changed.lines().filter_map(|line| line.split_whitespace().last());
    let dirty = files.any(|file| !written.contains(&file));
    Ok(if dirty { commit + "-dirty" } else { commit })
}

/// The commits that the figures are of: the one of most programs, then the others with their names.
fn commits(programs: &BTreeMap<String, Found>) -> String {
    let mut by_commit = BTreeMap::<&str, Vec<&str>>::new();
    for (name, found) in programs {
        by_commit.entry(&found.commit).or_default().push(name);
    }
    let mut by_commit: Vec<_> = by_commit.into_iter().collect();
    by_commit.sort_by_key(|(_, names)| core::cmp::Reverse(names.len()));
    let mut told = by_commit.into_iter().enumerate().map(|(at, (commit, names))| {
        if at == 0 {
            format!("commit {commit}")
        } else {
            format!("{commit} for {}", names.join(", "))
        }
    });
    let first = told.next().unwrap_or_default();
    told.fold(first, |all, next| all + "; " + &next)
}

fn machine(workspace: &Workspace) -> Result<Machine> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo.lines().find_map(|line| {
        line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    Ok(Machine {
        cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        rustc: said(workspace, "rustc", &["--version"])?,
    })
}

fn open(name: &str) -> String {
    format!("<!-- guide: {name} -->")
}

const OPEN: &str = "<!-- guide: ";
const CLOSE: &str = "<!-- /guide -->";

/// `text` with all figures rendered anew, and how many there are.
fn render(text: &str, record: &Record) -> Result<(String, usize)> {
    let mut out = String::new();
    let mut count = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, after) = after.split_once(" -->").context("a marker is not closed")?;
        let (_, after) = after
            .split_once(CLOSE)
            .with_context(|| format!("`{}` has no `{CLOSE}`", open(name)))?;
        let figures = match name {
            "machine" => {
                let Machine { cpu, rustc } = &record.machine;
                let commits = commits(&record.programs);
                format!("`cargo xtask guide`, {cpu}, {rustc}, {commits}.")
            }
            _ => {
                let found = record.programs.get(name);
                figures(found.with_context(|| {
                    format!("{RECORD} has nothing of `{name}`: run `cargo xtask guide {name}`")
                })?)
            }
        };
        write!(out, "{before}{}{figures}{CLOSE}", open(name))?;
        rest = after;
        count += 1;
    }
    out.push_str(rest);
    Ok((out, count))
}

/// The figures of a program, for one cell of a table.
fn figures(found: &Found) -> String {
    let facts = found.facts.iter().map(|fact| format!("{}: {}", fact.what, fact.value));
    let mut lines: Vec<_> = facts.collect();
    for Comparison { control, ways, .. } in &found.comparisons {
        let Some((plain, others)) = ways.split_first() else { continue };
        lines.push(format!("{}: {}", plain.name, counts(plain)));
        for way in others {
            let Ratio { median, lo, hi } = way.ratio;
            // As the programs judge it (`guide::Ratio::is_resolved`).
            let noise = (control.lo.min(2.0 - control.hi) - 1.0).abs();
            let shown = format!("{median:.2} [{lo:.2}, {hi:.2}]");
            let shown = if lo <= 1.0 && hi >= 1.0 || (median - 1.0).abs() <= noise {
                format!("*{shown}*")
            } else if median < 1.0 {
                format!("**{shown}**")
            } else {
                shown
            };
            lines.push(format!("{}: {shown}, {}", way.name, counts(way)));
        }
    }
    lines.join("<br>")
}

fn counts(way: &Way) -> String {
    let peak = match way.peak_bytes {
        count @ 0..10_000 => format!("{count} B"),
        count @ 10_000..10_000_000 => format!("{:.0} KiB", count as f64 / 1024.0),
        count => format!("{:.0} MiB", count as f64 / (1024.0 * 1024.0)),
    };
    let plural = if way.allocs == 1 { "" } else { "s" };
    format!("{} alloc{plural}, {peak}", way.allocs)
}

#[cfg(test)]
mod tests {
    use super::{Found, Line, Record, commits, merge, render};
    use serde_json::json;

    fn record() -> Record {
        let ratio = |median: f64, by: f64| json!({ "median": median, "lo": median - by, "hi": median + by });
        let way = |name: &str, ratio| json!({ "name": name, "ns": 1.0, "allocs": 3, "peak_bytes": 20480, "ratio": ratio });
        serde_json::from_value(json!({
            "schema": 1,
            "machine": { "cpu": "CPU", "rustc": "1.95.0" },
            "programs": { "p": {
                "commit": "abc",
                "comparisons": [{ "unit": "u", "units": 1, "control": ratio(1.0, 0.01), "ways": [
                    way("plain", ratio(1.0, 0.0)), way("gain", ratio(2.0, 0.1)),
                    way("loss", ratio(0.5, 0.1)), way("same", ratio(1.1, 0.2)),
                ]}],
                "facts": [{ "what": "kept", "value": "1 MiB" }],
            }}
        }))
        .expect("a record")
    }

    #[test]
    fn gains_losses_and_noise_are_told_apart() {
        let page = "a <!-- guide: p -->old<!-- /guide --> b <!-- guide: machine --><!-- /guide -->";
        let (text, count) = render(page, &record()).expect("renders");
        assert_eq!(count, 2);
        assert!(text.contains("-->kept: 1 MiB<br>plain: 3 allocs, 20 KiB<br>gain: 2.00 [1.90, 2"));
        assert!(text.contains("loss: **0.50 [0.40, 0.60]**, 3"), "{text}");
        assert!(text.contains("*1.10 [0.90, 1.30]*, 3 allocs, 20 KiB<!-- /guide --> b"), "{text}");
        assert!(text.contains("CPU, 1.95.0, commit abc."), "{text}");
        assert!(!text.contains("old"), "{text}");
        assert_eq!(render(&text, &record()).expect("renders").0, text, "rendering is stable");
    }

    #[test]
    fn programs_measured_at_another_commit_are_named() {
        let of = |commit: &str| Found { commit: commit.to_owned(), ..Found::default() };
        let programs = [("a", "1"), ("b", "2-dirty"), ("c", "1"), ("d", "2-dirty"), ("e", "1")];
        let programs = programs.map(|(name, commit)| (name.to_owned(), of(commit)));
        assert_eq!(commits(&programs.into()), "commit 1; 2-dirty for b, d");
    }

    #[test]
    fn unknown_programs_and_open_markers_are_errors() {
        for text in ["<!-- guide: q --><!-- /guide -->", "<!-- guide: p -->"] {
            assert!(render(text, &record()).is_err(), "{text}");
        }
    }

    #[test]
    fn processes_are_merged_around_the_middle_one() {
        let runs = [1.5, 3.0, 2.0].map(|median| {
            let mut programs = record().programs;
            let mut found = programs.remove("p").unwrap_or_default();
            found.comparisons[0].ways[1].ratio.median = median;
            found.comparisons[0].ways[1].ratio.lo = median - 0.5;
            found
        });
        let Found { comparisons, facts, .. } = merge(runs.into());
        let ratio = comparisons[0].ways[1].ratio;
        assert_eq!((ratio.median, ratio.lo, facts.len()), (2.0, 1.0, 1));
    }

    #[test]
    fn lines_of_programs_are_read() {
        let line = r#"{"fact":{"what":"kept","value":"1 MiB"}}"#;
        assert!(matches!(serde_json::from_str(line), Ok(Line::Fact(_))));
    }
}
