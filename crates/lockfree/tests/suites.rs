//! Every structure through the suites for one thread, and its histories of several.
#![cfg(not(any(loom, shuttle)))]

mod common;

use common::histories::Plan;
use common::rounds::rounds;
use common::subjects::{Indexed, Intrusive, Queue, Ring, SoftQueue, Spsc};
use common::suite::{self, Wide};
use common::{Subject, crowd};

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
