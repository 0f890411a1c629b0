//! Models of the unbounded queue, in blocks of two: values are tracked cells, so a value read before
//! it is written, a slot written before it is read, and a value lost or dropped twice fails.
#![cfg(loom)]

use lockfree::mpmc::GrowError;
use lockfree::{MpmcQueue, PopError, TryPopError};
use primitives::model::Model;
use primitives::sync::alloc::Track;
use primitives::sync::atomic::Ordering::{Relaxed, SeqCst};
use primitives::sync::atomic::{AtomicBool, fence};
use primitives::sync::{Arc, thread};

type Queue = MpmcQueue<Track<u32>>;

fn push(queue: &Queue, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        assert!(queue.push(Track::new(number)).is_ok());
    }
}

/// Takes a value that must be there, or about to be.
fn pop(queue: &Queue) -> Option<u32> {
    queue.pop().map(Track::into_inner).ok()
}

/// Takes a value if the first one is there.
fn try_pop(queue: &Queue) -> Option<u32> {
    queue.try_pop().map(Track::into_inner).ok()
}

fn rest(queue: &Queue) -> Vec<u32> {
    queue.drain().map(Track::into_inner).collect()
}

/// A queue that holds `numbers` and has been through `used` values before.
fn queue(used: u32, numbers: impl IntoIterator<Item = u32>) -> Arc<Queue> {
    let queue = Arc::new(Queue::new());
    for _ in 0..used {
        push(&queue, [0]);
        assert_eq!(pop(&queue), Some(0));
    }
    push(&queue, numbers);
    queue
}

fn text(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(|number| number.to_string()).collect()
}

/// Two threads make and link the first block at the same time, and push into it.
#[test]
fn loom_two_push_the_first_values() {
    // Both link a block: more than one change of threads takes a minute.
    let model = Model::new("two_push_the_first_values").preemptions(1);
    model.reaches(["12", "21"]).floor(990).check(|seen| {
        let queue = queue(0, []);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || push(&theirs, [1]));
        push(&queue, [2]);
        other.join().unwrap();
        seen.record(text(rest(&queue)));
    });
}

/// Two threads push where a block ends, and link one that was used before.
#[test]
fn loom_two_push_where_a_block_ends() {
    let model = Model::new("two_push_where_a_block_ends").preemptions(1);
    model.reaches(["12", "21"]).floor(710).check(|seen| {
        let queue = queue(4, []);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || push(&theirs, [1]));
        push(&queue, [2]);
        other.join().unwrap();
        seen.record(text(rest(&queue)));
    });
}

/// One pushes beyond the end of a block while another pops.
#[test]
fn loom_one_pushes_what_another_pops() {
    Model::new("one_pushes_what_another_pops").reaches(["0", "1"]).floor(280).check(|seen| {
        let queue = queue(1, []);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || push(&theirs, [1, 2]));
        let early: Vec<_> = try_pop(&queue).into_iter().collect();
        other.join().unwrap();
        let found = early.len();
        assert_eq!([early, rest(&queue)].concat(), [1, 2]);
        seen.record(found);
    });
}

/// One links a block, opens it and pushes while another follows with the head.
#[test]
fn loom_the_head_follows_where_a_block_is_linked() {
    let model = Model::new("the_head_follows_where_a_block_is_linked");
    model.reaches(["0", "1"]).floor(130).check(|seen| {
        let queue = queue(2, []);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || push(&theirs, [1]));
        let early: Vec<_> = try_pop(&queue).into_iter().collect();
        other.join().unwrap();
        let found = early.len();
        assert_eq!([early, rest(&queue)].concat(), [1]);
        seen.record(found);
    });
}

/// A block is used again, or not yet, while the thread that took its last value is still at it.
#[test]
fn loom_reclaim_a_block_while_its_last_value_is_read() {
    // One stands still once, in the middle of its pop; more would take minutes and show the same.
    Model::new("reclaim_a_block_while_its_last_value_is_read")
        .preemptions(1)
        .reaches(["1 recycled", "1 made", "2 recycled", "2 made"])
        .floor(660)
        .check(|seen| {
            let queue = queue(1, [1, 2, 3]);
            let theirs = Arc::clone(&queue);
            let other = thread::spawn(move || try_pop(&theirs).unwrap());
            let mine = try_pop(&queue).unwrap();
            push(&queue, [4, 5]);
            let made = queue.stats().linked_blocks - queue.stats().recycled_blocks;
            let one = other.join().unwrap();
            seen.record(format!("{one} {}", if made == 2 { "recycled" } else { "made" }));
            assert_eq!(one.min(mine), 1);
            assert_eq!(one.max(mine), 2);
            assert_eq!(rest(&queue), [3, 4, 5]);
        });
}

/// Two pop the last value of a block and the first of the next: the head moves on once.
#[test]
fn loom_two_pop_where_a_block_ends() {
    Model::new("two_pop_where_a_block_ends").reaches(["1/2", "2/1"]).floor(92).check(|seen| {
        let queue = queue(1, [1, 2]);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || try_pop(&theirs).unwrap());
        let mine = try_pop(&queue).unwrap();
        let other = other.join().unwrap();
        assert_eq!(try_pop(&queue), None);
        seen.record(format!("{mine}/{other}"));
    });
}

/// A pop never waits for a push that claimed its place: it says that it is busy. What it called empty
/// was.
#[test]
fn loom_a_single_try_says_empty_or_busy() {
    Model::new("a_single_try_says_empty_or_busy").reaches(["Ok", "Empty", "Busy"]).floor(70).check(
        |seen| {
            let queue = queue(1, []);
            let theirs = Arc::clone(&queue);
            let other = thread::spawn(move || push(&theirs, [1]));
            match queue.try_pop().map(Track::into_inner) {
                Ok(number) => {
                    assert_eq!(number, 1);
                    seen.record("Ok");
                }
                Err(why) => {
                    assert_ne!(why, TryPopError::Closed);
                    seen.record(format!("{why:?}"));
                }
            }
            other.join().unwrap();
        },
    );
}

/// The first push and the closing of the queue, while the last reference may be either's: what was
/// pushed is in and is dropped once, what was refused is handed back.
#[test]
fn loom_the_first_push_against_close_and_drop() {
    Model::new("the_first_push_against_close_and_drop")
        .reaches(["pushed, popped", "pushed, left", "refused"])
        .floor(280)
        .check(|seen| {
            let queue = queue(0, []);
            let theirs = Arc::clone(&queue);
            let other = thread::spawn(move || theirs.push(Track::new(1)).is_ok());
            assert!(queue.close());
            let popped = queue.pop();
            drop(queue);
            let pushed = other.join().unwrap();
            match popped.map(Track::into_inner) {
                Ok(number) => assert!(number == 1 && pushed),
                // Closed is final: nothing is inside, and nothing will be.
                Err(why) => assert!(why == PopError::Closed && !pushed),
            }
            seen.record(if !pushed { "refused" } else { "pushed, popped" });
            if pushed {
                seen.record("pushed, left");
            }
        });
}

/// Who says that it sleeps, and who pushes and then looks for sleepers: one sees the other.
#[test]
fn loom_a_sleeper_is_seen_or_sees() {
    Model::new("a_sleeper_is_seen_or_sees").reaches(["awake", "woken", "both"]).floor(100).check(
        |seen| {
            let state = Arc::new((MpmcQueue::new(), AtomicBool::new(false)));
            push(&state.0, [0]);
            assert_eq!(pop(&state.0), Some(0));
            let theirs = Arc::clone(&state);
            let producer = thread::spawn(move || {
                push(&theirs.0, [1]);
                fence(SeqCst);
                theirs.1.load(Relaxed)
            });
            state.1.store(true, Relaxed);
            let found = pop(&state.0).is_some();
            let woken = producer.join().unwrap();
            assert!(found || woken, "the consumer sleeps, and nobody wakes it");
            seen.record(match (found, woken) {
                (true, false) => "awake",
                (false, _) => "woken",
                (true, true) => "both",
            });
        },
    );
}

/// The same of a producer that says that it sleeps and then is refused at the soft capacity, and of who
/// pops and then looks for sleepers.
#[test]
fn loom_a_sleeper_at_the_soft_capacity_is_seen_or_sees() {
    let model = Model::new("a_sleeper_at_the_soft_capacity_is_seen_or_sees");
    model.reaches(["awake", "woken", "both"]).floor(68).check(|seen| {
        let state = Arc::new((Queue::with_soft_capacity(1), AtomicBool::new(false)));
        push(&state.0, [0]);
        let theirs = Arc::clone(&state);
        let consumer = thread::spawn(move || {
            assert_eq!(pop(&theirs.0), Some(0));
            fence(SeqCst);
            // ORD[sleeper] Relaxed: the fence orders it.
            theirs.1.load(Relaxed)
        });
        // ORD[sleeper] Relaxed: the fence of a refusal orders it.
        state.1.store(true, Relaxed);
        let pushed = state.0.try_push(Track::new(1)).is_ok();
        let woken = consumer.join().unwrap();
        assert!(pushed || woken, "the producer sleeps, and nobody wakes it");
        seen.record(match (pushed, woken) {
            (true, false) => "awake",
            (false, _) => "woken",
            (true, true) => "both",
        });
    });
}

/// Two threads, each of which popped from one queue at its soft capacity, push into the other's: not
/// both are told Full.
#[test]
fn loom_full_at_the_soft_capacity_is_true_of_one_moment() {
    let model = Model::new("full_at_the_soft_capacity_is_true_of_one_moment");
    let outcomes = ["full pushed", "pushed full", "pushed pushed"];
    model.reaches(outcomes).floor(270).check(|seen| {
        let queues = [1, 2].map(|number| {
            let queue = Queue::with_soft_capacity(1);
            push(&queue, [number]);
            Arc::new(queue)
        });
        let told = |queue: &Queue, number| match queue.try_push(Track::new(number)) {
            Ok(()) => "pushed",
            Err(GrowError::Full(_)) => "full",
            Err(why) => panic!("{why}"),
        };
        let (a, b) = (Arc::clone(&queues[0]), Arc::clone(&queues[1]));
        let other = thread::spawn(move || {
            assert_eq!(pop(&b), Some(2));
            told(&a, 3)
        });
        assert_eq!(pop(&queues[0]), Some(1));
        let one = told(&queues[1], 4);
        seen.record(format!("{one} {}", other.join().unwrap()));
    });
}

/// The length of a queue that is never empty is never 0: the tail is not seen before the head.
#[test]
fn loom_the_length_while_others_push_and_pop() {
    Model::new("the_length_while_others_push_and_pop").reaches(["1", "2"]).floor(23).check(
        |seen| {
            let queue = queue(1, [1]);
            let theirs = Arc::clone(&queue);
            let other = thread::spawn(move || {
                push(&theirs, [2]);
                assert_eq!(pop(&theirs), Some(1));
            });
            let len = queue.len();
            other.join().unwrap();
            assert_eq!(queue.len(), 1);
            seen.record(len);
        },
    );
}

/// An iterator that tells a length of one more than it has values.
struct EndsEarly(std::vec::IntoIter<Track<u32>>);

impl EndsEarly {
    fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self(numbers.into_iter().map(Track::new).collect::<Vec<_>>().into_iter())
    }
}

impl Iterator for EndsEarly {
    type Item = Track<u32>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len() + 1, Some(self.0.len() + 1))
    }
}

impl ExactSizeIterator for EndsEarly {}

/// A batch leaves a place without a value, and another pushes behind it: pops pass over the place
/// while both are at it.
#[test]
fn loom_a_place_that_a_batch_leaves_empty() {
    let model = Model::new("a_place_that_a_batch_leaves_empty").preemptions(1);
    model.reaches(["|12", "1|2", "12|"]).floor(170).check(|seen| {
        let queue = queue(2, []);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || {
            assert_eq!(theirs.push_batch(&mut EndsEarly::of([1])), Ok(1));
            push(&theirs, [2]);
        });
        let early: Vec<_> = (0..2).filter_map(|_| try_pop(&queue)).collect();
        other.join().unwrap();
        let late = rest(&queue);
        assert_eq!([&early[..], &late].concat(), [1, 2]);
        seen.record(format!("{}|{}", text(early), text(late)));
    });
}

/// The length while one leaves a place empty and another passes over it: the tail is not seen before
/// the head.
#[test]
fn loom_the_length_while_a_place_is_passed() {
    let model = Model::new("the_length_while_a_place_is_passed");
    model.reaches(["0", "1"]).floor(900).check(|seen| {
        let queue = queue(1, []);
        let (leaves, passes) = (Arc::clone(&queue), Arc::clone(&queue));
        let leaver = thread::spawn(move || {
            assert_eq!(leaves.push_batch(&mut EndsEarly::of([])), Ok(0));
        });
        let passer = thread::spawn(move || assert_eq!(try_pop(&passes), None));
        seen.record(queue.len());
        leaver.join().unwrap();
        passer.join().unwrap();
    });
}

/// Whoever stands still anywhere, pushes and single pops finish.
#[test]
fn loom_progress_of_the_unbounded_queue() {
    let model = Model::new("progress_of_the_unbounded_queue").reaches(["over"]).floor(300);
    let methods = ["MpmcQueue::push", "MpmcQueue::try_pop", "MpmcQueue::len", "MpmcQueue::close"];
    model.lock_free(&methods).check(|seen| {
        let queue = queue(2, []);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || drop(theirs.push(Track::new(1))));
        drop(queue.try_pop());
        let _ = queue.len();
        queue.close();
        other.join().unwrap();
        seen.record("over");
    });
}

/// A pop waits for a push that claimed its place and has not written there, and for nothing else.
#[test]
fn loom_progress_of_a_pop_that_waits() {
    let model = Model::new("progress_of_a_pop_that_waits").reaches(["0", "1"]).floor(70);
    model.blocking(&["MpmcQueue::pop"], &["Slot::put store"]).check(|seen| {
        let queue = queue(1, []);
        let theirs = Arc::clone(&queue);
        let other = thread::spawn(move || push(&theirs, [1]));
        let popped = pop(&queue);
        other.join().unwrap();
        seen.record(popped.unwrap_or(0));
    });
}
/// One finds a block by a hint from the block's earlier use, and open again for the position that it
/// claims.
#[test]
fn loom_reclaim_a_block_that_an_old_hint_leads_to() {
    // One runs after the other, and yet reads words that are as old as it likes: nothing but the
    // block's link tells it that the block is in use again.
    Model::new("reclaim_a_block_that_an_old_hint_leads_to")
        .preemptions(0)
        .reaches(["12349"])
        .floor(4_400)
        .check(|seen| {
            let queue = queue(1, []);
            let theirs = Arc::clone(&queue);
            let other = thread::spawn(move || push(&theirs, [9]));
            let mut all = Vec::new();
            for number in [1, 2] {
                push(&queue, [number]);
                all.extend(try_pop(&queue));
            }
            push(&queue, [3, 4]);
            other.join().unwrap();
            all.extend(rest(&queue));
            seen.record(text(all));
        });
}
