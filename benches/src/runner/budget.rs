//! How much time goes into what.

use core::time::Duration;
use std::time::Instant;

/// What the times of `--quick` may take in all, and of one case that is chosen alone.
const QUICK: [Duration; 2] = [Duration::from_secs(170), Duration::from_secs(20)];

/// The same without `--quick`.
const STANDARD: [Duration; 2] = [Duration::from_secs(480), Duration::from_secs(90)];

/// The sizes of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// What the times of all cases may take, and of one alone; unlimited where a verdict hangs on
    /// them.
    pub limits: Option<[Duration; 2]>,
    /// Instructions are counted.
    pub instructions: bool,
    /// Processes at least.
    pub processes: u32,
    /// Processes at most: more are added while the A/A control is not resolved.
    pub max_processes: u32,
    /// Turns in one process.
    pub sweeps: u32,
    /// Turns at least, whatever they cost.
    pub min_sweeps: u32,
    /// About how long one sample lasts.
    pub sample_ns: u64,
    /// Processes for resident memory.
    pub memory_processes: u32,
}

impl Budget {
    /// Everything, whatever it takes: 5 processes of 24 turns and more. For verdicts.
    #[must_use]
    pub fn full() -> Self {
        Budget {
            limits: None,
            instructions: true,
            processes: 5,
            max_processes: 12,
            sweeps: 24,
            min_sweeps: 20,
            sample_ns: 1_000_000,
            memory_processes: 3,
        }
    }

    /// A quarter of an hour for everything: as many processes and turns, shorter samples; programs
    /// whose rounds take a tenth of a second get fewer turns (the rows say how many).
    #[must_use]
    pub fn standard() -> Self {
        Budget {
            limits: Some(STANDARD),
            max_processes: 8,
            min_sweeps: 4,
            sample_ns: 500_000,
            memory_processes: 2,
            ..Self::full()
        }
    }

    /// The same cases, engines and inputs in a few minutes.
    #[must_use]
    pub fn quick(instructions: bool) -> Self {
        Budget {
            limits: Some(QUICK),
            instructions,
            processes: 3,
            max_processes: 4,
            sweeps: 12,
            // Two in each of two processes: of equal engines a single one would come out ahead in both
            // as often as not, and the interval would not cross 1.
            min_sweeps: 2,
            sample_ns: 400_000,
            memory_processes: 1,
        }
    }

    /// About how long one sample of a case lasts: threads must have time to meet, and more
    /// threads than CPUs must have time to be preempted.
    #[must_use]
    pub fn sample_ns(&self, threads: usize, cores: usize) -> u64 {
        match threads {
            0 | 1 => self.sample_ns,
            n if n <= cores => 2 * self.sample_ns,
            _ => 20 * self.sample_ns,
        }
    }
}

/// Shares the time of a run out among its cases: what short ones leave goes to the long ones.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    end: Option<Instant>,
    left: u32,
}

impl Shares {
    /// Shares for `cases` cases.
    #[must_use]
    pub fn new(budget: &Budget, cases: usize) -> Self {
        let left = u32::try_from(cases).unwrap_or(u32::MAX).max(1);
        let end = |[all, one]: [Duration; 2]| Instant::now() + all.min(one * left);
        Shares { end: budget.limits.map(end), left }
    }

    /// Returns the time of the next case; a run without limits gives each what it needs, within
    /// reason.
    pub fn take(&mut self) -> Duration {
        let left = self.left.max(1);
        self.left = left - 1;
        match self.end {
            None => Duration::from_secs(300),
            Some(end) => {
                (end.saturating_duration_since(Instant::now()) / left).max(Duration::from_secs(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_budget_is_at_least_what_is_promised() {
        let full = Budget::full();
        assert!(full.processes >= 5 && full.min_sweeps >= 20 && full.sweeps >= full.min_sweeps);
        assert!(full.instructions && full.max_processes >= full.processes);
        let standard = Budget::standard();
        assert_eq!((standard.processes, standard.sweeps), (full.processes, full.sweeps));
    }

    #[test]
    fn what_one_case_leaves_goes_to_the_others() {
        assert!(Budget::quick(false).min_sweeps >= 2, "equal engines differ by chance");
        let mut shares = Shares::new(&Budget::quick(false), 30);
        let first = shares.take();
        let second = shares.take();
        assert!(second > first, "{first:?} unused, then {second:?}");
        assert!(first <= QUICK[0] / 30);
        let mut last = second;
        for _ in 2..30 {
            last = shares.take();
        }
        assert!(last > QUICK[0] / 2 && last <= QUICK[0], "{last:?} for the last");
        assert!(Shares::new(&Budget::full(), 2).take() >= Duration::from_secs(60));
    }
}
