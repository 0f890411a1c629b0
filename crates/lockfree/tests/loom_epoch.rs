//! Models of the stack on epochs, with crossbeam-epoch under the same checker. A node's cells are written
//! by its free, so one that is freed while a popper may read it fails. Bound 1 where nodes are freed: each
//! pin and each flush is a dozen accesses of the collector's own.
#![cfg(all(loom, crossbeam_loom, feature = "epoch"))]

use crossbeam_epoch as epoch;
use lockfree::EpochStack;
use primitives::model::Model;
use primitives::sync::{Arc, thread};

fn sorted(values: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut values: Vec<u32> = values.into_iter().collect();
    values.sort_unstable();
    values
}

fn stack_of(values: impl IntoIterator<Item = u32>) -> Arc<EpochStack<u32>> {
    let stack = EpochStack::new();
    values.into_iter().for_each(|value| stack.push(value));
    Arc::new(stack)
}

/// Two threads pop, each from what the other may be reading.
#[test]
fn loom_reclaim_two_pop() {
    let model =
        Model::new("reclaim_two_pop").lock_free(&["EpochStack::pop", "EpochStack::is_empty"]);
    model.preemptions(1).reaches(["1 2", "2 1"]).floor(50).check(|seen| {
        let stack = stack_of([1, 2]);
        let theirs = Arc::clone(&stack);
        let popper = thread::spawn(move || {
            assert!(!theirs.is_empty());
            theirs.pop()
        });
        let mine = stack.pop().unwrap();
        let others = popper.join().unwrap().unwrap();
        assert_eq!(sorted([mine, others]), [1, 2]);
        assert!(stack.is_empty());
        seen.record(format!("{mine} {others}"));
    });
}

/// A push beside a pop, and beside a take of all.
#[test]
fn loom_reclaim_push_beside_pop() {
    let model = Model::new("reclaim_push_beside_pop");
    let model = model.lock_free(&["EpochStack::push", "EpochStack::pop_all"]);
    model.reaches(["1 then 2", "2 then 1"]).floor(50).check(|seen| {
        let stack = stack_of([1]);
        let theirs = Arc::clone(&stack);
        let pusher = thread::spawn(move || theirs.push(2));
        let first = stack.pop().unwrap();
        let mut rest: Vec<_> = stack.pop_all().collect();
        pusher.join().unwrap();
        rest.extend(stack.pop());
        assert_eq!((first + rest[0], rest.len()), (3, 1));
        seen.record(format!("{first} then {}", rest[0]));
    });
}

/// All is taken while another thread pops.
#[test]
fn loom_reclaim_take_all_beside_pop() {
    let model = Model::new("reclaim_take_all_beside_pop");
    model.preemptions(1).reaches(["1", "21"]).floor(50).check(|seen| {
        let stack = stack_of([1, 2]);
        let theirs = Arc::clone(&stack);
        let popper = thread::spawn(move || theirs.pop());
        let mine: Vec<u32> = stack.pop_all().collect();
        (0..2).for_each(|_| epoch::pin().flush());
        let others = popper.join().unwrap();
        seen.record(mine.iter().map(u32::to_string).collect::<String>());
        assert_eq!(sorted(mine.into_iter().chain(others)), [1, 2]);
    });
}
