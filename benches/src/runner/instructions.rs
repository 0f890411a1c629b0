//! Instructions per operation, counted by valgrind's callgrind between the marks of
//! [`quarry_bench_measured`](super::worker::quarry_bench_measured).
//!
//! Counts repeat to the last digit when environment and seeds do: the environment is cleared
//! except for what finds the input. They do not see caches, page faults or waiting, and a CPU-id
//! lookup by restartable sequence is counted in its fallback form, since valgrind registers none.
//! One thread only.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::case::Case;
use crate::runner::job::Task;
use crate::runner::spawn::{Flavour, Spawner};
use crate::runner::worker::MEASURED;

/// Native time that one count covers, about: long enough that the call itself does not show.
const NATIVE_NS: f64 = 2e6;
/// What a worker may know of its surroundings: where the package sources are.
const KEPT: [&str; 4] = ["HOME", "CARGO_HOME", "CARGO", "PATH"];

/// Says what to do when valgrind is not there.
///
/// # Errors
///
/// Returns an error that names the command that installs it.
pub fn available() -> Result<()> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(out) if out.status.success() => Ok(()),
        _ => bail!("not run: install valgrind (apt-get install valgrind)"),
    }
}

/// Returns the gross instructions per operation of one engine.
///
/// # Errors
///
/// Returns how the engine died under callgrind (some allocators do), or what was wrong with the
/// count.
pub fn count(
    spawner: &Spawner,
    case: &Case,
    engine: usize,
    round_ns: f64,
    out: &Path,
) -> Result<f64> {
    let exe = spawner.executable(case, Flavour::Plain)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let rounds = (NATIVE_NS / round_ns.max(1e-3)).ceil().clamp(1.0, 1e7) as u64;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--collect-atstart=no", "--quiet"])
        .arg(format!("--toggle-collect={MEASURED}*"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(exe)
        .arg("worker")
        .env_clear()
        .envs(KEPT.iter().filter_map(|key| Some((key, std::env::var_os(key)?))));
    let answer = spawner
        .run_command(
            &mut command,
            case,
            &[engine],
            Task::Instructions { rounds },
            Duration::from_secs(280),
        )
        .map_err(|death| anyhow::anyhow!("under callgrind: {}", death.why))?;
    let text = fs::read_to_string(out).with_context(|| format!("reading {}", out.display()));
    let _ = fs::remove_file(out);
    let Some(slot) = answer.slots.first() else { bail!("under callgrind: no answer") };
    if let Some(error) = &slot.error {
        bail!("under callgrind: {error}");
    }
    let total = total(&text?)?;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let ops = rounds as f64 * slot.ops_per_round as f64;
    Ok(total / ops)
}

/// Reads the total of the first event (instructions) from a callgrind file.
fn total(text: &str) -> Result<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))
        .context("the callgrind file has no totals")?;
    let first = line.split_whitespace().next().unwrap_or("");
    let total: f64 = first.parse().with_context(|| format!("the callgrind total is {first:?}"))?;
    if total == 0.0 {
        bail!("callgrind never entered {MEASURED}");
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_and_nothing_is_an_error() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1) x\n1 5\ntotals: 1234\n").unwrap(), 1234.0);
        assert!(total("totals: 0").unwrap_err().to_string().contains(MEASURED));
        assert!(total("events: Ir").is_err());
        assert!(total("totals: many").unwrap_err().to_string().contains("many"));
    }
}
