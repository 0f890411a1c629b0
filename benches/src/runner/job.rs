//! What the parent asks of a child process, and what the child answers.
//!
//! ```text
//!   parent ── Job (one JSON line on standard input) ──▶ child `bench worker`
//!          ◀─ Answer (last line of standard output) ───
//!          ◀─ BlackBox: which slot was running, in a file that survives the child's death
//! ```
//!
//! Samples stay in the child's memory until the end: a line a sample would wake the parent on
//! the CPU that a two-thread engine is using.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Which list of cases a run takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Catalogue {
    /// Everything that `scenarios::all` returns.
    #[default]
    Scenarios,
    /// Engines that misbehave on purpose, for tests of the runner.
    Canaries,
}

/// Work for one child process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Where the case is found.
    pub catalogue: Catalogue,
    /// Its id.
    pub case: String,
    /// Engines by name and configuration, since another revision may number them otherwise; one
    /// may stand twice (the A/A control).
    pub slots: Vec<(String, String)>,
    /// What to do with them.
    pub task: Task,
    /// [`Task::Instructions`]: rounds of each slot; none for other tasks.
    #[serde(default)]
    pub rounds: Vec<u64>,
    /// The black box.
    pub black_box: PathBuf,
}

/// What a child does with its engines.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Task {
    /// Runs each once and returns the checksums.
    Check,
    /// Times them turn by turn.
    Time {
        /// Turns at most.
        sweeps: u32,
        /// Turns at least, whatever they cost.
        min_sweeps: u32,
        /// How long one sample lasts, about.
        sample_ns: u64,
        /// Stop after this long.
        limit_ms: u64,
        /// Number of this process: where the rotation begins.
        process: u32,
    },
    /// Reads resident memory and page faults around one engine.
    Memory {
        /// How long the warm part lasts, about.
        sample_ns: u64,
    },
    /// Counts calls of the system allocator around one engine.
    Allocs {
        /// How long the warm part lasts, about.
        sample_ns: u64,
    },
    /// Runs each between the marks that callgrind looks for, [`Job::rounds`] times.
    Instructions,
    /// Times single operations.
    Tail {
        /// Turns.
        sweeps: u32,
        /// Number of this process: where the rotation begins.
        process: u32,
        /// Stop after this long.
        limit_ms: u64,
    },
    /// Runs one engine again and again, for a profiler.
    Profile {
        /// For this long.
        millis: u64,
        /// Heap instead of CPU.
        heap: bool,
    },
}

/// One timed sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Samples of one sweep were taken next to each other.
    pub sweep: u32,
    /// Wall-clock nanoseconds per operation.
    pub ns: f64,
    /// CPU nanoseconds per operation, all threads.
    pub cpu_ns: f64,
    /// Hand-off between the CPUs just before and just after, nanoseconds one way; 0 when the case
    /// has one thread.
    pub handoff: [f64; 2],
}

/// Percentiles of one pass over single operations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// Which turn.
    pub sweep: u32,
    /// p50, p99, p99.9, p99.99 and the maximum, nanoseconds.
    pub percentiles: [f64; 5],
    /// Operations above 100 us, in a million.
    pub above_100us: f64,
    /// Operations timed.
    pub count: u64,
}

/// What one slot did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SlotAnswer {
    /// Its engine's index in the parent's list.
    pub engine: usize,
    /// The checksum of its rounds; where they differed, `error` says so.
    pub checksum: Option<u64>,
    /// Why there is nothing more.
    pub error: Option<String>,
    /// Operations in one round.
    pub ops_per_round: u64,
    /// Rounds in one sample.
    pub rounds: u64,
    /// Nanoseconds of one round, roughly.
    pub round_ns: f64,
    /// [`Task::Time`].
    pub samples: Vec<Sample>,
    /// [`Task::Tail`].
    pub tails: Vec<Tail>,
    /// Calls of the system allocator per operation ([`Task::Allocs`]).
    pub allocs: Option<f64>,
    /// Growth of resident memory ([`Task::Memory`]).
    pub peak_bytes: Option<f64>,
    /// Minor page faults per operation ([`Task::Memory`]).
    pub page_faults: Option<f64>,
    /// Figures of the engine's own.
    pub metrics: BTreeMap<String, f64>,
}

/// What a child did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// One for each slot asked for, in that order.
    pub slots: Vec<SlotAnswer>,
    /// The input, as the case describes it: kind, bytes, items.
    pub input: (String, u64, u64),
}

/// A file that says which slot was running when its process died.
///
/// Writing to a page of the page cache wakes nobody, unlike a line through a pipe.
#[derive(Debug)]
pub struct BlackBox(Option<File>);

impl BlackBox {
    /// Opens the box; a child without one (under callgrind) notes nothing.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        BlackBox(File::create(path).ok())
    }

    /// Notes that `slot` runs from now on.
    pub fn note(&self, slot: usize) {
        if let Some(file) = &self.0 {
            // A note that cannot be written costs the blame, not the run.
            let _ = file.write_at(&(slot as u64).to_le_bytes(), 0);
        }
    }

    /// Reads which slot was running last, and removes the file.
    #[must_use]
    pub fn last(path: &Path) -> Option<usize> {
        let bytes: io::Result<Vec<u8>> = fs::read(path);
        let _ = fs::remove_file(path);
        let slot = u64::from_le_bytes(bytes.ok()?.try_into().ok()?);
        usize::try_from(slot).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_box_tells_who_ran_last_and_only_once() {
        let path = std::env::temp_dir().join(format!("black-box-{}", std::process::id()));
        let recorder = BlackBox::open(&path);
        assert_eq!(BlackBox::last(&path), None, "nothing noted yet");
        let recorder_2 = BlackBox::open(&path);
        recorder_2.note(3);
        recorder_2.note(70_000);
        assert_eq!(BlackBox::last(&path), Some(70_000));
        assert_eq!(BlackBox::last(&path), None);
        recorder.note(1);
    }
}
