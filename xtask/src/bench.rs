//! `cargo xtask bench`: builds the `benches` package with the bench profile and runs it.
//!
//! Everything that measures lives in `benches`; this only passes the arguments through, after
//! fetching exactly the packages in `Cargo.lock`, whose sources are the benchmarks' real input.

use crate::cargo::{self, Build, Workspace};
use crate::child::{self, Stderr};
use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode};

/// The profile in which the tests of `benches` and its rows are built.
pub(crate) const TESTS: &str = "verify";

/// What `cargo xtask bench` accepts: everything, for the benchmark program to read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `[CRATE…] [--case GLOB] [--quick] [--claims] …`: see `cargo xtask bench --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Runs the command; its exit code is the benchmark program's.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    fetch(&workspace)?;
    build(&workspace)?;
    let mut command = program(&workspace);
    command.arg("--").args(&args.args);
    let status = command.status().with_context(|| child::show(&command))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The tests of `benches`; its criterion targets are no tests. Programs that tests start are built
/// too: among them the runner, which [`verify`] starts.
pub(crate) fn tests(workspace: &Workspace) -> Command {
    let mut command = Build::plain().cargo(workspace, "test");
    command.args(["--profile", TESTS, "--package", "benches", "--no-fail-fast"]);
    command.args(["--lib", "--test", "*"]);
    command
}

/// Runs every row once and says how many; fails when any row is an error.
pub(crate) fn verify(workspace: &Workspace) -> Result<String> {
    let program = cargo::binary(&mut tests(workspace), "bench")?;
    let mut command = Command::new(program);
    cargo::clean(&mut command);
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    command.arg("--verify");
    println!("   $ {}", child::show(&command));
    let done = child::run(&mut command, Stderr::Terminal, None)?;
    if !done.ok() {
        bail!("`{}`: {}\n{}", child::show(&command), done.end(), done.stdout);
    }
    let rows = done.stdout.lines().find(|line| line.ends_with(" rows"));
    Ok(format!("{}: all answered, checksums equal", rows.context("no count of rows")?))
}

/// Fetches the packages in `Cargo.lock`.
pub(crate) fn fetch(workspace: &Workspace) -> Result<()> {
    let mut command = Build::plain().cargo(workspace, "fetch");
    command.arg("--locked");
    child::must(&mut command, Stderr::Terminal).map(drop)
}

/// Builds every executable of the package: the runner starts the others (one for each global
/// allocator) from beside itself.
fn build(workspace: &Workspace) -> Result<()> {
    let mut command = Build::plain().cargo(workspace, "build");
    command.args(["--profile", "bench", "--package", "benches", "--bins"]);
    child::must(&mut command, Stderr::Terminal).map(drop)
}

fn program(workspace: &Workspace) -> Command {
    let mut command = Build::plain().cargo(workspace, "run");
    command.args(["--profile", "bench", "--package", "benches", "--bin", "bench"]);
    command
}
