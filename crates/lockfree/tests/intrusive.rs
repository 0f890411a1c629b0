//! Order, ownership and panics of the intrusive stack and its chains.
#![cfg(not(loom))]

mod node;

use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use lockfree::{Chain, IntrusiveStack, Link, Popped};
use node::{Node, node};
use static_assertions::{assert_eq_size, assert_impl_all, assert_not_impl_any};
use std::panic::{catch_unwind, resume_unwind};

assert_eq_size!(IntrusiveStack<Node>, usize);
assert_eq_size!(Link, usize);
assert_eq_size!(Popped<Node>, usize);
assert_eq_size!(Chain<Node>, [usize; 2]);

/// A node whose hook borrows from the test.
type Borrowing<'c> = Node<Box<dyn FnMut(u32) + 'c>>;

mod send_and_sync {
    use super::{Chain, IntrusiveStack, Link, Node, Popped, assert_impl_all, assert_not_impl_any};
    type Sent = Node<fn(u32)>;
    type Kept = Node<Box<dyn FnMut(u32)>>;
    assert_impl_all!(IntrusiveStack<Sent>: Send, Sync);
    assert_not_impl_any!(IntrusiveStack<Kept>: Send, Sync);
    assert_impl_all!(Chain<Sent>: Send);
    assert_not_impl_any!(Chain<Kept>: Send, Sync);
    assert_impl_all!(Popped<Sent>: Send);
    assert_not_impl_any!(Popped<Kept>: Send, Sync);
    assert_impl_all!(Link: Send, Sync);
}

fn numbers(popped: Popped<Node>) -> Vec<u32> {
    popped.map(|node| node.number()).collect()
}

#[test]
fn nodes_come_out_newest_first_and_in_order_of_arrival_when_reversed() {
    let stack = IntrusiveStack::<Node>::new();
    assert!(stack.is_empty() && stack.pop_all().is_empty());
    for reversed in [false, true] {
        for number in 0..5 {
            assert_eq!(stack.push(node(number)), number == 0, "told whether it was empty");
        }
        assert!(!stack.is_empty());
        let popped = stack.pop_all();
        assert!(stack.is_empty() && !popped.is_empty());
        if reversed {
            assert_eq!(numbers(popped.reversed()), [0, 1, 2, 3, 4]);
        } else {
            assert_eq!(numbers(popped), [4, 3, 2, 1, 0]);
        }
    }
}

#[test]
fn a_chain_goes_in_whole_and_in_its_own_order() {
    let stack = IntrusiveStack::<Node>::new();
    assert!(!stack.push_chain(Chain::new()), "an empty chain fills nothing");
    assert!(stack.push(node(9)));
    assert!(!stack.push_chain([1, 2, 3].map(node).into_iter().collect()));
    assert!(!stack.push(node(0)));
    assert_eq!(numbers(stack.pop_all()), [0, 1, 2, 3, 9]);
    assert!(stack.push_chain([4, 5].map(node).into_iter().collect()));
    assert_eq!(numbers(stack.pop_all()), [4, 5]);
}

#[test]
fn chains_grow_at_both_ends_join_and_give_nodes_back() {
    let mut chain = Chain::<Node>::new();
    assert!(chain.pop_front().is_none());
    chain.push_front(node(2));
    chain.push_back(node(3));
    chain.push_front(node(1));
    let mut more: Chain<Node> = [4, 5].map(node).into_iter().collect();
    chain.append(&mut more);
    assert!(more.is_empty());
    chain.append(&mut more); // nothing
    more.append(&mut chain); // everything
    assert!(chain.is_empty() && !more.is_empty());
    more.push_back(node(6));
    assert_eq!(more.pop_front().unwrap().number(), 1);
    assert_eq!(numbers(more.into_iter()), [2, 3, 4, 5, 6]);
}

#[test]
fn what_was_popped_can_be_pushed_again_as_it_is() {
    let (first, second) = (IntrusiveStack::<Node>::new(), IntrusiveStack::<Node>::new());
    for number in 0..4 {
        first.push(node(number));
    }
    let mut popped = first.pop_all();
    assert_eq!(popped.next().unwrap().number(), 3);
    second.push(node(9));
    second.push_chain(popped.into_chain());
    assert_eq!(numbers(second.pop_all()), [2, 1, 0, 9]);
    assert!(first.pop_all().into_chain().is_empty());
    assert!(first.pop_all().reversed().next().is_none());
}

#[test]
fn exclusive_access_takes_everything_too() {
    let mut stack = IntrusiveStack::<Node>::new();
    stack.push(node(1));
    stack.push(node(2));
    assert_eq!(numbers(stack.take()), [2, 1]);
    assert!(stack.take().is_empty());
    assert!(stack.push(node(3)), "empty again");
}

#[test]
fn every_node_is_dropped_once_wherever_it_is() {
    let dropped = RefCell::new(Vec::new());
    let tell = |number| -> Box<Borrowing<'_>> {
        Node::telling(number, Box::new(|number| dropped.borrow_mut().push(number)))
    };
    let seen = |expected: &[u32]| assert_eq!(dropped.take(), expected);
    let stack = IntrusiveStack::<Borrowing<'_>>::new();
    (0..3).for_each(|number| assert_eq!(stack.push(tell(number)), number == 0));
    let mut popped = stack.pop_all();
    drop(popped.next());
    seen(&[2]);
    drop(popped);
    seen(&[1, 0]);
    let mut chain: Chain<Borrowing<'_>> = (3..6).map(tell).collect();
    drop(chain.pop_front());
    seen(&[3]);
    drop(chain);
    seen(&[4, 5]);
    stack.push(tell(6));
    stack.push(tell(7));
    drop(stack);
    seen(&[7, 6]);
}

#[test]
fn a_panicking_drop_keeps_no_other_from_its_own() {
    let dropped = RefCell::new(Vec::new());
    let tell = |number| -> Box<Borrowing<'_>> {
        let dropped = &dropped;
        Node::telling(
            number,
            Box::new(move |number| {
                dropped.borrow_mut().push(number);
                if number == 1 {
                    resume_unwind(Box::new("planned"));
                }
            }),
        )
    };
    let stack = IntrusiveStack::<Borrowing<'_>>::new();
    (0..3).for_each(|number| assert_eq!(stack.push(tell(number)), number == 0));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(stack))).is_err());
    assert_eq!(dropped.take(), [2, 1, 0]);
    let chain: Chain<Borrowing<'_>> = (0..3).map(tell).collect();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(chain))).is_err());
    assert_eq!(dropped.take(), [0, 1, 2]);
}

#[test]
fn tsan_nothing_is_lost_between_threads_that_push_and_threads_that_take() {
    const EACH: u32 = 20_000;
    let stack = IntrusiveStack::<Node>::new();
    let pushers_left = core::sync::atomic::AtomicU32::new(2);
    let taken = std::thread::scope(|scope| {
        // Each is joined: how a scope waits for its threads, ThreadSanitizer does not see.
        let pushers = [0, 1].map(|pusher| {
            let (stack, left) = (&stack, &pushers_left);
            scope.spawn(move || {
                for number in (0..EACH).step_by(4) {
                    let number = pusher * EACH + number;
                    stack.push(node(number));
                    stack.push_chain(
                        [3, 2, 1].map(|more| node(number + more)).into_iter().collect(),
                    );
                }
                left.fetch_sub(1, core::sync::atomic::Ordering::Release);
            })
        });
        let takers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut taken = Vec::new();
                    loop {
                        let last = pushers_left.load(core::sync::atomic::Ordering::Acquire) == 0;
                        taken.push(numbers(stack.pop_all().reversed()));
                        if last && stack.is_empty() {
                            return taken;
                        }
                    }
                })
            })
            .collect();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
    });
    for batch in &taken {
        for pusher in 0..2 {
            let own = batch.iter().filter(|&&number| number / EACH == pusher);
            assert!(own.clone().zip(own.skip(1)).all(|(a, b)| a < b), "out of order: {batch:?}");
        }
    }
    let mut all: Vec<u32> = taken.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..2 * EACH), "each once");
}
