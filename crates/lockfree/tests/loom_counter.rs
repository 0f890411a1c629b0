//! Models of the counter: cells that pass from thread to thread, and takes that meet.
#![cfg(loom)]

use lockfree::Counter;
use primitives::model::Model;
use primitives::sync::{Arc, thread};

/// A thread counts and exits while another counts, perhaps on in its cell: nothing is lost.
#[test]
fn loom_cells_pass_on_what_they_hold() {
    let model = Model::new("cells_pass_on_what_they_hold");
    model.reaches(["1 cell", "2 cells"]).floor(890).check(|seen| {
        let counter = Arc::new(Counter::new());
        let theirs = Arc::clone(&counter);
        let other = thread::spawn(move || theirs.increment());
        counter.add(2);
        assert!([2, 3].contains(&counter.sum()));
        other.join().unwrap();
        assert_eq!(counter.sum(), 3);
        seen.record(if counter.cells() == 1 { "1 cell" } else { "2 cells" });
    });
}

/// Two threads take, of which one adds: each add is taken once, and no take is negative.
#[test]
fn loom_takes_share_what_was_added() {
    let model = Model::new("takes_share_what_was_added");
    model.reaches(["0 2", "1 1", "2 0"]).floor(990).check(|seen| {
        let counter = Arc::new(Counter::new());
        counter.increment();
        let theirs = Arc::clone(&counter);
        let taker = thread::spawn(move || theirs.take());
        counter.increment();
        let mine = counter.take();
        let others = taker.join().unwrap();
        seen.record(format!("{mine} {others}"));
        assert_eq!(mine + others, 2);
        assert_eq!((counter.take(), counter.sum()), (0, 0));
    });
}

/// A sum beside a take never counts less in the cells than was taken from them.
#[test]
fn loom_a_sum_beside_a_take_is_not_negative() {
    let model = Model::new("a_sum_beside_a_take_is_not_negative");
    model.reaches(["0", "1", "2"]).floor(1_800).check(|seen| {
        let counter = Arc::new(Counter::new());
        counter.increment();
        let theirs = Arc::clone(&counter);
        let taker = thread::spawn(move || theirs.take());
        let theirs = Arc::clone(&counter);
        let reader = thread::spawn(move || theirs.sum());
        counter.increment();
        seen.record(reader.join().unwrap());
        taker.join().unwrap();
    });
}
