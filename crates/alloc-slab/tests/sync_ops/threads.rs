//! Threads that do one thing at a time, when told: so that a sequence of operations of several threads
//! is the same each time. They end with the phase in which they share the slab.

use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Sender};
use std::thread::{Scope, ScopedJoinHandle};

type Job<'s> = Box<dyn FnOnce() + Send + 's>;

/// A thread and the way to it.
struct Worker<'s> {
    jobs: Sender<Job<'s>>,
    thread: ScopedJoinHandle<'s, ()>,
}

/// The threads beside the one that asks.
const WORKERS: usize = 3;

/// How many there are, the one that asks included.
pub(super) const THREADS: usize = 1 + WORKERS;

/// The threads of one phase.
pub(super) struct Crew<'s, 'e> {
    scope: &'s Scope<'s, 'e>,
    workers: [Option<Worker<'s>>; WORKERS],
}

impl<'s, 'e> Crew<'s, 'e> {
    pub(super) fn new(scope: &'s Scope<'s, 'e>) -> Self {
        Self { scope, workers: [const { None }; WORKERS] }
    }

    /// Runs `work` on thread `index` and returns what it does; 0 is the caller itself.
    pub(super) fn on<R: Send + 's>(
        &mut self,
        index: usize,
        work: impl FnOnce() -> R + Send + 's,
    ) -> R {
        let Some(worker) = index.checked_sub(1) else { return work() };
        let worker = self.workers[worker].get_or_insert_with(|| {
            let (jobs, inbox) = mpsc::channel::<Job<'s>>();
            let thread = self.scope.spawn(move || inbox.iter().for_each(|job| job()));
            Worker { jobs, thread }
        });
        let (reply, result) = mpsc::channel();
        let job = Box::new(move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            reply.send(done).expect("the caller waits");
        });
        worker.jobs.send(job).expect("the worker waits");
        match result.recv().expect("the worker replies") {
            Ok(value) => value,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Ends thread `index`, destructors of its thread-locals included; the next work for it is another
    /// thread's.
    pub(super) fn exit(&mut self, index: usize) {
        if let Some(worker) = index.checked_sub(1)
            && let Some(Worker { jobs, thread }) = self.workers[worker].take()
        {
            drop(jobs);
            thread.join().expect("a worker panicked");
        }
    }

    /// Ends all threads.
    pub(super) fn end(mut self) {
        (0..THREADS).for_each(|index| self.exit(index));
    }
}
