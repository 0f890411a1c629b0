//! Real threads: many short rounds on one structure, each recorded and judged.

use super::Subject;
use super::container::SENDER;
use super::histories::{Plan, fault, push, take};
use core::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use primitives::history::Clock;
use std::sync::{Mutex, PoisonError};

/// Runs `plan` by real threads, `rounds` times on one structure, which goes round and round.
///
/// Each round ends with the structure emptied and what all did judged. Returns how many receivers came
/// while senders were at work and found something, and how many found nothing: with none of either
/// kind the rounds showed little.
pub(crate) fn rounds<S: Subject<u32>>(plan: Plan, rounds: usize) -> (usize, usize) {
    let clock = Clock::new();
    let (senders, receivers) = S::open(plan.capacity, plan.senders, plan.receivers);
    let all = plan.senders + plan.receivers;
    let logs = Mutex::new(Vec::new());
    let hand_in = |log| logs.lock().unwrap_or_else(PoisonError::into_inner).push(log);
    let (start, emptied, judged) = (Meeting::new(all), Meeting::new(all), Meeting::new(all));
    let (found, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Told at the end: a thread that panics would leave the others waiting.
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (number, mut sender) in (0..).zip(senders) {
            let (clock, start, emptied, judged, hand_in) =
                (&clock, &start, &emptied, &judged, &hand_in);
            scope.spawn(move || {
                for _ in 0..rounds {
                    let mut log = clock.log();
                    start.wait();
                    for value in 0..plan.pushes {
                        push::<S>(&mut log, &mut sender, number * SENDER + value);
                    }
                    hand_in(log);
                    emptied.wait();
                    judged.wait();
                }
            });
        }
        for (number, mut receiver) in receivers.into_iter().enumerate() {
            let (clock, start, emptied, judged, hand_in, logs) =
                (&clock, &start, &emptied, &judged, &hand_in, &logs);
            let (found, missed, faults) = (&found, &missed, &faults);
            scope.spawn(move || {
                for _ in 0..rounds {
                    let mut log = clock.log();
                    start.wait();
                    for _ in 0..plan.takes {
                        let count = take::<S>(&mut log, &mut receiver);
                        (if count > 0 { found } else { missed }).fetch_add(1, AcqRel);
                    }
                    hand_in(log);
                    emptied.wait();
                    if number == 0 {
                        let mut rest = clock.log();
                        while take::<S>(&mut rest, &mut receiver) > 0 {}
                        hand_in(rest);
                        let mut logs = logs.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(fault) = fault::<S>(&clock.history(logs.drain(..)), plan) {
                            faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
                        }
                    }
                    judged.wait();
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(faults.is_empty(), "{} of {rounds} rounds: {}", faults.len(), faults[0]);
    (found.into_inner(), missed.into_inner())
}

/// Where threads wait for each other without going to sleep, so that they leave together.
pub(crate) struct Meeting {
    threads: usize,
    arrived: AtomicUsize,
}

impl Meeting {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0) }
    }

    /// Waits for all. A thread that panicked never comes: the others give up after a while.
    pub(crate) fn wait(&self) {
        let arrived = self.arrived.fetch_add(1, AcqRel) + 1;
        let all = arrived.next_multiple_of(self.threads);
        let mut tries = 0_u32;
        let since = std::time::Instant::now();
        while self.arrived.load(Acquire) < all {
            tries += 1;
            if tries.is_multiple_of(64) {
                std::thread::yield_now();
                assert!(since.elapsed().as_secs() < 60, "a thread of the round is gone");
            } else {
                core::hint::spin_loop();
            }
        }
    }
}
