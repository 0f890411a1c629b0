//! Models of the MPMC ring: each value's place is a cell that a model watches, so that a value read
//! before it was written, written over before it was read, or taken twice fails; values are tracked, so
//! that one that is lost or dropped twice does.
#![cfg(loom)]

use lockfree::{MpmcRing, PopError, PushError, TryPopError, TryPushError};
use primitives::model::Model;
use primitives::sync::alloc::Track;
use primitives::sync::atomic::Ordering::{Relaxed, SeqCst};
use primitives::sync::atomic::{AtomicBool, fence};
use primitives::sync::{Arc, thread};

/// A value whose leak or early drop loom reports.
type Value = Track<u32>;
type Ring = MpmcRing<Value>;

/// A ring with `values` in it, whose laps begin `offset` slots further on.
fn ring(capacity: usize, offset: usize, values: &[u32]) -> Arc<Ring> {
    let ring = Ring::new(capacity);
    for _ in 0..offset {
        ring.push(Track::new(0)).unwrap();
        ring.pop().unwrap();
    }
    for &value in values {
        ring.push(Track::new(value)).unwrap();
    }
    Arc::new(ring)
}

/// What a single attempt to push came to.
fn try_push(ring: &Ring, value: u32) -> &'static str {
    match ring.try_push(Track::new(value)) {
        Ok(()) => "pushed",
        Err(TryPushError::Full(_)) => "full",
        Err(TryPushError::Busy(_)) => "busy",
        Err(TryPushError::Closed(_)) => "closed",
    }
}

/// What a single attempt to pop came to.
fn try_pop(ring: &Ring) -> String {
    match ring.try_pop() {
        Ok(value) => value.into_inner().to_string(),
        Err(TryPopError::Empty) => "empty".into(),
        Err(TryPopError::Busy) => "busy".into(),
        Err(TryPopError::Closed) => "closed".into(),
    }
}

/// All that is left, by one thread.
fn rest(ring: &Ring) -> String {
    ring.drain().map(|value| value.into_inner().to_string()).collect()
}

/// Who says that it sleeps and then is refused, and who changes the ring, makes a fence, and looks for
/// sleepers: one sees the other.
fn sleeper(name: &str, values: &[u32], sleeps: fn(&Ring) -> bool, wakes: fn(&Ring)) {
    let values = values.to_vec();
    let model = Model::new(name).reaches(["awake", "woken", "both"]).floor(10);
    model.check(move |seen| {
        let state = Arc::new((ring(1, 0, &values), AtomicBool::new(false)));
        let theirs = Arc::clone(&state);
        let waker = thread::spawn(move || {
            wakes(&theirs.0);
            fence(SeqCst);
            theirs.1.load(Relaxed)
        });
        state.1.store(true, Relaxed);
        let awake = sleeps(&state.0);
        let woken = waker.join().unwrap();
        assert!(awake || woken, "it sleeps, and nobody wakes it");
        seen.record(match (awake, woken) {
            (true, false) => "awake",
            (false, _) => "woken",
            (true, true) => "both",
        });
    });
}

#[test]
fn loom_mpmc_ring_a_sleeping_consumer_is_seen_or_sees() {
    sleeper(
        "mpmc_ring_a_sleeping_consumer_is_seen_or_sees",
        &[],
        |ring| try_pop(ring) != "empty",
        |ring| assert_eq!(try_push(ring, 1), "pushed"),
    );
}

#[test]
fn loom_mpmc_ring_a_sleeping_producer_is_seen_or_sees() {
    sleeper(
        "mpmc_ring_a_sleeping_producer_is_seen_or_sees",
        &[0],
        |ring| try_push(ring, 1) != "full",
        |ring| assert_eq!(try_pop(ring), "0"),
    );
}

/// Four values through two slots: each is filled again while the consumer may still be at it.
#[test]
fn loom_mpmc_ring_four_values_through_two_slots() {
    let model = Model::new("mpmc_ring_four_values_through_two_slots");
    model.reaches(["full", "never full"]).floor(2_400).check(|seen| {
        let ring = ring(2, 0, &[]);
        let theirs = Arc::clone(&ring);
        let pusher = thread::spawn(move || {
            let mut full = "never full";
            for number in 0..4 {
                let mut value = Track::new(number);
                while let Err(error) = theirs.push(value) {
                    full = "full";
                    value = error.into_inner();
                    thread::yield_now();
                }
            }
            full
        });
        for number in 0..4 {
            let value = loop {
                match ring.pop() {
                    Ok(value) => break value.into_inner(),
                    Err(_) => thread::yield_now(),
                }
            };
            assert_eq!(value, number);
        }
        seen.record(pusher.join().unwrap());
    });
}

/// A ring of one slot: its stamps must tell full from free for the next lap.
#[test]
fn loom_mpmc_ring_two_push_and_one_pops_through_one_slot() {
    let model = Model::new("mpmc_ring_two_push_and_one_pops_through_one_slot");
    model.reaches(["1|", "1|2", "1|3"]).floor(1_400).check(|seen| {
        let ring = ring(1, 1, &[1]);
        let pushers = [2, 3].map(|value| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || try_push(&ring, value) == "pushed")
        });
        let early = try_pop(&ring);
        let pushed = pushers.map(|pusher| pusher.join().unwrap());
        let late = rest(&ring);
        assert_eq!(late.len(), pushed.iter().filter(|pushed| **pushed).count());
        seen.record(format!("{early}|{late}"));
    });
}

/// Two consumers and a producer on a ring of two, whose lap ends in between.
#[test]
fn loom_mpmc_ring_two_pop_while_one_pushes() {
    let model = Model::new("mpmc_ring_two_pop_while_one_pushes");
    let outcomes = ["1 2|", "2 1|", "1 busy|2", "busy 1|2", "1 empty|2", "empty 1|2"];
    model.reaches(outcomes).floor(1_100).check(|seen| {
        let ring = ring(2, 1, &[1]);
        let poppers = [(); 2].map(|()| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || try_pop(&ring))
        });
        assert_eq!(try_push(&ring, 2), "pushed");
        let [one, other] = poppers.map(|popper| popper.join().unwrap());
        seen.record(format!("{one} {other}|{}", rest(&ring)));
    });
}

/// Two threads, each of which popped from one full ring, push into the other's: not both are told
/// Full.
#[test]
fn loom_mpmc_ring_full_is_true_of_one_moment() {
    let model = Model::new("mpmc_ring_full_is_true_of_one_moment");
    let outcomes = ["full pushed", "pushed full", "pushed pushed", "busy full", "full busy"];
    let more = ["busy busy", "busy pushed", "pushed busy"];
    model.reaches(outcomes.into_iter().chain(more)).floor(200).check(|seen| {
        let rings = [ring(1, 0, &[1]), ring(1, 0, &[2])];
        let (a, b) = (Arc::clone(&rings[0]), Arc::clone(&rings[1]));
        let other = thread::spawn(move || {
            assert_eq!(try_pop(&b), "2");
            try_push(&a, 3)
        });
        assert_eq!(try_pop(&rings[0]), "1");
        let one = try_push(&rings[1], 4);
        seen.record(format!("{one} {}", other.join().unwrap()));
    });
}

/// Two threads, each of which pushed into one empty ring, pop from the other's: not both are told
/// Empty.
#[test]
fn loom_mpmc_ring_empty_is_true_of_one_moment() {
    let model = Model::new("mpmc_ring_empty_is_true_of_one_moment");
    let outcomes = ["3 4", "3 empty", "empty 4", "3 busy", "busy 4", "busy empty", "empty busy"];
    model.reaches(outcomes.into_iter().chain(["busy busy"])).floor(200).check(|seen| {
        let rings = [ring(1, 0, &[]), ring(1, 0, &[])];
        let (a, b) = (Arc::clone(&rings[0]), Arc::clone(&rings[1]));
        let other = thread::spawn(move || {
            assert_eq!(try_push(&b, 3), "pushed");
            try_pop(&a)
        });
        assert_eq!(try_push(&rings[0], 4), "pushed");
        let one = try_pop(&rings[1]);
        seen.record(format!("{one} {}", other.join().unwrap()));
    });
}

/// A push by force into a full ring of one: whoever pops meanwhile gets the old value or the new one,
/// or is told Busy, and never Empty.
#[test]
fn loom_mpmc_ring_forced_is_never_seen_empty() {
    let model = Model::new("mpmc_ring_forced_is_never_seen_empty");
    let outcomes = ["took 1 pop 2|", "took 1 pop busy|2", "took 0 pop 1|2", "busy pop 1|"];
    model.reaches(outcomes).floor(68).check(|seen| {
        let ring = ring(1, 1, &[1]);
        let theirs = Arc::clone(&ring);
        let forcer = thread::spawn(move || match theirs.try_force_push(Track::new(2)) {
            Ok(displaced) => format!("took {}", displaced.map_or(0, Track::into_inner)),
            Err(TryPushError::Busy(_)) => "busy".into(),
            Err(error) => panic!("{error}"),
        });
        let popped = try_pop(&ring);
        seen.record(format!("{} pop {popped}|{}", forcer.join().unwrap(), rest(&ring)));
    });
}

/// A push by force into a full ring of two, while one thread pushes and one closes: each value ends up
/// in one place, and the ring closed.
#[test]
fn loom_mpmc_ring_force_meets_push_and_close() {
    let model = Model::new("mpmc_ring_force_meets_push_and_close");
    let first = ["took 1 full 23", "took 1 busy 23", "took 1 closed 23"];
    let others = ["busy full 12", "busy closed 12", "closed full 12", "closed closed 12"];
    model.reaches(first.into_iter().chain(others)).floor(490).check(|seen| {
        let ring = ring(2, 1, &[1, 2]);
        let (theirs, others) = (Arc::clone(&ring), Arc::clone(&ring));
        let forcer = thread::spawn(move || match theirs.try_force_push(Track::new(3)) {
            Ok(displaced) => format!("took {}", displaced.map_or(0, Track::into_inner)),
            Err(TryPushError::Busy(_)) => "busy".into(),
            Err(TryPushError::Closed(_)) => "closed".into(),
            Err(TryPushError::Full(_)) => panic!("full is no answer"),
        });
        let closer = thread::spawn(move || others.close());
        let pushed = try_push(&ring, 4);
        assert!(closer.join().unwrap());
        let forced = forcer.join().unwrap();
        assert!(ring.is_closed());
        assert_eq!(try_push(&ring, 5), "closed");
        seen.record(format!("{forced} {pushed} {}", rest(&ring)));
    });
}

/// A ring is closed while one thread pushes and one pops: what was pushed comes out, and after Closed
/// nothing does.
#[test]
fn loom_mpmc_ring_closed_comes_last() {
    let model = Model::new("mpmc_ring_closed_comes_last");
    let outcomes = ["pushed 1", "pushed empty 1", "closed closed", "closed empty"];
    model.reaches(outcomes).floor(260).check(|seen| {
        let ring = ring(1, 0, &[]);
        let (theirs, others) = (Arc::clone(&ring), Arc::clone(&ring));
        let pusher = thread::spawn(move || match theirs.push(Track::new(1)) {
            Ok(()) => "pushed",
            Err(PushError::Closed(_)) => "closed",
            Err(PushError::Full(_)) => "full",
        });
        let closer = thread::spawn(move || others.close());
        let early = match ring.pop() {
            Ok(value) => value.into_inner().to_string(),
            Err(PopError::Empty) => "empty".into(),
            Err(PopError::Closed) => "closed".into(),
        };
        let pushed = pusher.join().unwrap();
        assert!(closer.join().unwrap());
        let late = rest(&ring);
        assert!(early != "closed" || late.is_empty(), "a value after Closed");
        seen.record(format!("{pushed} {early} {late}").trim());
    });
}

/// Batches across the end of the lap: a run goes in and comes out unbroken.
#[test]
fn loom_mpmc_ring_batches_stay_together() {
    let model = Model::new("mpmc_ring_batches_stay_together");
    model.reaches(["|12", "1|2", "12|", "busy|12"]).floor(640).check(|seen| {
        let ring = ring(2, 1, &[0]);
        let theirs = Arc::clone(&ring);
        let pusher = thread::spawn(move || {
            let mut items = [1, 2].map(Track::new).into_iter();
            while items.len() > 0 {
                if theirs.push_batch(&mut items).is_err() {
                    thread::yield_now();
                }
            }
        });
        assert_eq!(try_pop(&ring), "0");
        let mut values = Vec::new();
        let early = match ring.try_pop_batch(&mut values, 2) {
            Ok(count) => {
                assert_eq!(count, values.len());
                values.into_iter().map(|value| value.into_inner().to_string()).collect()
            }
            Err(TryPopError::Empty) => String::new(),
            Err(error) => {
                assert_eq!(error, TryPopError::Busy);
                "busy".into()
            }
        };
        pusher.join().unwrap();
        seen.record(format!("{early}|{}", rest(&ring)));
    });
}

/// An iterator that ends before it should, while another thread pushes and one pops: its slots are
/// given back, or passed over.
#[test]
fn loom_mpmc_ring_what_a_batch_leaves_over_is_passed() {
    /// Says that there are two, and gives one.
    struct Short(Option<Value>);
    impl Iterator for Short {
        type Item = Value;
        fn next(&mut self) -> Option<Value> {
            self.0.take()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (2, Some(2))
        }
    }
    impl ExactSizeIterator for Short {}
    let model = Model::new("mpmc_ring_what_a_batch_leaves_over_is_passed");
    let together = ["true pushed 1|2", "true pushed 2|1", "true pushed busy|12"];
    let apart = ["true busy 1|", "true busy busy|1", "false pushed 2|"];
    model.reaches(together.into_iter().chain(apart)).floor(210).check(|seen| {
        let ring = ring(3, 1, &[]);
        let theirs = Arc::clone(&ring);
        let pusher =
            thread::spawn(move || theirs.try_push_batch(&mut Short(Some(Track::new(1)))).is_ok());
        let pushed = try_push(&ring, 2);
        let early = try_pop(&ring);
        let batch = pusher.join().unwrap();
        let late = rest(&ring);
        // Nothing stays behind: all the room is there again.
        for value in 0..3 {
            assert_eq!(try_push(&ring, value), "pushed");
        }
        seen.record(format!("{batch} {pushed} {early}|{late}"));
    });
}
