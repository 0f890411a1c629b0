//! The task runner of the workspace: `cargo xtask COMMAND`.
//!
//! This file reads the arguments; each command has a file of its own. Every command prints what
//! it runs and how long it took, ends with a summary, and exits with 1 when anything failed.
#![expect(clippy::print_stdout, reason = "a command-line program reports on standard output")]

mod allow;
mod bench;
mod cargo;
mod check;
mod child;
mod fuzz;
mod guide;
mod history;
mod loom;
mod orderings;
mod planted;
mod progress;
mod readme;
mod sanitize;
mod shuttle;
mod steps;
mod test;
mod weaken;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tests, models, checks, sanitizers, fuzzers and benchmarks of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run all tests, debug and release, the loom models, and every benchmark row once.
    Test(test::Args),
    /// Run the loom models, and freeze threads in those that speak of progress; with `--weaken`, weaken
    /// every memory ordering and expect a failure.
    Loom(loom::Args),
    /// Check formatting, lints, docs, no_std, features, dependencies, and the rules of the source.
    Check(check::Args),
    /// Run the tests under AddressSanitizer, LeakSanitizer and ThreadSanitizer (nightly).
    Sanitize(sanitize::Args),
    /// Fuzz sequences of operations against shadow models (nightly).
    Fuzz(fuzz::Args),
    /// Rewrite the measured tables of the READMEs from the committed records.
    Readme(readme::Args),
    /// Run the programs of the guide and write what they found into it.
    Guide(guide::Args),
    /// Measure our crates beside their peers.
    #[command(disable_help_flag = true)]
    Bench(bench::Args),
}

fn main() -> ExitCode {
    if let Some(code) = planted::as_compiler() {
        return code;
    }
    let result = match Cli::parse().command {
        Task::Test(args) => test::main(&args),
        Task::Loom(args) => loom::main(&args),
        Task::Check(args) => check::main(&args),
        Task::Sanitize(args) => sanitize::main(&args),
        Task::Fuzz(args) => fuzz::main(&args),
        Task::Readme(args) => readme::main(&args),
        Task::Guide(args) => guide::main(&args),
        Task::Bench(args) => bench::main(&args),
    };
    result.unwrap_or_else(|error| {
        println!("error: {error:#}");
        ExitCode::FAILURE
    })
}
