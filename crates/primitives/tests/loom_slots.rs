//! Models of `ThreadSlots`.
//!
//! The values are facade cells, so that a hand-over without its ordering is a race loom reports.
#![cfg(loom)]

use primitives::ThreadSlots;
use primitives::model::Model;
use primitives::sync::alloc::Track;
use primitives::sync::cell::UnsafeCell;
use primitives::sync::{Arc, thread};

/// A value only its owner may touch; tracked, so that it must be dropped.
struct Value(Track<UnsafeCell<usize>>);

impl Value {
    fn new(value: usize) -> Self {
        Self(Track::new(UnsafeCell::new(value)))
    }

    /// Adds 1 and returns the value before.
    fn bump(&self) -> usize {
        // SAFETY: `ThreadSlots` lends a value to its owner thread only: what the models check.
        self.0.get_ref().with_mut(|value| unsafe {
            let before = *value;
            *value += 1;
            before
        })
    }
}

fn bump(slots: &ThreadSlots<Value>) -> usize {
    slots.with_or(|| Value::new(0), Value::bump)
}

/// Two threads ask first at once: each gets its own value.
#[test]
fn loom_first_use_by_two() {
    Model::new("first_use_by_two").reaches(["apart", "adopted"]).floor(10).check(|seen| {
        let slots = Arc::new(ThreadSlots::new());
        let theirs = Arc::clone(&slots);
        let t = thread::spawn(move || {
            assert_eq!(bump(&theirs), 0);
            assert_eq!(bump(&theirs), 1);
        });
        let ours = bump(&slots);
        assert_eq!(bump(&slots), ours + 1);
        t.join().unwrap();
        match ours {
            0 => seen.record("apart"),
            // The other thread had been and gone.
            2 => seen.record("adopted"),
            other => panic!("a value of {other}"),
        }
    });
}

/// A thread exits while another asks first: the value passes whole, or a second one is made.
#[test]
fn loom_exit_then_adopt() {
    Model::new("exit_then_adopt").reaches(["adopted", "own"]).floor(10).check(|seen| {
        let slots = Arc::new(ThreadSlots::new());
        let (first, second) = (Arc::clone(&slots), Arc::clone(&slots));
        let a = thread::spawn(move || {
            bump(&first);
        });
        let b = thread::spawn(move || bump(&second));
        let before = b.join().unwrap();
        a.join().unwrap();
        match (before, slots.len()) {
            (1, 1) => seen.record("adopted"),
            // With `before` 0 and one value, it was the first thread that adopted.
            (0, 1 | 2) => seen.record("own"),
            other => panic!("value and count {other:?}"),
        }
    });
}

/// Two threads want the one value left behind: at most one adopts it.
///
/// loom's `join`, unlike std's, does not wait for the thread's destructors: both may come too early
/// (0 and 0), and "2" is a thread that adopts after the other has exited in turn.
#[test]
fn loom_one_left_two_want() {
    Model::new("one_left_two_want").reaches(["0 0", "0 1", "1 0", "2 1"]).floor(10).check(|seen| {
        let slots = Arc::new(ThreadSlots::new());
        let gone = Arc::clone(&slots);
        thread::spawn(move || bump(&gone)).join().unwrap();
        let theirs = Arc::clone(&slots);
        let t = thread::spawn(move || bump(&theirs));
        let ours = bump(&slots);
        let theirs = t.join().unwrap();
        seen.record(format!("{ours} {theirs}"));
    });
}

/// A thread exits while the object drops elsewhere: whoever is second frees the slot, once.
#[test]
fn loom_exit_races_drop() {
    Model::new("exit_races_drop").reaches(["dropped"]).floor(4).check(|seen| {
        let slots = Arc::new(ThreadSlots::new());
        let theirs = Arc::clone(&slots);
        let t = thread::spawn(move || {
            bump(&theirs);
            drop(theirs);
            // The exit that follows races with the drop below.
        });
        drop(slots);
        t.join().unwrap();
        seen.record("dropped");
    });
}

/// A thread that lives on sweeps the slot of an object dropped elsewhere.
#[test]
fn loom_sweep_races_drop() {
    Model::new("sweep_races_drop").reaches(["swept"]).floor(4).check(|seen| {
        let first = Arc::new(ThreadSlots::new());
        bump(&first);
        let theirs = Arc::clone(&first);
        let t = thread::spawn(move || drop(theirs));
        drop(first);
        // Under loom every new slot sweeps.
        let second = ThreadSlots::new();
        assert_eq!(bump(&second), 0);
        let third = ThreadSlots::new();
        assert_eq!(bump(&third), 0);
        t.join().unwrap();
        seen.record("swept");
    });
}

/// A shared walk while another thread asks first sees the value whole, or not at all.
#[test]
fn loom_walk_races_first_use() {
    Model::new("walk_races_first_use").reaches(["0", "1"]).floor(4).check(|seen| {
        let slots = Arc::new(ThreadSlots::<usize>::new());
        let theirs = Arc::clone(&slots);
        let t = thread::spawn(move || assert_eq!(*theirs.get_or(|| 7), 7));
        let mut count = 0;
        slots.for_each_shared(|value| {
            assert_eq!(*value, 7);
            count += 1;
        });
        t.join().unwrap();
        seen.record(count);
    });
}
