//! A counter that threads on different CPUs never fight over.

use alloc::boxed::Box;
use core::fmt;

use super::sections::{CountShard, Sections};
use super::shards::{BuildError, try_table, unwrap_build};
use super::{Mode, current_cpu, possible_cpus};
use crate::CachePadded;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A 64-bit counter with one part per CPU: adding is cheap and undisturbed, reading visits all parts.
///
/// Counts modulo 2⁶⁴. In [`Mode::Rseq`] an add is 9 instructions, none of them atomic; in [`Mode::Atomic`] it is one
/// relaxed `fetch_add` on the part of the current CPU.
///
/// # Examples
///
/// ```
/// use primitives::percpu::PerCpuCounter;
///
/// let bytes = PerCpuCounter::new();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| (0..1000).for_each(|_| bytes.add(3)));
///     }
/// });
/// assert_eq!(bytes.sum(), 12_000);
/// ```
///
/// # Concurrency
/// `add` is wait-free but for aborts, each of which the kernel causes by running something else on the CPU; nobody
/// waits for another thread. [`sum`](Self::sum) is exact for the adds that happen before it and do not race with it;
/// of those that race it sees some. Adding is safe in a signal handler.
pub struct PerCpuCounter {
    sections: Sections<CountShard>,
    /// In atomic mode the counter; in rseq mode one part for threads that no section covers.
    atomics: Box<[CachePadded<AtomicU64>]>,
    mode: Mode,
}

impl PerCpuCounter {
    /// Makes a counter with a part per possible CPU, in the best mode this process offers.
    pub fn new() -> Self {
        Self::with_shards(possible_cpus(), Mode::Rseq)
    }

    /// [`new`](Self::new) that reports a failed allocation.
    ///
    /// # Errors
    /// [`BuildError::OutOfMemory`].
    pub fn try_new() -> Result<Self, BuildError> {
        Self::try_with_shards(possible_cpus(), Mode::Rseq)
    }

    /// Makes a counter of `count` parts in the mode asked for; where rseq is not to be had, in atomic mode.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn with_shards(count: usize, mode: Mode) -> Self {
        unwrap_build(Self::try_with_shards(count, mode))
    }

    /// [`with_shards`](Self::with_shards) that reports what went wrong.
    ///
    /// # Errors
    /// [`BuildError::NoShards`] if `count` is 0, [`BuildError::OutOfMemory`].
    pub fn try_with_shards(count: usize, mode: Mode) -> Result<Self, BuildError> {
        let sections = match mode {
            Mode::Rseq => Sections::try_new(count, |_| CountShard::new())?,
            Mode::Atomic => None,
        };
        let (mode, sections, atomics) = match sections {
            Some(sections) => (Mode::Rseq, sections, 1),
            None => (Mode::Atomic, Sections::none(), count),
        };
        let atomics = try_table(atomics, |_| CachePadded::new(AtomicU64::new(0)))?;
        Ok(Self { sections, atomics, mode })
    }

    /// Adds `n`, modulo 2⁶⁴.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        if !self.sections.add(n) {
            self.add_atomic(n);
        }
    }

    /// Adds a signed `n`: the sum then reads right through [`sum_signed`](Self::sum_signed).
    #[inline(always)]
    pub fn add_signed(&self, n: i64) {
        self.add(n.cast_unsigned());
    }

    #[cold]
    #[inline(never)]
    fn add_atomic(&self, n: u64) {
        let index = current_cpu().index(self.atomics.len());
        // ORD Relaxed: a number that publishes nothing; the read-modify-write loses no add.
        self.atomics[index].fetch_add(n, Ordering::Relaxed);
    }

    /// The sum of all parts, modulo 2⁶⁴.
    ///
    /// # Complexity
    /// One load per part.
    pub fn sum(&self) -> u64 {
        // ORD Relaxed: each part is read whole; the caller orders the adds it wants to see before this call.
        let atomics = self.atomics.iter().map(|part| part.load(Ordering::Relaxed));
        atomics.fold(self.sections.sum(), u64::wrapping_add)
    }

    /// [`sum`](Self::sum) as a signed number.
    pub fn sum_signed(&self) -> i64 {
        self.sum().cast_signed()
    }

    /// How this counter works; fixed when it was made.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Sections that the kernel sent back to their start, over the life of the counter. 0 in atomic mode.
    pub fn aborts(&self) -> u64 {
        self.sections.aborts()
    }
}

impl Default for PerCpuCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PerCpuCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpuCounter")
            .field("sum", &self.sum())
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
