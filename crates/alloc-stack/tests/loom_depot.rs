//! Models of `Depot`: stacks that pass between threads, are taken by one of two, are freed.
//!
//! The stack of a lease stands in a facade cell, so that a hand-over without its ordering is a race
//! that loom reports, and in a `Track`, so that one that nobody frees is a leak.
#![cfg(all(loom, feature = "std"))]

use alloc_stack::{Depot, DepotStats};
use primitives::model::Model;
use primitives::sync::{Arc, thread};

/// Leases a stack and gives it back.
fn visit(depot: &Depot) {
    let mut lease = depot.lease();
    assert!(lease.is_empty());
    // An access that a model sees; memory of the stack itself is plain.
    lease.trim();
}

fn leases(stats: &DepotStats) -> String {
    assert_eq!(stats.returns + stats.evictions, stats.hits + stats.steals + stats.misses);
    assert_eq!(stats.idle, stats.misses - stats.evictions, "each stack is here, or was freed");
    format!("{} made, {} stolen, {} again", stats.misses, stats.steals, stats.hits)
}

/// One thread gives a stack back while another wants one: it gets that one, whole, or a new one.
#[test]
fn loom_a_stack_passes_from_thread_to_thread() {
    Model::new("a_stack_passes_from_thread_to_thread")
        .reaches([
            "2 made, 0 stolen, 0 again",
            "1 made, 1 stolen, 0 again",
            "1 made, 0 stolen, 1 again",
        ])
        .floor(100)
        .check(|seen| {
            let depot = Arc::new(Depot::new());
            let theirs = Arc::clone(&depot);
            let t = thread::spawn(move || visit(&theirs));
            visit(&depot);
            t.join().unwrap();
            seen.record(leases(&depot.stats()));
        });
}

/// The owner of a place and another thread want the stack in it: one of them gets it.
#[test]
fn loom_owner_and_thief() {
    Model::new("owner_and_thief")
        .reaches(["stolen in time", "stolen after", "made"])
        .floor(100)
        .check(|seen| {
            let depot = Arc::new(Depot::new());
            visit(&depot);
            let theirs = Arc::clone(&depot);
            let t = thread::spawn(move || visit(&theirs));
            visit(&depot);
            t.join().unwrap();
            let stats = depot.stats();
            seen.record(match (stats.misses, stats.steals, stats.hits) {
                // The thief had it first, and the owner stole it back or made another.
                (_, 1.., 0) => "stolen in time",
                (1, 1.., 1) => "stolen after",
                (2, 0, 1) => "made",
                other => panic!("{other:?}"),
            });
        });
}

/// Two threads want the one stack that is idle, in the place of a third: at most one gets it.
#[test]
fn loom_two_want_the_one_that_is_idle() {
    // Bounded by one: three threads with slots of their own take minutes else.
    let model = Model::new("two_want_the_one_that_is_idle").preemptions(1);
    model.reaches(["1", "2"]).floor(100).check(|seen| {
        let depot = Arc::new(Depot::new());
        visit(&depot);
        let (first, second) = (Arc::clone(&depot), Arc::clone(&depot));
        let a = thread::spawn(move || visit(&first));
        let b = thread::spawn(move || visit(&second));
        a.join().unwrap();
        b.join().unwrap();
        let stats = depot.stats();
        assert!(stats.steals >= 1, "it was there for one of them: {stats:?}");
        seen.record(stats.misses);
    });
}

/// A lease crosses to another thread, which gives it back to its own place.
#[test]
fn loom_a_lease_is_returned_elsewhere() {
    Model::new("a_lease_is_returned_elsewhere").reaches(["stolen", "made"]).floor(4).check(
        |seen| {
            let depot: &'static Depot = Box::leak(Box::new(Depot::new()));
            let mut lease = depot.lease();
            lease.trim();
            let t = thread::spawn(move || {
                let mut lease = lease;
                lease.trim();
            });
            visit(depot);
            t.join().unwrap();
            let stats = depot.stats();
            seen.record(if stats.steals == 1 { "stolen" } else { "made" });
            // SAFETY: leaked above, and used by nobody any more.
            drop(unsafe { Box::from_raw(core::ptr::from_ref(depot).cast_mut()) });
        },
    );
}

/// Idle stacks are freed while another thread takes one: each goes to one of them.
#[test]
fn loom_reclaim_trim_races_lease() {
    Model::new("reclaim_trim_races_lease").reaches(["freed", "leased"]).floor(100).check(|seen| {
        let depot = Arc::new(Depot::new());
        visit(&depot);
        let theirs = Arc::clone(&depot);
        let t = thread::spawn(move || theirs.trim());
        visit(&depot);
        t.join().unwrap();
        let stats = depot.stats();
        seen.record(if stats.hits == 1 { "leased" } else { "freed" });
        depot.trim();
        assert_eq!(depot.stats().idle, 0);
    });
}

/// A thread has two stacks at once, and one place for them here: the second is freed, while another
/// thread takes the first.
#[test]
fn loom_reclaim_eviction_races_theft() {
    Model::new("reclaim_eviction_races_theft").reaches(["evicted", "kept"]).floor(100).check(
        |seen| {
            let depot = Arc::new(Depot::new());
            let theirs = Arc::clone(&depot);
            let t = thread::spawn(move || {
                let mut outer = theirs.lease();
                visit(&theirs);
                outer.trim();
            });
            visit(&depot);
            t.join().unwrap();
            seen.record(if depot.stats().evictions == 0 { "kept" } else { "evicted" });
        },
    );
}

/// A thread exits, with an idle stack in its places, while the depot is dropped elsewhere.
#[test]
fn loom_reclaim_exit_races_drop() {
    Model::new("reclaim_exit_races_drop").reaches(["dropped"]).floor(4).check(|seen| {
        let depot = Arc::new(Depot::new());
        let theirs = Arc::clone(&depot);
        let t = thread::spawn(move || {
            visit(&theirs);
            drop(theirs);
            // The exit that follows races with the drop below.
        });
        drop(depot);
        t.join().unwrap();
        seen.record("dropped");
    });
}
