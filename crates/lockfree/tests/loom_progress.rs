//! Who waits for whom: `cargo xtask loom` freezes a thread at each call of an atomic in turn, and in
//! these models the others must finish, or must not, as the models say.
//!
//! Each model names the methods that its threads call. What their documentation says of progress must
//! agree, both ways.
#![cfg(loom)]

mod node;

use lockfree::{Chain, IndexStack, IntrusiveStack, MpmcQueue, MpmcRing, SpscRing};
use node::{Node, node};
use primitives::model::Model;
use primitives::sync::atomic::AtomicBool;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::cell::UnsafeCell;
use primitives::sync::{Arc, hint, thread};

/// What came of a call does not matter here.
fn done<T>(_: T) {}

/// Runs three jobs on one object at once, the last on the model's main.
fn three<S: Send + Sync + 'static>(object: S, jobs: [fn(&S); 3]) -> Arc<S> {
    let object = Arc::new(object);
    let [first, second, mine] = jobs;
    let others = [first, second].map(|job| {
        let object = Arc::clone(&object);
        thread::spawn(move || job(&object))
    });
    mine(&object);
    for other in others {
        other.join().unwrap();
    }
    object
}

/// Runs two jobs on one object at once, the second on the model's main.
fn two<S: Send + Sync + 'static>(object: S, [first, mine]: [fn(&S); 2]) {
    let object = Arc::new(object);
    let theirs = Arc::clone(&object);
    let other = thread::spawn(move || first(&theirs));
    mine(&object);
    other.join().unwrap();
}

/// A counter under a spin lock: what freezing a thread must show to be blocking.
struct SpinLock {
    locked: AtomicBool,
    value: UnsafeCell<u32>,
}

// SAFETY: the value is touched under the lock only.
unsafe impl Sync for SpinLock {}

impl SpinLock {
    fn add(&self) {
        self.lock();
        // SAFETY: locked.
        self.value.with_mut(|value| unsafe { *value += 1 });
        self.unlock();
    }

    fn lock(&self) {
        while self.locked.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            hint::spin_loop();
        }
    }

    fn unlock(&self) {
        self.locked.store(false, Release);
    }

    fn seen(&self) {
        self.locked.load(Relaxed);
    }
}

/// The canary: frozen with the lock in its hand, a thread stops the others; frozen before, it does not.
#[test]
fn loom_canary_a_spin_lock() {
    let model = Model::new("canary_a_spin_lock").reaches(["2"]).floor(500);
    model.blocking(&["SpinLock::add"], &["SpinLock::unlock store"]).check(|seen| {
        let lock = SpinLock { locked: AtomicBool::new(false), value: UnsafeCell::new(0) };
        let lock = three(lock, [SpinLock::add, SpinLock::seen, SpinLock::add]);
        // SAFETY: the other threads have ended.
        seen.record(lock.value.with(|value| unsafe { *value }));
    });
}

#[test]
fn loom_progress_of_the_intrusive_stack() {
    type Stack = IntrusiveStack<Node>;
    let model = Model::new("progress_of_the_intrusive_stack").reaches(["over"]).floor(8_700);
    let methods = [
        "IntrusiveStack::push",
        "IntrusiveStack::push_chain",
        "IntrusiveStack::pop_all",
        "IntrusiveStack::is_empty",
    ];
    model.lock_free(&methods).check(|seen| {
        let stack = Stack::new();
        stack.push(node(0));
        let jobs: [fn(&Stack); 3] = [
            |stack| done(stack.push(node(1))),
            |stack| done(stack.push_chain([2, 3].map(node).into_iter().collect::<Chain<Node>>())),
            |stack| {
                done(stack.pop_all());
                done(stack.is_empty());
            },
        ];
        three(stack, jobs);
        seen.record("over");
    });
}

/// Nodes are short: a push finds none where another thread keeps one, and then says so.
#[test]
fn loom_progress_of_the_index_stack() {
    type Stack = IndexStack<u32>;
    let model = Model::new("progress_of_the_index_stack").reaches(["over"]).floor(610);
    let methods = ["IndexStack::push", "IndexStack::pop", "IndexStack::is_empty"];
    model.lock_free(&methods).check(|seen| {
        let stack = Stack::new(2);
        stack.push(0).unwrap();
        let jobs: [fn(&Stack); 2] =
            [|stack| done(stack.pop()), |stack| done((stack.push(2), stack.is_empty()))];
        two(stack, jobs);
        seen.record("over");
    });
}

/// With one of three standing still two are left, which must not undo each other's work for ever.
#[test]
fn loom_progress_of_three_on_the_index_stack() {
    type Stack = IndexStack<u32>;
    let model = Model::new("progress_of_three_on_the_index_stack").reaches(["over"]).floor(79_400);
    model.lock_free(&["IndexStack::push", "IndexStack::pop"]).check(|seen| {
        let stack = Stack::new(2);
        stack.push(0).unwrap();
        let jobs: [fn(&Stack); 3] =
            [|stack| done(stack.pop()), |stack| done(stack.push(1)), |stack| done(stack.pop())];
        three(stack, jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_batches_on_the_index_stack() {
    type Stack = IndexStack<u32>;
    let model = Model::new("progress_of_batches_on_the_index_stack").reaches(["over"]).floor(640);
    model.lock_free(&["IndexStack::push_batch", "IndexStack::pop_up_to"]).check(|seen| {
        let stack = Stack::new(3);
        stack.push(0).unwrap();
        let jobs: [fn(&Stack); 2] = [
            |stack| done(stack.push_batch(&mut [1, 2].into_iter())),
            |stack| done(stack.pop_up_to(2)),
        ];
        two(stack, jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_taking_all_from_the_index_stack() {
    type Stack = IndexStack<u32>;
    let name = "progress_of_taking_all_from_the_index_stack";
    let model = Model::new(name).reaches(["over"]).floor(510);
    model.lock_free(&["IndexStack::pop_all"]).check(|seen| {
        let stack = Stack::new(2);
        stack.push(0).unwrap();
        let jobs: [fn(&Stack); 2] = [|stack| done(stack.push(1)), |stack| done(stack.pop_all())];
        two(stack, jobs);
        seen.record("over");
    });
}

/// Links of nodes that another thread has taken may lead in a circle while it holds them; who came late
/// must not go round and round.
#[test]
fn loom_progress_of_a_late_batch_of_the_index_stack() {
    type Stack = IndexStack<u32>;
    let model = Model::new("progress_of_a_late_batch_of_the_index_stack").reaches(["over"]);
    model.floor(930).lock_free(&["IndexStack::pop_up_to"]).check(|seen| {
        let stack = Stack::new(2);
        stack.push(0).unwrap();
        stack.push(1).unwrap();
        let jobs: [fn(&Stack); 2] =
            [|stack| done(stack.pop_up_to(usize::MAX)), |stack| done(stack.pop_all())];
        two(stack, jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_handles_of_the_index_stack() {
    type Stack = IndexStack<u32>;
    let model = Model::new("progress_of_handles_of_the_index_stack").reaches(["over"]).floor(510);
    model.lock_free(&["StackHandle::push", "StackHandle::pop"]).check(|seen| {
        let stack = Stack::new(4);
        stack.push(0).unwrap();
        let jobs: [fn(&Stack); 2] =
            [|stack| done(stack.handle().push(1)), |stack| done(stack.handle().pop())];
        two(stack, jobs);
        seen.record("over");
    });
}

#[cfg(feature = "std")]
#[test]
fn loom_progress_of_the_counter() {
    use lockfree::Counter;
    let model = Model::new("progress_of_the_counter").reaches(["over"]).floor(210);
    let methods = ["Counter::add", "Counter::increment", "Counter::add_signed", "Counter::take"];
    model.lock_free(&methods).check(|seen| {
        // The first add finds a cell; the others write there.
        let jobs: [fn(&Counter); 2] = [
            |counter| {
                counter.increment();
                counter.add_signed(-1);
            },
            |counter| done(counter.take()),
        ];
        two(Counter::new(), jobs);
        seen.record("over");
    });
}

#[cfg(feature = "std")]
#[test]
fn loom_progress_of_a_counters_cell_and_sum() {
    use lockfree::Counter;
    let model = Model::new("progress_of_a_counters_cell_and_sum").reaches(["over"]).floor(650);
    let methods = [
        "Counter::with_local",
        "Counter::sum",
        "Counter::sum_signed",
        "Counter::cells",
        "LocalCounter::add",
        "LocalCounter::increment",
        "LocalCounter::add_signed",
    ];
    model.lock_free(&methods).check(|seen| {
        let jobs: [fn(&Counter); 2] = [
            |counter| {
                counter.with_local(|local| {
                    local.increment();
                    local.add_signed(2);
                });
            },
            |counter| done((counter.sum_signed(), counter.cells(), counter.take())),
        ];
        two(Counter::new(), jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_the_spsc_ring() {
    let model = Model::new("progress_of_the_spsc_ring").reaches(["over"]).floor(20);
    let methods = [
        "Producer::push",
        "Producer::len",
        "Producer::is_empty",
        "Producer::vacant",
        "Producer::is_full",
        "Producer::is_abandoned",
        "Consumer::pop",
        "Consumer::peek",
        "Consumer::peek_mut",
        "Consumer::len",
        "Consumer::is_empty",
        "Consumer::is_abandoned",
    ];
    model.lock_free(&methods).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(1);
        producer.push(0).unwrap();
        let sender = thread::spawn(move || {
            done(producer.push(1));
            let _ = (producer.len(), producer.is_empty(), producer.vacant(), producer.is_full());
            done(producer.is_abandoned());
            done(producer.push(2));
        });
        let _ = (consumer.len(), consumer.is_empty(), consumer.is_abandoned());
        done((consumer.peek().copied(), consumer.peek_mut().copied()));
        done((consumer.pop(), consumer.pop()));
        done(consumer);
        sender.join().unwrap();
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_batches_on_the_spsc_ring() {
    let model = Model::new("progress_of_batches_on_the_spsc_ring").reaches(["over"]).floor(20);
    let methods = [
        "Producer::push_batch",
        "Producer::push_slice",
        "Consumer::pop_batch",
        "Consumer::pop_slice",
        "Consumer::pop_slice_uninit",
    ];
    model.lock_free(&methods).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(2);
        producer.push(0).unwrap();
        let sender = thread::spawn(move || {
            done((producer.push_batch(&mut (1..3)), producer.push_slice(&[3])));
        });
        done(consumer.pop_batch(&mut Vec::new(), 2));
        done(consumer.pop_slice(&mut [0; 1]));
        done(consumer.pop_slice_uninit(&mut [core::mem::MaybeUninit::uninit()]));
        sender.join().unwrap();
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_chunks_of_the_spsc_ring() {
    let model = Model::new("progress_of_chunks_of_the_spsc_ring").reaches(["over"]).floor(20);
    let methods = [
        "Producer::write_chunk",
        "Producer::write_chunk_exact",
        "Consumer::read_chunk",
        "Consumer::read_chunk_exact",
        "WriteChunk::commit",
        "ReadChunk::commit",
        "ReadChunk::commit_all",
    ];
    model.lock_free(&methods).check(|seen| {
        let (mut producer, mut consumer) = SpscRing::new(2);
        producer.push(0).unwrap();
        let sender = thread::spawn(move || {
            let mut chunk = producer.write_chunk(1);
            done((chunk.push(4), chunk.commit()));
            done(producer.write_chunk_exact(1).map(|mut chunk| (chunk.push(5), chunk.commit())));
        });
        consumer.read_chunk(1).commit(1);
        done(consumer.read_chunk_exact(1).map(lockfree::spsc::ReadChunk::commit_all));
        sender.join().unwrap();
        seen.record("over");
    });
}

/// Of two that split a ring at once one gets it, and lets go of it again.
#[test]
fn loom_progress_of_splitting_a_static_spsc_ring() {
    type Ring = lockfree::StaticSpscRing<u32, 1>;
    let name = "progress_of_splitting_a_static_spsc_ring";
    Model::new(name).reaches(["over"]).lock_free(&["StaticSpscRing::try_split"]).check(|seen| {
        let jobs: [fn(&Ring); 2] = [|ring| done(ring.try_split()), |ring| done(ring.try_split())];
        two(Ring::new(), jobs);
        seen.record("over");
    });
}

/// With crossbeam-epoch under the same checker; its own atomics freeze nobody.
#[cfg(all(crossbeam_loom, feature = "epoch"))]
#[test]
fn loom_progress_of_the_epoch_stack() {
    type Stack = lockfree::EpochStack<u32>;
    let model = Model::new("progress_of_the_epoch_stack").preemptions(1).reaches(["over"]);
    let methods =
        ["EpochStack::push", "EpochStack::pop", "EpochStack::pop_all", "EpochStack::is_empty"];
    model.lock_free(&methods).check(|seen| {
        let stack = Stack::new();
        stack.push(0);
        let jobs: [fn(&Stack); 2] = [
            |stack| done((stack.push(1), stack.is_empty())),
            |stack| done((stack.pop(), stack.pop_all())),
        ];
        two(stack, jobs);
        seen.record("over");
    });
}

/// One attempt never waits: behind a thread that stands still it says that it is busy.
#[test]
fn loom_progress_of_attempts_on_the_mpmc_ring() {
    type Ring = MpmcRing<u32>;
    let model = Model::new("progress_of_attempts_on_the_mpmc_ring").reaches(["over"]).floor(5_800);
    let methods = [
        "MpmcRing::try_push",
        "MpmcRing::try_pop",
        "MpmcRing::len",
        "MpmcRing::is_empty",
        "MpmcRing::is_full",
        "MpmcRing::is_closed",
        "MpmcRing::close",
        "MpmcRing::stats",
    ];
    model.lock_free(&methods).check(|seen| {
        let ring = Ring::new(1);
        ring.try_push(0).unwrap();
        let jobs: [fn(&Ring); 3] = [
            |ring| done(ring.try_push(1)),
            |ring| done((ring.try_pop(), ring.try_pop())),
            |ring| {
                done(ring.try_push(2));
                let _ = (ring.len(), ring.is_empty(), ring.is_full(), ring.is_closed());
                done((ring.close(), ring.stats()));
            },
        ];
        three(ring, jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_attempts_in_batches_on_the_mpmc_ring() {
    type Ring = MpmcRing<u32>;
    let model = Model::new("progress_of_attempts_in_batches_on_the_mpmc_ring");
    let methods =
        ["MpmcRing::try_push_batch", "MpmcRing::try_pop_batch", "MpmcRing::try_force_push"];
    model.reaches(["over"]).floor(2_500).lock_free(&methods).check(|seen| {
        let ring = Ring::new(2);
        ring.try_push(0).unwrap();
        let jobs: [fn(&Ring); 3] = [
            |ring| done(ring.try_push_batch(&mut [1, 2].into_iter())),
            |ring| done(ring.try_pop_batch(&mut Vec::new(), 2)),
            |ring| done(ring.try_force_push(3)),
        ];
        three(ring, jobs);
        seen.record("over");
    });
}

/// A push that stands still between its claim and its stamp holds back who waits for its value.
fn blocks(name: &str, methods: &[&str], places: &[&str], jobs: [fn(&MpmcRing<u32>); 2]) {
    let model = Model::new(name).reaches(["over"]).floor(20);
    let forced = places.len() > 1;
    model.blocking(methods, places).check(move |seen| {
        let ring = MpmcRing::new(1);
        if forced {
            ring.push(0).unwrap();
        }
        two(ring, jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_the_mpmc_ring_blocks() {
    let methods = ["MpmcRing::push", "MpmcRing::pop"];
    blocks(
        "progress_the_mpmc_ring_blocks",
        &methods,
        &["Slot::stamp_as store"],
        [|ring| done(ring.push(1)), |ring| done(ring.pop())],
    );
}

#[test]
fn loom_progress_batches_on_the_mpmc_ring_block() {
    let methods = ["MpmcRing::push_batch", "MpmcRing::pop_batch"];
    blocks(
        "progress_batches_on_the_mpmc_ring_block",
        &methods,
        &["Slot::stamp_as store"],
        [
            |ring| done(ring.push_batch(&mut [1].into_iter())),
            |ring| done(ring.pop_batch(&mut Vec::new(), 1)),
        ],
    );
}

#[test]
fn loom_progress_force_and_drain_of_the_mpmc_ring_block() {
    let methods = ["MpmcRing::force_push", "MpmcRing::drain"];
    blocks(
        "progress_force_and_drain_of_the_mpmc_ring_block",
        &methods,
        // From when the tail is marked until the slot is stamped.
        &[
            "MpmcRing::try_force_push cas-ok 2",
            "MpmcRing::try_force_push rmw",
            "Slot::stamp_as store",
        ],
        [|ring| done(ring.force_push(1)), |ring| ring.drain().for_each(done)],
    );
}

/// Two jobs on a queue that has a value: bound 1, for a block is made where the model ends.
fn queued(name: &str, methods: &[&str], jobs: [fn(&MpmcQueue<u32>); 2]) {
    let model = Model::new(name).preemptions(1).reaches(["over"]).floor(5);
    model.lock_free(methods).check(move |seen| {
        let queue = MpmcQueue::new();
        done(queue.push(0));
        two(queue, jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_the_mpmc_queue() {
    queued(
        "progress_of_the_mpmc_queue",
        &["MpmcQueue::push", "MpmcQueue::try_pop", "MpmcQueue::len", "MpmcQueue::is_empty"],
        [
            |queue| done(queue.push(1)),
            |queue| done((queue.try_pop(), queue.len(), queue.is_empty())),
        ],
    );
}

#[test]
fn loom_progress_of_batches_on_the_mpmc_queue() {
    queued(
        "progress_of_batches_on_the_mpmc_queue",
        &["MpmcQueue::push_batch", "MpmcQueue::try_pop_batch"],
        [
            |queue| done(queue.push_batch(&mut [1].into_iter())),
            |queue| done(queue.try_pop_batch(&mut Vec::new(), 2)),
        ],
    );
}

/// With one of three standing still two are left, which finish what it began at the end of a block, and do
/// not undo each other's.
#[test]
fn loom_progress_of_three_at_the_end_of_a_block() {
    type Queue = MpmcQueue<u32>;
    let model = Model::new("progress_of_three_at_the_end_of_a_block").preemptions(1);
    let model = model.reaches(["over"]).floor(8_800);
    model.lock_free(&["MpmcQueue::push", "MpmcQueue::try_pop"]).check(|seen| {
        let queue = Queue::new();
        // Blocks are of two here. The queue is not empty, and a pop is at work in the block before.
        done((queue.push(0), queue.push(1)));
        let jobs: [fn(&Queue); 3] = [
            |queue| done(queue.push(2)),
            |queue| done(queue.try_pop()),
            |queue| done(queue.push(3)),
        ];
        three(queue, jobs);
        seen.record("over");
    });
}

#[test]
fn loom_progress_of_closing_the_mpmc_queue() {
    queued(
        "progress_of_closing_the_mpmc_queue",
        &["MpmcQueue::try_push", "MpmcQueue::close", "MpmcQueue::is_closed", "MpmcQueue::stats"],
        [
            |queue| done(queue.try_push(1)),
            |queue| done((queue.close(), queue.is_closed(), queue.stats())),
        ],
    );
}

/// A push that stands still between its claim and its stamp holds back who waits for its value.
#[test]
fn loom_progress_the_mpmc_queue_blocks() {
    type Queue = MpmcQueue<u32>;
    let model = Model::new("progress_the_mpmc_queue_blocks").preemptions(1).reaches(["over"]);
    let methods = ["MpmcQueue::pop", "MpmcQueue::pop_batch", "MpmcQueue::drain"];
    model.blocking(&methods, &["Slot::put store"]).check(|seen| {
        let queue = Queue::new();
        done(queue.push(0));
        let jobs: [fn(&Queue); 2] = [
            |queue| done(queue.push(1)),
            |queue| {
                done((queue.pop(), queue.pop_batch(&mut Vec::new(), 1), queue.drain().next()));
            },
        ];
        two(queue, jobs);
        seen.record("over");
    });
}
