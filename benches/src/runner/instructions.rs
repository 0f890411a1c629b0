//! Instructions per operation, counted by valgrind's callgrind between the marks of
//! [`quarry_bench_measured`](super::worker::quarry_bench_measured).
//!
//! Counts repeat to the last digit when environment and seeds do: the environment is cleared
//! except for what finds the input. They do not see caches, page faults or waiting, and a CPU-id
//! lookup by restartable sequence is counted in its fallback form, since valgrind registers none.
//! One thread only.

use core::time::Duration;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::case::Case;
use crate::runner::job::Task;
use crate::runner::spawn::{Death, Flavour, Spawner};
use crate::runner::worker::MEASURED;

/// Native time that one count covers, about: long enough that the call itself does not show.
const NATIVE_NS: f64 = 2e6;
/// What a worker may know of its surroundings: where the package sources are.
const KEPT: [&str; 4] = ["HOME", "CARGO_HOME", "CARGO", "PATH"];

/// Has callgrind watch from here on. What ran before, inputs read and chunks settled, ran at a tenth
/// of its speed instead of a hundredth; outside valgrind this does nothing.
pub fn watch() {
    request(4, 0);
}

/// Has callgrind write down what it counted since the last note, under the number of a slot.
pub fn note(slot: usize) {
    let name = CString::new(slot.to_string()).unwrap_or_default();
    request(3, name.as_ptr().addr() as u64);
}

/// Makes one of callgrind's client requests, which are numbered from the tool's two letters.
fn request(number: u64, argument: u64) {
    let request: [u64; 6] =
        [(b'C' as u64) << 24 | (b'T' as u64) << 16 | number, argument, 0, 0, 0, 0];
    // SAFETY: rotates a register by 128 bits in all and exchanges another with itself: nothing to a
    // CPU, a request to valgrind, which reads the six words and writes its answer into `rdx`.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") 0_u64 => _,
            options(nostack),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = request;
}

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

/// Returns the gross instructions per operation of some engines, each with about how long one of its
/// rounds takes, in the order asked for.
///
/// # Errors
///
/// Returns who was running when the process died (some allocators do under callgrind), or what was
/// wrong with the counts; an engine's own error stands in its place.
pub fn count(
    spawner: &Spawner,
    case: &Case,
    engines: &[(usize, f64)],
    out: &Path,
) -> Result<Vec<Result<f64>>, Death> {
    let lost =
        |error: anyhow::Error| Death { slot: None, why: format!("under callgrind: {error:#}") };
    let exe = spawner.executable(case, Flavour::Plain).map_err(lost)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let rounds = |round_ns: f64| (NATIVE_NS / round_ns.max(1e-3)).ceil().clamp(1.0, 1e7) as u64;
    let rounds: Vec<u64> = engines.iter().map(|&(_, round_ns)| rounds(round_ns)).collect();
    let slots: Vec<usize> = engines.iter().map(|&(engine, _)| engine).collect();
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--collect-atstart=no", "--instr-atstart=no", "--quiet"])
        .arg(format!("--toggle-collect={MEASURED}*"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(exe)
        .arg("worker")
        .env_clear()
        .envs(KEPT.iter().filter_map(|key| Some((key, std::env::var_os(key)?))));
    let limit = Duration::from_secs(280);
    let answer =
        spawner.run_command(&mut command, case, &slots, Task::Instructions, &rounds, limit);
    let notes = read_notes(out);
    let answer = answer
        .map_err(|death| Death { why: format!("under callgrind: {}", death.why), ..death })?;
    let notes = notes.map_err(lost)?;
    Ok(answer
        .slots
        .iter()
        .enumerate()
        .map(|(index, slot)| {
            if let Some(error) = &slot.error {
                bail!("under callgrind: {error}");
            }
            let total =
                notes.get(&index).with_context(|| format!("callgrind never left {MEASURED}"))?;
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
            let ops = slot.rounds as f64 * slot.ops_per_round as f64;
            Ok(total / ops)
        })
        .collect())
}

/// Reads callgrind's notes beside `out`, by slot, and removes them.
fn read_notes(out: &Path) -> Result<BTreeMap<usize, f64>> {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut notes = BTreeMap::new();
    for entry in fs::read_dir(out.parent().unwrap_or(Path::new(".")))? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(number) = file.strip_prefix(&name) else { continue };
        if !number.is_empty() && !number.starts_with('.') {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()));
        let _ = fs::remove_file(&path);
        if let Some((slot, total)) = note_of(&text?)? {
            notes.insert(slot, total);
        }
    }
    Ok(notes)
}

/// Reads a note: its slot and the total of the first event (instructions). What callgrind writes on
/// its own at the end of the process is none.
fn note_of(text: &str) -> Result<Option<(usize, f64)>> {
    let slot = text.lines().find_map(|line| line.strip_prefix("desc: Trigger: Client Request: "));
    let Some(slot) = slot.and_then(|slot| slot.trim().parse().ok()) else { return Ok(None) };
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))
        .context("the callgrind file has no totals")?;
    let first = line.split_whitespace().next().unwrap_or("");
    let total: f64 = first.parse().with_context(|| format!("the callgrind total is {first:?}"))?;
    if total == 0.0 {
        bail!("callgrind never entered {MEASURED}");
    }
    Ok(Some((slot, total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_and_nothing_is_an_error() {
        let note = |rest: &str| {
            note_of(&format!("version: 1\ndesc: Trigger: Client Request: 7\nevents: Ir\n{rest}"))
        };
        assert_eq!(note("fn=(1) x\n1 5\ntotals: 1234\n").unwrap(), Some((7, 1234.0)));
        assert_eq!(note_of("desc: Trigger: Program termination\ntotals: 5\n").unwrap(), None);
        assert!(note("totals: 0").unwrap_err().to_string().contains(MEASURED));
        assert!(note("events: Ir").is_err());
        assert!(note("totals: many").unwrap_err().to_string().contains("many"));
    }
}
