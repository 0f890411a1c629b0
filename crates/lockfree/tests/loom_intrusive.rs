//! Models of the intrusive stack: nodes stand in boxes whose link and number are cells, so that a
//! hand-over without its ordering, a node read after it was freed, or one that nobody freed fails.
#![cfg(loom)]

mod node;

use lockfree::{Chain, IntrusiveStack};
use node::{Node, node};
use primitives::model::Model;
use primitives::sync::{Arc, thread};

type Stack = IntrusiveStack<Node>;

/// Takes everything, frees it, and says what it was.
fn take(stack: &Stack) -> Vec<u32> {
    stack.pop_all().map(|node| node.number()).collect()
}

fn chain(numbers: impl IntoIterator<Item = u32>) -> Chain<Node> {
    numbers.into_iter().map(node).collect()
}

/// Two threads push while a third takes and frees: what it gets is whole, and nothing is lost.
#[test]
fn loom_two_push_while_one_takes() {
    Model::new("two_push_while_one_takes").reaches(["0", "1", "2"]).floor(1_200).check(|seen| {
        let stack = Arc::new(Stack::new());
        let pushers = [1, 2].map(|number| {
            let stack = Arc::clone(&stack);
            thread::spawn(move || stack.push(node(number)))
        });
        let early = take(&stack);
        for pusher in pushers {
            pusher.join().unwrap();
        }
        assert_eq!(stack.is_empty(), early.len() == 2);
        let mut all = [early.clone(), take(&stack)].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        seen.record(early.len());
    });
}

/// A chain comes whole or not at all, in its order, though another push comes in between.
#[test]
fn loom_a_chain_comes_whole() {
    let model = Model::new("a_chain_comes_whole");
    model.reaches(["", "12", "3", "312", "123"]).floor(1_200).check(|seen| {
        let stack = Arc::new(Stack::new());
        let (ours, theirs) = (Arc::clone(&stack), Arc::clone(&stack));
        let a = thread::spawn(move || ours.push_chain(chain([1, 2])));
        let b = thread::spawn(move || theirs.push(node(3)));
        let early: String = take(&stack).iter().map(u32::to_string).collect();
        a.join().unwrap();
        b.join().unwrap();
        assert_eq!(early.len() + take(&stack).len(), 3);
        seen.record(early);
    });
}

/// Two threads take: each node goes to one of them, which frees it while the other may hold its
/// address; a node that a push linked to may be gone before the push is through.
#[test]
fn loom_reclaim_two_take_while_one_pushes() {
    let model = Model::new("reclaim_two_take_while_one_pushes");
    model.reaches(["0+1", "0+2", "1+0", "1+1", "2+0"]).floor(2_500).check(|seen| {
        let stack = Arc::new(Stack::new());
        stack.push(node(1));
        let (ours, theirs) = (Arc::clone(&stack), Arc::clone(&stack));
        let pusher = thread::spawn(move || ours.push(node(2)));
        let taker = thread::spawn(move || take(&theirs));
        let mine = take(&stack);
        pusher.join().unwrap();
        let others = taker.join().unwrap();
        let rest = take(&stack);
        assert_eq!(mine.len() + others.len() + rest.len(), 2);
        seen.record(format!("{}+{}", mine.len(), others.len()));
    });
}

/// Of the pushes that one pop takes, exactly one was told that the stack was empty.
#[test]
fn loom_one_push_is_told_to_wake() {
    Model::new("one_push_is_told_to_wake").reaches(["1 told", "2 told"]).floor(1_200).check(
        |seen| {
            let stack = Arc::new(Stack::new());
            let pushers = [1, 2].map(|number| {
                let stack = Arc::clone(&stack);
                thread::spawn(move || stack.push(node(number)))
            });
            let pops = usize::from(!take(&stack).is_empty());
            let told =
                pushers.map(|pusher| pusher.join().unwrap()).iter().filter(|told| **told).count();
            let pops = pops + usize::from(!take(&stack).is_empty());
            assert_eq!(told, pops);
            seen.record(format!("{told} told"));
        },
    );
}
