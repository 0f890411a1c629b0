//! Every structure through the suites for one thread, and its histories of several.
#![cfg(not(any(loom, shuttle)))]

mod common;

use common::histories::Plan;
use common::mixed::Step::{
    Close, Force, Push, PushBatch, Take, TakeBatch, TryForce, TryPush, TryPushBatch, TryTake,
    TryTakeBatch,
};
use common::mixed::{self, Mixed, PushesAfterClose, Soft, SplitsBatches};
use common::rounds::rounds;
use common::subjects::{Indexed, Intrusive, Parcel, Queue, Ring, SoftQueue, Spsc};
use common::suite::{self, Wide};
use common::{Subject, crowd};
use lockfree::{IndexStack, IntrusiveStack, MpmcQueue, MpmcRing};
use std::collections::BTreeSet;

/// The suites that every structure passes.
macro_rules! suites {
    ($($name:ident: $subject:ty;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn answers_as_its_model() {
                suite::answers_as_its_model::<$subject>();
            }

            #[test]
            fn drops_each_once() {
                suite::drops_each_once::<$subject>();
                suite::either_end_may_go_first::<$subject>();
            }

            #[test]
            fn a_panic_loses_nothing() {
                suite::a_panicking_drop_keeps_no_other_from_its_own::<$subject>();
                suite::a_panicking_drop_in_a_drain_loses_nothing::<$subject>();
                suite::a_panicking_iterator_loses_nothing::<$subject>();
            }

            #[test]
            fn what_is_forgotten_is_sound() {
                suite::a_forgotten_drain_is_sound::<$subject>();
                suite::forgotten_ends_are_sound::<$subject>();
            }

            #[test]
            fn takes_exactly_its_capacity() {
                if <$subject as Subject<u32>>::BOUNDED {
                    suite::takes_exactly_its_capacity::<$subject>();
                }
            }

            #[test]
            fn keeps_values_of_odd_types() {
                suite::keeps::<$subject, ()>(|_| ());
                suite::keeps::<$subject, Wide>(Wide);
                suite::keeps::<$subject, Box<u8>>(Box::new);
                suite::keeps::<$subject, Option<Box<u8>>>(|n| (n % 2 == 0).then(|| Box::new(n)));
                suite::keeps::<$subject, core::num::NonZeroU8>(|n| n.saturating_add(1).try_into().unwrap());
                suite::keeps::<$subject, bool>(|n| n % 3 == 0);
                suite::keeps::<$subject, &'static str>(|n| &"0123456789"[usize::from(n)..]);
                suite::keeps::<$subject, [u64; 40]>(|n| [u64::from(n); 40]);
            }

            #[test]
            fn histories_of_threads_are_linearizable() {
                histories::<$subject>();
            }

            #[test]
            fn tsan_nothing_is_lost_in_a_crowd() {
                assert!(crowd::nothing_is_lost::<$subject>(4, 2_000) > 0);
            }
        }
    )*};
}

suites! {
    intrusive_stack: Intrusive;
    index_stack: Indexed;
    mpmc_queue: Queue;
    mpmc_queue_at_its_soft_capacity: SoftQueue;
    mpmc_ring: Ring;
    spsc_ring: Spsc;
}

#[cfg(feature = "epoch")]
suites! {
    epoch_stack: common::subjects::Epoch;
}

fn histories<S: Subject<u32>>() {
    let (senders, receivers) = S::MOST;
    let (mut found, mut missed) = (0, 0);
    for plan in [
        // The least room and the most laps; the ends meet.
        Plan { capacity: 1, before: 0, senders: 1, pushes: 4, receivers: 1, takes: 4 },
        Plan { capacity: 2, before: 0, senders: 2, pushes: 3, receivers: 2, takes: 3 },
        Plan { capacity: 8, before: 0, senders: 1, pushes: 6, receivers: 3, takes: 2 },
    ] {
        let plan = Plan {
            senders: plan.senders.min(senders),
            receivers: plan.receivers.min(receivers),
            ..plan
        };
        let (hits, misses) = rounds::<S>(plan, 300);
        found += hits;
        missed += misses;
    }
    assert!(found > 0 && missed > 0, "{found} takes found something, {missed} nothing");
}

/// Several histories of everything, each on a structure of its own; until one is wrong, which is
/// returned, or with all kinds of operations that were to be there.
fn mixed<M: Mixed>(plan: mixed::Plan, rounds: usize, kinds: &[&str]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for _ in 0..rounds {
        seen.extend(mixed::once::<M>(plan)?);
    }
    for kind in kinds {
        assert!(seen.contains(kind), "{kind} is not among {seen:?}");
    }
    Ok(())
}

const ROUNDS: usize = 200;

#[test]
fn mixed_histories_of_the_mpmc_ring_are_linearizable() {
    let batches = mixed::Plan {
        capacity: 3,
        turns: 2,
        before: 1,
        threads: &[
            &[PushBatch(2), TakeBatch(2), TryPushBatch(3), TryTakeBatch(3), PushBatch(4)],
            &[PushBatch(2), Take, TakeBatch(3), TryPushBatch(2), TryTake, TryTake],
            &[TryPush, TakeBatch(2), Push, TryTakeBatch(1)],
        ],
    };
    mixed::<MpmcRing<u32>>(batches, ROUNDS, &["run in", "run out", "pushed"]).unwrap();
    let force = mixed::Plan {
        capacity: 2,
        turns: 1,
        before: 1,
        threads: &[
            &[Force, TryForce, PushBatch(2), Force],
            &[Force, Take, TryTake],
            &[Push, TryForce],
        ],
    };
    mixed::<MpmcRing<u32>>(force, ROUNDS, &["forced", "displaced"]).unwrap();
    let close = mixed::Plan {
        capacity: 2,
        turns: 3,
        before: 1,
        threads: &[
            &[Push, Close, Push, TryPush, PushBatch(2), Force, Take, Take, Take, Take, Take],
            &[PushBatch(2), TryTake, Close, Take],
            &[Force, TryPushBatch(2), TakeBatch(2)],
        ],
    };
    mixed::<MpmcRing<u32>>(close, ROUNDS, &["close", "closed", "ended"]).unwrap();
}

#[test]
fn mixed_histories_of_the_mpmc_queue_are_linearizable() {
    // At the end of a block, where runs are broken.
    let batches = mixed::Plan {
        capacity: 1,
        turns: 61,
        before: 1,
        threads: &[
            &[PushBatch(4), TakeBatch(2), Push, TryTake, TryTakeBatch(3)],
            &[PushBatch(3), Take, TakeBatch(3), Push, TryTake],
            &[Push, TryTakeBatch(2), PushBatch(2), Take],
        ],
    };
    mixed::<MpmcQueue<u32>>(batches, ROUNDS, &["run in", "taken", "pushed"]).unwrap();
    let close = mixed::Plan {
        capacity: 1,
        turns: 62,
        before: 1,
        threads: &[
            &[
                PushBatch(2),
                Close,
                Push,
                PushBatch(2),
                TakeBatch(9),
                TakeBatch(9),
                Take,
                Take,
                Take,
                Take,
            ],
            &[PushBatch(3), TryTake, Close, Take],
            &[Push, PushBatch(4), TryTakeBatch(2)],
        ],
    };
    mixed::<MpmcQueue<u32>>(close, ROUNDS, &["close", "closed"]).unwrap();
    let soft = mixed::Plan {
        capacity: 2,
        turns: 62,
        before: 1,
        threads: &[
            &[Push, Push, Push, Take, Close, Push, Take, Take, Take],
            &[Push, TryTake, Take, Push],
            &[TakeBatch(2), TryPush, TryTake],
        ],
    };
    mixed::<Soft>(soft, ROUNDS, &["pushed", "closed"]).unwrap();
}

#[test]
fn mixed_histories_of_stacks_are_linearizable() {
    let batches = mixed::Plan {
        capacity: 8,
        turns: 3,
        before: 1,
        threads: &[
            &[PushBatch(3), TakeBatch(2), Push, TakeBatch(4)],
            &[PushBatch(2), Take, TakeBatch(3), Push],
            &[Push, TakeBatch(2), PushBatch(2), Take],
        ],
    };
    mixed::<IndexStack<u32>>(batches, ROUNDS, &["run in", "run out"]).unwrap();
    let chains = mixed::Plan {
        capacity: 0,
        turns: 0,
        before: 1,
        threads: &[
            &[PushBatch(3), Take, Push, Take],
            &[PushBatch(2), Take],
            &[Push, PushBatch(2), Take],
        ],
    };
    mixed::<IntrusiveStack<Parcel<u32>>>(chains, ROUNDS, &["run in", "taken"]).unwrap();
}

/// What it would say of structures that are wrong.
#[test]
fn mixed_histories_tell_a_wrong_structure() {
    const MANY: usize = 20_000;
    let batches = mixed::Plan {
        capacity: 9,
        turns: 0,
        before: 0,
        threads: &[&[PushBatch(3)], &[PushBatch(3)], &[Push, Push]],
    };
    mixed::<MpmcRing<u32>>(batches, ROUNDS, &["run in"]).unwrap();
    let fault = mixed::<SplitsBatches>(batches, MANY, &[]).expect_err("a batch was split");
    assert!(fault.contains("no order explains"), "{fault}");
    let close = mixed::Plan {
        capacity: 9,
        turns: 0,
        before: 0,
        threads: &[&[Close, Take, Take], &[Push, Push, Push], &[Push, Push, Push]],
    };
    mixed::<MpmcRing<u32>>(close, ROUNDS, &["close"]).unwrap();
    let fault =
        mixed::<PushesAfterClose>(close, MANY, &[]).expect_err("it was pushed after closing");
    assert!(fault.contains("no order explains"), "{fault}");
}
