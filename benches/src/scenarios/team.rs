//! Long-lived, pinned threads that run rounds together.
//!
//! ```text
//!  run(rounds)   member 0 … n-1 (pinned, asleep between runs)
//!      │  wake ───▶ round 1 ─┐ gate ┌─ round 2 ─┐ gate ┌─ … ─┐ sums
//!      │                     └──────┘           └──────┘     │
//!      └────────────────────────────── sleep ◀───────────────┘ last one wakes the caller
//! ```
//!
//! Threads are spawned once, when the engine is built, and sleep between runs, so that they
//! disturb no other engine's samples. A run costs one wake-up (some tens of microseconds) whatever
//! its rounds: make rounds many. Within a run members meet at a [`Gate`] after each round; the last
//! to arrive does what needs everybody's absence (a reset).
//!
//! Every member must finish the same rounds, so a run takes as long as its slowest member.

use core::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use super::checksum::fold;
use crate::runner::worker::quarry_bench_measured_member;
use crate::threads;

/// What a team does: the state that its members share.
pub trait Work: Send + Sync + 'static {
    /// A member's own state, made in its thread.
    type Member;

    /// Makes member `index`'s state, in the pinned thread.
    fn join(&self, index: usize) -> Self::Member;

    /// One round of one member; with `sum`, returns the checksum of the member's contents.
    fn round(&self, member: &mut Self::Member, sum: bool) -> u64;

    /// What stands between two rounds.
    ///
    /// # Safety
    ///
    /// No member is in [`Work::round`], and none starts until this returns; everything the members
    /// did before happens before it.
    unsafe fn between(&self);
}

/// Threads that run a [`Work`].
#[derive(Debug)]
pub struct Team {
    desk: Arc<Desk>,
    members: Vec<JoinHandle<()>>,
}

/// Where the caller leaves work and waits.
#[derive(Debug)]
struct Desk {
    order: Mutex<Order>,
    wake: Condvar,
    done: Condvar,
}

#[derive(Debug)]
struct Order {
    /// Counts runs; members sleep until it changes.
    run: u64,
    /// Rounds of this run; `None` ends the members.
    rounds: Option<u64>,
    /// Members still at work.
    busy: usize,
    /// Each member's checksum of its last round.
    sums: Vec<u64>,
}

impl Desk {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().expect("a member that panics ends the process")
    }
}

impl Team {
    /// Starts `count` threads, the `index`-th pinned to the `index`-th CPU (round and round).
    pub fn new<W: Work>(count: usize, work: W) -> Self {
        Self::on(threads::cpus().len(), count, work)
    }

    /// As [`new`](Self::new), on the first `cpus` CPUs of those there are.
    pub fn on<W: Work>(cpus: usize, count: usize, work: W) -> Self {
        let cpus = cpus.min(threads::cpus().len());
        let order = Order { run: 0, rounds: None, busy: count, sums: vec![0; count] };
        let desk =
            Arc::new(Desk { order: Mutex::new(order), wake: Condvar::new(), done: Condvar::new() });
        let shared = Arc::new((work, Gate::new(count, cpus)));
        let members = (0..count)
            .map(|index| {
                let (desk, shared) = (Arc::clone(&desk), Arc::clone(&shared));
                thread::spawn(move || {
                    let _alarm = AbortOnPanic;
                    threads::pin(index % cpus);
                    serve(&desk, &shared.0, &shared.1, index);
                })
            })
            .collect();
        let team = Self { desk, members };
        drop(team.wait());
        team
    }

    /// Lets everybody do `rounds` rounds and returns their checksums of the last one, in order of
    /// their numbers, folded into one.
    pub fn run(&mut self, rounds: u64) -> u64 {
        {
            let mut order = self.desk.order();
            order.rounds = Some(rounds);
            order.busy = self.members.len();
            order.run += 1;
        }
        self.desk.wake.notify_all();
        self.wait().sums.iter().fold(0, |sum, &member| fold(sum, member))
    }

    fn wait(&self) -> MutexGuard<'_, Order> {
        self.desk
            .done
            .wait_while(self.desk.order(), |order| order.busy > 0)
            .expect("a member that panics ends the process")
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        {
            let mut order = self.desk.order();
            order.rounds = None;
            order.run += 1;
        }
        self.desk.wake.notify_all();
        for member in self.members.drain(..) {
            // A member that panicked has ended the process already.
            let _ = member.join();
        }
    }
}

/// A member's life: report ready, then do what is ordered until the order is to end.
fn serve<W: Work>(desk: &Desk, work: &W, gate: &Gate, index: usize) {
    let mut state = work.join(index);
    let mut run = 0;
    let mut sum = 0;
    loop {
        let rounds = {
            let mut order = desk.order();
            order.sums[index] = sum;
            order.busy -= 1;
            if order.busy == 0 {
                desk.done.notify_one();
            }
            let order = desk
                .wake
                .wait_while(order, |order| order.run == run)
                .expect("a member that panics ends the process");
            run = order.run;
            match order.rounds {
                Some(rounds) => rounds,
                None => return,
            }
        };
        gate.meet(|| {});
        quarry_bench_measured_member(&mut || {
            for round in 1..=rounds {
                sum = work.round(&mut state, round == rounds);
                // SAFETY: the last to arrive runs this while all others wait at the gate, whose edges
                // order it after their rounds and before their next ones.
                gate.meet(|| unsafe { work.between() });
            }
        });
    }
}

/// Where members meet: the last to arrive does something alone, then all go on.
///
/// Spins briefly, then yields: with more members than CPUs the last one needs somebody's turn.
#[derive(Debug)]
struct Gate {
    count: usize,
    /// Each has a CPU of its own.
    spin: bool,
    arrived: AtomicUsize,
    /// Counts meetings.
    meeting: AtomicUsize,
}

impl Gate {
    /// Spins before the first yield: a few microseconds.
    const SPINS: usize = 1000;

    fn new(count: usize, cpus: usize) -> Self {
        Self {
            count,
            spin: count <= cpus,
            arrived: AtomicUsize::new(0),
            meeting: AtomicUsize::new(0),
        }
    }

    fn meet(&self, alone: impl FnOnce()) {
        // ORD Relaxed: the count changes only when everybody has arrived, and we have not yet.
        let meeting = self.meeting.load(Relaxed);
        // ORD[gate-arrive] AcqRel: Release for what this member did in its round, Acquire for what
        // those who arrived before did; the last one therefore sees everybody's round.
        if self.arrived.fetch_add(1, AcqRel) + 1 == self.count {
            alone();
            // ORD Relaxed: published by the store below; nobody touches it before they read that.
            self.arrived.store(0, Relaxed);
            // ORD[gate-open] Release → Acquire below: `alone` and the count happen before whatever
            // a member does next.
            self.meeting.store(meeting.wrapping_add(1), Release);
            return;
        }
        let mut spins = 0;
        // ORD[gate-open] Acquire ← Release above.
        while self.meeting.load(Acquire) == meeting {
            if self.spin && spins < Self::SPINS {
                spins += 1;
                core::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

/// A member that panics would leave the others waiting for ever: end the process instead, after
/// the panic's message.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::UnsafeCell;

    /// Members add to their own cell; between rounds all cells are added up and cleared.
    struct Adding {
        cells: Vec<UnsafeCell<u64>>,
        total: UnsafeCell<u64>,
    }

    // SAFETY: a cell is touched by its member within a round and by one thread between rounds.
    unsafe impl Sync for Adding {}

    impl Work for Adding {
        type Member = usize;

        fn join(&self, index: usize) -> usize {
            index
        }

        fn round(&self, index: &mut usize, sum: bool) -> u64 {
            // SAFETY: the member's own cell, within its round.
            unsafe { *self.cells[*index].get() += 1 };
            if !sum {
                return 0;
            }
            // SAFETY: nobody writes the total within a round.
            unsafe { *self.total.get() }
        }

        unsafe fn between(&self) {
            for cell in &self.cells {
                // SAFETY: every member waits.
                let added = unsafe { cell.get().replace(0) };
                // SAFETY: every member waits.
                unsafe { *self.total.get() += added };
            }
        }
    }

    #[test]
    fn rounds_and_what_stands_between_them_never_overlap() {
        for (cpus, count) in [(1, 1), (1, 2), (2, 2), (2, 4), (usize::MAX, 4)] {
            let cells = (0..count).map(|_| UnsafeCell::new(0)).collect();
            let mut team = Team::on(cpus, count, Adding { cells, total: UnsafeCell::new(0) });
            let expected = |rounds: u64| {
                let total = rounds * count as u64;
                (0..count).fold(0, |sum, _| fold(sum, total))
            };
            // In round n the total is that of the n - 1 rounds before.
            assert_eq!(team.run(500), expected(499), "{count} members");
            assert_eq!(team.run(1), expected(500), "{count} members");
        }
    }
}
