//! The stacks that give one value at a time: order, capacities, batches, handles, drops, panics.
#![cfg(not(any(loom, shuttle)))]

use core::cell::{Cell, RefCell};
use core::panic::AssertUnwindSafe;
use lockfree::{IndexPopped, IndexStack, PushError, StackHandle};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::MutexGuard;

assert_impl_all!(IndexStack<Cell<u8>>: Send, Sync);
assert_not_impl_any!(IndexStack<Rc<u8>>: Send, Sync);
assert_not_impl_any!(IndexStack<MutexGuard<'static, u8>>: Send, Sync);
assert_impl_all!(StackHandle<'static, Cell<u8>>: Send, Sync);
assert_not_impl_any!(StackHandle<'static, Rc<u8>>: Send, Sync);
assert_impl_all!(IndexPopped<'static, Cell<u8>>: Send);
assert_not_impl_any!(IndexPopped<'static, Rc<u8>>: Send, Sync);

/// A value that tells when it is dropped, and panics then if it is 1.
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
fn a_stack_takes_exactly_its_capacity_and_hands_back_the_rest() {
    for capacity in [1, 2, 3, 63, 64, 65, 1_000] {
        let stack = IndexStack::new(capacity);
        assert_eq!(stack.capacity(), capacity);
        for _ in 0..3 {
            assert!(stack.is_empty() && stack.pop().is_none());
            for value in 0..capacity {
                assert_eq!(stack.push(value), Ok(()));
            }
            assert_eq!(stack.push(capacity), Err(PushError::Full(capacity)));
            assert!((0..capacity).rev().all(|value| stack.pop() == Some(value)));
        }
    }
}

#[test]
fn a_capacity_that_cannot_be_is_refused_by_name() {
    let most = (u32::MAX as usize).min(isize::MAX as usize / size_of::<(u32, u64)>());
    for capacity in [0, most + 1, usize::MAX] {
        let error = IndexStack::<u64>::try_new(capacity).unwrap_err();
        assert_eq!(
            (error.field(), error.value(), error.limits()),
            ("capacity", capacity, Some((1, most)))
        );
        let panic = catch_unwind(|| IndexStack::<u64>::new(capacity)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>(), Some(&error.to_string()));
    }
    // More than there is address space for: refused, not an overflow.
    let error = IndexStack::<[u64; 1 << 24]>::try_new(1 << 32).unwrap_err();
    assert_eq!(error.value(), 1 << 32);
    let error = IndexStack::<[u64; 1 << 20]>::try_new((1 << 32) - 1).unwrap_err();
    assert!(error.layout().is_some(), "{error}");
}

/// Any operations, as a `Vec` does them.
#[test]
fn index_stack_answers_as_a_vec() {
    for capacity in [1, 2, 5, 40, 200] {
        let stack = IndexStack::new(capacity);
        let mut handle = stack.handle();
        let mut model = Vec::new();
        let mut seed = capacity as u64;
        let mut next = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for value in 0..20_000_u32 {
            match next(9) {
                0..=2 => match stack.push(value) {
                    Ok(()) => model.push(value),
                    Err(error) => {
                        assert_eq!(error, PushError::Full(value));
                        assert!(model.len() + handle.keeps() >= capacity, "refused too early");
                    }
                },
                3 | 4 => match handle.push(value) {
                    Ok(()) => model.push(value),
                    Err(error) => {
                        assert_eq!(error, PushError::Full(value));
                        assert_eq!(model.len(), capacity, "it has all the free nodes there are");
                    }
                },
                5 => assert_eq!(stack.pop(), model.pop()),
                6 => assert_eq!(handle.pop(), model.pop()),
                7 => {
                    let mut values = value..value + u32::try_from(next(70)).unwrap();
                    let wanted = values.len();
                    let pushed = stack.push_batch(&mut values).unwrap_or(0);
                    assert_eq!(values.len(), wanted - pushed, "what did not fit is still there");
                    model.extend(value..value + u32::try_from(pushed).unwrap());
                    assert!(pushed == wanted || model.len() + handle.keeps() >= capacity);
                }
                _ => {
                    let most = usize::try_from(next(50)).unwrap();
                    let popped: Vec<_> = stack.pop_up_to(most).collect();
                    let kept = model.len().saturating_sub(most);
                    assert!(popped.into_iter().eq(model.drain(kept..).rev()));
                }
            }
            assert_eq!(stack.is_empty(), model.is_empty());
        }
        assert!(stack.pop_all().eq(model.into_iter().rev()));
    }
}

#[test]
fn a_handle_keeps_no_more_than_it_says_and_gives_it_back() {
    for (capacity, keeps) in [(1, 2), (8, 2), (64, 16), (128, 32), (10_000, 32)] {
        let stack = IndexStack::new(capacity);
        stack.push_batch(&mut (0..capacity)).unwrap();
        let mut handle = stack.handle();
        assert_eq!((handle.keeps(), handle.stack().capacity()), (keeps, capacity));
        assert!((0..capacity).rev().all(|value| handle.pop() == Some(value)));
        let free = stack.push_batch(&mut (0..capacity)).unwrap_or(0);
        assert!(free + keeps >= capacity, "{free} of {capacity} free beside a handle");
        drop(handle);
        assert_eq!(free + stack.push_batch(&mut (0..capacity)).unwrap_or(0), capacity, "all free");
    }
}

#[test]
fn what_is_forgotten_keeps_its_nodes_and_nothing_more() {
    let stack = IndexStack::new(128);
    stack.push_batch(&mut (0..64).map(Box::new)).unwrap();
    let mut handle = core::mem::ManuallyDrop::new(stack.handle());
    assert_eq!(handle.pop().as_deref(), Some(&63));
    let mut popped = core::mem::ManuallyDrop::new(stack.pop_up_to(3));
    let held: Vec<_> = popped.by_ref().collect();
    assert_eq!(held.len(), 3);
    assert_eq!(
        stack.push_batch(&mut (0..128).map(Box::new)),
        Ok(128 - 64),
        "less four, and four popped"
    );
    assert_eq!(stack.pop_all().count(), 124);
}

#[test]
fn index_stack_drops_every_value_once_though_a_drop_panics() {
    let dropped = RefCell::new(Vec::new());
    let fill = |stack: &IndexStack<_>| {
        assert_eq!(stack.push_batch(&mut (0..4).map(|number| Telling(number, &dropped))), Ok(4));
    };
    let stack = IndexStack::new(4);
    fill(&stack);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(stack.pop_all()))).is_err());
    assert_eq!(dropped.take(), [3, 2, 1, 0]);
    fill(&stack); // the nodes came back
    let mut popped = stack.pop_up_to(3);
    drop(popped.next());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(popped))).is_err());
    assert_eq!(dropped.take(), [3, 2, 1]);
    drop(stack);
    assert_eq!(dropped.take(), [0]);
    let stack = IndexStack::new(4);
    fill(&stack);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(stack))).is_err());
    assert_eq!(dropped.take(), [3, 2, 1, 0]);
}

#[test]
fn a_panicking_iterator_loses_neither_values_nor_nodes() {
    let stack = IndexStack::new(4);
    let mut values = (0..4).inspect(|&value| {
        if value == 2 {
            resume_unwind(Box::new("planned"));
        }
    });
    assert!(catch_unwind(AssertUnwindSafe(|| stack.push_batch(&mut values))).is_err());
    assert_eq!(stack.push_batch(&mut (10..20)), Ok(2), "two are in, two nodes are free");
    assert!(stack.pop_all().eq([11, 10, 1, 0]));
}

#[test]
fn an_iterator_may_use_the_stack_it_is_pushed_to() {
    let stack = IndexStack::new(4);
    let mut values = (0..2).inspect(|&value| stack.push(value + 10).unwrap());
    assert_eq!(stack.push_batch(&mut values), Ok(2));
    assert!(stack.pop_all().inspect(|_| assert!(stack.pop().is_none())).eq([1, 0, 11, 10]));
}

#[test]
fn values_of_every_shape_keep_their_bits() {
    #[repr(align(256))]
    #[derive(Debug, PartialEq, Clone, Copy)]
    struct Wide(u8);
    let units = IndexStack::new(65);
    assert_eq!(units.push_batch(&mut core::iter::repeat(())), Ok(65));
    assert_eq!(units.pop_all().count(), 65);
    let wide = IndexStack::new(3);
    assert_eq!(wide.push_batch(&mut (0..9).map(Wide)), Ok(3));
    assert!(wide.pop_all().eq([2, 1, 0].map(Wide)));
    let niches = IndexStack::new(2);
    niches.push(None::<Box<u8>>).unwrap();
    niches.push(Some(Box::new(7))).unwrap();
    assert!(niches.pop_all().eq([Some(Box::new(7)), None]));
}

/// `Full` is about nodes: those of popped values that are not taken out yet are not free.
#[test]
fn what_popped_values_have_is_not_free() {
    let stack = IndexStack::new(70);
    assert_eq!(stack.push_batch(&mut (0..70)), Ok(70));
    let mut popped = stack.pop_all();
    assert!(stack.is_empty());
    assert_eq!(stack.push(100), Err(PushError::Full(100)), "all nodes are the iterator's");
    assert_eq!(stack.push_batch(&mut (100..101)), Err(PushError::Full(())));
    assert_eq!(stack.handle().push(100), Err(PushError::Full(100)));
    assert!(popped.by_ref().take(31).eq((39..70).rev()));
    assert_eq!(stack.push(100), Err(PushError::Full(100)), "they come back 32 at a time");
    assert_eq!(popped.next(), Some(38));
    assert_eq!(stack.push_batch(&mut (100..200)), Ok(32));
    assert_eq!(stack.push(200), Err(PushError::Full(200)));
    drop(popped);
    assert_eq!(stack.push_batch(&mut (200..300)), Ok(38));
    assert_eq!(stack.pop_up_to(2).count(), 2);
    let _two = stack.pop_up_to(2);
    assert_eq!(stack.push_batch(&mut (300..400)), Ok(2), "those of two more are kept");
}

/// What a batch has filled, and up to 32 nodes that it has not, are nobody else's while its iterator
/// runs.
#[test]
fn what_a_batch_has_is_not_free_while_its_iterator_runs() {
    let stack = IndexStack::new(40);
    let is_free = || stack.push(100).is_ok_and(|()| stack.pop() == Some(100));
    let mut values = (0..40).inspect(|&step| assert_eq!(is_free(), step < 32, "step {step}"));
    assert_eq!(stack.push_batch(&mut values), Ok(40));
    assert_eq!(stack.pop(), Some(39));
    assert!(is_free());
}

#[test]
fn tsan_handles_and_batches_lose_nothing() {
    const EACH: usize = 10_000;
    let stack = IndexStack::new(256);
    let sum = core::sync::atomic::AtomicUsize::new(0);
    let count = core::sync::atomic::AtomicUsize::new(0);
    // Each is joined: how a scope waits for its threads, ThreadSanitizer does not see.
    std::thread::scope(|scope| {
        let pushers = [0, 1].map(|thread| {
            let stack = &stack;
            scope.spawn(move || {
                let mut handle = stack.handle();
                let mut values = thread * EACH..(thread + 1) * EACH;
                while let Some(value) = values.next() {
                    let mut value = value;
                    while let Err(error) = handle.push(value) {
                        value = error.into_inner();
                        std::thread::yield_now();
                    }
                    let _ = stack.push_batch(&mut values.by_ref().take(value % 5));
                }
            })
        });
        let poppers = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut handle = stack.handle();
                while count.load(core::sync::atomic::Ordering::Relaxed) < 2 * EACH {
                    let (mut seen, mut total) = (0, 0);
                    for value in handle.pop().into_iter().chain(stack.pop_up_to(3)) {
                        (seen, total) = (seen + 1, total + value);
                    }
                    sum.fetch_add(total, core::sync::atomic::Ordering::Relaxed);
                    count.fetch_add(seen, core::sync::atomic::Ordering::Relaxed);
                    if seen == 0 {
                        std::thread::yield_now();
                    }
                }
            })
        });
        pushers.into_iter().chain(poppers).for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(sum.into_inner(), (0..2 * EACH).sum::<usize>());
}

#[test]
fn a_handle_that_owns_keeps_the_stack_alive_and_the_last_one_ends_it() {
    let dropped = Rc::new(());
    #[expect(clippy::arc_with_non_send_sync, reason = "an owning handle takes an `Arc`")]
    let stack = std::sync::Arc::new(IndexStack::new(8));
    let (mut one, mut other) = (StackHandle::owning(stack.clone()), StackHandle::owning(stack));
    one.push(Rc::clone(&dropped)).unwrap();
    one.push(Rc::clone(&dropped)).unwrap();
    drop(one);
    assert!(other.pop().is_some());
    assert_eq!(Rc::strong_count(&dropped), 2);
    drop(other);
    assert_eq!(Rc::strong_count(&dropped), 1);
}
