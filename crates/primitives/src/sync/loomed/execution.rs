//! What the facade remembers during one execution of a model, and across the executions of one run.
//!
//! loom runs a model on one operating-system thread (its threads are coroutines), so `std`'s
//! thread-locals hold one run's state, and tests of one process do not disturb each other. A new
//! execution shows by its id; no call by the test is needed, so models started with
//! `loom::model` are watched as well.
//!
//! Nothing here is visible to loom, hence nothing here may order the model's threads: what depends
//! on the schedule is kept per model thread, or behind a loom object (see `freeze`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use core::cell::RefCell;
use core::hash::{Hash, Hasher};

use super::freeze::{self, Threads};
use super::memory::Block;

/// A model thread: its number (0 is the model's main), within one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Me {
    execution: usize,
    pub(crate) thread: usize,
}

loom::thread_local! { static ME: Me = Me::of(loom::thread::current().id()) }

impl Me {
    /// Names the running thread; `None` in destructors of thread-locals, where loom no longer can.
    pub(crate) fn current() -> Option<Self> {
        ME.try_with(|me| *me).ok()
    }

    /// loom keeps both numbers private but hashes them: execution first, thread second.
    pub(crate) fn of(id: loom::thread::ThreadId) -> Self {
        struct Numbers([usize; 2], usize);
        impl Hasher for Numbers {
            fn write(&mut self, _: &[u8]) {
                unreachable!("loom's thread id hashes two `usize`s");
            }
            fn write_usize(&mut self, number: usize) {
                self.0[self.1] = number;
                self.1 += 1;
            }
            fn finish(&self) -> u64 {
                0
            }
        }
        let mut numbers = Numbers([0; 2], 0);
        id.hash(&mut numbers);
        assert_eq!(numbers.1, 2, "loom's thread id hashes two `usize`s");
        Self { execution: numbers.0[0], thread: numbers.0[1] }
    }
}

/// State of the execution under way.
#[derive(Default)]
pub(crate) struct Execution {
    id: usize,
    /// Blocks of `alloc`, live and freed, by address.
    pub(crate) blocks: BTreeMap<usize, Block>,
    /// Calls of `compare_exchange_weak` so far, by thread.
    weak_calls: BTreeMap<usize, usize>,
    /// Who runs, who joins whom.
    pub(crate) threads: Threads,
    /// Where the frozen thread waits.
    pub(crate) gate: Option<Rc<freeze::Gate>>,
}

/// Place of one weak compare-exchange: the n-th that a thread makes.
pub(crate) type WeakCall = (usize, usize);

/// Settings and findings of a run, which is many executions.
#[derive(Default)]
pub(crate) struct Run {
    /// The one weak compare-exchange that fails spuriously.
    pub(crate) fails: Option<WeakCall>,
    /// Every weak compare-exchange met.
    pub(crate) weak_calls: BTreeSet<WeakCall>,
    /// The site where the first thread to arrive is frozen.
    pub(crate) freeze: Option<super::site::Site>,
    /// Executions in which a thread was frozen.
    pub(crate) frozen: usize,
    /// Executions of the weakened call site.
    pub(crate) weakened: usize,
    /// Every call site met.
    pub(crate) sites: BTreeSet<(super::site::Site, &'static str)>,
    /// Those met while another thread was at work.
    pub(crate) together: BTreeSet<super::site::Site>,
}

std::thread_local! {
    static EXECUTION: RefCell<Execution> = RefCell::default();
    static RUN: RefCell<Run> = RefCell::default();
}

/// Runs `f` on the state of the execution under way. `f` must not call loom.
pub(crate) fn with<R>(f: impl FnOnce(&mut Execution) -> R) -> R {
    let me = Me::current();
    EXECUTION.with_borrow_mut(|execution| {
        if let Some(me) = me
            && me.execution != execution.id
        {
            *execution = Execution { id: me.execution, ..Execution::default() };
        }
        f(execution)
    })
}

/// Runs `f` on the run's settings and findings. `f` must not call loom.
pub(crate) fn run<R>(f: impl FnOnce(&mut Run) -> R) -> R {
    RUN.with_borrow_mut(f)
}

/// Forgets the last execution (its freed blocks go back) and starts a run with no findings.
pub(crate) fn reset() {
    EXECUTION.with_borrow_mut(|execution| *execution = Execution::default());
    RUN.with_borrow_mut(|run| *run = Run::default());
}

/// Says whether this weak compare-exchange is the one that fails spuriously.
///
/// Counted per thread, so the answer does not depend on the order of independent accesses. In
/// destructors of thread-locals the answer is no.
pub(crate) fn weak_call_fails() -> bool {
    let Some(me) = Me::current() else { return false };
    let n = with(|execution| {
        let n = execution.weak_calls.entry(me.thread).or_insert(0);
        *n += 1;
        *n
    });
    run(|run| {
        run.weak_calls.insert((me.thread, n));
        run.fails == Some((me.thread, n)) && !cfg!(bug = "facade_weak_is_strong")
    })
}
