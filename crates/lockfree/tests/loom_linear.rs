//! Histories of every structure in every interleaving: one order explains each.
//!
//! Here each thread's own order counts, and what was over before the threads began or begins after
//! they ended: nothing else is ordered under loom's memory model. `suites.rs` has histories by the
//! clock, of real threads; `shuttle_crowd.rs` of eight.
#![cfg(loom)]

mod common;

use common::Subject;
use common::histories::{Plan, once};
use common::mixed::{self, Mixed, PushesAfterClose, Soft, SplitsBatches, Step};
use common::subjects::{Indexed, Intrusive, Parcel, Queue, Ring, SoftQueue, Spsc};
use lockfree::{IndexStack, IntrusiveStack, MpmcQueue, MpmcRing};
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

/// Histories of batches, attempts, force and closing. The outcomes are kinds of operations.
fn everything<M: Mixed>(name: &str, plan: mixed::Plan, kinds: &[&str]) {
    let model = Model::new(name).reaches(kinds.iter().copied()).floor(20);
    model.check(move |seen| {
        let kinds = mixed::once::<M>(plan).unwrap_or_else(|fault| panic!("{fault}"));
        kinds.into_iter().for_each(|kind| seen.record(kind));
    });
}

/// Two batches go in, and one comes out.
const BATCHES: mixed::Plan = mixed::Plan {
    capacity: 3,
    turns: 1,
    before: 1,
    threads: &[&[Step::TakeBatch(2)], &[Step::PushBatch(2)], &[Step::PushBatch(2)]],
};

/// A batch and a take meet who closes.
const CLOSE: mixed::Plan = mixed::Plan {
    capacity: 2,
    turns: 1,
    before: 0,
    threads: &[&[Step::Close, Step::TakeBatch(2)], &[Step::PushBatch(2)]],
};

#[test]
fn loom_linear_batches_of_the_mpmc_ring() {
    let kinds = ["taken", "run out", "run in", "run in ends", "full"];
    everything::<MpmcRing<u32>>("linear_batches_of_the_mpmc_ring", BATCHES, &kinds);
}

#[test]
fn loom_linear_closing_of_the_mpmc_ring() {
    let kinds = ["close", "closed", "ended", "run in", "run in ends", "taken", "run out"];
    everything::<MpmcRing<u32>>("linear_closing_of_the_mpmc_ring", CLOSE, &kinds);
}

#[test]
fn loom_linear_force_on_the_mpmc_ring() {
    let plan = mixed::Plan {
        capacity: 2,
        turns: 1,
        before: 1,
        threads: &[&[Step::Force, Step::Take], &[Step::Force]],
    };
    let kinds = ["forced", "displaced", "taken"];
    everything::<MpmcRing<u32>>("linear_force_on_the_mpmc_ring", plan, &kinds);
}

#[test]
fn loom_linear_attempts_on_the_mpmc_ring() {
    let plan = mixed::Plan {
        capacity: 2,
        turns: 1,
        before: 1,
        threads: &[
            &[Step::TryTakeBatch(2), Step::TryPush],
            &[Step::TryPushBatch(2), Step::TryTake],
        ],
    };
    let kinds = ["taken", "run out", "empty", "pushed", "full", "busy", "run in", "run in ends"];
    everything::<MpmcRing<u32>>("linear_attempts_on_the_mpmc_ring", plan, &kinds);
}

#[test]
fn loom_linear_batches_of_the_mpmc_queue() {
    // The batch begins in one block and ends in the next; the push comes before it, in it, or behind.
    let plan = mixed::Plan {
        capacity: 0,
        turns: 1,
        before: 0,
        threads: &[&[Step::Push, Step::TryTakeBatch(3)], &[Step::PushBatch(2)]],
    };
    let kinds = ["pushed", "taken", "run in", "run in ends"];
    let model = Model::new("linear_batches_of_the_mpmc_queue").preemptions(1).floor(1_100);
    model.reaches(kinds).check(move |seen| {
        let kinds = mixed::once::<MpmcQueue<u32>>(plan).unwrap_or_else(|fault| panic!("{fault}"));
        kinds.into_iter().for_each(|kind| seen.record(kind));
    });
}

#[test]
fn loom_linear_closing_of_the_mpmc_queue() {
    let kinds = ["close", "closed", "ended", "run in", "run in ends", "taken"];
    everything::<MpmcQueue<u32>>("linear_closing_of_the_mpmc_queue", CLOSE, &kinds);
}

#[test]
fn loom_linear_batches_of_the_index_stack() {
    let plan = mixed::Plan {
        capacity: 4,
        turns: 0,
        before: 1,
        threads: &[&[Step::TakeBatch(2)], &[Step::PushBatch(2)]],
    };
    let kinds = ["taken", "run out", "run in", "run in ends"];
    everything::<IndexStack<u32>>("linear_batches_of_the_index_stack", plan, &kinds);
}

#[test]
fn loom_linear_chains_of_the_intrusive_stack() {
    let plan = mixed::Plan {
        capacity: 0,
        turns: 0,
        before: 0,
        threads: &[&[Step::PushBatch(2), Step::Take], &[Step::PushBatch(2)]],
    };
    let kinds = ["taken", "run in", "run in ends"];
    let name = "linear_chains_of_the_intrusive_stack";
    everything::<IntrusiveStack<Parcel<u32>>>(name, plan, &kinds);
}

/// One makes room and fills it again, and another finds a room for two that never has two values: who
/// sees the push sees the pop before it, and does not say Full.
const TAKES_AND_PUSHES: mixed::Plan = mixed::Plan {
    capacity: 2,
    turns: 1,
    before: 1,
    threads: &[&[Step::TryTake, Step::TryPush], &[Step::TryPush]],
};

/// One puts a value in and takes another out, and another finds a structure that is never empty: who sees
/// the pop sees the push before it, and does not say Empty.
const PUSHES_AND_TAKES: mixed::Plan = mixed::Plan {
    capacity: 2,
    turns: 1,
    before: 1,
    threads: &[&[Step::TryPush, Step::TryTake], &[Step::TryTake]],
};

#[test]
fn loom_linear_mpmc_ring_full_of_who_sees_a_push() {
    let name = "linear_mpmc_ring_full_of_who_sees_a_push";
    everything::<MpmcRing<u32>>(name, TAKES_AND_PUSHES, &["pushed", "taken", "busy"]);
}

#[test]
fn loom_linear_mpmc_ring_empty_of_who_sees_a_pop() {
    let name = "linear_mpmc_ring_empty_of_who_sees_a_pop";
    everything::<MpmcRing<u32>>(name, PUSHES_AND_TAKES, &["pushed", "taken", "busy"]);
}

/// The same by batches.
#[test]
fn loom_linear_mpmc_ring_full_of_who_sees_a_batch() {
    let plan = mixed::Plan {
        threads: &[&[Step::TryTake, Step::TryPushBatch(1)], &[Step::TryPush]],
        ..TAKES_AND_PUSHES
    };
    let name = "linear_mpmc_ring_full_of_who_sees_a_batch";
    everything::<MpmcRing<u32>>(name, plan, &["run in ends", "pushed", "taken", "busy"]);
}

/// The same by batches.
#[test]
fn loom_linear_mpmc_ring_empty_of_who_sees_a_batch() {
    let plan = mixed::Plan {
        threads: &[&[Step::TryPush, Step::TryTakeBatch(1)], &[Step::TryTake]],
        ..PUSHES_AND_TAKES
    };
    let name = "linear_mpmc_ring_empty_of_who_sees_a_batch";
    everything::<MpmcRing<u32>>(name, plan, &["pushed", "taken", "busy"]);
}

#[test]
fn loom_linear_mpmc_queue_full_of_who_sees_a_push() {
    let name = "linear_mpmc_queue_full_of_who_sees_a_push";
    // The first push is not at the end of a block, which would make it long.
    let plan = mixed::Plan { turns: 0, ..TAKES_AND_PUSHES };
    everything::<Soft>(name, plan, &["pushed", "taken"]);
}

#[test]
fn loom_linear_mpmc_queue_empty_of_who_sees_a_pop() {
    let name = "linear_mpmc_queue_empty_of_who_sees_a_pop";
    everything::<Soft>(name, PUSHES_AND_TAKES, &["pushed", "taken"]);
}

/// What these models would say of structures that are wrong: a batch that is split, and a push after
/// closing.
#[test]
fn loom_linear_tells_a_wrong_structure() {
    fn tells<M: Mixed>(name: &str, plan: mixed::Plan) {
        Model::new(name).reaches(["right", "wrong"]).floor(20).check(move |seen| {
            seen.record(if mixed::once::<M>(plan).is_ok() { "right" } else { "wrong" });
        });
    }
    let batch = mixed::Plan {
        capacity: 3,
        turns: 0,
        before: 0,
        threads: &[&[Step::Push], &[Step::PushBatch(2)]],
    };
    tells::<SplitsBatches>("linear_tells_a_split_batch", batch);
    let close = mixed::Plan {
        capacity: 2,
        turns: 0,
        before: 0,
        threads: &[&[Step::Close, Step::Take], &[Step::Push]],
    };
    tells::<PushesAfterClose>("linear_tells_a_push_after_close", close);
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
