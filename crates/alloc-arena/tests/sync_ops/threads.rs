//! Threads that do one thing at a time, when told: so that a sequence of operations of several threads
//! is the same each time.

use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// A thread and the way to it.
struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn new() -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let thread = thread::spawn(move || inbox.iter().for_each(|job| job()));
        Self { jobs: Some(jobs), thread: Some(thread) }
    }
}

/// Waits until the thread has ended, destructors of its thread-locals included.
impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|end| end.is_ok()) || thread::panicking(), "a worker panicked");
    }
}

/// The threads beside the one that asks.
pub(crate) const WORKERS: usize = 3;

thread_local! {
    /// They stay from run to run, and meet arena after arena.
    static POOL: RefCell<[Option<Worker>; WORKERS]> = const { RefCell::new([const { None }; WORKERS]) };
}

/// Runs `work` on thread `index` and returns what it does; 0 is the caller itself.
///
/// What `work` holds is dropped on that thread, before this returns.
pub(crate) fn on<R: Send + 'static>(index: usize, work: impl FnOnce() -> R + Send + 'static) -> R {
    let Some(worker) = index.checked_sub(1) else { return work() };
    let (reply, result) = mpsc::channel();
    POOL.with_borrow_mut(|pool| {
        let worker = pool[worker].get_or_insert_with(Worker::new);
        let job = Box::new(move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            reply.send(done).expect("the caller waits");
        });
        worker.jobs.as_ref().expect("open").send(job).expect("the worker waits");
    });
    match result.recv().expect("the worker replies") {
        Ok(value) => value,
        Err(payload) => resume_unwind(payload),
    }
}

/// Ends thread `index`; the next work for it is another thread's.
pub(crate) fn exit(index: usize) {
    if let Some(worker) = index.checked_sub(1) {
        drop(POOL.with_borrow_mut(|pool| pool[worker].take()));
    }
}
