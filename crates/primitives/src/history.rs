//! [`History`]: what several threads did to one object, and whether one order explains all of it.
//!
//! An object is *linearizable* if each operation seems to happen at once, at some moment between its
//! call and its return. So a recorded history is right if there is an order of its operations that
//! keeps every thread's own order, puts what had returned before what was called afterwards, and in
//! which a sequential [`Specification`] answers each operation as the object did. The search for that
//! order is [`History::explained_by`].
//!
//! ```text
//!   thread 0   ├─ push(1) ─┤        ├─ push(2) ─┤
//!   thread 1         ├─ pop() = none ─┤   ├─ pop() = 1 ─┤      one order: pop=none push(1) push(2) pop=1
//! ```
//!
//! ```
//! use primitives::history::{Clock, Specification};
//!
//! #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
//! struct Counter(u32);
//! /// An addition of one, and what it returned.
//! #[derive(Debug)]
//! struct Added(u32);
//!
//! impl Specification for Counter {
//!     type Op = Added;
//!     fn accepts(&mut self, added: &Added) -> bool {
//!         self.0 += 1;
//!         added.0 == self.0 - 1
//!     }
//! }
//!
//! let counter = core::sync::atomic::AtomicU32::new(0);
//! let clock = Clock::new();
//! let logs = std::thread::scope(|scope| {
//!     let work = || {
//!         let mut log = clock.log();
//!         log.call(|| Added(counter.fetch_add(1, core::sync::atomic::Ordering::Relaxed)));
//!         log
//!     };
//!     [scope.spawn(work), scope.spawn(work)].map(|thread| thread.join().unwrap())
//! });
//! clock.history(logs).explained_by(Counter::default()).unwrap();
//! ```
//!
//! # What counts as before
//!
//! * **Threads and shuttle.** Call and return each draw a number from one shared counter, by a
//!   read-modify-write. So what is before by its numbers *happens before*, and a plain store that is
//!   still on its way to other processors is not called lost.
//! * **loom.** The counter would order what the model leaves unordered. Under loom a number is the
//!   count of [`Clock::settle`]s, which the model's main calls when it has joined the others: within a
//!   phase only each thread's own order counts, and every interleaving is there to be judged.
//!
//! # Cost
//!
//! Wing and Gong's search over the threads' next operations, with Lowe's memory of configurations
//! (positions and state) that lead nowhere. Exponential at worst: record short windows, many of them.
//!
//! # Source
//!
//! J. Wing, C. Gong, *Testing and Verifying Concurrent Objects*, 1993; G. Lowe, *Testing for
//! Linearizability*, 2017. Its just-in-time order of candidates is here the order of their returns.

use alloc::vec::Vec;
use core::fmt::{self, Debug, Write as _};
use core::hash::Hash;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::HashSet;

use alloc::string::String;

/// Whether each call and return has a number of its own: see the module's documentation.
const NUMBERED: bool = cfg!(not(loom));
/// Configurations after which a history is too long to be judged.
const MOST_CONFIGURATIONS: usize = 2_000_000;

/// What an object does when one thread alone uses it.
pub trait Specification: Clone + Eq + Hash + Debug {
    /// An operation and what it answered.
    type Op: Debug;

    /// Does what `op` did, and returns whether the object could have answered so.
    ///
    /// What the state is after `false` does not matter.
    fn accepts(&mut self, op: &Self::Op) -> bool;
}

/// Says when operations are called and return. One for each history.
#[derive(Debug, Default)]
pub struct Clock {
    // Not modelled on purpose: a checker must not see it, and numbers of one run steer nothing.
    now: AtomicUsize,
}

impl Clock {
    /// Returns a clock at its beginning.
    #[must_use]
    pub const fn new() -> Self {
        Self { now: AtomicUsize::new(0) }
    }

    fn tick(&self) -> usize {
        if NUMBERED {
            // ORD[history-numbers] AcqRel → AcqRel of later ticks: a smaller number happens before.
            self.now.fetch_add(1, Ordering::AcqRel)
        } else {
            // ORD Relaxed: a model runs on one thread of the operating system.
            self.now.load(Ordering::Relaxed)
        }
    }

    /// Says that nobody else is at work: what was recorded so far is before what follows.
    ///
    /// Only loom needs it, and there only the model's main may call it, before it starts other threads
    /// or when it has joined them.
    pub fn settle(&self) {
        // ORD[history-numbers] AcqRel, as every tick.
        self.now.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns a log for one thread's operations.
    #[must_use]
    pub const fn log<O>(&self) -> Log<'_, O> {
        Log { clock: self, events: Vec::new() }
    }

    /// Returns the history of which each log is one thread's part.
    #[must_use]
    pub fn history<'c, O: 'c>(&self, logs: impl IntoIterator<Item = Log<'c, O>>) -> History<O> {
        History { threads: logs.into_iter().map(|log| log.events).collect() }
    }
}

/// What one thread did, in its order.
#[derive(Debug)]
pub struct Log<'c, O> {
    clock: &'c Clock,
    events: Vec<Event<O>>,
}

impl<O> Log<'_, O> {
    /// Runs an operation and records what it says that it did.
    pub fn call(&mut self, operation: impl FnOnce() -> O) {
        self.call_many(|| [operation()]);
    }

    /// Runs a call that does several operations, one after the other, and records them: each may
    /// happen at a moment of its own.
    pub fn call_many<I: IntoIterator<Item = O>>(&mut self, operation: impl FnOnce() -> I) {
        let called = self.clock.tick();
        let done = operation();
        let returned = self.clock.tick();
        self.events.extend(done.into_iter().map(|op| Event { op, called, returned }));
    }
}

/// One operation.
#[derive(Clone, Debug)]
struct Event<O> {
    op: O,
    called: usize,
    returned: usize,
}

/// What several threads did: see the [module](self).
#[derive(Clone, Debug)]
pub struct History<O> {
    /// Each thread's operations, in its order.
    threads: Vec<Vec<Event<O>>>,
}

impl<O> Default for History<O> {
    fn default() -> Self {
        Self { threads: Vec::new() }
    }
}

/// No order explains a history.
#[derive(Clone, PartialEq, Eq)]
pub struct Unexplained(String);

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Unexplained {}

impl<O: Debug> History<O> {
    /// Adds a thread by hand: each operation with the numbers of its call and its return.
    ///
    /// For histories that were not recorded here.
    ///
    /// # Panics
    ///
    /// Panics when an operation returns before it is called, or is called before the one before it
    /// returned.
    #[must_use]
    pub fn thread(mut self, operations: impl IntoIterator<Item = (O, usize, usize)>) -> Self {
        let mut last = 0;
        let events = operations.into_iter().map(|(op, called, returned)| {
            assert!(last <= called && called <= returned, "{op:?}: {last} … {called}–{returned}");
            last = returned;
            Event { op, called, returned }
        });
        self.threads.push(events.collect());
        self
    }

    /// Returns how many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.threads.iter().map(Vec::len).sum()
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds an order that explains every answer, beginning with an object in state `initial`.
    ///
    /// Returns the operations in that order, each as its thread and its place among that thread's.
    ///
    /// # Errors
    ///
    /// None does. The error shows the history and the longest beginning of it that was explained.
    ///
    /// # Panics
    ///
    /// Panics when the history is too long to be judged.
    pub fn explained_by<S: Specification<Op = O>>(
        &self,
        initial: S,
    ) -> Result<Vec<(usize, usize)>, Unexplained> {
        let mut search = Search {
            threads: &self.threads,
            dead_ends: HashSet::new(),
            order: Vec::new(),
            deepest: (Vec::new(), initial.clone()),
        };
        let mut next = alloc::vec![0; self.threads.len()];
        if search.explains(&mut next, initial) {
            return Ok(search.order);
        }
        let (order, state) = search.deepest;
        Err(Unexplained(self.shown(&order, &state)))
    }

    /// The history, thread by thread, with the places of `order`.
    fn shown(&self, order: &[(usize, usize)], state: &impl Debug) -> String {
        let mut text = alloc::format!(
            "no order explains these {} operations; at most {} of them, which lead to {state:?}:\n",
            self.len(),
            order.len()
        );
        for (thread, events) in self.threads.iter().enumerate() {
            for (place, Event { op, called, returned }) in events.iter().enumerate() {
                let at = order.iter().position(|&step| step == (thread, place));
                let at = at.map_or_else(|| "?".into(), |at| alloc::format!("#{}", at + 1));
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "  thread {thread}  {called:>4} –{returned:>4}  {at:>4}  {op:?}"
                );
            }
        }
        text
    }
}

struct Search<'h, S: Specification> {
    threads: &'h [Vec<Event<S::Op>>],
    /// Configurations from which no order leads to the end.
    dead_ends: HashSet<(Vec<usize>, S)>,
    /// The order so far.
    order: Vec<(usize, usize)>,
    /// The longest order that there was, and the state after it.
    deepest: (Vec<(usize, usize)>, S),
}

impl<S: Specification> Search<'_, S> {
    /// Whether what follows `next`, each thread's next operation, can be explained from `state`.
    fn explains(&mut self, next: &mut Vec<usize>, state: S) -> bool {
        if self.order.len() > self.deepest.0.len() {
            self.deepest = (self.order.clone(), state.clone());
        }
        let mut candidates = self.candidates(next);
        if candidates.is_empty() {
            return true;
        }
        // Just in time: what has to return first.
        candidates.sort_by_key(|&(_, returned)| returned);
        for (thread, _) in candidates {
            let place = next[thread];
            let mut after = state.clone();
            if !after.accepts(&self.threads[thread][place].op) {
                continue;
            }
            next[thread] += 1;
            let known = !cfg!(bug = "history_forgets_the_state")
                && self.dead_ends.contains(&(next.clone(), after.clone()));
            let known = known
                || (cfg!(bug = "history_forgets_the_state")
                    && self.dead_ends.iter().any(|(places, _)| places == next));
            if !known {
                self.order.push((thread, place));
                if self.explains(next, after) {
                    return true;
                }
                self.order.pop();
            }
            next[thread] -= 1;
        }
        self.dead_ends.insert((next.clone(), state));
        assert!(
            self.dead_ends.len() < MOST_CONFIGURATIONS,
            "a history of {} operations is too long to be judged: record shorter windows",
            self.threads.iter().map(Vec::len).sum::<usize>()
        );
        false
    }

    /// The threads whose next operation no other must precede, with the number of its return.
    fn candidates(&self, next: &[usize]) -> Vec<(usize, usize)> {
        let heads = || {
            let heads = self.threads.iter().zip(next).enumerate();
            heads.filter_map(|(thread, (events, &place))| Some((thread, events.get(place)?)))
        };
        let first_return = heads().map(|(_, event)| event.returned).min().unwrap_or(0);
        let eligible = heads().filter(|(_, event)| {
            event.called <= first_return || cfg!(bug = "history_ignores_time")
        });
        eligible.map(|(thread, event)| (thread, event.returned)).collect()
    }
}
