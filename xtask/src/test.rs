//! `cargo xtask test`: everything that a change must pass, on stable, with nothing to install.
//!
//! Per crate: debug with every feature, and release with every feature but the counters of `stats`
//! (what users run), each with unit, integration, property and doc tests; then the loom models at
//! preemption bound 2, the models of many threads under shuttle, the tests of `benches`, and every
//! benchmark row once.
//!
//! What does not depend on the optimiser runs once: compile-fail tests (ignored in release), and
//! the tests of this tool. The benchmarks are built once, for their tests and for their rows, with
//! `[profile.verify]`: checksums are compared, nothing is timed.

use crate::cargo::{Build, Package, TOOLS, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Outcome, Steps, passed};
use crate::{bench, loom, planted, shuttle};
use anyhow::{Result, bail};
use std::process::{Command, ExitCode};

/// What `cargo xtask test` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Crates to test; all when none is named.
    crates: Vec<String>,
    /// Plant the faults of each crate's `bugs.toml` and require that a test catches each.
    #[arg(long)]
    planted: bool,
    /// With `--planted`: run the test of each fault so often; every run must fail.
    #[arg(long, default_value_t = 1, value_name = "N", requires = "planted")]
    times: u32,
}

/// Tests counted so far.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    if args.planted {
        return planted::main(&workspace, &args.crates, args.times.max(1));
    }
    let packages = workspace.choose(&args.crates, true)?;
    let mut steps = Steps::new("test");
    let mut total = Count::default();
    for package in &packages {
        steps.step(format!("{} debug", package.name), || {
            suite(&workspace, package, &every_feature(package), &mut total)
        });
        // A tool: nobody runs it optimised.
        if package.name != "xtask" {
            let mut args = features(package, |name| name != COUNTERS);
            args.push("--release".into());
            steps.step(format!("{} release", package.name), || {
                suite(&workspace, package, &args, &mut total)
            });
        }
    }
    let crates: Vec<_> = packages.iter().copied().filter(|p| !TOOLS.contains(&&*p.name)).collect();
    loom::run_models(&mut steps, &workspace, &crates, 2, loom::Which::All, &mut total);
    shuttle::run_models(&mut steps, &workspace, &crates, &mut total);
    if args.crates.is_empty() {
        steps.step("benches, unit tests and the runner's", || {
            bench::fetch(&workspace)?;
            counted(&mut bench::tests(&workspace), &mut total)
        });
        steps.step("every benchmark row once", || {
            let rows = bench::verify(&workspace)?;
            total.passed += 1;
            passed(rows)
        });
    }
    // A step that failed without a failing test (it did not build, it ran nothing) counts as one.
    let failed = total.failed.max(steps.failed());
    let code = steps.finish();
    println!("{} passed, {failed} failed", total.passed);
    Ok(code)
}

/// The feature that adds instructions to fast paths: optimised code is tested without it.
const COUNTERS: &str = "stats";

/// `--features …` with everything that a stable compiler can build.
pub(crate) fn every_feature(package: &Package) -> Vec<String> {
    features(package, |_| true)
}

/// `--features …` with what is wanted of that.
fn features(package: &Package, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut features = package.stable_features();
    features.retain(|name| wanted(name));
    if features.is_empty() { Vec::new() } else { vec!["--features".into(), features.join(",")] }
}

/// `--features …` of several packages that are built by one command.
pub(crate) fn every_feature_of(packages: &[&Package]) -> Vec<String> {
    let features: Vec<_> = packages
        .iter()
        .flat_map(|package| {
            let names = package.stable_features();
            names.into_iter().map(|feature| format!("{}/{feature}", package.name))
        })
        .collect();
    if features.is_empty() { Vec::new() } else { vec!["--features".into(), features.join(",")] }
}

fn suite(
    workspace: &Workspace,
    package: &Package,
    args: &[String],
    total: &mut Count,
) -> Result<Outcome> {
    let mut command = Build::plain().cargo(workspace, "test");
    command.args(["-p", &package.name, "--no-fail-fast"]).args(args);
    counted(&mut command, total)
}

/// Runs `cargo test …` and adds what it executed to `total`.
fn counted(command: &mut Command, total: &mut Count) -> Result<Outcome> {
    println!("   $ {}", child::show(command));
    let done = child::run(command, Stderr::Terminal, None)?;
    let count = results(&done.stdout);
    total.passed += count.passed;
    total.failed += count.failed;
    if !done.ok() || count.failed > 0 {
        let shown = child::show(command);
        bail!("{} passed, {} failed: {shown}\n{}", count.passed, count.failed, done.stdout);
    }
    at_least_one(count)
}

/// A run that executed no test at all is a failure, not a success.
pub(crate) fn at_least_one(count: Count) -> Result<Outcome> {
    if count.passed == 0 {
        bail!("no test was executed");
    }
    passed(format!("{} tests", count.passed))
}

/// Sums libtest's `test result:` lines.
pub(crate) fn results(stdout: &str) -> Count {
    let mut count = Count::default();
    for line in stdout.lines().filter(|line| line.starts_with("test result:")) {
        let mut words = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let Ok(number) = word.parse::<usize>() else { continue };
            match words.peek() {
                Some(&"passed") => count.passed += number,
                Some(&"failed") => count.failed += number,
                _ => {}
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{Count, at_least_one, results};

    #[test]
    fn libtest_lines_are_summed() {
        let text = "running 3 tests\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out";
        assert_eq!(results(text), Count { passed: 13, failed: 2 });
        assert_eq!(results("test passed 3 passed; 0 failed"), Count::default());
    }

    #[test]
    fn zero_executed_tests_fail() {
        assert!(at_least_one(Count::default()).is_err());
        assert!(at_least_one(Count { passed: 1, failed: 0 }).is_ok());
    }
}
