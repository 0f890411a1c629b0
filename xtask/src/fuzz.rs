//! `cargo xtask fuzz`: libFuzzer on sequences of operations, against shadow models.
//!
//! The targets are the programs in `fuzz/src/bin/`; how to add one stands in `fuzz/src/lib.rs`.
//! They are built by the nightly compiler with the coverage instrumentation that libFuzzer reads
//! and with AddressSanitizer; nothing but the compiler is needed. First the target `canary` must
//! find the fault planted in it. `--smoke` makes a fixed number of runs from a fixed seed.

use crate::cargo::{self, Build, HOST, NO_NIGHTLY, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Outcome, Steps, not_run, passed};
use anyhow::{Context, Result, bail};
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What `cargo xtask fuzz` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Targets to run; all when none is named.
    targets: Vec<String>,
    /// 100,000 runs a target from a fixed seed, instead of a time.
    #[arg(long)]
    smoke: bool,
    /// Seconds a target.
    #[arg(long, default_value_t = 60, value_name = "N", conflicts_with = "smoke")]
    seconds: u64,
}

const SMOKE_RUNS: u64 = 100_000;
const SEED: u32 = 20_260_000;
/// Coverage finds the canary's fault within this in seven of eight tries: where the program lies in
/// memory decides too, so a seed alone repeats nothing. Chance alone does not find it in all tries.
const CANARY_RUNS: u64 = 1_000_000;
/// One in sixteen million honest fuzzers misses this often.
const CANARY_TRIES: u32 = 8;
/// As `release`, but for the fuzzer's own code in C++, which takes half as long to compile.
const PROFILE: &str = "fuzz";
const CANARY: &str = "canary";
/// One sanitized run longer than this hangs.
const LONGEST_RUN: &str = "-timeout=20";

/// What libFuzzer reads: block counters, their addresses, and the operands of comparisons.
const INSTRUMENTATION: &[&str] = &[
    "--cfg fuzzing",
    "-Zsanitizer=address",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
];

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let all = targets(&workspace)?;
    let chosen: Vec<_> = match args.targets.as_slice() {
        [] => all.iter().filter(|name| *name != CANARY).cloned().collect(),
        named => named.to_vec(),
    };
    if let Some(unknown) = chosen.iter().find(|name| !all.contains(name)) {
        bail!("no fuzz target `{unknown}`; there are: {}", all.join(", "));
    }
    let mut steps = Steps::new("fuzz");
    let Some(nightly) = cargo::nightly() else {
        for name in &chosen {
            steps.step(name.as_str(), || not_run(NO_NIGHTLY));
        }
        return Ok(steps.finish());
    };
    let mut home = PathBuf::new();
    let built = steps.step("build with instrumentation", || {
        home = build(&workspace, &nightly)?;
        passed(format!("{} targets", all.len()))
    });
    let believed = built && steps.step("canary: a planted fault", || canary(&workspace, &home));
    for name in &chosen {
        steps.step(name.as_str(), || {
            if !believed {
                return not_run("a fuzzer that misses its canary proves nothing");
            }
            run(&workspace, &home, name, args)
        });
    }
    steps.step("targets there are", || match chosen.len() {
        0 => bail!("no fuzz target but the canary"),
        count => passed(format!("{count} targets")),
    });
    Ok(steps.finish())
}

/// The names of the programs in `fuzz/src/bin`.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("fuzz/src/bin");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if let (Some("rs"), Some(stem)) =
            (path.extension().and_then(|e| e.to_str()), path.file_stem())
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds every target; returns the folder with the programs.
fn build(workspace: &Workspace, nightly: &str) -> Result<PathBuf> {
    let build = Build {
        toolchain: Some(nightly.to_owned()),
        folder: Some("fuzz"),
        explicit_target: true,
        ..Build::plain()
    };
    let mut command = build.flags(INSTRUMENTATION).cargo(workspace, "build");
    command.args(["--profile", PROFILE, "-p", "fuzz", "--bins"]);
    child::must(&mut command, Stderr::Terminal)?;
    Ok(workspace.target.join("fuzz").join(HOST).join(PROFILE))
}

/// The fuzzer with its own folder for what it keeps.
fn fuzzer(workspace: &Workspace, home: &Path, name: &str, corpus: &str) -> Result<Command> {
    let artifacts = workspace.root.join("fuzz/artifacts").join(name);
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(home.join(name));
    cargo::clean(&mut command);
    command.current_dir(&workspace.root);
    // Operations ask for more memory than there is, to see the refusal: null, as malloc says it.
    command.env("ASAN_OPTIONS", "allocator_may_return_null=1");
    command.args([LONGEST_RUN, "-print_final_stats=1", "-verbosity=1"]);
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(corpus);
    Ok(command)
}

/// A folder that is empty: what an earlier run kept must not decide what this one finds.
fn empty(path: PathBuf) -> Result<String> {
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&path)?;
    Ok(path.to_string_lossy().into_owned())
}

fn canary(workspace: &Workspace, home: &Path) -> Result<Outcome> {
    let mut missed = String::new();
    for nth in 1..=CANARY_TRIES {
        let corpus = empty(workspace.target.join("fuzz/corpus/canary"))?;
        let mut command = fuzzer(workspace, home, CANARY, &corpus)?;
        command.arg(format!("-runs={CANARY_RUNS}"));
        command.arg(format!("-seed={}", SEED + nth));
        let done = child::run(&mut command, Stderr::Captured, Some(Duration::from_secs(120)))?;
        let text = done.text();
        if !done.ok() && done.status.is_some() && text.contains("planted fault reached") {
            return passed(format!("found in {:.1} s, try {nth}", done.seconds));
        }
        missed = format!("{}\n{}", done.end(), tail(&text));
        // Another end than "nothing found" is no bad luck.
        if !done.ok() {
            break;
        }
    }
    bail!("the planted fault was not found: {missed}")
}

fn run(workspace: &Workspace, home: &Path, name: &str, args: &Args) -> Result<Outcome> {
    let (corpus, budget, limit) = if args.smoke {
        let corpus = empty(workspace.target.join("fuzz/corpus").join(name))?;
        (corpus, format!("-runs={SMOKE_RUNS}"), Duration::from_secs(600))
    } else {
        let corpus = workspace.root.join("fuzz/corpus").join(name);
        fs::create_dir_all(&corpus)?;
        let limit = Duration::from_secs(args.seconds + 120);
        (corpus.to_string_lossy().into_owned(), format!("-max_total_time={}", args.seconds), limit)
    };
    let mut command = fuzzer(workspace, home, name, &corpus)?;
    command.arg(&budget).arg(format!("-seed={SEED}"));
    println!("   $ {}", child::show(&command));
    let done = child::run(&mut command, Stderr::Captured, Some(limit))?;
    let text = done.text();
    let runs = executed(&text);
    if !done.ok() {
        bail!("{} after {runs} runs\n{}", done.end(), tail(&text));
    }
    if runs == 0 || (args.smoke && runs < SMOKE_RUNS) {
        bail!("only {runs} runs were executed\n{}", tail(&text));
    }
    passed(format!("{runs} runs in {:.1} s", done.seconds))
}

/// libFuzzer's own count of what it executed.
fn executed(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// The last lines, which hold the fault and the file that reproduces it.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::{executed, tail};

    #[test]
    fn runs_are_counted_by_the_fuzzer_itself() {
        let text = "Done 100000 runs\nstat::number_of_executed_units: 100000\nstat::x: 3\n";
        assert_eq!(executed(text), 100_000);
        assert_eq!(executed("Done 5 runs"), 0, "no statistics, no runs");
    }

    #[test]
    fn the_end_of_a_long_log_is_kept() {
        let text = (0..100).map(|i| i.to_string()).collect::<Vec<_>>().join("\n");
        assert!(tail(&text).starts_with("40\n") && tail(&text).ends_with("99"));
        assert_eq!(tail("one"), "one");
    }
}
