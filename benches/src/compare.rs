//! `bench --compare REV`: another revision's build and this one, process by process.
//!
//! The other revision is checked out into a work tree below `target/compare` and built with the
//! same profile. Processes of the two builds then take turns (old new, new old, …), each timing
//! our engines and the plain one; a pair of neighbouring processes gives one ratio, and the
//! interval is over pairs. The plain engine is the control: code that no one changed, so whatever
//! it shows is placement and noise.

use core::time::Duration;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::case::{Case, Role};
use crate::machine;
use crate::report::schema::label;
use crate::report::summary;
use crate::runner::job::{Answer, Task};
use crate::runner::spawn::{Flavour, Spawner};
use crate::stats::{Interval, Standing, median, over_processes};
use crate::threads;

/// Compares every case's engines of ours between `revision` and this build.
///
/// # Errors
///
/// Returns an error when the revision does not exist or does not build.
pub fn run(
    out: &mut dyn Write,
    new: &Spawner,
    cases: &[Case],
    revision: &str,
    quick: bool,
) -> Result<()> {
    let commit = resolve(revision)?;
    writeln!(out, "building {revision} ({})", commit.get(..10).unwrap_or(&commit))?;
    let old = new.with_exe(build(&commit)?);
    let pairs = if quick { 5 } else { 12 };
    writeln!(
        out,
        "{revision} against this build, {pairs} pairs of processes; above 1x this build is faster; \
         the plain engine is the control\n"
    )?;
    let mut changed = 0;
    for case in cases {
        for (name, change) in compare(&old, new, case, pairs) {
            let line = match change {
                Ok(interval) => {
                    let word = match interval.standing() {
                        Standing::Win => "faster",
                        Standing::Loss => "SLOWER",
                        Standing::Even => "even",
                    };
                    changed += usize::from(interval.standing() != Standing::Even);
                    format!("{:<26} {word}", summary::interval(&interval))
                }
                Err(why) => format!("not compared: {why}"),
            };
            writeln!(out, "{:<40} {name:<22} {line}", case.id)?;
        }
    }
    writeln!(out, "\n{changed} rows changed")?;
    Ok(())
}

/// Compares one case: our engines, then the control.
fn compare(
    old: &Spawner,
    new: &Spawner,
    case: &Case,
    pairs: u32,
) -> Vec<(String, Result<Interval, String>)> {
    let of = |wanted: fn(&crate::case::EngineSpec) -> bool| {
        case.engines.iter().enumerate().filter(move |(_, e)| wanted(e)).map(|(i, _)| i)
    };
    let slots: Vec<usize> =
        of(|e| e.role == Role::Ours).chain(of(|e| e.reference && e.role != Role::Ours)).collect();
    let name = |slot: usize| {
        let spec = &case.engines[slot];
        let control = if spec.role == Role::Ours { "" } else { " (control)" };
        label(spec.name, spec.config) + control
    };
    let cores = threads::cpus().len();
    if case.threads > 1 && cores < 2 {
        return vec![(String::new(), Err(format!("needs 2 CPUs, this process may use {cores}")))];
    }
    let mut ratios: Vec<Vec<Vec<f64>>> = vec![Vec::new(); slots.len()];
    for pair in 0..pairs {
        let task = Task::Time {
            sweeps: 12,
            min_sweeps: 3,
            sample_ns: if case.threads > 1 { 2_000_000 } else { 1_000_000 },
            limit_ms: 5_000,
            process: pair,
        };
        let time = |spawner: &Spawner| {
            spawner
                .run(case, Flavour::Plain, &slots, task, Duration::from_secs(180))
                .map_err(|death| death.why)
        };
        let (before, after) = if pair % 2 == 0 {
            let before = time(old);
            (before, time(new))
        } else {
            let after = time(new);
            (time(old), after)
        };
        let (before, after) = match (before, after) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(why), _) => {
                return vec![(String::new(), Err(format!("the other revision: {why}")))];
            }
            (_, Err(why)) => return vec![(String::new(), Err(why))],
        };
        for (index, found) in ratios.iter_mut().enumerate() {
            if let (Some(before), Some(after)) = (middle(&before, index), middle(&after, index)) {
                found.push(vec![before / after]);
            }
        }
    }
    slots
        .iter()
        .zip(&ratios)
        .map(|(&slot, ratios)| {
            (
                name(slot),
                over_processes(ratios, 0).ok_or_else(|| "no sample of both builds".to_owned()),
            )
        })
        .collect()
}

/// The middle sample of one slot, where it worked.
fn middle(answer: &Answer, slot: usize) -> Option<f64> {
    let slot = answer.slots.get(slot).filter(|slot| slot.error.is_none())?;
    median(&slot.samples.iter().map(|sample| sample.ns).collect::<Vec<_>>())
}

fn resolve(revision: &str) -> Result<String> {
    let spec = format!("{revision}^{{commit}}");
    let out = git(&["rev-parse", "--verify", "--quiet", &spec]).output().context("starting git")?;
    if !out.status.success() {
        bail!("--compare {revision}: no such revision here");
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

fn git(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(machine::root()).args(arguments);
    command
}

/// Builds a commit's runner, or finds the one built before.
fn build(commit: &str) -> Result<PathBuf> {
    let folder = machine::out_dir().with_file_name("compare");
    let exe = folder.join(format!("bench-{commit}"));
    if exe.exists() {
        return Ok(exe);
    }
    let tree = folder.join(commit);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    if !tree.exists() {
        // A tree whose folder was deleted by hand is still registered: prune first.
        run_command(&mut git(&["worktree", "prune"]))?;
        let path = tree.to_string_lossy();
        run_command(&mut git(&["worktree", "add", "--detach", "--quiet", &path, commit]))?;
    }
    let target = folder.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&tree)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            "bench",
            "-p",
            "benches",
            "--bin",
            "bench",
        ])
        .arg("--target-dir")
        .arg(&target);
    let built = run_command(&mut cargo).and_then(|()| copy(&target.join("release/bench"), &exe));
    let path = tree.to_string_lossy();
    run_command(&mut git(&["worktree", "remove", "--force", &path]))?;
    built?;
    Ok(exe)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn run_command(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_that_does_not_exist_is_named() {
        let error = resolve("no-such-revision").unwrap_err().to_string();
        assert!(error.contains("no-such-revision"), "{error}");
    }
}
