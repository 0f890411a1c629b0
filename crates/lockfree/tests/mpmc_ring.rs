//! What one thread sees of the MPMC ring: order, boundaries, refusals, ownership, panics.
#![expect(clippy::cast_possible_truncation, reason = "capacities and counts here are small")]
#![cfg(not(loom))]

use core::cell::Cell;
use core::num::NonZero;
use core::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use lockfree::mpmc::{RingDrain, RingIntoIter};
use lockfree::{ConfigError, MpmcRing, PopError, PushError, TryPopError, TryPushError};
use proptest::prelude::*;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::collections::VecDeque;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::MutexGuard;

mod send_and_sync {
    use super::*;
    assert_impl_all!(MpmcRing<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    // Values go in and out, and nobody gets a reference to one inside: `Sync` is not asked for.
    assert_impl_all!(MpmcRing<Cell<u8>>: Send, Sync);
    assert_impl_all!(RingDrain<'static, Cell<u8>>: Send, Sync);
    assert_impl_all!(RingIntoIter<Cell<u8>>: Send);
    assert_not_impl_any!(MpmcRing<Rc<u8>>: Send, Sync);
    assert_not_impl_any!(MpmcRing<MutexGuard<'static, u8>>: Send, Sync);
    assert_not_impl_any!(RingDrain<'static, Rc<u8>>: Send, Sync);
    assert_not_impl_any!(RingIntoIter<Rc<u8>>: Send, Sync);
}

const CAPACITIES: [usize; 8] = [1, 2, 3, 5, 8, 63, 64, 65];

#[test]
fn values_leave_in_order_over_many_laps_at_every_capacity() {
    for capacity in CAPACITIES {
        let ring = MpmcRing::new(capacity);
        assert_eq!(ring.capacity(), capacity);
        for lap in 0..5 {
            assert_eq!(ring.try_pop(), Err(TryPopError::Empty));
            assert!(ring.is_empty() && !ring.is_full());
            for value in 0..capacity {
                assert_eq!(ring.len(), value);
                ring.push(lap * 100 + value).unwrap();
            }
            assert!(ring.is_full() && !ring.is_empty(), "capacity {capacity}");
            assert_eq!(ring.push(7), Err(PushError::Full(7)));
            assert_eq!(ring.try_push(8), Err(TryPushError::Full(8)));
            for value in 0..capacity {
                assert_eq!(ring.pop(), Ok(lap * 100 + value));
                assert_eq!(ring.len(), capacity - value - 1);
            }
            assert_eq!(ring.pop(), Err(PopError::Empty));
            // So that laps begin everywhere.
            ring.push(0).unwrap();
            ring.pop().unwrap();
        }
        assert_eq!((ring.stats().busy_pushes, ring.stats().busy_pops), (0, 0), "one thread");
    }
}

#[test]
fn a_closed_ring_refuses_pushes_and_gives_what_it_has() {
    for capacity in [1, 2, 3] {
        let ring = MpmcRing::new(capacity);
        ring.push('a').unwrap();
        assert!(!ring.is_closed());
        assert!(ring.close(), "was open");
        assert!(!ring.close(), "was not");
        assert!(ring.is_closed());
        assert_eq!(ring.len(), 1);
        assert_eq!(ring.push('b'), Err(PushError::Closed('b')));
        assert_eq!(ring.try_push('b'), Err(TryPushError::Closed('b')));
        assert_eq!(ring.force_push('b'), Err(PushError::Closed('b')));
        let mut items = ['b'].into_iter();
        assert_eq!(ring.push_batch(&mut items), Err(PushError::Closed(())));
        assert_eq!(items.as_slice(), ['b']);
        assert_eq!(ring.pop(), Ok('a'));
        assert_eq!(ring.pop(), Err(PopError::Closed));
        assert_eq!(ring.try_pop(), Err(TryPopError::Closed));
        assert_eq!(ring.pop_batch(&mut Vec::new(), 2), Err(PopError::Closed));
        assert_eq!(ring.drain().next(), None);
    }
}

#[test]
fn force_push_displaces_the_oldest_and_only_when_there_is_no_room() {
    for capacity in CAPACITIES {
        let ring = MpmcRing::new(capacity);
        for value in 0..4 * capacity {
            assert_eq!(ring.force_push(value), Ok(value.checked_sub(capacity)));
            assert_eq!(ring.len(), capacity.min(value + 1));
        }
        assert!(ring.drain().eq(3 * capacity..4 * capacity), "capacity {capacity}");
    }
}

#[test]
fn capacities_that_cannot_be_are_refused_by_name_value_and_limit() {
    let most = isize::MAX.unsigned_abs() / 16;
    for capacity in [0, most + 1, usize::MAX / 2 + 1, usize::MAX] {
        let said = format!("capacity is {capacity}, not in 1..={most}");
        assert_eq!(MpmcRing::<u64>::try_new(capacity).unwrap_err().to_string(), said);
        let panic = catch_unwind(|| MpmcRing::<u64>::new(capacity)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>(), Some(&said));
    }
    let refused: ConfigError = MpmcRing::<u64>::try_new(most).unwrap_err();
    assert_eq!((refused.value(), refused.limits()), (most, None), "in range, but not to be had");
    assert_eq!(refused.layout().unwrap().size(), most * 16);
    assert_eq!(MpmcRing::<()>::try_new(usize::MAX).unwrap_err().limits().unwrap().0, 1);
}

#[test]
fn values_of_no_size_of_large_alignment_and_with_niches_pass_whole() {
    let ring = MpmcRing::new(3);
    for _ in 0..7 {
        ring.push(()).unwrap();
        ring.push(()).unwrap();
        assert_eq!((ring.pop(), ring.pop(), ring.pop()), (Ok(()), Ok(()), Err(PopError::Empty)));
    }
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let ring = MpmcRing::new(2);
    for value in 0..7 {
        ring.push(Aligned(value)).unwrap();
        assert_eq!(ring.pop(), Ok(Aligned(value)));
    }
    let ring = MpmcRing::new(2);
    for value in 1..7 {
        ring.push(Some(NonZero::new(value).unwrap())).unwrap();
        ring.push(None).unwrap();
        assert_eq!(ring.pop().unwrap().map(NonZero::<u8>::get), Some(value));
        assert_eq!(ring.pop(), Ok(None));
    }
}

#[test]
fn batches_take_what_fits_in_order_across_the_end_of_the_lap() {
    for capacity in CAPACITIES {
        let ring = MpmcRing::new(capacity);
        let (mut pushed, mut popped) = (0, 0);
        let mut out = Vec::new();
        for step in 1..4 * capacity {
            let mut items = (pushed..pushed + step).collect::<Vec<_>>().into_iter();
            let room = capacity - ring.len();
            if room == 0 {
                assert_eq!(ring.push_batch(&mut items), Err(PushError::Full(())));
            } else {
                assert_eq!(ring.push_batch(&mut items), Ok(room.min(step)));
            }
            assert_eq!(items.len(), step - room.min(step), "the others stay");
            pushed += room.min(step);
            let max = step % 4 + usize::from(capacity > 7);
            let there = ring.len();
            assert_eq!(ring.pop_batch(&mut out, max), Ok(max.min(there)));
            assert!(out.drain(..).eq(popped..popped + max.min(there)), "capacity {capacity}");
            popped += max.min(there);
        }
    }
    let ring = MpmcRing::<u8>::new(2);
    assert_eq!(ring.push_batch(&mut [].into_iter()), Ok(0));
    assert_eq!(ring.pop_batch(&mut vec![], 0), Ok(0));
    assert_eq!(ring.pop_batch(&mut vec![], usize::MAX), Err(PopError::Empty));
    let mut behind = vec![1];
    ring.push(2).unwrap();
    assert_eq!(ring.pop_batch(&mut behind, usize::MAX), Ok(1));
    assert_eq!(behind, [1, 2], "what was there stays");
}

/// An iterator over `values` that says it has `claims`, and does `then` when it runs out or at its
/// `stop`.
struct Liar<F: FnMut() -> Option<u32>> {
    values: core::ops::Range<u32>,
    claims: usize,
    then: F,
}

impl<F: FnMut() -> Option<u32>> Iterator for Liar<F> {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        self.values.next().or_else(&mut self.then)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.claims, Some(self.claims))
    }
}

impl<F: FnMut() -> Option<u32>> ExactSizeIterator for Liar<F> {}

#[test]
fn an_iterator_that_ends_early_or_panics_leaves_no_slot_behind() {
    for capacity in [1, 2, 3, 4, 5] {
        let ring = MpmcRing::new(capacity);
        for offset in 0..2 * capacity as u32 {
            for given in 0..capacity as u32 {
                let mut short = Liar { values: 0..given, claims: capacity, then: || None };
                assert_eq!(ring.push_batch(&mut short), Ok(given as usize));
                assert_eq!(ring.len(), given as usize);
                assert!(ring.drain().eq(0..given));
                let panics = || resume_unwind(Box::new("planned"));
                let mut panicking = Liar { values: 0..given, claims: capacity, then: panics };
                let result = catch_unwind(AssertUnwindSafe(|| ring.push_batch(&mut panicking)));
                assert!(result.is_err());
                assert_eq!(ring.len(), given as usize, "offset {offset}");
                // All the room is there again.
                (given..capacity as u32).for_each(|value| ring.push(value).unwrap());
                assert_eq!(ring.try_push(9), Err(TryPushError::Full(9)));
                assert!(ring.drain().eq(0..capacity as u32));
            }
            ring.push(0).unwrap();
            ring.pop().unwrap();
        }
    }
}

/// A batch whose iterator pushes behind its own run leaves holes, since the tail cannot go back.
fn with_holes(capacity: usize, close: bool) -> MpmcRing<u32> {
    let ring = MpmcRing::new(capacity);
    let mut pushed_behind = false;
    let mut items = Liar {
        values: 1..2,
        claims: capacity - 1,
        then: || {
            pushed_behind = true;
            ring.push(2).unwrap();
            if close {
                ring.close();
            }
            None
        },
    };
    assert_eq!(ring.push_batch(&mut items), Ok(1));
    assert!(pushed_behind);
    ring
}

#[test]
fn holes_are_passed_over_and_their_slots_are_free_again() {
    for capacity in 3..7 {
        let ring = with_holes(capacity, false);
        assert_eq!(ring.len(), capacity, "holes count until they are passed over");
        assert_eq!(ring.try_push(3), Err(TryPushError::Full(3)));
        assert_eq!((ring.try_pop(), ring.try_pop()), (Ok(1), Ok(2)));
        assert_eq!(ring.try_pop(), Err(TryPopError::Empty));
        (0..capacity as u32).for_each(|value| ring.push(value).unwrap());
        assert!(ring.drain().eq(0..capacity as u32));

        let ring = with_holes(capacity, true);
        let mut out = Vec::new();
        assert_eq!(ring.pop_batch(&mut out, usize::MAX), Ok(1));
        assert_eq!(ring.pop_batch(&mut out, usize::MAX), Ok(1));
        assert_eq!((out, ring.pop()), (vec![1, 2], Err(PopError::Closed)));

        assert!(with_holes(capacity, false).into_iter().eq([1, 2]));

        let ring = with_holes(capacity, false);
        assert_eq!(ring.force_push(3), Ok(Some(1)));
        assert_eq!(ring.force_push(4), Ok(None), "in the place of a hole");
        assert!(ring.drain().eq([2, 3, 4]));
    }
}

#[test]
fn a_batch_gives_its_rest_back_to_a_ring_that_was_closed_meanwhile() {
    let ring = MpmcRing::new(4);
    let close = || {
        ring.close();
        None
    };
    assert_eq!(ring.push_batch(&mut Liar { values: 1..3, claims: 4, then: close }), Ok(2));
    assert!(ring.is_closed());
    assert_eq!(ring.len(), 2, "given back");
    assert_eq!(ring.try_push(3), Err(TryPushError::Closed(3)));
    assert!(ring.drain().eq([1, 2]));
    assert_eq!(ring.try_pop(), Err(TryPopError::Closed));
}

#[test]
fn every_value_is_dropped_once_wherever_it_is() {
    let value = Rc::new(());
    let left = || Rc::strong_count(&value) - 1;
    let ring = MpmcRing::new(3);
    for _ in 0..3 {
        ring.push(Rc::clone(&value)).unwrap();
    }
    assert_eq!(left(), 3);
    drop(ring.push(Rc::clone(&value)));
    assert_eq!(left(), 3, "the refused one");
    drop(ring.pop());
    drop(ring.force_push(Rc::clone(&value)));
    drop(ring.force_push(Rc::clone(&value)));
    assert_eq!(left(), 3, "the displaced one");
    let mut out = vec![];
    ring.pop_batch(&mut out, 2).unwrap();
    ring.push_batch(&mut out.drain(..1)).unwrap();
    assert_eq!((out.len(), left()), (1, 3), "the drain dropped nothing that was pushed");
    drop(ring);
    assert_eq!(left(), 1);
    drop(out);
    let ring = MpmcRing::new(4);
    ring.push_batch(&mut vec![value.clone(); 4].into_iter()).unwrap();
    let mut values = ring.into_iter();
    drop(values.next());
    assert_eq!(left(), 3);
    drop(values);
    assert_eq!(left(), 0);
    // What a panicking iterator had given is the ring's.
    let ring = MpmcRing::new(4);
    let mut some = (0..4).map(|step| {
        if step == 2 {
            resume_unwind(Box::new("planned"));
        }
        Rc::clone(&value)
    });
    assert!(catch_unwind(AssertUnwindSafe(|| ring.push_batch(&mut some))).is_err());
    assert_eq!((left(), ring.len()), (2, 2));
    drop(ring);
    assert_eq!(left(), 0);
}

#[test]
fn a_value_whose_drop_panics_keeps_no_other_of_the_ring_from_its_own() {
    struct Told<'d>(u32, &'d Cell<u32>);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            if self.0 == 1 {
                resume_unwind(Box::new("planned"));
            }
        }
    }
    let dropped = Cell::new(0);
    let ring = MpmcRing::new(4);
    (0..4).for_each(|number| assert!(ring.push(Told(number, &dropped)).is_ok()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(ring))).is_err());
    assert_eq!(dropped.get(), 4);
}

#[test]
fn forgotten_iterators_leave_the_ring_in_order() {
    let ring = MpmcRing::new(3);
    (0..3).for_each(|value| ring.push(value).unwrap());
    let mut drain = ring.drain();
    assert_eq!(drain.next(), Some(0));
    #[expect(clippy::forget_non_drop, reason = "whatever it is made of, it is forgotten here")]
    core::mem::forget(drain);
    ring.push(3).unwrap();
    assert!(ring.drain().eq(1..4));
    assert!(format!("{ring:?}").contains("len: 0, capacity: 3, is_closed: false"));
}

#[test]
fn tsan_nothing_is_lost_between_producers_and_consumers_of_a_small_ring() {
    const EACH: u32 = 5_000;
    let ring = MpmcRing::new(3);
    let taken: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let producers = [0, 1].map(|producer| {
            let ring = &ring;
            scope.spawn(move || {
                let mut numbers = producer * EACH..(producer + 1) * EACH;
                while !numbers.is_empty() {
                    let mut some = numbers.clone().take(numbers.len() % 3 + 1);
                    match ring.push_batch(&mut some) {
                        Ok(count) => numbers.start += count as u32,
                        Err(error) => {
                            assert_eq!(error, PushError::Full(()));
                            std::thread::yield_now();
                        }
                    }
                }
            })
        });
        let consumers = [false, true].map(|batches| {
            let ring = &ring;
            scope.spawn(move || {
                let mut taken = Vec::new();
                loop {
                    let result = if batches {
                        ring.pop_batch(&mut taken, 2).map(drop)
                    } else {
                        ring.pop().map(|value| taken.push(value))
                    };
                    match result {
                        Ok(()) => {}
                        Err(PopError::Empty) => std::thread::yield_now(),
                        Err(PopError::Closed) => return taken,
                    }
                }
            })
        });
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert!(ring.close());
        consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect()
    });
    for values in &taken {
        for producer in 0..2 {
            let own = values.iter().filter(|value| **value / EACH == producer);
            assert!(own.is_sorted(), "out of order");
        }
    }
    let mut all = taken.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..2 * EACH), "each once");
}

/// What a test does to a ring and to a `VecDeque` beside it.
#[derive(Clone, Debug)]
enum Step {
    Push,
    Pop,
    Force,
    PushBatch { claims: usize, given: usize },
    PopBatch(usize),
    Close,
    DrainSome(usize),
}

/// Closes its ring when dropped.
struct Closes<'r>(&'r MpmcRing<u32>);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A slot that is filled while a batch looks at it refuses the batch, and nothing else.
#[test]
fn batches_pass_between_threads_whole_and_in_order() {
    const VALUES: u32 = 2_000_000;
    const BATCH: usize = 32;
    let ring = MpmcRing::new(1024);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut values = 0..VALUES;
            while !values.is_empty() {
                let end = VALUES.min(values.start + BATCH as u32);
                let mut batch = values.start..end;
                while !batch.is_empty() {
                    match ring.push_batch(&mut batch) {
                        Err(PushError::Closed(())) => return,
                        Err(PushError::Full(())) => std::thread::yield_now(),
                        Ok(_) => {}
                    }
                }
                values.start = end;
            }
        });
        // A consumer that panics must not leave the producer waiting for room.
        let _closes = Closes(&ring);
        let (mut popped, mut next) = (Vec::with_capacity(BATCH), 0);
        while next < VALUES {
            if ring.pop_batch(&mut popped, BATCH).is_err() {
                std::thread::yield_now();
            }
            for value in popped.drain(..) {
                assert_eq!(value, next);
                next += 1;
            }
        }
    });
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Push),
        8 => Just(Step::Pop),
        3 => Just(Step::Force),
        4 => (0..9_usize, 0..9_usize).prop_map(|(claims, given)| Step::PushBatch { claims, given }),
        4 => (0..9_usize).prop_map(Step::PopBatch),
        1 => (0..4_usize).prop_map(Step::DrainSome),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn one_thread_sees_a_bounded_queue(capacity in 1..7_usize, steps in steps()) {
        let ring = MpmcRing::new(capacity);
        let (mut queue, mut next, mut closed) = (VecDeque::new(), 0_u32, false);
        for step in steps {
            let full = queue.len() == capacity;
            match step {
                Step::Push => {
                    let expected = match (closed, full) {
                        (true, _) => Err(TryPushError::Closed(next)),
                        (_, true) => Err(TryPushError::Full(next)),
                        _ => {
 queue.push_back(next);
 Ok(())
 }
                    };
                    prop_assert_eq!(ring.try_push(next), expected);
                }
                Step::Pop => {
                    let none = if closed { TryPopError::Closed } else { TryPopError::Empty };
                    prop_assert_eq!(ring.try_pop(), queue.pop_front().ok_or(none));
                }
                Step::Force => {
                    let expected = if closed {
                        Err(PushError::Closed(next))
                    } else {
                        let displaced = if full { queue.pop_front() } else { None };
                        queue.push_back(next);
                        Ok(displaced)
                    };
                    prop_assert_eq!(ring.force_push(next), expected);
                }
                Step::PushBatch { claims, given } => {
                    let mut items = Liar { values: next..next + given as u32, claims, then: || None };
                    let fits = claims.min(given).min(capacity - queue.len());
                    let expected = match (claims, closed, full) {
                        (0, ..) => Ok(0),
                        (_, true, _) => Err(PushError::Closed(())),
                        (_, _, true) => Err(PushError::Full(())),
                        _ => Ok(fits),
                    };
                    prop_assert_eq!(ring.push_batch(&mut items), expected);
                    if expected.is_ok() {
                        queue.extend(next..next + fits as u32);
                    }
                    next += given as u32;
                }
                Step::PopBatch(max) => {
                    let mut out = Vec::new();
                    let count = max.min(queue.len());
                    let expected = match (max, count, closed) {
                        (0, ..) => Ok(0),
                        (_, 0, true) => Err(PopError::Closed),
                        (_, 0, _) => Err(PopError::Empty),
                        _ => Ok(count),
                    };
                    prop_assert_eq!(ring.pop_batch(&mut out, max), expected);
                    prop_assert!(out.into_iter().eq(queue.drain(..count)));
                }
                Step::DrainSome(count) => {
                    let count = count.min(queue.len());
                    prop_assert!(ring.drain().take(count).eq(queue.drain(..count)));
                }
                Step::Close => {
                    prop_assert_eq!(ring.close(), !closed);
                    closed = true;
                }
            }
            next += 1;
            prop_assert_eq!(ring.len(), queue.len());
        }
        prop_assert_eq!(ring.stats().busy_pushes + ring.stats().busy_pops, 0);
        prop_assert!(ring.into_iter().eq(queue));
    }
}
