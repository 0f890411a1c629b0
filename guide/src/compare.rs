//! Two or more ways of doing the same work, measured in turn.
//!
//! Each way is counted first: a first run that warms it up, then one whose allocations are counted;
//! the peak is of both and of what was set up before. Then all ways run in turn, in rounds, in an
//! order that changes, and each round gives one ratio of times, plain over the other. Reported are
//! the median of these ratios and the interval that holds the true median in 95 of 100 programs, by
//! the ranks of the binomial distribution. The plain way takes part twice: its ratio to itself says
//! how noisy this run was.

use core::fmt::Debug;
use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

use crate::counting::{counted, so_far, uncounted};
use crate::{quick, report};

/// Rounds of a measurement.
const ROUNDS: usize = 401;

/// What a sample takes at least: far less than a time slice, so that most samples are of this program
/// alone, and those of one round see the same machine.
const SAMPLE: Duration = Duration::from_micros(250);

type Run<'a, R> = Box<dyn FnMut() -> R + 'a>;
type Make<'a, R> = Box<dyn FnMut() -> Run<'a, R> + 'a>;

/// Ways of doing the same work; [`measure`] begins one.
#[expect(missing_debug_implementations, reason = "what it holds are closures")]
pub struct Compare<'a, R> {
    unit: &'static str,
    units: usize,
    ways: Vec<(&'static str, Make<'a, R>)>,
}

/// A ratio of times, plain over other: above 1 the other is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median over the rounds.
    pub median: f64,
    /// Where its 95 % interval begins.
    pub lo: f64,
    /// Where it ends.
    pub hi: f64,
}

/// What one way cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What it is called.
    pub name: &'static str,
    /// The median time of one unit of work.
    pub ns: f64,
    /// Allocations of one run, once it is warm.
    pub allocs: u64,
    /// The most bytes it held, set-up included.
    pub peak_bytes: u64,
    /// The plain way's time over this one's.
    pub ratio: Ratio,
}

/// Begins a comparison; one run does `units` pieces of work, each a `unit`.
#[must_use]
pub fn measure<'a, R: PartialEq + Debug>(unit: &'static str, units: usize) -> Compare<'a, R> {
    Compare { unit, units, ways: Vec::new() }
}

impl<'a, R: PartialEq + Debug> Compare<'a, R> {
    /// Adds a way: `make` sets it up, what it returns does the work once. The first is the plain one.
    ///
    /// # Panics
    ///
    /// Panics as `make` and what it returns do, when it is their turn.
    #[must_use]
    pub fn way<F: FnMut() -> R + 'a>(
        mut self,
        name: &'static str,
        make: impl FnOnce() -> F + 'a,
    ) -> Self {
        // Not a box of `FnOnce`: that would be freed by its call, in the middle of what is counted.
        let mut make = Some(make);
        let make = move || {
            let run = make.take().expect("called once")();
            uncounted(|| Box::new(run) as Run<'a, R>)
        };
        self.ways.push((name, Box::new(make)));
        self
    }

    /// Measures all, prints the table, and returns it.
    ///
    /// # Panics
    ///
    /// Panics when there are fewer than two ways, or when a way's answer is not the plain one's.
    pub fn run(self) -> Vec<Measured> {
        assert!(self.ways.len() > 1, "a comparison needs two ways, there is {}", self.ways.len());
        let mut ways: Vec<Way<'_, R>> = Vec::new();
        let mut answer = None;
        for (name, mut make) in self.ways {
            // What an earlier way left with the thread is not this one's.
            alloc_arena::ThreadCache::trim();
            alloc_stack::trim_scratch();
            let ((run, got, allocs), costs) = counted(|| {
                let mut run = make();
                drop(run());
                let cold = so_far().allocs;
                let got = run();
                (run, got, so_far().allocs - cold)
            });
            match &answer {
                None => answer = Some(got),
                Some(plain) => assert_eq!(got, *plain, "{name} and {} disagree", ways[0].name),
            }
            ways.push(Way { name, run, allocs, peak_bytes: costs.peak_bytes });
        }
        let times = rounds(&mut ways);
        let (plain, control) = (&times[0], Ratio::of(&times[0], &times[ways.len()]));
        let measured: Vec<_> = ways
            .iter()
            .zip(&times)
            .map(|(way, times)| Measured {
                name: way.name,
                ns: median(times) / self.units as f64,
                allocs: way.allocs,
                peak_bytes: way.peak_bytes,
                ratio: Ratio::of(plain, times),
            })
            .collect();
        report::table(self.unit, self.units, &measured, control);
        measured
    }
}

struct Way<'a, R> {
    name: &'static str,
    run: Run<'a, R>,
    allocs: u64,
    peak_bytes: u64,
}

/// Times all ways in turn: for each its time of a run in each round, and last the plain one's again.
fn rounds<R>(ways: &mut [Way<'_, R>]) -> Vec<Vec<f64>> {
    let (rounds, runs) = if quick() { (2, 1) } else { (ROUNDS, runs_per_sample(&mut ways[0].run)) };
    let seats = ways.len() + 1;
    let mut times = vec![Vec::with_capacity(rounds); seats];
    for round in 0..rounds {
        for turn in 0..seats {
            // Everybody is first, last and next to everybody; every other round backwards.
            let turn = if round % 2 == 0 { turn } else { seats - 1 - turn };
            let seat = (turn + round / 2) % seats;
            let way = &mut ways[seat % (seats - 1)].run;
            times[seat].push(time(way, runs) / runs as f64);
        }
    }
    times
}

/// How many runs take as long as a sample should.
fn runs_per_sample<R>(run: &mut Run<'_, R>) -> u32 {
    let mut runs = 1;
    while time(run, runs) < SAMPLE.as_nanos() as f64 {
        runs *= 2;
    }
    runs
}

fn time<R>(run: &mut Run<'_, R>, runs: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..runs {
        black_box(run());
    }
    start.elapsed().as_nanos() as f64
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

impl Ratio {
    /// The median of the rounds' ratios, and its interval.
    fn of(plain: &[f64], other: &[f64]) -> Self {
        let mut ratios: Vec<_> =
            plain.iter().zip(other).map(|(plain, other)| plain / other).collect();
        ratios.sort_by(f64::total_cmp);
        let count = ratios.len();
        // The ranks between which the median of what was sampled lies with a probability of 0.95.
        let below = count.saturating_sub((4 * count).isqrt()) / 2;
        Self { median: ratios[count / 2], lo: ratios[below], hi: ratios[count - 1 - below] }
    }

    /// Whether this differs from 1 by more than chance, and by more than `control`, which should be 1.
    #[must_use]
    pub fn is_resolved(self, control: Self) -> bool {
        let noise = (control.lo.min(2.0 - control.hi) - 1.0).abs();
        (self.lo > 1.0 || self.hi < 1.0) && (self.median - 1.0).abs() > noise
    }
}

#[cfg(test)]
mod tests {
    use super::Ratio;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds() {
        let plain: Vec<_> = (0..61).map(|round| 200.0 + f64::from(round)).collect();
        let other = vec![100.0; 61];
        let ratio = Ratio::of(&plain, &other);
        assert_eq!((ratio.median, ratio.lo, ratio.hi), (2.3, 2.23, 2.37));
        let sure = Ratio { median: 1.0, lo: 0.99, hi: 1.02 };
        assert!(ratio.is_resolved(sure));
        assert!(!Ratio { median: 1.01, lo: 1.005, hi: 1.015 }.is_resolved(sure), "noise is 2 %");
        assert!(!Ratio { median: 1.2, lo: 0.9, hi: 1.3 }.is_resolved(sure));
    }
}
