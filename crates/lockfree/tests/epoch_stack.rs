//! The stack on epochs: order, drops, panics, many threads.
#![cfg(all(feature = "epoch", not(any(loom, shuttle))))]

use core::cell::{Cell, RefCell};
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use lockfree::{EpochPopped, EpochStack};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;

assert_impl_all!(EpochStack<Cell<u8>>: Send, Sync);
assert_not_impl_any!(EpochStack<Rc<u8>>: Send, Sync);
assert_impl_all!(EpochPopped<Cell<u8>>: Send);
assert_not_impl_any!(EpochPopped<Cell<u8>>: Sync);
assert_not_impl_any!(EpochPopped<Rc<u8>>: Send, Sync);

struct Telling<'d>(u32, &'d RefCell<Vec<u32>>);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
        if self.0 == 1 {
            resume_unwind(Box::new("planned"));
        }
    }
}

#[test]
fn epoch_stack_answers_as_a_vec() {
    let stack = EpochStack::new();
    let mut model = Vec::new();
    let mut seed = 3_u64;
    for value in 0..20_000_u32 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match seed >> 33 & 15 {
            0..=7 => {
                stack.push(Box::new(value));
                model.push(value);
            }
            8 if seed >> 50 & 31 == 0 => {
                assert!(stack.pop_all().map(|value| *value).eq(model.drain(..).rev()));
            }
            _ => assert_eq!(stack.pop().as_deref().copied(), model.pop()),
        }
        assert_eq!(stack.is_empty(), model.is_empty());
    }
}

#[test]
fn epoch_stack_drops_every_value_once_though_a_drop_panics() {
    let dropped = RefCell::new(Vec::new());
    let filled = || {
        let stack = EpochStack::new();
        (0..4).for_each(|number| stack.push(Telling(number, &dropped)));
        stack
    };
    let stack = filled();
    let mut popped = stack.pop_all();
    drop(popped.next());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(popped))).is_err());
    assert_eq!(dropped.take(), [3, 2, 1, 0]);
    drop(stack);
    let stack = filled();
    drop(stack.pop());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(stack))).is_err());
    assert_eq!(dropped.take(), [3, 2, 1, 0]);
}

/// What was popped owns its nodes: it goes on when the stack is gone, on another thread too, and each value
/// is dropped once.
#[test]
fn popped_values_outlive_their_stack() {
    let alive = std::sync::Arc::new(());
    let stack = EpochStack::new();
    (0..4).for_each(|number| stack.push((number, std::sync::Arc::clone(&alive))));
    let mut popped = stack.pop_all();
    stack.push((9, std::sync::Arc::clone(&alive)));
    assert_eq!(popped.next().map(|(number, _)| number), Some(3));
    drop(stack);
    assert_eq!(std::sync::Arc::strong_count(&alive), 4, "of the stack nothing is left");
    let rest = std::thread::spawn(move || {
        let next = popped.next().map(|(number, _)| number);
        // The other two go with it.
        drop(popped);
        next
    });
    assert_eq!(rest.join().unwrap(), Some(2));
    assert_eq!(std::sync::Arc::strong_count(&alive), 1);
}

#[test]
fn values_of_every_shape_keep_their_bits() {
    #[repr(align(256))]
    #[derive(Debug, PartialEq)]
    struct Wide(u8);
    let units = EpochStack::new();
    (0..65).for_each(|_| units.push(()));
    assert_eq!(units.pop_all().count(), 65);
    let wide = EpochStack::new();
    (0..3).for_each(|value| wide.push(Wide(value)));
    assert_eq!(wide.pop(), Some(Wide(2)));
    assert!(wide.pop_all().eq([1, 0].map(Wide)));
}

#[test]
fn tsan_values_pass_between_threads_and_none_is_lost() {
    const EACH: u64 = 20_000;
    let stack = EpochStack::new();
    let (sum, count) = (AtomicU64::new(0), AtomicU64::new(0));
    // The collector is made before there are threads: std's lock around that ThreadSanitizer does not
    // see either.
    stack.push(Box::new(0));
    assert_eq!(stack.pop().as_deref(), Some(&0));
    // Each is joined: how a scope waits for its threads, ThreadSanitizer does not see.
    std::thread::scope(|scope| {
        let pushers = [0, 1].map(|thread| {
            let stack = &stack;
            scope.spawn(move || {
                (thread * EACH..(thread + 1) * EACH).for_each(|value| stack.push(Box::new(value)));
            })
        });
        let poppers = [(); 2].map(|()| {
            scope.spawn(|| {
                while count.load(Relaxed) < 2 * EACH {
                    match stack.pop() {
                        Some(value) => {
                            sum.fetch_add(*value, Relaxed);
                            count.fetch_add(1, Relaxed);
                        }
                        None => std::thread::yield_now(),
                    }
                }
            })
        });
        pushers.into_iter().chain(poppers).for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(sum.into_inner(), (0..2 * EACH).sum::<u64>());
}
