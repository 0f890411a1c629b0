//! Models of the stacks that give one value at a time. Their values are moved in and out of cells, so
//! that a value read before it is written, or written while it is read, fails.
#![cfg(loom)]

use core::mem::ManuallyDrop;
use lockfree::{IndexStack, PushError};
use primitives::model::Model;
use primitives::sync::{Arc, thread};

fn sorted(values: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut values: Vec<u32> = values.into_iter().collect();
    values.sort_unstable();
    values
}

fn stack_of(capacity: usize, values: impl IntoIterator<Item = u32>) -> Arc<IndexStack<u32>> {
    let stack = IndexStack::new(capacity);
    values.into_iter().for_each(|value| stack.push(value).unwrap());
    Arc::new(stack)
}

/// A thread pops while another takes the first two nodes out and brings the first one back without the
/// second: what the slow one saw behind the first is not there any more.
#[test]
fn loom_a_node_comes_back_without_the_one_behind_it() {
    let model = Model::new("a_node_comes_back_without_the_one_behind_it");
    model.reaches(["1", "2", "3", "none"]).floor(4_300).check(|seen| {
        let stack = stack_of(2, [1, 2]);
        let theirs = Arc::clone(&stack);
        // Handles keep what they empty: fewer steps, and the first one's node comes back by its push.
        let popper = thread::spawn(move || ManuallyDrop::new(theirs.handle()).pop());
        let mut handle = stack.handle();
        let first = handle.pop();
        let mut held = stack.pop_up_to(1);
        let refused = handle.push(3).err().map(PushError::into_inner);
        let kept = held.next();
        let other = popper.join().unwrap();
        let rest = stack.pop_all();
        let all = sorted(first.into_iter().chain(kept).chain(other).chain(rest).chain(refused));
        assert_eq!(all, [1, 2, 3]);
        seen.record(other.map_or("none".into(), |other| other.to_string()));
    });
}

/// Values pass through the only node: each push waits for the node of the pop before.
#[test]
fn loom_one_node_passes_to_and_fro() {
    Model::new("one_node_passes_to_and_fro").reaches(["full", "taken"]).floor(140).check(|seen| {
        let stack = stack_of(1, []);
        let theirs = Arc::clone(&stack);
        let pusher = thread::spawn(move || {
            theirs.push(1).unwrap();
            theirs.push(2).is_ok()
        });
        let taken = [stack.pop(), stack.pop()];
        let second = pusher.join().unwrap();
        let all: Vec<_> = taken.into_iter().chain([stack.pop()]).flatten().collect();
        assert_eq!(all, if second { vec![1, 2] } else { vec![1] });
        seen.record(if second { "taken" } else { "full" });
    });
}

/// A batch goes in at once; who takes all gets it whole, or not at all.
#[test]
fn loom_a_batch_goes_in_at_once() {
    Model::new("a_batch_goes_in_at_once").reaches(["3", "213", "321"]).floor(6_200).check(|seen| {
        let stack = stack_of(3, []);
        let theirs = Arc::clone(&stack);
        let batch = thread::spawn(move || assert_eq!(theirs.push_batch(&mut (1..=2)), Ok(2)));
        stack.push(3).unwrap();
        let mut popped = ManuallyDrop::new(stack.pop_all());
        let early: String = popped.by_ref().map(|value| value.to_string()).collect();
        batch.join().unwrap();
        assert_eq!(early.len() + stack.pop_up_to(9).count(), 3);
        seen.record(early);
    });
}

/// Takes two values, and leaves their nodes where they are: fewer steps.
fn two(stack: &IndexStack<u32>) -> Vec<u32> {
    ManuallyDrop::new(stack.pop_up_to(2)).by_ref().collect()
}

/// Two threads take runs, of which one pushes before: no run is torn, no value comes twice.
#[test]
fn loom_two_take_runs() {
    Model::new("two_take_runs").reaches(["3 21", "1 32", "32 1"]).floor(5_300).check(|seen| {
        let stack = stack_of(3, [1, 2]);
        let theirs = Arc::clone(&stack);
        let taker = thread::spawn(move || two(&theirs));
        stack.push(3).unwrap();
        let mine = two(&stack);
        let others = taker.join().unwrap();
        let text = |values: &[u32]| values.iter().map(u32::to_string).collect::<String>();
        seen.record(format!("{} {}", text(&mine), text(&others)));
        assert_eq!(sorted(mine.into_iter().chain(others)), [1, 2, 3]);
    });
}
