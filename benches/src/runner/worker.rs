//! The child process: builds the engines of one case and does with them what the job says.
//!
//! A panic is caught and becomes that engine's error; anything worse kills only this process, and
//! the parent reads in the black box who was running.

use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::panic;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use crate::case::{Case, Engine, Role};
use crate::counting;
use crate::profile;
use crate::runner::job::{Answer, BlackBox, Job, Sample, SlotAnswer, Tail, Task};
use crate::runner::{canary, instructions, probe, rusage};
use crate::threads;

/// What the last panic said.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// The function between whose entry and exit callgrind counts ([`MEASURED`] is its symbol).
///
/// It stays a function of its own in every build, so that the mark is where the name says.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn quarry_bench_measured(engine: &mut dyn Engine, rounds: u64) -> u64 {
    engine.run(rounds)
}

/// The same for a thread that works while the measured one waits: callgrind's mark is of one thread,
/// and it counts between those of all whose symbols begin with [`MEASURED`].
#[unsafe(no_mangle)]
#[inline(never)]
pub fn quarry_bench_measured_member(work: &mut dyn FnMut()) {
    work();
}

/// Symbol of [`quarry_bench_measured`].
pub const MEASURED: &str = "quarry_bench_measured";

/// Reads a job from standard input, does it, and prints the answer as the last line.
///
/// # Errors
///
/// Returns an error for a job that names what does not exist; the engines' own failures are part
/// of the answer.
pub fn serve() -> Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("reading the job")?;
    let job: Job = serde_json::from_str(&text).context("the job is not one of this runner's")?;
    panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("a panic without a message");
        let place =
            info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        if let Ok(mut last) = LAST_PANIC.lock() {
            *last = Some(format!("panicked: {text}{place}"));
        }
    }));
    let answer = perform(&job)?;
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}", serde_json::to_string(&answer)?)?;
    out.flush()?;
    drop(out);
    // Engines are not dropped: an allocator that dies in its destructor has been measured by now
    // (`Check` does drop), and unmapping gigabytes takes time.
    std::process::exit(0)
}

/// An engine in its slot.
struct Slot {
    engine: Option<Box<dyn Engine>>,
    answer: SlotAnswer,
    /// The empty loop computes nothing that could be wrong.
    checked: bool,
}

impl Slot {
    /// Calls `work` with the engine; a panic ends this slot.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut dyn Engine) -> T) -> Option<T> {
        let engine = self.engine.as_mut()?;
        let result = panic::catch_unwind(AssertUnwindSafe(|| work(engine.as_mut())));
        result.map_err(|_| self.fail(last_panic())).ok()
    }

    fn fail(&mut self, error: String) {
        // What panicked half-way is not dropped: its destructor may rely on what was broken.
        if let Some(engine) = self.engine.take() {
            Box::leak(engine);
        }
        self.answer.error.get_or_insert(error);
    }

    /// Runs `rounds` and returns how long it took; a checksum unlike the last one ends the slot.
    fn run(&mut self, rounds: u64) -> Option<Duration> {
        let (elapsed, checksum) = self.attempt(|engine| {
            let clock = Instant::now();
            let checksum = quarry_bench_measured(engine, rounds);
            (clock.elapsed(), checksum)
        })?;
        match self.answer.checksum.replace(checksum) {
            Some(before) if self.checked && before != checksum => {
                self.fail(format!(
                    "its checksum changed from {before:#x} to {checksum:#x} between runs"
                ));
                None
            }
            _ => Some(elapsed),
        }
    }

    /// Warms up and finds how many rounds last about `sample_ns`.
    fn calibrate(&mut self, sample_ns: u64) -> Option<()> {
        let mut elapsed = self.run(1)?;
        let mut rounds = 1;
        let target = Duration::from_nanos(sample_ns);
        if elapsed < 4 * target {
            // The first round is colder than the rest: measure again, longer each time.
            loop {
                elapsed = self.run(rounds)?;
                if elapsed * 2 >= target || rounds > u64::MAX / 16 {
                    break;
                }
                rounds *= 8;
            }
        }
        self.answer.round_ns = ns(elapsed) / float(rounds);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 1..1e15"
        )]
        let fitting =
            (float(sample_ns) / self.answer.round_ns.max(1e-3)).round().clamp(1.0, 1e15) as u64;
        self.answer.rounds = fitting;
        self.answer.ops_per_round = self.attempt(|engine| engine.ops_per_round())?;
        if self.answer.ops_per_round == 0 {
            self.fail("a round has 0 operations".to_owned());
            return None;
        }
        Some(())
    }

    fn read_metrics(&mut self) {
        if let Some(metrics) = self.attempt(|engine| engine.metrics()) {
            self.answer.metrics =
                metrics.into_iter().map(|(name, v)| (name.to_owned(), v)).collect();
        }
    }
}

fn last_panic() -> String {
    LAST_PANIC.lock().ok().and_then(|mut last| last.take()).unwrap_or_else(|| "panicked".to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "times and counts far below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

fn ns(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

fn perform(job: &Job) -> Result<Answer> {
    threads::cpus();
    let cases = canary::catalogue(job.catalogue);
    let Some(case) = cases.iter().find(|case| case.id == job.case) else {
        bail!("no case {:?} in this executable", job.case);
    };
    let mut chosen = Vec::new();
    for (name, config) in &job.slots {
        let at = case.engines.iter().position(|e| e.name == name && e.config == config);
        let Some(at) = at else {
            bail!("{}: no engine {name}/{config} in this executable", case.id)
        };
        chosen.push(at);
    }
    let recorder = BlackBox::open(&job.black_box);
    let input = (case.input)();
    // Read after the input all engines share is there, before any engine is.
    let before = rusage::Memory::baseline();
    let began = Instant::now();
    let mut slots: Vec<Slot> = Vec::new();
    for (index, engine) in chosen.into_iter().enumerate() {
        recorder.note(index);
        let mut answer = SlotAnswer { engine, ..SlotAnswer::default() };
        let spec = &case.engines[engine];
        let counting = matches!(job.task, Task::Allocs { .. });
        let build = spec.counted.filter(|_| counting).unwrap_or(spec.build);
        let built = panic::catch_unwind(AssertUnwindSafe(build));
        let checked = spec.role != Role::Null;
        let built = built.map_err(|_| answer.error = Some(last_panic())).ok();
        slots.push(Slot { engine: built, answer, checked });
    }
    match job.task {
        Task::Check => check(&mut slots, &recorder),
        Task::Time { sweeps, min_sweeps, sample_ns, limit_ms, process } => {
            let end = began + Duration::from_millis(limit_ms);
            time(
                case,
                &mut slots,
                &recorder,
                Turns { sweeps, min_sweeps, process, end },
                sample_ns,
            );
        }
        Task::Tail { sweeps, process, limit_ms } => {
            let end = began + Duration::from_millis(limit_ms);
            tail(&mut slots, &recorder, Turns { sweeps, min_sweeps: 2, process, end });
        }
        Task::Memory { sample_ns } => {
            slots.iter_mut().for_each(|slot| memory(slot, &before, sample_ns))
        }
        Task::Allocs { sample_ns } => {
            for (index, slot) in slots.iter_mut().enumerate() {
                recorder.note(index);
                allocs(slot, sample_ns)?;
            }
        }
        Task::Instructions => count_instructions(&mut slots, &job.rounds, &recorder),
        Task::Profile { millis, heap } => {
            let [slot] = &mut slots[..] else { bail!("a profile has one engine") };
            if let Some(engine) = &mut slot.engine {
                profile::record(
                    engine.as_mut(),
                    Duration::from_millis(millis),
                    heap,
                    &job.black_box,
                )?;
            }
        }
    }
    let input = (input.kind.to_owned(), input.bytes, input.count);
    Ok(Answer { slots: slots.into_iter().map(|slot| slot.answer).collect(), input })
}

fn check(slots: &mut [Slot], recorder: &BlackBox) {
    for (index, slot) in slots.iter_mut().enumerate() {
        recorder.note(index);
        // The second round runs on what the first one left, and two are as good as one.
        let _ = slot.run(1).and_then(|_| slot.run(2));
        if slot.attempt(|engine| engine.ops_per_round()) == Some(0) {
            slot.fail("a round has 0 operations".to_owned());
        }
        if let Some(engine) = slot.engine.take()
            && panic::catch_unwind(AssertUnwindSafe(|| drop(engine))).is_err()
        {
            slot.fail(format!("when dropped: {}", last_panic()));
        }
    }
}

/// How many turns, and in which order.
#[derive(Clone, Copy)]
struct Turns {
    sweeps: u32,
    min_sweeps: u32,
    process: u32,
    end: Instant,
}

impl Turns {
    /// Calls `visit(sweep, slot)`: a fresh order every other sweep, and then the same backwards, so
    /// that each engine comes before each other as often as after it.
    fn run(self, slots: usize, mut visit: impl FnMut(u32, usize)) {
        let mut rng = SmallRng::seed_from_u64(u64::from(self.process));
        let mut order: Vec<usize> = (0..slots).collect();
        for sweep in 0..self.sweeps {
            if sweep >= self.min_sweeps && Instant::now() >= self.end {
                break;
            }
            if sweep % 2 == 0 {
                order.shuffle(&mut rng);
            } else {
                order.reverse();
            }
            for &slot in &order {
                visit(sweep, slot);
            }
        }
    }
}

fn time(case: &Case, slots: &mut [Slot], recorder: &BlackBox, turns: Turns, sample_ns: u64) {
    for (index, slot) in slots.iter_mut().enumerate() {
        recorder.note(index);
        let _ = slot.calibrate(sample_ns);
    }
    let probing = case.threads > 1;
    let probe = || if probing { probe::handoff_ns() } else { 0.0 };
    let mut before = probe();
    turns.run(slots.len(), |sweep, index| {
        recorder.note(index);
        let slot = &mut slots[index];
        let rounds = slot.answer.rounds;
        // An untimed tenth, so that nobody pays for the caches that its neighbour filled.
        if rounds > 1 && slot.run(rounds.div_ceil(10)).is_none() {
            return;
        }
        let cpu = rusage::cpu_ns();
        let Some(elapsed) = slot.run(rounds) else { return };
        let cpu = rusage::cpu_ns() - cpu;
        let after = probe();
        let ops = float(rounds) * float(slot.answer.ops_per_round);
        slot.answer.samples.push(Sample {
            sweep,
            ns: ns(elapsed) / ops,
            cpu_ns: cpu / ops,
            handoff: [before, after],
        });
        before = after;
    });
    slots.iter_mut().for_each(Slot::read_metrics);
}

fn tail(slots: &mut [Slot], recorder: &BlackBox, turns: Turns) {
    let mut times = Vec::new();
    for (index, slot) in slots.iter_mut().enumerate() {
        recorder.note(index);
        let _ = slot.run(1);
        // The first pass warms the engine and makes `times` as long as it will be.
        times.clear();
        if slot.attempt(|engine| engine.run_timed(&mut times)) == Some(false) {
            slot.engine = None;
        }
    }
    turns.run(slots.len(), |sweep, index| {
        recorder.note(index);
        times.clear();
        if slots[index].attempt(|engine| engine.run_timed(&mut times)) == Some(true) {
            slots[index].answer.tails.extend(summarise(sweep, &mut times));
        }
    });
    slots.iter_mut().for_each(Slot::read_metrics);
}

/// Percentiles by nearest rank: a tail value that was really seen, not one in between.
fn summarise(sweep: u32, times: &mut [u64]) -> Option<Tail> {
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    let rank =
        |per_10_000: usize| float(times[(times.len() * per_10_000).div_ceil(10_000).max(1) - 1]);
    let above = times.len() - times.partition_point(|&ns| ns <= 100_000);
    Some(Tail {
        sweep,
        percentiles: [rank(5_000), rank(9_900), rank(9_990), rank(9_999), float(times[last])],
        above_100us: float(above as u64) * 1e6 / float(times.len() as u64),
        count: times.len() as u64,
    })
}

fn memory(slot: &mut Slot, before: &rusage::Memory, sample_ns: u64) {
    if slot.calibrate(sample_ns).is_none() {
        return;
    }
    let rounds = slot.answer.rounds;
    let faults = rusage::minor_faults();
    if slot.run(rounds).is_none() {
        return;
    }
    let faults = rusage::minor_faults() - faults;
    slot.answer.page_faults =
        Some(float(faults) / (float(rounds) * float(slot.answer.ops_per_round)));
    slot.answer.peak_bytes = before.growth();
    slot.read_metrics();
}

fn allocs(slot: &mut Slot, sample_ns: u64) -> Result<()> {
    if slot.calibrate(sample_ns).is_none() {
        return Ok(());
    }
    let Some(before) = counting::counts() else {
        bail!("this executable's allocator does not count")
    };
    let rounds = slot.answer.rounds;
    if slot.run(rounds).is_none() {
        return Ok(());
    }
    let calls = counting::counts().unwrap_or_default().calls - before.calls;
    slot.answer.allocs = Some(float(calls) / (float(rounds) * float(slot.answer.ops_per_round)));
    slot.read_metrics();
    Ok(())
}

/// One after the other, so that one process under callgrind, whose start takes longer than most
/// engines' rounds, serves all.
fn count_instructions(slots: &mut [Slot], rounds: &[u64], recorder: &BlackBox) {
    // Straight to the engines: callgrind's own mark is the inner function's entry and exit, so the
    // warm-up must not pass through it.
    let warm: Vec<Option<u64>> = slots
        .iter_mut()
        .enumerate()
        .map(|(index, slot)| {
            recorder.note(index);
            slot.answer.ops_per_round = slot.attempt(|engine| engine.ops_per_round()).unwrap_or(0);
            slot.attempt(|engine| engine.run(1))
        })
        .collect();
    instructions::watch();
    for (index, (slot, warm)) in slots.iter_mut().zip(warm).enumerate() {
        recorder.note(index);
        slot.answer.rounds = rounds.get(index).copied().unwrap_or(1);
        if slot.run(slot.answer.rounds).is_some() && slot.checked && slot.answer.checksum != warm {
            slot.fail("its checksum depends on the number of rounds".to_owned());
        }
        instructions::note(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut times: Vec<u64> = (1..=10_000).rev().collect();
        times[0] = 250_000; // was 10,000
        let tail = summarise(3, &mut times).unwrap();
        assert_eq!(tail.percentiles, [5_000.0, 9_900.0, 9_990.0, 9_999.0, 250_000.0]);
        assert_eq!(tail.above_100us, 100.0);
        assert_eq!(summarise(0, &mut []), None);
        assert_eq!(summarise(0, &mut [7]).unwrap().percentiles, [7.0; 5]);
    }

    #[test]
    fn everyone_precedes_everyone_equally_often() {
        let turns = Turns { sweeps: 40, min_sweeps: 40, process: 1, end: Instant::now() };
        let mut first = vec![vec![0; 5]; 5];
        let mut seen: Vec<usize> = Vec::new();
        turns.run(5, |_, slot| {
            for &earlier in &seen {
                first[earlier][slot] += 1;
            }
            seen.push(slot);
            if seen.len() == 5 {
                seen.clear();
            }
        });
        for (a, row) in first.iter().enumerate() {
            for (b, count) in row.iter().enumerate() {
                assert_eq!(*count, if a == b { 0 } else { 20 }, "{a} before {b}");
            }
        }
    }
}
