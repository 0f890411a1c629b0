//! Freezing one thread at a site while the others must finish.
//!
//! The first thread to arrive while another is at work waits at a gate; alone it goes on, since nobody
//! could show that it depends on it. It is let go when every other thread has ended or waits in
//! `join`. A thread that spins for the frozen one exceeds loom's branch limit, one that blocks is
//! loom's deadlock: either fails the model, so what passes for every site is lock-free.
//!
//! The gate is a loom mutex and condition variable, so arrivals are dependent accesses and loom
//! tries each thread as the first. Ends and joins go through it too: whether somebody is at work
//! must not depend on an order that loom does not try.
use alloc::collections::BTreeMap;
use alloc::rc::Rc;

use super::execution::{self, Me};

/// Where the frozen thread waits.
pub(crate) struct Gate {
    taken: loom::sync::Mutex<bool>,
    open: loom::sync::Mutex<bool>,
    opened: loom::sync::Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Joining(usize),
    Frozen,
    Done,
}

/// What each thread of the execution does.
#[derive(Default)]
pub(crate) struct Threads(BTreeMap<usize, State>);

impl Threads {
    fn released(&self) -> bool {
        self.0.values().any(|state| *state == State::Frozen)
            && !self.0.values().any(|state| *state == State::Running)
    }

    /// Whether a thread other than `me` is at work.
    pub(crate) fn others_run(&self, me: usize) -> bool {
        self.0.iter().any(|(&thread, state)| thread != me && *state == State::Running)
    }
}

/// Creates the gate before there is a second thread. Called by the model's main.
pub(crate) fn begin() {
    let gate = execution::run(|run| run.freeze.is_some()).then(|| {
        Rc::new(Gate {
            taken: loom::sync::Mutex::new(false),
            open: loom::sync::Mutex::new(false),
            opened: loom::sync::Condvar::new(),
        })
    });
    execution::with(|execution| {
        execution.gate = gate;
        execution.threads.0.insert(0, State::Running);
    });
}

fn gate() -> Option<Rc<Gate>> {
    execution::with(|execution| execution.gate.clone())
}

/// Freezes the calling thread unless another was first, or nobody else is at work.
pub(crate) fn freeze_first() {
    let (Some(gate), Some(me)) = (gate(), Me::current()) else { return };
    {
        let mut taken = gate.taken.lock().expect("loom's mutexes do not poison");
        let alone = !execution::with(|execution| execution.threads.others_run(me.thread));
        if *taken || (alone && !cfg!(bug = "facade_freezes_who_is_alone")) {
            return;
        }
        *taken = true;
        execution::with(|execution| execution.threads.0.insert(me.thread, State::Frozen));
    }
    execution::run(|run| run.frozen += 1);
    let mut open = gate.open.lock().expect("loom's mutexes do not poison");
    while !*open {
        open = gate.opened.wait(open).expect("loom's mutexes do not poison");
    }
    drop(open);
    execution::with(|execution| execution.threads.0.insert(me.thread, State::Running));
}

/// Notes a change, and opens the gate if nobody is left running.
fn set(thread: usize, state: State) {
    let gate = gate();
    let taken = gate.as_ref().map(|gate| gate.taken.lock().expect("loom's mutexes do not poison"));
    let released = execution::with(|execution| {
        let threads = &mut execution.threads;
        threads.0.insert(thread, state);
        if state == State::Done {
            for other in threads.0.values_mut().filter(|other| **other == State::Joining(thread)) {
                *other = State::Running;
            }
        }
        threads.released()
    });
    drop(taken);
    if released && let Some(gate) = gate {
        *gate.open.lock().expect("loom's mutexes do not poison") = true;
        gate.opened.notify_all();
    }
}

/// A thread was spawned and counts as running at once.
pub(crate) fn spawned(thread: usize) {
    execution::with(|execution| execution.threads.0.insert(thread, State::Running));
}

/// The calling thread has done its work.
pub(crate) fn done(thread: usize) {
    set(thread, State::Done);
}

/// The calling thread waits for `target` to end, unless that is done.
pub(crate) fn joining(target: usize) {
    let Some(me) = Me::current() else { return };
    if execution::with(|execution| execution.threads.0.get(&target) != Some(&State::Done)) {
        set(me.thread, State::Joining(target));
    }
}

/// The calling thread's wait is over.
pub(crate) fn joined() {
    if let Some(me) = Me::current() {
        execution::with(|execution| execution.threads.0.insert(me.thread, State::Running));
    }
}
