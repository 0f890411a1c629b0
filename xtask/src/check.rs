//! `cargo xtask check`: everything about the source that no test run would notice.
//!
//! Formatting, lints and documentation by the compiler's tools; the rules of this workspace by the
//! checks in `check/`, each of which a unit test shows to be able to fail; [`crate::readme`] for
//! the measured tables, and [`crate::history`] for the commits that they name.

mod api;
mod graph;
mod no_std;
mod source;

use crate::cargo::{Build, Package, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Outcome, Steps, findings, not_run, passed};
use crate::test::every_feature_of;
use crate::{bench, guide, history, readme};
use anyhow::Result;
use std::process::{Command, ExitCode};

/// Most lines of the root README.
const README_LINES: usize = 150;

/// What `cargo xtask check` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only checks whose name holds one of these words (`unsafe`, `ORD`, `lints`, `licences`).
    only: Vec<String>,
    /// Write each crate's `public-api.txt` anew instead of comparing it.
    #[arg(long)]
    record_api: bool,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut steps = Steps::new("check").only(&args.only);
    let plain = Build::plain();

    steps.step("Cargo.lock is current", || {
        let mut command = plain.cargo(&workspace, "metadata");
        command.args(["--locked", "--format-version", "1"]);
        child::must(&mut command, Stderr::Captured)?;
        passed("as the manifests say")
    });
    steps.step("formatting", || {
        let mut command = plain.cargo(&workspace, "fmt");
        command.args(["--all", "--check"]);
        with_component(&workspace, "fmt", "rustfmt", command)
    });
    for (label, packages, extra) in lint_groups(&workspace) {
        steps.step(format!("lints of {label}"), || {
            let mut command = plain.cargo(&workspace, "clippy");
            command.args(package_args(&packages)).args(["--all-targets"]).args(extra);
            command.args(["--", "-D", "warnings"]);
            with_component(&workspace, "clippy", "clippy", command)
        });
        steps.step(format!("documentation of {label}"), || {
            let mut command = plain.cargo(&workspace, "doc");
            command.arg("--no-deps").args(package_args(&packages)).args(extra);
            command.env("RUSTDOCFLAGS", "-D warnings");
            child::must(&mut command, Stderr::Terminal)?;
            passed("no warning")
        });
    }
    graph::check(&mut steps, &workspace);
    api::check(&mut steps, &workspace, args.record_api);
    no_std::check(&mut steps, &workspace);
    source::check(&mut steps, &workspace);
    steps.step("README tables are what the records say", || {
        let stale = readme::stale(&workspace)?;
        findings(format!("{} tables", stale.tables), stale.findings)
    });
    steps.step("the guide says what its record says", || {
        let (figures, found) = guide::stale(&workspace)?;
        findings(format!("{figures} figures"), found)
    });
    steps.step("records are of commits in the history", || {
        let mut records = readme::commits(&workspace)?;
        records.extend(guide::measured_at(&workspace)?);
        history::check(&workspace.root, &records)
    });
    steps.step("the root README is short", || {
        let text = std::fs::read_to_string(workspace.root.join("README.md"))?;
        findings(format!("{} lines", text.lines().count()), too_long(&text, README_LINES))
    });
    Ok(steps.finish())
}

/// The crates with the tools, and `benches` apart: with the profile of its tests it shares the
/// compiled C and C++ of the peers with `cargo xtask test`.
fn lint_groups(
    workspace: &Workspace,
) -> Vec<(&'static str, Vec<&Package>, &'static [&'static str])> {
    let (benches, rest): (Vec<&Package>, Vec<&Package>) =
        workspace.packages.iter().partition(|package| package.name == "benches");
    vec![
        ("the crates and tools", rest, &[]),
        ("the benchmarks", benches, &["--profile", bench::TESTS]),
    ]
}

/// `-p NAME … --features NAME/FEATURE,…` with everything a stable compiler can build.
fn package_args(packages: &[&Package]) -> Vec<String> {
    let names = packages.iter().flat_map(|package| ["-p".to_owned(), package.name.clone()]);
    names.chain(every_feature_of(packages)).collect()
}

/// Runs a tool that is a component of its own in a toolchain installed with the minimal profile.
fn with_component(
    workspace: &Workspace,
    subcommand: &str,
    component: &str,
    mut command: Command,
) -> Result<Outcome> {
    let mut version = Build::plain().cargo(workspace, subcommand);
    version.arg("--version");
    let present = child::run(&mut version, Stderr::Captured, None)?.ok();
    if !present {
        return not_run(format!("{component} is not installed: rustup component add {component}"));
    }
    child::must(&mut command, Stderr::Terminal)?;
    passed("no warning")
}

fn too_long(text: &str, most: usize) -> Vec<String> {
    let lines = text.lines().count();
    if lines < most { Vec::new() } else { vec![format!("{lines} lines; fewer than {most} wanted")] }
}

#[cfg(test)]
mod tests {
    use super::too_long;

    #[test]
    fn a_long_readme_is_found() {
        assert!(too_long("a\nb\n", 3).is_empty());
        assert_eq!(too_long("a\nb\nc\n", 3).len(), 1);
    }
}
