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
use std::path::{Path, PathBuf};
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
    request(CALLGRIND + 4, 0);
}

/// Says whether this process runs under valgrind, where the program break hardly moves.
#[must_use]
pub fn under_valgrind() -> bool {
    request(0x1001, 0) != 0
}

/// Has callgrind write down what it counted since the last note, under the number of a slot.
pub fn note(slot: usize) {
    let name = CString::new(slot.to_string()).unwrap_or_default();
    request(CALLGRIND + 3, name.as_ptr().addr() as u64);
}

/// A tool's own requests are numbered from its two letters.
const CALLGRIND: u64 = (b'C' as u64) << 24 | (b'T' as u64) << 16;

/// Makes one of valgrind's client requests and returns its answer: 0 where there is no valgrind.
fn request(number: u64, argument: u64) -> u64 {
    let request: [u64; 6] = [number, argument, 0, 0, 0, 0];
    let mut answer = 0;
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
            inout("rdx") answer,
            options(nostack),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = request;
        answer = 0;
    }
    answer
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
    let mut notes = notes.map_err(lost)?;
    Ok(answer
        .slots
        .iter()
        .enumerate()
        .map(|(index, slot)| {
            if let Some(error) = &slot.error {
                bail!("under callgrind: {error}");
            }
            let total = notes
                .remove(&index)
                .with_context(|| format!("callgrind never left {MEASURED}"))
                .flatten()?;
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
            let ops = slot.rounds as f64 * slot.ops_per_round as f64;
            Ok(total / ops)
        })
        .collect())
}

/// Reads callgrind's notes beside `out`, by slot, and removes everything it left there, whatever
/// became of the process.
fn read_notes(out: &Path) -> Result<BTreeMap<usize, Result<f64>>> {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = out.parent().unwrap_or(Path::new("."));
    let mut notes = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let Ok(entry) = entry else { continue };
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(number) = file.strip_prefix(&name) else { continue };
        if !number.is_empty() && !number.starts_with('.') {
            continue;
        }
        let text = fs::read(entry.path());
        let _ = fs::remove_file(entry.path());
        // What cannot be read is a slot without a note, which is that slot's error.
        let text = text.unwrap_or_default();
        if let Some((slot, total)) = note_of(&String::from_utf8_lossy(&text)) {
            notes.insert(slot, total);
        }
    }
    Ok(notes)
}

/// Removes what callgrind left in `folder` for runners that were interrupted: files named after a
/// process that is gone.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(OUT).and_then(|rest| rest.split_once('-'));
        let Some((process, _)) = process else { continue };
        let numeric = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
        if numeric && !Path::new("/proc").join(process).exists() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the names of callgrind's files begin with; the number of the runner's process follows.
const OUT: &str = "callgrind-";

/// Returns where the `number`-th of several callgrinds writes.
#[must_use]
pub fn out_file(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{OUT}{}-{number}", std::process::id()))
}

/// Reads a note: its slot and the total of the first event (instructions). What callgrind writes on
/// its own at the end of the process is none.
fn note_of(text: &str) -> Option<(usize, Result<f64>)> {
    let slot =
        text.lines().find_map(|line| line.strip_prefix("desc: Trigger: Client Request: "))?;
    Some((slot.trim().parse().ok()?, total_of(text)))
}

fn total_of(text: &str) -> Result<f64> {
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
    fn notes_are_read_and_nothing_is_an_error() {
        let note = |rest: &str| {
            note_of(&format!("version: 1\ndesc: Trigger: Client Request: 7\nevents: Ir\n{rest}"))
        };
        let (slot, total) = note("fn=(1) x\n1 5\ntotals: 1234\n").unwrap();
        assert_eq!((slot, total.unwrap()), (7, 1234.0));
        assert!(note_of("desc: Trigger: Program termination\ntotals: 5\n").is_none());
        let error = |rest| note(rest).unwrap().1.unwrap_err().to_string();
        assert!(error("totals: 0").contains(MEASURED));
        assert!(error("events: Ir").contains("no totals"));
        assert!(error("totals: many").contains("many"));
    }

    #[test]
    fn a_process_that_died_leaves_no_file_and_costs_the_others_nothing() {
        let folder = std::env::temp_dir().join(format!("notes-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let out = out_file(&folder, 1);
        let request = "desc: Trigger: Client Request: ";
        for (suffix, text) in [
            ("", "desc: Trigger: Program termination\ntotals: 5\n".to_owned()),
            (".1", format!("{request}0\ntotals: 20\n")),
            (".2", format!("{request}1\ntotals: 0\n")),
            (".3", format!("{request}2\nevents: Ir\n")),
            (".4", String::new()),
        ] {
            fs::write(folder.join(format!("{}{suffix}", out.display())), text).unwrap();
        }
        let other = out_file(&folder, 12);
        fs::write(&other, "of another callgrind").unwrap();
        // The kernel numbers processes below this.
        let lost = folder.join("callgrind-4194305-0.2");
        fs::write(&lost, "of a runner that is gone").unwrap();

        let notes = read_notes(&out).unwrap();
        let totals: Vec<(usize, Option<f64>)> =
            notes.into_iter().map(|(slot, total)| (slot, total.ok())).collect();
        assert_eq!(totals, [(0, Some(20.0)), (1, None), (2, None)]);
        assert!(other.exists() && lost.exists());
        sweep(&folder);
        assert!(other.exists() && !lost.exists(), "files of a process that lives are its own");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
