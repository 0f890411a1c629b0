//! Eight threads at once, in random schedules: nothing is lost, who goes last tears down, and one order
//! explains what all did.
//!
//! Shuttle's threads take turns on one thread of the system, which is one participant to crossbeam-epoch:
//! of `EpochStack` its own steps are scheduled, and whether a node is freed too early is not seen here but
//! in `loom_epoch.rs`, where the collector is modelled with it.
#![cfg(shuttle)]

mod common;

use common::histories::{Plan, once};
use common::mixed::Step::{
    Close, Force, Push, PushBatch, Take, TakeBatch, TryForce, TryPush, TryPushBatch, TryTake,
    TryTakeBatch,
};
use common::mixed::{self, Mixed};
use common::subjects::{Indexed, Intrusive, Queue, Ring, SoftQueue, Spsc};
use common::{Subject, crowd};
use lockfree::{IndexStack, MpmcQueue, MpmcRing};
use primitives::model::Model;

const SCHEDULES: usize = 500;

/// Drained by four while four send; every value comes out once.
fn drained<S: Subject<u32>>(name: &str) {
    let model = Model::new(format!("{name}_drained_by_a_crowd")).floor(SCHEDULES);
    let several = if S::MOST.1 > 1 { "by several" } else { "by one" };
    model.reaches([several]).check_random(SCHEDULES, move |seen| {
        // Where there are several, a schedule in which one has it all is rare, and shows nothing.
        if crowd::nothing_is_lost::<S>(2, 3) > 1 || S::MOST.1 == 1 {
            seen.record(several);
        }
    });
}

/// Whoever is last has the rest to drop.
fn torn_down<S: Subject<common::suite::Counted>>(name: &str) {
    let model = Model::new(format!("{name}_torn_down_by_a_crowd")).floor(SCHEDULES);
    model.reaches(["something left"]).check_random(SCHEDULES, |seen| {
        if crowd::torn_down::<S>(3, 2) > 0 {
            seen.record("something left");
        }
    });
}

/// What all did is explained by one order.
fn linear<S: Subject<u32>>(name: &str) {
    let (senders, receivers) = (S::MOST.0.min(4), S::MOST.1.min(4));
    let plan = Plan { capacity: 2, before: 1, senders, pushes: 2, receivers, takes: 2 };
    let model = Model::new(format!("{name}_histories_of_a_crowd")).floor(SCHEDULES);
    model.reaches(["taken while others send"]).check_random(SCHEDULES, move |seen| {
        if once::<S>(plan) > 1 {
            seen.record("taken while others send");
        }
    });
}

fn all<S: Subject<u32> + Subject<common::suite::Counted>>(name: &str) {
    drained::<S>(name);
    torn_down::<S>(name);
    linear::<S>(name);
}

#[test]
fn shuttle_intrusive_stack() {
    all::<Intrusive>("intrusive_stack");
}

#[test]
fn shuttle_index_stack() {
    all::<Indexed>("index_stack");
}

#[cfg(feature = "epoch")]
#[test]
fn shuttle_epoch_stack() {
    all::<common::subjects::Epoch>("epoch_stack");
}

#[test]
fn shuttle_mpmc_ring() {
    all::<Ring>("mpmc_ring");
}

#[test]
fn shuttle_spsc_ring() {
    all::<Spsc>("spsc_ring");
}

#[test]
fn shuttle_mpmc_queue() {
    all::<Queue>("mpmc_queue");
}

#[test]
fn shuttle_mpmc_queue_at_its_soft_capacity() {
    all::<SoftQueue>("mpmc_queue_at_its_soft_capacity");
}

/// Four threads do everything there is, on a structure that is closed meanwhile.
fn mixed<M: Mixed>(name: &str, plan: mixed::Plan, kinds: &'static [&str]) {
    let model = Model::new(format!("{name}_mixed_by_a_crowd")).floor(SCHEDULES);
    model.reaches(kinds.iter().copied()).check_random(SCHEDULES, move |seen| {
        let all = mixed::once::<M>(plan).unwrap_or_else(|fault| panic!("{fault}"));
        // Others are there in some schedules and not in all.
        kinds.iter().filter(|&kind| all.contains(kind)).for_each(|kind| seen.record(kind));
    });
}

#[test]
fn shuttle_mixed_histories() {
    let plan = mixed::Plan {
        capacity: 3,
        turns: 2,
        before: 1,
        threads: &[
            &[PushBatch(2), TryTake, Force],
            &[TakeBatch(2), TryPush, TryTakeBatch(2)],
            &[PushBatch(3), TryForce, Take],
            &[TryPushBatch(2), Close, Push, TakeBatch(3)],
        ],
    };
    let kinds = &["run in", "forced", "full", "busy", "taken", "run out", "close", "closed"];
    mixed::<MpmcRing<u32>>("mpmc_ring", plan, kinds);
    let plan = mixed::Plan {
        capacity: 0,
        turns: 1,
        before: 1,
        threads: &[
            &[PushBatch(3), TryTake, Push],
            &[TakeBatch(2), TryTakeBatch(2)],
            &[PushBatch(2), Take],
            &[PushBatch(2), Close, Push, TakeBatch(3)],
        ],
    };
    let kinds =
        ["run in", "run in ends", "pushed", "busy", "taken", "empty", "close", "closed", "ended"];
    let kinds = &["run in", "taken", "empty", "close", "closed"];
    mixed::<MpmcQueue<u32>>("mpmc_queue", plan, kinds);
    let plan = mixed::Plan {
        capacity: 8,
        turns: 1,
        before: 1,
        threads: &[
            &[PushBatch(3), Take],
            &[TakeBatch(2), Push, TakeBatch(3)],
            &[PushBatch(2), Take],
            &[Push, TakeBatch(3)],
        ],
    };
    let kinds = &["run in", "taken", "run out", "empty"];
    mixed::<IndexStack<u32>>("index_stack", plan, kinds);
}
