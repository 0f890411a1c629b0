//! Jobs from one thread to another, and a handshake that ends it.
//!
//! ```text
//!   Giver                                   Taker
//!   give(job), give(job)   ── ring ──▶      take() → Job, Job, Nothing, …
//!   stop()                 ── asked ──▶     take() → Job, …, Over
//!   is_over()              ◀── agreed ──
//! ```
//!
//! Neither end is dropped: the giver may go on after the handshake, and what the taker did is its own
//! by then.

use lockfree::spsc::{Consumer, Producer};
use lockfree::{PushError, SpscRing};
use primitives::sync::Arc;
use primitives::sync::atomic::AtomicBool;
use primitives::sync::atomic::Ordering::{Acquire, Release};

/// The end that gives jobs, and says when there are no more.
#[derive(Debug)]
pub struct Giver<T> {
    jobs: Producer<T>,
    stop: Arc<Stop>,
}

/// The end that takes jobs, and agrees to stop when it has taken all.
#[derive(Debug)]
pub struct Taker<T> {
    jobs: Consumer<T>,
    stop: Arc<Stop>,
}

/// The handshake.
#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    agreed: AtomicBool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// This.
    Job(T),
    /// Nothing for now.
    Nothing,
    /// Nothing any more: the giver asked to stop, and every job it gave was taken.
    Over,
}

/// Makes the two ends; at most `capacity` jobs wait between them.
#[must_use]
pub fn handover<T>(capacity: usize) -> (Giver<T>, Taker<T>) {
    let (producer, consumer) = SpscRing::new(capacity);
    let stop = Arc::new(Stop { asked: AtomicBool::new(false), agreed: AtomicBool::new(false) });
    (Giver { jobs: producer, stop: Arc::clone(&stop) }, Taker { jobs: consumer, stop })
}

impl<T> Giver<T> {
    /// Gives a job.
    ///
    /// # Errors
    ///
    /// The job, when too many wait.
    pub fn give(&mut self, job: T) -> Result<(), T> {
        self.jobs.push(job).map_err(PushError::into_inner)
    }

    /// Says that there are no more jobs.
    pub fn stop(&self) {
        // ORD[asked] Release → Acquire in `Taker::take`: every job is in the ring before.
        self.stop.asked.store(true, Release);
    }

    /// Returns whether the taker has agreed: all jobs are done, and what it did is visible.
    #[must_use]
    pub fn is_over(&self) -> bool {
        // ORD[agreed] Acquire ← Release in `Taker::take`.
        self.stop.agreed.load(Acquire)
    }
}

impl<T> Taker<T> {
    /// Says what there is to do. A job is done before this is called again.
    pub fn take(&mut self) -> Next<T> {
        if let Ok(job) = self.jobs.pop() {
            return Next::Job(job);
        }
        // ORD[asked] Acquire ← Release in `Giver::stop`.
        if !self.stop.asked.load(Acquire) {
            return Next::Nothing;
        }
        // Jobs may have come between our look into the ring and the request; none comes after it.
        if let Ok(job) = self.jobs.pop() {
            return Next::Job(job);
        }
        // ORD[agreed] Release → Acquire in `Giver::is_over`: the jobs are done before.
        self.stop.agreed.store(true, Release);
        Next::Over
    }
}

#[cfg(test)]
mod tests {
    use super::{Acquire, Next, Release, Taker, handover};
    use primitives::sync::cell::UnsafeCell;
    use primitives::sync::{Arc, thread};

    /// What the worker did: written without an atomic, and read by the giver after the handshake.
    struct Log(UnsafeCell<Vec<u32>>);

    // SAFETY: the handshake says who has it; under loom the cell would tell if it did not.
    unsafe impl Sync for Log {}
    // SAFETY: a vector of numbers.
    unsafe impl Send for Log {}

    type Step = fn(&mut Taker<u32>) -> Next<u32>;

    /// Gives two jobs through one slot, and ends it; returns which of them were done.
    fn two_jobs(next: Step) -> Vec<u32> {
        let (mut giver, mut taker) = handover(1);
        let log = Arc::new(Log(UnsafeCell::new(Vec::new())));
        let theirs = Arc::clone(&log);
        let worker = thread::spawn(move || {
            loop {
                match next(&mut taker) {
                    // SAFETY: the worker's, until it agrees to stop.
                    Next::Job(job) => theirs.0.with_mut(|log| unsafe { (*log).push(job) }),
                    Next::Nothing => thread::yield_now(),
                    Next::Over => return,
                }
            }
        });
        for job in [1, 2] {
            while giver.give(job).is_err() {
                thread::yield_now();
            }
        }
        giver.stop();
        while !giver.is_over() {
            thread::yield_now();
        }
        // SAFETY: the worker agreed to stop.
        let done = log.0.with(|log| unsafe { (*log).clone() });
        worker.join().unwrap();
        done
    }

    #[test]
    #[cfg(not(loom))]
    fn all_jobs_are_done_when_it_is_over() {
        for _ in 0..20 {
            assert_eq!(two_jobs(Taker::take), [1, 2]);
        }
        // The careless one does well too, as long as nobody comes in between: a test that is no model
        // rarely notices.
        let (mut giver, mut taker) = handover(1);
        giver.give(7).unwrap();
        giver.stop();
        assert_eq!((careless(&mut taker), careless(&mut taker)), (Next::Job(7), Next::Over));
    }

    /// [`Taker::take`] with a mistake: it does not look into the ring again.
    fn careless(taker: &mut Taker<u32>) -> Next<u32> {
        if let Ok(job) = taker.jobs.pop() {
            return Next::Job(job);
        }
        if !taker.stop.asked.load(Acquire) {
            return Next::Nothing;
        }
        taker.stop.agreed.store(true, Release);
        Next::Over
    }

    #[cfg(loom)]
    mod models {
        use super::*;
        use primitives::model::Model;

        /// The worker looks into the ring and at the request while the giver fills both.
        #[test]
        fn loom_handover_does_all_jobs() {
            Model::new("handover_does_all_jobs").reaches(["[1, 2]"]).floor(100).check(|seen| {
                seen.record(format!("{:?}", two_jobs(Taker::take)));
            });
        }

        /// The same, with the mistake: the model finds the schedule in which a job is lost.
        #[test]
        fn loom_handover_finds_the_careless_worker() {
            let model = Model::new("handover_finds_the_careless_worker");
            model.reaches(["[1, 2]", "[1]"]).floor(100).check(|seen| {
                seen.record(format!("{:?}", two_jobs(careless)));
            });
        }
    }
}
