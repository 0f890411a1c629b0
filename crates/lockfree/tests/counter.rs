//! The counter: exact sums over threads that come and go, takes, wrapping, and threads without a cell.
#![cfg(all(feature = "std", not(any(loom, shuttle))))]

use lockfree::{Counter, LocalCounter};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::sync::Barrier;
use std::thread;

assert_impl_all!(Counter: Send, Sync);
assert_not_impl_any!(LocalCounter<'static>: Send, Sync);

#[test]
fn threads_that_come_and_go_lose_nothing_and_leave_their_cells_to_others() {
    let counter = Counter::new();
    for round in 1..=20 {
        let start = Barrier::new(3);
        thread::scope(|scope| {
            let threads: Vec<_> = (1..=3)
                .map(|thread| {
                    let (counter, start) = (&counter, &start);
                    scope.spawn(move || {
                        counter.increment();
                        start.wait();
                        (0..100).for_each(|_| counter.add(thread));
                    })
                })
                .collect();
            // A scope ends before its threads' destructors have run; a join waits for them.
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!((counter.sum(), counter.cells()), (round * (3 + 600), 3));
    }
}

#[test]
fn takes_and_the_rest_add_up() {
    let counter = Counter::new();
    // Whatever the threads do, there is something that no later take may return again.
    counter.increment();
    assert_eq!(counter.take(), 1);
    let taken = thread::scope(|scope| {
        let adders: Vec<_> =
            (0..3).map(|_| scope.spawn(|| (0..20_000).for_each(|_| counter.increment()))).collect();
        let takers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut all = 0;
                    for _ in 0..500 {
                        let taken = counter.take();
                        assert!(taken <= 60_000, "took {taken}");
                        assert!(counter.sum() <= 60_000);
                        all += taken;
                    }
                    all
                })
            })
            .collect();
        adders.into_iter().for_each(|adder| adder.join().unwrap());
        takers.into_iter().map(|taker| taker.join().unwrap()).sum::<u64>()
    });
    assert_eq!(taken + counter.sum(), 60_000);
    assert_eq!((taken + counter.take(), counter.sum()), (60_000, 0));
}

#[test]
fn sums_wrap_and_go_below_zero() {
    let counter = Counter::new();
    counter.add_signed(-5);
    assert_eq!((counter.sum_signed(), counter.sum()), (-5, u64::MAX - 4));
    thread::scope(|scope| scope.spawn(|| counter.add(u64::MAX)).join().unwrap());
    assert_eq!(counter.sum_signed(), -6);
    assert_eq!(counter.take().cast_signed(), -6);
    counter.add(u64::MAX);
    counter.add(3);
    assert_eq!(counter.take(), 2);
}

#[test]
fn a_local_cell_is_the_same_as_the_counters() {
    let counter = Counter::new();
    let returned = counter.with_local(|local| {
        local.increment();
        counter.add(10);
        local.add_signed(-3);
        local.add(100);
        counter.with_local(|local| local.increment());
        counter.sum()
    });
    assert_eq!((returned, counter.sum(), counter.cells()), (109, 109, 1));
}

/// A thread-local's destructor that runs after the thread gave its cells back still counts, and leaves
/// no cell behind.
#[test]
fn dying_threads_count_and_leave_no_cells() {
    struct Late(&'static Counter);
    impl Drop for Late {
        fn drop(&mut self) {
            self.0.add(10);
            self.0.with_local(|local| local.add(100));
        }
    }
    thread_local! {
        static LATE: Late = const { Late(&COUNTER) };
    }
    static COUNTER: Counter = Counter::new();
    for _ in 0..10 {
        thread::spawn(|| {
            // Before the counter: thread-locals are dropped in the opposite order.
            LATE.with(|_| ());
            COUNTER.increment();
        })
        .join()
        .unwrap();
    }
    assert_eq!(COUNTER.sum(), 10 * 111);
    assert_eq!(COUNTER.cells(), 1);
}

#[test]
fn a_dropped_counter_is_not_met_again() {
    for _ in 0..100 {
        let counter = Counter::new();
        counter.increment();
        assert_eq!(counter.sum(), 1);
    }
}
