//! Models of the SPSC ring: each slot is watched by a cell, so that a value read before it was written,
//! or overwritten before it was taken, fails; values are tracked, so that one that is lost, or dropped
//! early, does; the block is freed as a write.
#![cfg(loom)]

use lockfree::spsc::{Borrowed, Consumer, Heap, Producer, Storage};
use lockfree::{PopError, PushError, SpscRing, StaticSpscRing};
use primitives::model::Model;
use primitives::sync::alloc::Track;
use primitives::sync::{Arc, thread};

/// A value whose leak or early drop loom reports.
type Value = Track<u32>;

fn push<S: Storage>(producer: &mut Producer<Value, S>, number: u32) -> bool {
    match producer.push(Track::new(number)) {
        Ok(()) => true,
        Err(PushError::Full(value)) => {
            assert_eq!(*value.get_ref(), number);
            false
        }
        Err(PushError::Closed(_)) => panic!("the consumer is there"),
    }
}

fn pop<S: Storage>(consumer: &mut Consumer<Value, S>) -> Result<u32, PopError> {
    consumer.pop().map(Track::into_inner)
}

fn text(popped: &[u32]) -> String {
    popped.iter().map(u32::to_string).collect()
}

/// Four values through two slots: each slot is filled again while the consumer may still be at it.
#[test]
fn loom_spsc_four_values_through_two_slots() {
    let model = Model::new("spsc_four_values_through_two_slots");
    model.reaches(["full", "never full"]).floor(20).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(2);
        assert!(push(&mut producer, 0) && push(&mut producer, 1));
        let pusher = thread::spawn(move || {
            let mut full = 0;
            for number in 2..4 {
                while !push(&mut producer, number) {
                    full += 1;
                    thread::yield_now();
                }
            }
            full
        });
        let mut popped = Vec::new();
        while popped.len() < 4 {
            match pop(&mut consumer) {
                Ok(number) => popped.push(number),
                Err(_) => thread::yield_now(),
            }
        }
        assert_eq!(popped, [0, 1, 2, 3]);
        seen.record(if pusher.join().unwrap() > 0 { "full" } else { "never full" });
        assert_eq!(pop(&mut consumer), Err(PopError::Closed));
    });
}

/// Attempts, none repeated: what does not go in comes back, what went in comes out once, in order.
#[test]
fn loom_spsc_three_pushes_meet_three_pops() {
    let model = Model::new("spsc_three_pushes_meet_three_pops");
    let outcomes = ["/01", "0/1", "0/12", "01/", "01/2", "012/"];
    model.reaches(outcomes).preemptions(3).floor(1000).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(2);
        let pusher =
            thread::spawn(move || (0..3).filter(|&number| push(&mut producer, number)).count());
        let early: Vec<_> = (0..3).filter_map(|_| pop(&mut consumer).ok()).collect();
        let pushed = pusher.join().unwrap();
        let late: Vec<_> = core::iter::from_fn(|| pop(&mut consumer).ok()).collect();
        assert_eq!(early.len() + late.len(), pushed);
        seen.record(format!("{}/{}", text(&early), text(&late)));
    });
}

/// The producer leaves while the consumer looks: empty comes before closed, and closed means that
/// nothing is left.
#[test]
fn loom_spsc_closed_means_that_nothing_is_left() {
    let model = Model::new("spsc_closed_means_that_nothing_is_left");
    let outcomes = ["Empty Empty", "Empty 0", "0 Empty", "0 Closed"];
    model.reaches(outcomes).floor(10).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(1);
        let pusher = thread::spawn(move || assert!(push(&mut producer, 0)));
        let (first, second) = (pop(&mut consumer), pop(&mut consumer));
        let show = |popped: Result<u32, PopError>| match popped {
            Ok(number) => number.to_string(),
            Err(error) => format!("{error:?}"),
        };
        seen.record(format!("{} {}", show(first), show(second)));
        pusher.join().unwrap();
        assert!(consumer.is_abandoned());
        let rest: Vec<_> = core::iter::from_fn(|| pop(&mut consumer).ok()).collect();
        assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()) + rest.len(), 1);
        assert_eq!(pop(&mut consumer), Err(PopError::Closed));
    });
}

/// Who asks whether the producer is gone, and is told so, sees its last value.
#[test]
fn loom_spsc_abandoned_means_that_all_is_visible() {
    let model = Model::new("spsc_abandoned_means_that_all_is_visible");
    model.reaches(["abandoned", "not yet"]).floor(3).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(1);
        let pusher = thread::spawn(move || assert!(push(&mut producer, 0)));
        if consumer.is_abandoned() {
            assert_eq!(consumer.len(), 1);
            assert_eq!(pop(&mut consumer), Ok(0));
            seen.record("abandoned");
        } else {
            seen.record("not yet");
        }
        pusher.join().unwrap();
    });
}

/// Both ends leave with a value inside that one pushed: whoever is last drops it, once, and frees.
#[test]
fn loom_spsc_reclaim_last_end_drops_the_rest() {
    let model = Model::new("spsc_reclaim_last_end_drops_the_rest");
    model.reaches(["none", "0"]).floor(5).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(2);
        let pusher = thread::spawn(move || {
            for number in 0..2 {
                let _ = producer.push(Track::new(number));
            }
        });
        let popped = consumer.pop().map(Track::into_inner);
        drop(consumer);
        pusher.join().unwrap();
        seen.record(popped.map_or("none".to_owned(), |number| number.to_string()));
    });
}

/// The consumer takes a value and leaves; the producer, on its way out, uses the slot again.
#[test]
fn loom_spsc_reclaim_consumer_leaves_a_full_ring() {
    let model = Model::new("spsc_reclaim_consumer_leaves_a_full_ring");
    model.reaches(["Full", "pushed"]).floor(5).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(1);
        assert!(push(&mut producer, 0));
        let popper = thread::spawn(move || assert_eq!(pop(&mut consumer), Ok(0)));
        match producer.push(Track::new(1)) {
            Ok(()) => seen.record("pushed"),
            Err(PushError::Full(_)) => seen.record("Full"),
            Err(PushError::Closed(_)) => panic!("it took the value before it left"),
        }
        drop(producer);
        popper.join().unwrap();
    });
}

/// Values in batches, round the end of the ring: a batch comes whole or not at all.
#[test]
fn loom_spsc_batches_come_whole() {
    let model = Model::new("spsc_batches_come_whole");
    model.reaches(["", "01", "0123"]).preemptions(3).floor(100).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(3);
        // The second of two pairs goes round: four slots, and the first pair begins at the third.
        assert_eq!(producer.push_slice(&[8, 9]), Ok(2));
        assert_eq!(consumer.pop_slice(&mut [0; 2]), Ok(2));
        let pusher = thread::spawn(move || {
            let mut chunk = producer.write_chunk(2);
            assert_eq!(chunk.extend([0, 1]), 2);
            assert_eq!(chunk.commit(), 2);
            let Ok(mut chunk) = producer.write_chunk_exact(2) else { return 2 };
            assert_eq!(chunk.extend(2..9), 2);
            2 + chunk.commit()
        });
        let mut popped: Vec<u32> = Vec::new();
        for _ in 0..2 {
            let chunk = consumer.read_chunk(2);
            let (values, more) = chunk.as_slices();
            let values = [values, more].concat();
            popped.extend(&values);
            assert_ne!(values.len(), 1);
            chunk.commit(values.len());
        }
        let pushed = pusher.join().unwrap();
        seen.record(text(&popped));
        popped.extend(consumer.read_chunk(4));
        assert_eq!(popped, (0..pushed as u32).collect::<Vec<_>>());
    });
}

/// A forgotten iterator's slots are given back when the consumer leaves, and not before they are
/// empty; its values are dropped by who has them, and by nobody else.
#[test]
fn loom_spsc_forgotten_iterator_frees_its_slots_in_time() {
    let model = Model::new("spsc_forgotten_iterator_frees_its_slots_in_time");
    model.reaches(["Full", "pushed"]).floor(5).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(1);
        assert!(push(&mut producer, 0));
        let popper = thread::spawn(move || {
            let mut values = consumer.read_chunk(1).into_iter();
            let taken = values.next().map(Track::into_inner);
            #[expect(clippy::mem_forget, reason = "that is what is modelled")]
            core::mem::forget(values);
            assert_eq!(taken, Some(0));
        });
        match producer.push(Track::new(1)) {
            Ok(()) => seen.record("pushed"),
            Err(PushError::Full(_)) => seen.record("Full"),
            Err(PushError::Closed(_)) => panic!("the slot is given back before it is gone"),
        }
        drop(producer);
        popper.join().unwrap();
    });
}

/// A ring without an allocation is given out again as soon as both ends have left, wherever they did.
#[test]
fn loom_spsc_static_ring_is_handed_on() {
    let model = Model::new("spsc_static_ring_is_handed_on");
    model.reaches(["again", "out"]).floor(5).check(|seen| {
        let ring = Arc::new(StaticSpscRing::<Value, 1>::new());
        let theirs = Arc::clone(&ring);
        let user = thread::spawn(move || {
            let (mut producer, consumer) = theirs.try_split()?;
            assert!(push(&mut producer, 0));
            drop(consumer);
            drop(producer);
            Some(())
        });
        let ours = ring.try_split().map(|(mut producer, mut consumer)| {
            assert!(push(&mut producer, 1));
            assert_eq!(pop(&mut consumer), Ok(1));
        });
        let theirs = user.join().unwrap();
        assert!(ours.is_some() || theirs.is_some());
        seen.record(if ours.and(theirs).is_some() { "again" } else { "out" });
        assert!(ring.try_split().is_some());
    });
}

/// The ends are what they seem to a thread that gets one: sent, not shared.
const _: () = {
    const fn sent<T: Send>() {}
    sent::<Producer<u32, Heap>>();
    sent::<Consumer<u32, Borrowed<'static>>>();
};
