//! Medians, paired ratios and their bootstrap intervals.
//!
//! The unit of replication is the **process**: samples of one process share its memory layout and
//! its luck, so an interval over pooled samples would be far too narrow. A resample therefore
//! draws processes with replacement, then samples within each drawn process, and takes the median
//! of the processes' medians. The seed is fixed: the same samples give the same interval.
//!
//! Source: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), percentile interval.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use statrs::statistics::{Data, OrderStatistics};

/// Resamples for one interval: the 2.5 % tails then rest on 25 values each.
const RESAMPLES: usize = 1000;

/// A ratio (or a value) with the interval that holds it in 95 of 100 runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The estimate.
    #[serde(with = "crate::report::number")]
    pub ratio: f64,
    /// Lower end.
    #[serde(with = "crate::report::number")]
    pub lo: f64,
    /// Upper end.
    #[serde(with = "crate::report::number")]
    pub hi: f64,
}

/// How a ratio stands to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The whole interval lies below 1: the other one is better.
    Loss,
    /// The interval holds 1: no winner can be named.
    Even,
    /// The whole interval lies above 1: ours is better.
    Win,
}

impl Interval {
    /// An exact figure, such as a count.
    #[must_use]
    pub fn exact(value: f64) -> Self {
        Interval { ratio: value, lo: value, hi: value }
    }

    /// Names the winner, if the interval allows one.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.lo > 1.0 {
            Standing::Win
        } else if self.hi < 1.0 {
            Standing::Loss
        } else {
            Standing::Even
        }
    }
}

/// Returns the median, or `None` of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Returns the quantile `tau` (0 to 1), or `None` of nothing.
///
/// # Panics
///
/// Panics if `tau` is not between 0 and 1.
#[must_use]
pub fn quantile(values: &[f64], tau: f64) -> Option<f64> {
    assert!((0.0..=1.0).contains(&tau), "quantile {tau} is not between 0 and 1");
    let mut data = Data::new(values.to_vec());
    match values.len() {
        0 => None,
        _ if tau == 0.5 => Some(data.median()),
        _ => Some(data.quantile(tau)),
    }
}

/// Returns `peer ÷ ours` (`ours ÷ peer` where more is better): above 1 is a win for ours. Nothing
/// against nothing is 1, something against nothing is infinite.
#[must_use]
pub fn ratio_of(peer: f64, ours: f64, more_is_better: bool) -> f64 {
    let (worse, better) = if more_is_better { (ours, peer) } else { (peer, ours) };
    if better == 0.0 { if worse == 0.0 { 1.0 } else { f64::INFINITY } } else { worse / better }
}

/// Returns the median of the processes' medians with its interval, or `None` when no process has
/// a sample.
#[must_use]
pub fn over_processes(processes: &[Vec<f64>], seed: u64) -> Option<Interval> {
    let processes: Vec<&[f64]> =
        processes.iter().map(Vec::as_slice).filter(|samples| !samples.is_empty()).collect();
    let medians: Vec<f64> = processes.iter().filter_map(|samples| median(samples)).collect();
    let ratio = median(&medians)?;
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut scratch = Vec::new();
    let mut draws = Vec::with_capacity(processes.len());
    let resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            draws.clear();
            for _ in 0..processes.len() {
                let samples = processes[rng.random_range(0..processes.len())];
                scratch.clear();
                scratch.extend(
                    (0..samples.len()).map(|_| samples[rng.random_range(0..samples.len())]),
                );
                draws.extend(median(&scratch));
            }
            median(&draws).unwrap_or(ratio)
        })
        .collect();
    // The estimate belongs to its own interval, whatever the draw.
    let lo = quantile(&resampled, 0.025)?.min(ratio);
    let hi = quantile(&resampled, 0.975)?.max(ratio);
    Some(Interval { ratio, lo, hi })
}

/// One engine's samples in one process: `(sweep, value)`; samples of the same sweep were taken
/// next to each other.
pub type Sweeps = Vec<(u32, f64)>;

/// Returns the ratio of two engines that were sampled turn by turn.
///
/// Where both have samples of the same sweep (three at least) a process contributes their paired
/// ratios, which cancels drift; where samples were dropped, the ratio of its two medians.
#[must_use]
pub fn paired(
    peer: &[Sweeps],
    ours: &[Sweeps],
    more_is_better: bool,
    seed: u64,
) -> Option<Interval> {
    let processes: Vec<Vec<f64>> = peer
        .iter()
        .zip(ours)
        .map(|(peer, ours)| {
            let pairs: Vec<f64> = peer
                .iter()
                .filter_map(|&(sweep, value)| {
                    let other = ours.iter().find(|&&(s, _)| s == sweep)?.1;
                    Some(ratio_of(value, other, more_is_better))
                })
                .collect();
            if pairs.len() >= 3 || (!pairs.is_empty() && pairs.len() == peer.len()) {
                return pairs;
            }
            let of = |sweeps: &Sweeps| median(&sweeps.iter().map(|s| s.1).collect::<Vec<_>>());
            match (of(peer), of(ours)) {
                (Some(peer), Some(ours)) => vec![ratio_of(peer, ours, more_is_better)],
                _ => Vec::new(),
            }
        })
        .collect();
    over_processes(&processes, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::Rng;

    /// A normal variate, by the sum of twelve uniforms.
    fn normal(rng: &mut SmallRng) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// Samples of a made-up engine: a process shifts all its samples, each sample jitters, and
    /// one in ten is an outlier, as on a shared machine.
    fn engine(rng: &mut SmallRng, ns: f64, processes: usize, drift: &[f64]) -> Vec<Sweeps> {
        (0..processes)
            .map(|_| {
                let layout = 1.0 + 0.004 * normal(rng);
                drift
                    .iter()
                    .enumerate()
                    .map(|(sweep, &drift)| {
                        let outlier = if rng.random_ratio(1, 10) { 1.5 } else { 1.0 };
                        let jitter = 1.0 + 0.01 * normal(rng);
                        (u32::try_from(sweep).unwrap(), ns * layout * drift * jitter * outlier)
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn interval_covers_the_true_ratio() {
        let mut covered = 0;
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let drift: Vec<f64> = (0..20).map(|i| 1.0 + 0.02 * f64::from(i)).collect();
            let ours = engine(&mut rng, 10.0, 5, &drift);
            let peer = engine(&mut rng, 13.0, 5, &drift);
            let interval = paired(&peer, &ours, false, seed).unwrap();
            covered += u32::from(interval.lo <= 1.3 && 1.3 <= interval.hi);
            assert_eq!(interval.standing(), Standing::Win, "{interval:?}");
        }
        assert!(covered >= 180, "95 % intervals covered the truth in {covered} of 200 runs");
    }

    #[test]
    fn the_same_code_has_no_winner() {
        let mut named = 0;
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(1000 + seed);
            let drift = [1.0; 20];
            let ours = engine(&mut rng, 10.0, 5, &drift);
            let twin = engine(&mut rng, 10.0, 5, &drift);
            let interval = paired(&twin, &ours, false, seed).unwrap();
            named += u32::from(interval.standing() != Standing::Even);
        }
        assert!(named <= 20, "a winner between equals in {named} of 200 runs");
    }

    #[test]
    fn pairing_cancels_drift_that_medians_would_not() {
        // Ours was sampled only in the slow half, the peer throughout; the pairs know.
        let drift: Vec<f64> = (0..20).map(|i| if i < 14 { 3.0 } else { 1.0 }).collect();
        let mut rng = SmallRng::seed_from_u64(7);
        let peer = engine(&mut rng, 10.0, 5, &drift);
        let mut ours = engine(&mut rng, 10.0, 5, &drift);
        for process in &mut ours {
            process.retain(|&(sweep, _)| sweep >= 10);
        }
        let interval = paired(&peer, &ours, false, 1).unwrap();
        assert!((interval.ratio - 1.0).abs() < 0.03, "{interval:?}");
    }

    #[test]
    fn nothing_and_infinity() {
        assert_eq!(ratio_of(0.0, 0.0, false), 1.0);
        assert_eq!(ratio_of(0.5, 0.0, false), f64::INFINITY);
        assert_eq!(ratio_of(0.0, 0.5, false), 0.0);
        assert_eq!(ratio_of(2.0, 6.0, true), 3.0);
        assert_eq!(over_processes(&[vec![], vec![]], 1), None);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0, 10.0]), Some(2.5));
    }

    proptest! {
        #[test]
        fn interval_holds_its_estimate_and_lies_within_the_samples(
            processes in prop::collection::vec(prop::collection::vec(0.1f64..1e6, 1..12), 1..8),
            seed: u64,
        ) {
            let interval = over_processes(&processes, seed).unwrap();
            let all: Vec<f64> = processes.iter().flatten().copied().collect();
            let min = all.iter().copied().fold(f64::INFINITY, f64::min);
            let max = all.iter().copied().fold(0.0, f64::max);
            prop_assert!(min <= interval.lo && interval.lo <= interval.ratio);
            prop_assert!(interval.ratio <= interval.hi && interval.hi <= max);
            prop_assert_eq!(over_processes(&processes, seed), Some(interval));
        }

        #[test]
        fn quantiles_are_ordered(values in prop::collection::vec(0.0f64..1e9, 1..200)) {
            let q: Vec<f64> =
                [0.0, 0.5, 0.9, 0.99, 0.999, 1.0].iter().map(|&t| quantile(&values, t).unwrap()).collect();
            prop_assert!(q.windows(2).all(|w| w[0] <= w[1] + 1e-6), "{:?}", q);
        }
    }
}
