//! `cargo xtask bench`: builds the `benches` package with the bench profile and runs it.
//!
//! Everything that measures lives in `benches`; this only passes the arguments through, after
//! fetching exactly the packages in `Cargo.lock`, whose sources are the benchmarks' real input.

use crate::cargo::{Build, Workspace};
use crate::child::{self, Stderr};
use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode};

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

/// Runs every row once; fails when any row is an error.
pub(crate) fn verify(workspace: &Workspace) -> Result<()> {
    fetch(workspace)?;
    build(workspace)?;
    let mut command = program(workspace);
    command.args(["--", "--verify"]);
    println!("   $ {}", child::show(&command));
    let status = command.status().with_context(|| child::show(&command))?;
    if !status.success() {
        bail!("`{}`: {status}", child::show(&command));
    }
    Ok(())
}

fn fetch(workspace: &Workspace) -> Result<()> {
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
