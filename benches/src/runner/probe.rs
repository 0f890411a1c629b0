//! The hand-off probe: how long a cache line takes from one CPU to the other, right now.
//!
//! On virtual machines the host may move two virtual CPUs between one cache domain and two, for
//! seconds at a time, and the guest cannot see it; the figure of any two-thread engine then
//! changes two- to eightfold. So every sample of such a case stands between two probes, and is
//! filed by them:
//!
//! ```text
//!            ◀─ near ─▶        ◀──────── far ────────▶
//!   probes   ▁▆█▆▃▁ . . . . . . . . ▁▂▅▇▅▃▁             both probes near → NEAR (quoted)
//!            │     │           │                        both far         → FAR  (beside it)
//!          lowest  near_below  far_above                anything else    → dropped
//! ```
//!
//! The limits come from the run's own probes ([`Limits::of`]): where these fall into two clusters
//! at least twice apart, the limits lie between the clusters; where they form one, the machine has
//! one distance and all of it is NEAR except strays. [`NEAR_BELOW_NS`] and [`FAR_ABOVE_NS`] are
//! what the rule yields on the machine it was first seen on, and serve while probes are too few.
//!
//! Cost: a probe is 2 threads started and 1,000 round trips, 0.1 to 0.5 ms.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Release};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::stats::{median, quantile};
use crate::threads;

/// Below this the two CPUs share a cache, when too few probes exist to tell.
pub const NEAR_BELOW_NS: f64 = 45.0;
/// Above this they do not.
pub const FAR_ABOVE_NS: f64 = 120.0;
/// Probes needed before the run's own distribution decides.
const ENOUGH: usize = 20;
/// Round trips of one probe, and how many of them come before the clock starts.
const TRIPS: u64 = 1_000;
const UNTIMED: u64 = 100;

/// Two cache lines, since the neighbour line is fetched along.
#[repr(align(128))]
struct Line(AtomicU64);

/// Measures the hand-off between the first two CPUs: nanoseconds one way.
///
/// Returns 0 where the process has only one CPU or may not pin.
#[must_use]
pub fn handoff_ns() -> f64 {
    if threads::cpus().len() < 2 {
        return 0.0;
    }
    let line = Line(AtomicU64::new(0));
    let start = Barrier::new(2);
    let wait_for = |value: u64| {
        // ORD[ball] Acquire ← Release below: the ball carries no data, the pair only keeps each
        // trip after the one before.
        while line.0.load(Acquire) != value {
            core::hint::spin_loop();
        }
    };
    thread::scope(|scope| {
        let partner = scope.spawn(|| {
            let pinned = threads::try_pin(1).is_ok();
            start.wait();
            for trip in 0..TRIPS {
                wait_for(2 * trip + 1);
                // ORD[ball] Release → Acquire in `wait_for`.
                line.0.store(2 * trip + 2, Release);
            }
            pinned
        });
        let timer = scope.spawn(|| {
            let pinned = threads::try_pin(0).is_ok();
            start.wait();
            let mut clock = Instant::now();
            for trip in 0..TRIPS {
                if trip == UNTIMED {
                    clock = Instant::now();
                }
                // ORD[ball] Release → Acquire in `wait_for`.
                line.0.store(2 * trip + 1, Release);
                wait_for(2 * trip + 2);
            }
            #[expect(clippy::cast_precision_loss, reason = "a probe lasts far less than 2^53 ns")]
            let ns = clock.elapsed().as_nanos() as f64 / (2 * (TRIPS - UNTIMED)) as f64;
            (pinned, ns)
        });
        match (partner.join(), timer.join()) {
            (Ok(true), Ok((true, ns))) => ns,
            _ => 0.0,
        }
    })
}

/// Which figure a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Quoted.
    Near,
    /// Stands beside it.
    Far,
    /// Belongs to neither.
    Dropped,
}

/// Where NEAR ends and FAR begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Both probes below: NEAR.
    pub near_below: f64,
    /// Both probes at least this: FAR. Infinite where the machine has one distance.
    pub far_above: f64,
    /// Probes form two clusters.
    pub two_clusters: bool,
}

impl Limits {
    /// Finds the limits in a run's probes.
    ///
    /// The two clusters are those that split the logarithms with the least variance left inside
    /// (Otsu 1979); they count as two when their medians are at least twice apart, each holds 5 %
    /// of the probes, and few probes lie between.
    #[must_use]
    pub fn of(probes: &[f64]) -> Self {
        let mut logs: Vec<f64> = probes.iter().filter(|&&ns| ns > 0.0).map(|ns| ns.ln()).collect();
        if logs.len() < ENOUGH {
            return Limits {
                near_below: NEAR_BELOW_NS,
                far_above: FAR_ABOVE_NS,
                two_clusters: true,
            };
        }
        logs.sort_by(f64::total_cmp);
        let middle = |part: &[f64]| median(part).map_or(0.0, f64::exp);
        let one = || {
            let centre = middle(&logs);
            Limits { near_below: 1.6 * centre, far_above: f64::INFINITY, two_clusters: false }
        };
        let Some(split) = least_variance_split(&logs) else { return one() };
        let (low, high) = logs.split_at(split);
        let (near, far) = (middle(low), middle(high));
        let share = low.len().min(high.len()) * 20 >= logs.len();
        let (near_below, far_above) = (1.6 * near, 0.6 * far);
        let between = logs.iter().filter(|l| (near_below..far_above).contains(&l.exp())).count()
            * 5
            < logs.len();
        if share && between && far >= 2.0 * near && near_below < far_above {
            Limits { near_below, far_above, two_clusters: true }
        } else {
            one()
        }
    }

    /// Files a sample by the probes before and after it. A sample without probes is NEAR.
    #[must_use]
    pub fn class(&self, handoff: [f64; 2]) -> Class {
        let [before, after] = handoff;
        if before.max(after) < self.near_below {
            Class::Near
        } else if before.min(after) >= self.far_above {
            Class::Far
        } else {
            Class::Dropped
        }
    }
}

/// Where to split sorted values so that the least variance stays inside the two parts.
fn least_variance_split(sorted: &[f64]) -> Option<usize> {
    let total: f64 = sorted.iter().sum();
    let mut below = 0.0;
    let mut best = (0.0, None);
    for split in 1..sorted.len() {
        below += sorted[split - 1];
        #[expect(clippy::cast_precision_loss, reason = "a few thousand probes")]
        let (left, right) = (split as f64, (sorted.len() - split) as f64);
        let gap = below / left - (total - below) / right;
        let between = left * right * gap * gap;
        if between > best.0 {
            best = (between, Some(split));
        }
    }
    best.1
}

/// One line on what the probes said, for the report.
#[must_use]
pub fn describe(probes: &[f64]) -> Option<String> {
    let seen: Vec<f64> = probes.iter().copied().filter(|&ns| ns > 0.0).collect();
    let at = |tau| quantile(&seen, tau);
    let limits = Limits::of(&seen);
    let spread = format!(
        "{} hand-off probes between two CPUs: 5 % {:.0} ns, median {:.0} ns, 95 % {:.0} ns",
        seen.len(),
        at(0.05)?,
        at(0.5)?,
        at(0.95)?
    );
    Some(if limits.two_clusters {
        format!(
            "{spread}; NEAR below {:.0} ns, FAR from {:.0} ns, samples between are dropped",
            limits.near_below, limits.far_above
        )
    } else {
        format!(
            "{spread}; one cluster, so samples below {:.0} ns are NEAR and strays are dropped",
            limits.near_below
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(centre: f64, count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(move |i| centre * (0.85 + 0.3 * (i as f64) / (count as f64)))
    }

    #[test]
    fn two_clusters_are_told_apart() {
        let probes: Vec<f64> = around(30.0, 120).chain(around(220.0, 70)).collect();
        let limits = Limits::of(&probes);
        assert!(limits.two_clusters);
        assert!((40.0..60.0).contains(&limits.near_below), "{limits:?}");
        assert!((100.0..180.0).contains(&limits.far_above), "{limits:?}");
        assert_eq!(limits.class([28.0, 33.0]), Class::Near);
        assert_eq!(limits.class([230.0, 200.0]), Class::Far);
        assert_eq!(limits.class([30.0, 200.0]), Class::Dropped);
        assert_eq!(limits.class([80.0, 80.0]), Class::Dropped);
    }

    #[test]
    fn one_cluster_is_all_near_at_any_distance() {
        for centre in [30.0, 75.0, 240.0] {
            let mut probes: Vec<f64> = around(centre, 200).collect();
            probes.extend([centre * 9.0, centre * 12.0]);
            let limits = Limits::of(&probes);
            assert!(!limits.two_clusters, "{limits:?}");
            assert_eq!(limits.class([centre, centre * 1.1]), Class::Near);
            assert_eq!(limits.class([centre, centre * 9.0]), Class::Dropped);
        }
    }

    #[test]
    fn few_probes_fall_back_on_the_constants_and_no_probe_is_near() {
        let limits = Limits::of(&[30.0; 5]);
        assert_eq!((limits.near_below, limits.far_above), (NEAR_BELOW_NS, FAR_ABOVE_NS));
        assert_eq!(limits.class([0.0, 0.0]), Class::Near);
    }

    #[test]
    fn probe_measures_something() {
        let ns = handoff_ns();
        if threads::cpus().len() >= 2 {
            assert!(ns > 1.0 && ns < 1e7, "{ns} ns from CPU to CPU");
        } else {
            assert_eq!(ns, 0.0);
        }
    }
}
