//! Jobs for a crew, and a count by which its owner knows that all are done.
//!
//! ```text
//!   owner                                        crew, any number of threads
//!   submit(job): unfinished += 1   ── ring ──▶   work: take, do, unfinished -= 1
//!   is_idle():   unfinished == 0
//! ```

use lockfree::{MpmcRing, TryPopError};
use primitives::sync::atomic::AtomicUsize;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Jobs that wait for a crew, and how many are not done yet.
#[derive(Debug)]
pub struct Crew<T> {
    jobs: MpmcRing<T>,
    /// Jobs submitted and not done.
    unfinished: AtomicUsize,
}

/// How an attempt to work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// A job was done.
    Done,
    /// There was none for now.
    Nothing,
    /// There will be none.
    Over,
}

impl<T> Crew<T> {
    /// Makes room for `capacity` jobs that wait.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { jobs: MpmcRing::new(capacity), unfinished: AtomicUsize::new(0) }
    }

    /// Submits a job.
    ///
    /// # Errors
    ///
    /// The job, when too many wait.
    pub fn submit(&self, job: T) -> Result<(), T> {
        // ORD Relaxed: the ring orders it before the worker's decrement, and the owner is here.
        self.unfinished.fetch_add(1, Relaxed);
        self.jobs.push(job).map_err(|error| {
            // ORD Relaxed: nobody saw the job.
            self.unfinished.fetch_sub(1, Relaxed);
            error.into_inner()
        })
    }

    /// Says that there are no more jobs; those that wait are done first.
    pub fn close(&self) {
        self.jobs.close();
    }

    /// Takes a job and does it.
    pub fn work(&self, work: impl FnOnce(T)) -> Worked {
        match self.jobs.try_pop() {
            Ok(job) => {
                work(job);
                // ORD[done] Release → Acquire in `is_idle`: the job is done before it is counted.
                self.unfinished.fetch_sub(1, Release);
                Worked::Done
            }
            Err(TryPopError::Empty | TryPopError::Busy) => Worked::Nothing,
            Err(TryPopError::Closed) => Worked::Over,
        }
    }

    /// Returns whether all submitted jobs are done; what they did is visible then.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        // ORD[done] Acquire ← Release in `work`, of all workers: each decrement continues the others'
        // release sequences.
        self.unfinished.load(Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Crew, Release, Worked};
    use primitives::sync::cell::UnsafeCell;
    use primitives::sync::{Arc, thread};

    /// Where a job's result goes: a cell of its own, written without an atomic.
    struct Results([UnsafeCell<u32>; 2]);

    // SAFETY: a result is written by who has its job, and read when the crew is idle; under loom the
    // cells would tell if it were otherwise.
    unsafe impl Sync for Results {}
    // SAFETY: numbers.
    unsafe impl Send for Results {}

    type Shared = (Crew<usize>, Results);
    type Step = fn(&Shared) -> Worked;

    fn write(results: &Results, job: usize) {
        // SAFETY: one worker has the job.
        results.0[job].with_mut(|result| unsafe { *result = 10 + u32::try_from(job).unwrap() });
    }

    fn work((crew, results): &Shared) -> Worked {
        crew.work(|job| write(results, job))
    }

    /// [`Crew::work`] with a mistake: it counts the job as done, then does it.
    fn hasty((crew, results): &Shared) -> Worked {
        let Ok(job) = crew.jobs.try_pop() else { return Worked::Nothing };
        crew.unfinished.fetch_sub(1, Release);
        write(results, job);
        Worked::Done
    }

    /// Two workers for two jobs, one attempt each; returns the results, if the owner, who looks once,
    /// finds the crew idle.
    fn two_jobs(step: Step) -> Option<[u32; 2]> {
        let shared: Arc<Shared> = Arc::new((Crew::new(2), Results([0, 0].map(UnsafeCell::new))));
        for job in 0..2 {
            shared.0.submit(job).unwrap();
        }
        let workers = [0, 1].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || step(&shared))
        });
        // SAFETY: idle: every result is written.
        let read = || [0, 1].map(|job: usize| shared.1.0[job].with(|result| unsafe { *result }));
        let early = shared.0.is_idle().then(read);
        let worked = workers.map(|worker| worker.join().unwrap());
        // Who found another worker in between did nothing: its job is still there.
        while !shared.0.is_idle() {
            assert!(worked.contains(&Worked::Nothing));
            assert_eq!(step(&shared), Worked::Done);
        }
        assert_eq!(read(), [10, 11]);
        shared.0.close();
        assert_eq!(shared.0.submit(7), Err(7));
        early
    }

    #[test]
    #[cfg(not(loom))]
    fn idle_means_that_all_is_done() {
        for _ in 0..20 {
            assert!(two_jobs(work).is_none_or(|results| results == [10, 11]));
        }
        // Without a model the hasty one passes as well: `two_jobs(hasty)` fails once in a blue moon.
        let alone = (Crew::new(1), Results([0, 0].map(UnsafeCell::new)));
        alone.0.submit(1).unwrap();
        assert_eq!((hasty(&alone), hasty(&alone)), (Worked::Done, Worked::Nothing));
        assert!(alone.0.is_idle());
        alone.0.close();
        assert_eq!(work(&alone), Worked::Over);
    }

    #[cfg(loom)]
    mod models {
        use super::*;
        use primitives::model::Model;
        use std::panic::catch_unwind;

        /// The owner looks while two workers take and do.
        #[test]
        fn loom_crew_is_idle_when_all_is_done() {
            let model = Model::new("crew_is_idle_when_all_is_done");
            model.reaches(["None", "Some([10, 11])"]).floor(100).check(|seen| {
                seen.record(format!("{:?}", two_jobs(work)));
            });
        }

        /// The same, with the mistake: the model finds the read that meets a write.
        #[test]
        fn loom_crew_finds_the_hasty_worker() {
            let found = catch_unwind(|| {
                Model::new("crew_with_a_hasty_worker").check(|_| {
                    let _ = two_jobs(hasty);
                });
            });
            let error = found.expect_err("a mistake is planted");
            let text = error.downcast_ref::<String>().expect("loom says what it found");
            assert!(text.contains("Causality violation"), "{text}");
            // What the task runner reads: the search that ended there was one.
            Model::new("crew_finds_the_hasty_worker").reaches(["found"]).check(|seen| {
                seen.record("found");
            });
        }
    }
}
