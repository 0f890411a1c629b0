//! Histories of every structure in every interleaving: one order explains each.
//!
//! Here each thread's own order counts, and what was over before the threads began or begins after
//! they ended: nothing else is ordered under loom's memory model. `suites.rs` has histories by the
//! clock, of real threads; `shuttle_crowd.rs` of eight.
#![cfg(loom)]

mod common;

use common::Subject;
use common::histories::{Plan, once};
use common::subjects::{Indexed, Intrusive, Queue, Ring, SoftQueue, Spsc};
use primitives::model::Model;
use primitives::sync::thread;

/// The outcomes are how much came out while senders were at work.
fn check<S: Subject<u32>>(name: &str, plan: Plan, taken: &[&str]) {
    let model = Model::new(name).reaches(taken.iter().copied()).floor(20);
    model.check(move |seen| seen.record(once::<S>(plan)));
}

/// Two senders meet in the last free place, while one takes.
const TWO_SEND: Plan =
    Plan { capacity: 2, before: 1, senders: 2, pushes: 1, receivers: 1, takes: 2 };
/// Two receivers want what one sends, in more than one lap.
const TWO_TAKE: Plan =
    Plan { capacity: 2, before: 1, senders: 1, pushes: 2, receivers: 2, takes: 1 };
/// Round and round.
const ONE_EACH: Plan =
    Plan { capacity: 2, before: 1, senders: 1, pushes: 3, receivers: 1, takes: 4 };

/// The same, where an operation is many steps.
const ONE_EACH_SHORT: Plan =
    Plan { capacity: 2, before: 1, senders: 1, pushes: 2, receivers: 1, takes: 2 };

#[test]
fn loom_linear_intrusive_stack() {
    check::<Intrusive>("linear_intrusive_stack_two_send", TWO_SEND, &["1", "2", "3"]);
    check::<Intrusive>("linear_intrusive_stack", ONE_EACH_SHORT, &["1", "2", "3"]);
}

/// With crossbeam-epoch under the same checker, whose own steps make it long.
#[cfg(all(crossbeam_loom, feature = "epoch"))]
#[test]
fn loom_linear_epoch_stack() {
    check::<common::subjects::Epoch>("linear_epoch_stack", ONE_EACH_SHORT, &["1", "2"]);
}

#[test]
fn loom_linear_index_stack() {
    check::<Indexed>("linear_index_stack", ONE_EACH_SHORT, &["1", "2"]);
}

#[test]
fn loom_linear_mpmc_queue() {
    check::<Queue>("linear_mpmc_queue", ONE_EACH_SHORT, &["1", "2"]);
}

#[test]
fn loom_linear_mpmc_queue_at_its_soft_capacity() {
    check::<SoftQueue>("linear_mpmc_queue_at_its_soft_capacity", ONE_EACH_SHORT, &["1", "2"]);
}

#[test]
fn loom_linear_spsc_ring() {
    check::<Spsc>("linear_spsc_ring", ONE_EACH, &["1", "2", "3"]);
}

#[test]
fn loom_linear_mpmc_ring_two_send() {
    check::<Ring>("linear_mpmc_ring_two_send", TWO_SEND, &["1", "2"]);
}

#[test]
fn loom_linear_mpmc_ring_two_take() {
    check::<Ring>("linear_mpmc_ring_two_take", TWO_TAKE, &["1", "2"]);
}

/// Of two threads that each got on and were then refused, one at each end of a ring: whether one order
/// explains both refusals.
fn both_refused<S: Subject<u32>>(name: &str, outcomes: &[&str]) {
    Model::new(name).reaches(outcomes.iter().copied()).floor(20).check(|seen| {
        let (mut senders, mut receivers) = S::open(2, 1, 1);
        let (mut into, mut from) = (senders.remove(0), receivers.remove(0));
        S::push(&mut into, 0).unwrap();
        let sender = thread::spawn(move || {
            S::push(&mut into, 1).unwrap();
            let refused = S::push(&mut into, 2).is_err();
            (refused, into)
        });
        assert_eq!(S::take(&mut from), [0]);
        let empty = S::take(&mut from).is_empty();
        let (full, _into) = sender.join().unwrap();
        seen.record(match (full, empty) {
            (true, true) => "both refused",
            (true, false) => "full",
            (false, true) => "empty",
            (false, false) => "neither",
        });
    });
}

/// A full fence before a refusal: the ring of many threads does not refuse both.
#[test]
fn loom_linear_mpmc_ring_does_not_refuse_both() {
    both_refused::<Ring>("linear_mpmc_ring_does_not_refuse_both", &["full", "empty", "neither"]);
}

/// The same of the unbounded queue at its soft capacity.
#[test]
fn loom_linear_mpmc_queue_does_not_refuse_both() {
    let outcomes = ["full", "empty", "neither"];
    both_refused::<SoftQueue>("linear_mpmc_queue_does_not_refuse_both", &outcomes);
}

/// No fence: each end may look at the other before its own store is seen, and both are refused. That is
/// what the documentation says of refusals, and why the model of the ring of two threads leaves `Full`
/// to it.
#[test]
fn loom_linear_spsc_ring_may_refuse_both() {
    let outcomes = ["both refused", "full", "empty", "neither"];
    both_refused::<Spsc>("linear_spsc_ring_may_refuse_both", &outcomes);
}
