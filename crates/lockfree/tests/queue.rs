//! The unbounded queue: order, bounds, memory, what happens when something goes wrong.
#![cfg(not(any(loom, shuttle)))]

mod allocations;

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::thread;

use allocations::{counted, grown, refused, refused_after};
use lockfree::mpmc::{GrowError, QueueDrain};
use lockfree::{MpmcQueue, PopError, PushError, TryPopError};
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(MpmcQueue<u8>: Send, Sync);
// Values go from thread to thread, but no two have one at the same time: `Cell` is `Send` alone.
assert_impl_all!(MpmcQueue<core::cell::Cell<u8>>: Send, Sync);
assert_impl_all!(QueueDrain<'static, core::cell::Cell<u8>>: Send, Sync);
assert_not_impl_any!(MpmcQueue<Rc<u8>>: Send, Sync);
assert_not_impl_any!(QueueDrain<'static, Rc<u8>>: Send, Sync);
assert_not_impl_any!(MpmcQueue<std::sync::MutexGuard<'static, u8>>: Send, Sync);
assert_impl_all!(GrowError<Box<u8>>: core::error::Error);

/// Slots in a block: part of what `stats` tells, and of the boundaries to test.
const SLOTS: usize = 64;

/// Counts its drops, and panics in the one that is told to.
struct Counted {
    number: usize,
    drops: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Relaxed);
        if self.panics {
            // Without the hook, whose output takes memory.
            std::panic::resume_unwind(Box::new(self.number));
        }
    }
}

fn counted_values(drops: &Arc<AtomicUsize>) -> impl Fn(usize) -> Counted + use<> {
    let drops = Arc::clone(drops);
    move |number| Counted { number, drops: Arc::clone(&drops), panics: false }
}

#[test]
fn values_come_out_in_the_order_they_went_in() {
    for count in [0, 1, 2, SLOTS - 1, SLOTS, SLOTS + 1, 2 * SLOTS, 10 * SLOTS + 3] {
        let queue = MpmcQueue::new();
        for lap in 0..3 {
            for number in 0..count {
                queue.push((lap, number)).unwrap();
            }
            assert_eq!(queue.len(), count);
            for number in 0..count {
                assert_eq!(queue.pop(), Ok((lap, number)), "of {count}");
            }
            assert_eq!(queue.try_pop(), Err(TryPopError::Empty), "of {count}");
            assert!(queue.is_empty());
        }
    }
}

#[test]
fn any_sequence_of_operations_answers_as_a_deque() {
    for seed in 1..=40_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random >> 33).unwrap() % below
        };
        let bound = 1 + next(300);
        let mut queue = MpmcQueue::with_soft_capacity(bound);
        let mut model = VecDeque::new();
        let mut number = 0_u64;
        for _ in 0..400 {
            match next(8) {
                0 | 1 => {
                    for _ in 0..next(150) {
                        queue.push(number).unwrap();
                        model.push_back(number);
                        number += 1;
                    }
                }
                2 | 3 => {
                    for _ in 0..next(200) {
                        assert_eq!(queue.pop().ok(), model.pop_front());
                    }
                }
                4 => {
                    let room = model.len() < bound;
                    assert_eq!(queue.try_push(number).is_ok(), room, "{} of {bound}", model.len());
                    if room {
                        model.push_back(number);
                    }
                    number += 1;
                }
                5 => assert_eq!(queue.try_pop().ok(), model.pop_front()),
                6 if next(4) == 0 => {
                    let before = queue.stats().reserved_bytes;
                    let given = queue.trim();
                    assert_eq!(queue.stats().reserved_bytes, before - given);
                    assert!(queue.stats().used_blocks <= model.len().div_ceil(SLOTS) as u64 + 1);
                }
                6 => {
                    let count = next(100);
                    let drained: Vec<_> = queue.drain().take(count).collect();
                    let expected: Vec<_> = model.drain(..count.min(model.len())).collect();
                    assert_eq!(drained, expected);
                }
                _ => assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty())),
            }
        }
        assert!(queue.drain().eq(model));
    }
}

#[test]
fn nothing_is_allocated_before_the_first_push_nor_in_the_steady_state() {
    let (before, queue) = counted(MpmcQueue::new);
    assert_eq!(before, 0);
    let (first, ()) = counted(|| queue.push(0_u64).unwrap());
    assert_eq!(first, 1);
    // The longest that it will be.
    (0..5 * SLOTS as u64).for_each(|number| queue.push(number).unwrap());
    queue.drain().for_each(drop);
    let (steady, ()) = counted(|| {
        for lap in 0..100 {
            let count = lap % 5 * SLOTS as u64 + lap;
            (0..count).for_each(|number| queue.push(number).unwrap());
            assert!(queue.drain().eq(0..count));
        }
    });
    assert_eq!(steady, 0, "a queue that was longer once");
    let stats = queue.stats();
    assert!(stats.recycled_blocks > 200, "{stats:?}");
    assert_eq!(stats.reserved_blocks, 7, "1, 2 and 4 blocks hold {} values", 5 * SLOTS + 1);
}

#[test]
fn memory_is_given_back_by_trim_and_by_drop() {
    let mut queue = MpmcQueue::new();
    let held = grown(|| {
        (0..1000_u64).for_each(|number| queue.push(number).unwrap());
    });
    assert_eq!(held as u64, queue.stats().reserved_bytes);
    assert_eq!(queue.stats().used_blocks, 16);
    assert_eq!(queue.stats().reserved_blocks, 31);
    // The oldest 900 go, and what is left moves into the first two segments.
    assert!(queue.drain().take(900).eq(0..900));
    let mut given = 0;
    let less = grown(|| given = queue.trim());
    assert_eq!(less, -(given as i64));
    assert_eq!(queue.stats().used_blocks, 2);
    assert_eq!(queue.stats().reserved_blocks, 3);
    queue.push(1000).unwrap();
    assert!(queue.drain().eq(900..=1000));
    // The queue is used on, and what was free before is again.
    (0..300).for_each(|number| queue.push(number).unwrap());
    assert!(queue.drain().eq(0..300));
    let less = grown(|| given = queue.trim());
    assert_eq!(less, -(given as i64));
    assert_eq!(queue.stats().reserved_bytes, 0);
    assert_eq!(queue.trim(), 0);
    queue.push(1).unwrap();
    assert_eq!(queue.pop(), Ok(1));
    assert_eq!(grown(|| drop(queue)), held_by_one_block());
}

fn held_by_one_block() -> i64 {
    let queue = MpmcQueue::new();
    -grown(|| queue.push(0_u64).unwrap())
}

#[test]
fn trim_keeps_the_order_of_values_in_scattered_blocks_and_what_is_closed() {
    let mut queue = MpmcQueue::new();
    // Blocks are freed and taken in an order that is not that of the chain.
    for lap in 0..20_u64 {
        (0..97 * (lap + 1)).for_each(|number| queue.push(number).unwrap());
        assert!(queue.drain().eq(0..97 * (lap + 1)));
    }
    (0..500).for_each(|number| queue.push(number).unwrap());
    assert!(queue.drain().take(200).eq(0..200));
    queue.close();
    assert!(queue.trim() > 0);
    assert!(queue.is_closed());
    assert_eq!(queue.push(7), Err(PushError::Closed(7)));
    assert_eq!(queue.trim(), 0, "there is nothing more to give back");
    assert_eq!(queue.len(), 300);
    assert!(queue.drain().eq(200..500));
    assert!(queue.trim() > 0);
    assert_eq!(queue.pop(), Err(PopError::Closed));
}

#[test]
fn a_refused_allocation_hands_the_value_back() {
    let queue = MpmcQueue::new();
    let value = Box::new(1);
    let refusal = refused(|| queue.try_push(value));
    let Err(error @ GrowError::NoMemory(..)) = refusal else { panic!("{refusal:?}") };
    assert!(error.to_string().starts_with("push into a queue that was refused "), "{error}");
    assert_eq!(*error.into_inner(), 1);
    // As many as there is memory for, then the next block is refused, and nothing is lost.
    queue.try_push(Box::new(0)).unwrap();
    for number in 1..SLOTS {
        let value = Box::new(number);
        refused(|| queue.try_push(value)).unwrap();
    }
    let value = Box::new(SLOTS);
    let error = refused(|| queue.try_push(value)).unwrap_err();
    assert!(matches!(error, GrowError::NoMemory(..)), "{error:?}");
    queue.try_push(error.into_inner()).unwrap();
    assert!(queue.drain().map(|value| *value).eq(0..=SLOTS));
}

/// A push that gets no memory for a block looks whether another thread linked one meanwhile.
#[test]
fn a_push_without_memory_finds_the_block_of_another() {
    static QUEUE: MpmcQueue<u32> = MpmcQueue::new();
    let other = || QUEUE.push(1).unwrap();
    assert_eq!(refused_after(other, || QUEUE.try_push(2)), Ok(()));
    assert!(QUEUE.drain().eq([1, 2]));
}

#[test]
fn the_soft_capacity_bounds_try_push_and_not_push() {
    for bound in [1, 2, SLOTS - 1, SLOTS, SLOTS + 1, 3 * SLOTS] {
        let queue = MpmcQueue::with_soft_capacity(bound);
        assert_eq!(queue.soft_capacity(), bound);
        for number in 0..bound {
            queue.try_push(number).unwrap();
        }
        assert_eq!(queue.try_push(7), Err(GrowError::Full(7)));
        queue.push(bound).unwrap();
        assert_eq!(queue.len(), bound + 1);
        assert_eq!(queue.pop(), Ok(0));
        assert_eq!(queue.try_push(7), Err(GrowError::Full(7)));
        assert_eq!(queue.pop(), Ok(1));
        queue.try_push(bound + 1).unwrap();
        assert!(queue.drain().eq(2..bound + 2));
    }
    let error = MpmcQueue::<u8>::try_with_soft_capacity(0).unwrap_err();
    assert_eq!(error.to_string(), format!("soft_capacity is 0, not in 1..={}", usize::MAX));
    let unbounded = MpmcQueue::try_with_soft_capacity(usize::MAX).unwrap();
    unbounded.try_push(1).unwrap();
    assert!(catch_unwind(|| MpmcQueue::<u8>::with_soft_capacity(0)).is_err());
}

#[test]
fn a_closed_queue_gives_what_is_inside_and_takes_no_more() {
    for count in [0, 1, SLOTS, SLOTS + 1] {
        let queue = MpmcQueue::new();
        (0..count).for_each(|number| queue.push(number).unwrap());
        assert!(!queue.is_closed());
        assert!(queue.close());
        assert!(!queue.close(), "the second one to close it");
        assert!(queue.is_closed());
        assert_eq!(queue.push(7), Err(PushError::Closed(7)));
        assert_eq!(queue.try_push(7), Err(GrowError::Closed(7)));
        assert_eq!(queue.len(), count);
        assert!(queue.drain().eq(0..count));
        assert_eq!(queue.try_pop(), Err(TryPopError::Closed));
        assert_eq!(queue.pop(), Err(PopError::Closed));
    }
}

/// RUSTSEC-2018-0009: a queue of linked segments dropped values twice.
#[test]
fn every_value_is_dropped_once_wherever_it_is() {
    for (pushed, popped) in [(0, 0), (1, 0), (1, 1), (SLOTS, 1), (SLOTS, SLOTS), (1000, 777)] {
        let drops = Arc::new(AtomicUsize::new(0));
        let value = counted_values(&drops);
        let queue = MpmcQueue::new();
        (0..pushed).for_each(|number| assert!(queue.push(value(number)).is_ok()));
        for (number, value) in queue.drain().take(popped).enumerate() {
            assert_eq!(value.number, number);
        }
        assert_eq!(drops.load(Relaxed), popped);
        drop(queue);
        assert_eq!(drops.load(Relaxed), pushed, "{pushed} pushed, {popped} popped");
    }
}

#[test]
fn a_panicking_drop_keeps_no_value_and_no_block_from_theirs() {
    let drops = Arc::new(AtomicUsize::new(0));
    let left = grown(|| {
        let value = counted_values(&drops);
        let queue = MpmcQueue::new();
        for number in 0..300 {
            let mut value = value(number);
            value.panics = number == 70;
            assert!(queue.push(value).is_ok());
        }
        assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err());
    });
    assert_eq!(drops.load(Relaxed), 300);
    // What the panic itself holds has been dropped with its payload.
    assert_eq!(left, 0);
}

#[test]
fn values_may_use_the_queue_they_are_in() {
    struct Pushes<'q>(&'q MpmcQueue<u32>, u32);
    impl Drop for Pushes<'_> {
        fn drop(&mut self) {
            self.0.push(self.1).unwrap();
        }
    }
    let (inner, outer) = (MpmcQueue::new(), MpmcQueue::new());
    (0..100).for_each(|number| assert!(outer.push(Pushes(&inner, number)).is_ok()));
    drop(outer);
    assert!(inner.drain().eq(0..100));
    // A drain that pushes into what it drains sees what it pushed.
    (0..3).for_each(|number| inner.push(number).unwrap());
    let mut seen = Vec::new();
    for number in inner.drain() {
        seen.push(number);
        if number < 200 {
            inner.push(number + 100).unwrap();
        }
    }
    assert_eq!(seen, [0, 1, 2, 100, 101, 102, 200, 201, 202]);
    // A drain that is forgotten leaves the rest.
    (0..3).for_each(|number| inner.push(number).unwrap());
    let mut drain = inner.drain();
    assert_eq!(drain.next(), Some(0));
    #[expect(clippy::forget_non_drop, reason = "whatever it is made of, it is forgotten here")]
    core::mem::forget(drain);
    assert!(inner.drain().eq(1..3));
}

#[test]
fn keeps_values_of_odd_types() {
    fn round<T: PartialEq + core::fmt::Debug>(value: impl Fn(u8) -> T) {
        let queue = MpmcQueue::new();
        for _ in 0..3 {
            (0..150).for_each(|number| queue.push(value(number)).unwrap());
            assert!(queue.drain().eq((0..150).map(&value)));
        }
    }
    #[derive(Debug, PartialEq)]
    #[repr(align(512))]
    struct Wide(u8);
    round(|_| ());
    round(|number| number);
    round(|number| number % 2 == 0);
    round(|number| Some(Box::new(number)));
    round(|number| core::num::NonZeroU8::new(number + 1).unwrap());
    round(|number| [u64::from(number); 33]);
    round(Wide);
    let queue = MpmcQueue::new();
    queue.push(Wide(1)).unwrap();
    assert_eq!((&raw const *Box::new(queue.pop().unwrap())).addr() % 512, 0);
}

/// crossbeam #1146: a block of large values was built on the stack.
#[test]
fn a_block_larger_than_the_stack_is_built_in_place() {
    let small_stack = thread::Builder::new().stack_size(960 << 10);
    let thread = small_stack.spawn(|| {
        let queue = MpmcQueue::new();
        (0..100).for_each(|number| queue.push([number; 16 << 10]).unwrap());
        assert!(queue.stats().reserved_bytes > 2 << 20);
        for number in 0..100 {
            assert!(queue.pop().unwrap().iter().all(|byte| *byte == number));
        }
    });
    thread.unwrap().join().unwrap();
}

/// crossbeam #523: the length overflowed while others pushed and popped.
#[test]
fn the_length_is_in_bounds_while_others_push_and_pop() {
    // Who starts late is waited for: both sides go on until each has done so much.
    const PAIRS: usize = 40_000;
    const LOOKS: usize = 1_000;
    let queue = MpmcQueue::new();
    let (pairs, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let workers = [0, 1].map(|_| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    queue.push(0).unwrap();
                    queue.pop().unwrap();
                    pairs.fetch_add(1, Relaxed);
                }
            })
        });
        let mut looks = 0;
        while looks < LOOKS || pairs.load(Relaxed) < PAIRS {
            // One that panicked does no more pairs; the scope says so.
            if workers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
            // Two at most are inside; pops during the call count. An overflow is near 2^64.
            let length = queue.len();
            if length >= 1 << 32 {
                done.store(true, Relaxed);
                panic!("a length of {length}");
            }
            looks += 1;
        }
        done.store(true, Relaxed);
    });
    assert_eq!(queue.len(), 0);
}

/// crossbeam #971, #1084, #1187: the first block of a list was made while the other end went away.
#[test]
fn first_block_made_while_the_other_end_goes_away() {
    for round in 0..200 {
        let drops = Arc::new(AtomicUsize::new(0));
        let value = counted_values(&drops);
        let queue = Arc::new(MpmcQueue::new());
        let start = Arc::new(Barrier::new(2));
        let pusher = {
            let (queue, start) = (Arc::clone(&queue), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                queue.push(value(round)).is_ok()
            })
        };
        start.wait();
        queue.close();
        let popped = queue.pop();
        let taken = popped.is_ok();
        drop((popped, queue));
        let pushed = pusher.join().unwrap();
        assert!(pushed || !taken);
        assert_eq!(drops.load(Relaxed), 1, "round {round}");
    }
}

#[test]
fn nothing_is_lost_and_each_producers_order_is_kept_in_a_crowd() {
    const EACH: usize = 5_000;
    const PRODUCERS: usize = 3;
    let queue = MpmcQueue::new();
    let taken: Vec<Vec<(usize, usize)>> = thread::scope(|scope| {
        let queue = &queue;
        let consumers = [0, 1, 2].map(|_| {
            scope.spawn(move || {
                let mut taken = Vec::new();
                loop {
                    match queue.pop() {
                        Ok(value) => taken.push(value),
                        Err(PopError::Empty) => thread::yield_now(),
                        Err(PopError::Closed) => return taken,
                    }
                }
            })
        });
        let producers = [0, 1, 2].map(|producer| {
            scope.spawn(move || {
                (0..EACH).for_each(|number| queue.push((producer, number)).unwrap());
            })
        });
        for producer in producers {
            producer.join().unwrap();
        }
        queue.close();
        consumers.map(|consumer| consumer.join().unwrap()).into()
    });
    for taken in &taken {
        for producer in 0..PRODUCERS {
            let numbers = || taken.iter().filter(|value| value.0 == producer).map(|value| value.1);
            assert!(numbers().is_sorted(), "producer {producer}");
        }
    }
    let mut all = taken.concat();
    all.sort_unstable();
    let expected = (0..PRODUCERS).flat_map(|producer| (0..EACH).map(move |n| (producer, n)));
    assert!(all.into_iter().eq(expected));
}

#[test]
fn batches_go_in_and_come_out_as_single_values_do() {
    for batch in [1, 2, 63, 64, 65, 200] {
        let queue = MpmcQueue::new();
        let mut items = 0..1000;
        let mut popped = Vec::new();
        while !items.is_empty() {
            let count = batch.min(items.len());
            assert_eq!(queue.push_batch(&mut items.by_ref().take(batch)), Ok(count));
            let queue_len = queue.len();
            assert_eq!(queue.pop_batch(&mut popped, batch / 2), Ok((batch / 2).min(queue_len)));
        }
        while queue.try_pop_batch(&mut popped, batch) != Err(TryPopError::Empty) {}
        assert!(popped.into_iter().eq(0..1000), "{batch}");
    }
    let queue = MpmcQueue::new();
    assert_eq!(queue.push_batch(&mut [7; 0].into_iter()), Ok(0));
    assert_eq!(queue.pop_batch(&mut Vec::new(), 0), Ok(0));
    assert_eq!(queue.pop_batch(&mut Vec::new(), 1), Err(PopError::Empty));
    queue.push(7).unwrap();
    queue.close();
    let mut items = [1, 2].into_iter();
    assert_eq!(queue.push_batch(&mut items), Err(PushError::Closed(())));
    assert_eq!(items.len(), 2);
    let mut popped = Vec::new();
    assert_eq!(queue.pop_batch(&mut popped, 5), Ok(1));
    assert_eq!(queue.try_pop_batch(&mut popped, 5), Err(TryPopError::Closed));
    assert_eq!(popped, [7]);
}

/// Tells one length, and gives, or panics, after another number of values.
struct Liar {
    told: usize,
    gives: core::ops::Range<usize>,
    panics: bool,
    value: Box<dyn Fn(usize) -> Counted>,
}

impl Iterator for Liar {
    type Item = Counted;

    fn next(&mut self) -> Option<Counted> {
        self.told = self.told.saturating_sub(1);
        let next = self.gives.next();
        assert!(next.is_some() || !self.panics, "the iterator panics");
        next.map(&self.value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.told, Some(self.told))
    }
}

impl ExactSizeIterator for Liar {}

#[test]
fn an_iterator_that_panics_or_ends_early_leaves_holes_that_pops_pass_over() {
    for (told, gives, panics) in
        [(10, 3, false), (10, 3, true), (100, 0, true), (100, 64, true), (200, 130, false)]
    {
        for popped in [false, true] {
            let drops = Arc::new(AtomicUsize::new(0));
            let value = counted_values(&drops);
            let queue = MpmcQueue::new();
            assert!(queue.push(value(1000)).is_ok());
            let many = counted_values(&drops);
            let mut liar = Liar { told, gives: 0..gives, panics, value: Box::new(many) };
            let result = catch_unwind(AssertUnwindSafe(|| queue.push_batch(&mut liar)));
            assert_eq!(result.is_err(), panics, "{told} told, {gives} given");
            if let Ok(result) = result {
                assert_eq!(result, Ok(gives));
            }
            drop(liar);
            assert!(queue.push(value(1001)).is_ok());
            if popped {
                let all: Vec<_> = queue.drain().map(|value| value.number).collect();
                assert!(all.into_iter().eq([1000].into_iter().chain(0..gives).chain([1001])));
                assert_eq!((queue.len(), queue.try_pop().err()), (0, Some(TryPopError::Empty)));
                // Holes keep no block from being used again.
                for lap in 0..10 {
                    (0..64).for_each(|number| assert!(queue.push(value(number + lap)).is_ok()));
                    assert_eq!(queue.drain().count(), 64);
                }
                assert!(queue.stats().recycled_blocks >= 8, "{:?}", queue.stats());
            }
            let all = gives + 2 + if popped { 640 } else { 0 };
            drop(queue);
            assert_eq!(drops.load(Relaxed), all);
        }
    }
}

#[test]
fn a_static_needs_no_first_use() {
    static QUEUE: MpmcQueue<u32> = MpmcQueue::new();
    static BOUNDED: MpmcQueue<u32> = MpmcQueue::with_soft_capacity(1);
    QUEUE.push(1).unwrap();
    assert_eq!(QUEUE.pop(), Ok(1));
    BOUNDED.try_push(1).unwrap();
    assert_eq!(BOUNDED.try_push(2), Err(GrowError::Full(2)));
    assert!(format!("{QUEUE:?} {:?}", BOUNDED.drain()).contains("len: 1"));
}
