//! Child processes: started, watched, and when they die, asked who was running.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::{env, thread};

use anyhow::{Context, Result, bail};

use crate::case::Case;
use crate::runner::job::{Answer, BlackBox, Catalogue, Job, Task};

/// Which executable runs a job: the same runner linked against different global allocators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The system's allocator, or the one that the case's id asks for.
    Plain,
    /// The counting one.
    Count,
}

/// A child that did not answer.
#[derive(Clone, Debug)]
pub struct Death {
    /// The slot that was running, where that is known.
    pub slot: Option<usize>,
    /// How it died, and the last it said.
    pub why: String,
}

/// Where children come from.
#[derive(Clone, Debug)]
pub struct Spawner {
    exe: PathBuf,
    /// The list of cases they look in.
    pub catalogue: Catalogue,
    scratch: PathBuf,
}

impl Spawner {
    /// Children of this executable (or of another build of it), with scratch files in `scratch`.
    #[must_use]
    pub fn new(exe: PathBuf, catalogue: Catalogue, scratch: PathBuf) -> Self {
        Spawner { exe, catalogue, scratch }
    }

    /// Children of the executable that is running.
    ///
    /// # Errors
    ///
    /// Returns an error when its own path is unknown or `scratch` cannot be made.
    pub fn of_self(catalogue: Catalogue, scratch: &Path) -> Result<Self> {
        let exe = env::current_exe().context("finding this executable")?;
        std::fs::create_dir_all(scratch)
            .with_context(|| format!("making {}", scratch.display()))?;
        Ok(Spawner::new(exe, catalogue, scratch.to_owned()))
    }

    /// Children of another build of the same program.
    #[must_use]
    pub fn with_exe(&self, exe: PathBuf) -> Self {
        Spawner { exe, ..self.clone() }
    }

    /// Returns the folder for scratch files.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Returns the executable for a case.
    ///
    /// # Errors
    ///
    /// Returns an error that names the missing executable and the command that builds it.
    pub fn executable(&self, case: &Case, flavour: Flavour) -> Result<PathBuf> {
        let name = match (flavour, case.on_allocator()) {
            (Flavour::Plain, None) => return Ok(self.exe.clone()),
            (Flavour::Plain, Some(allocator)) => {
                format!("bench_on_{}", allocator.replace('-', "_"))
            }
            (Flavour::Count, _) => "bench_count".to_owned(),
        };
        let exe = self.exe.with_file_name(&name);
        if !exe.exists() {
            bail!(
                "not run: {} is missing; cargo build --profile bench -p benches --bins",
                exe.display()
            );
        }
        Ok(exe)
    }

    /// Runs one job and waits for its answer.
    ///
    /// # Errors
    ///
    /// Returns how the child died, or why it could not be started.
    pub fn run(
        &self,
        case: &Case,
        flavour: Flavour,
        slots: &[usize],
        task: Task,
        timeout: Duration,
    ) -> Result<Answer, Death> {
        let exe =
            self.executable(case, flavour).map_err(|e| Death { slot: None, why: e.to_string() })?;
        self.run_command(Command::new(exe).arg("worker"), case, slots, task, &[], timeout)
    }

    /// As [`run`](Self::run), with a command of the caller's that ends in a worker, and the rounds of
    /// each slot where the task wants them.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_command(
        &self,
        command: &mut Command,
        case: &Case,
        slots: &[usize],
        task: Task,
        rounds: &[u64],
        timeout: Duration,
    ) -> Result<Answer, Death> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        // ORD Relaxed: only a number that no other child of this process has.
        let serial = SERIAL.fetch_add(1, Relaxed);
        let black_box = self.scratch.join(format!("last-{}-{serial}", std::process::id()));
        let job = Job {
            catalogue: self.catalogue,
            case: case.id.to_owned(),
            slots: slots
                .iter()
                .map(|&slot| {
                    (case.engines[slot].name.to_owned(), case.engines[slot].config.to_owned())
                })
                .collect(),
            task,
            rounds: rounds.to_vec(),
            black_box: black_box.clone(),
        };
        let result = converse(command, &job, timeout);
        let slot = BlackBox::last(&black_box);
        let result = result.map(|mut answer| {
            for (answer, &engine) in answer.slots.iter_mut().zip(slots) {
                answer.engine = engine;
            }
            answer
        });
        result.map_err(|error| Death { slot, why: format!("{error:#}") })
    }
}

/// Sends the job, collects what the child prints, and kills it when it takes too long.
fn converse(command: &mut Command, job: &Job, timeout: Duration) -> Result<Answer> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {:?}", command.get_program()))?;
    let text = serde_json::to_string(job)?;
    let (mut stdin, mut stdout, mut stderr) =
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
            _ => bail!("a pipe asked for was not made"),
        };
    // A child that died before it read the job says so by its status.
    let _ = stdin.write_all(text.as_bytes());
    drop(stdin);
    let complaints = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let (sender, answered) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let _ = stdout.read_to_string(&mut text);
        let _ = sender.send(());
        text
    });
    let late = answered.recv_timeout(timeout).is_err();
    if late {
        let _ = child.kill();
    }
    let status = child.wait().context("waiting for the child")?;
    let text = reader.join().unwrap_or_default();
    let complaints = complaints.join().unwrap_or_default();
    if late {
        bail!("killed: no answer within {} s", timeout.as_secs());
    }
    if !status.success() {
        let last = complaints.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
        bail!("died: {status}{}{last}", if last.is_empty() { "" } else { ": " });
    }
    let line = text.lines().rev().find(|line| !line.is_empty()).unwrap_or("");
    serde_json::from_str(line)
        .with_context(|| format!("its answer was {:?}", line.get(..80).unwrap_or(line)))
}

/// Applies `work` to each item on up to `width` threads, and returns the results in order.
///
/// For what is counted and not timed.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    width: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicU64::new(0);
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let helpers: Vec<_> = (0..width.clamp(1, items.len().max(1)))
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    loop {
                        // ORD Relaxed: hands out indices; the items were there before the threads.
                        let index = next.fetch_add(1, Relaxed);
                        let Some((index, item)) =
                            usize::try_from(index).ok().and_then(|i| Some((i, items.get(i)?)))
                        else {
                            return mine;
                        };
                        mine.push((index, work(item)));
                    }
                })
            })
            .collect();
        helpers.into_iter().filter_map(|helper| helper.join().ok()).flatten().collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_in_order() {
        let items: Vec<u64> = (0..100).collect();
        assert_eq!(in_parallel(&items, 3, |i| i * 2), (0..200).step_by(2).collect::<Vec<_>>());
        assert_eq!(in_parallel(&[] as &[u64], 3, |i| *i), Vec::<u64>::new());
    }
}
