//! Ours.

use std::sync::Arc;

use lockfree::spsc;
use lockfree::{
    Counter, EpochStack, IndexStack, MpmcQueue, MpmcRing, PushError, SpscRing, StackHandle,
};
use lockfree::{TryPopError, TryPushError};

use super::About;
use super::counters::Count;
use super::queues::{Consumer, Producer, Queue, Tries};
use super::stacks::Stack;
use crate::case::Role;

const fn about(name: &'static str, config: &'static str, why: &'static str) -> About {
    About { name, config, package: "lockfree", why, role: Role::Ours }
}

// ---- one producer, one consumer -------------------------------------------------------------------

/// `SpscRing`.
#[derive(Debug)]
pub struct Spsc;

impl<T: Send + 'static> Queue<T> for Spsc {
    const ABOUT: About = about(
        "spsc-ring",
        "default",
        "SpscRing: push and pop; in batches push_slice and read_chunk",
    );

    type Producer = spsc::Producer<T>;
    type Consumer = spsc::Consumer<T>;

    fn ends(capacity: usize) -> (Self::Producer, Self::Consumer) {
        SpscRing::new(capacity)
    }
}

impl<T: Send + 'static> Producer<T> for spsc::Producer<T> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        self.push(value).map_err(PushError::into_inner)
    }

    #[inline]
    fn push_batch(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.push_slice(values).unwrap_or(0)
    }
}

impl<T: Send + 'static> Consumer<T> for spsc::Consumer<T> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.pop().ok()
    }

    #[inline]
    fn pop_batch(&mut self, most: usize, each: impl FnMut(T)) -> usize {
        let chunk = self.read_chunk(most);
        let popped = chunk.len();
        chunk.into_iter().for_each(each);
        popped
    }
}

// ---- any number of both ---------------------------------------------------------------------------

/// `MpmcRing` by `push` and `pop`, or by one attempt a call.
#[derive(Debug)]
pub struct Mpmc<const ONE_ATTEMPT: bool = false>;

/// The end of a producer.
#[derive(Debug)]
pub struct MpmcProducer<T, const ONE_ATTEMPT: bool> {
    ring: Arc<MpmcRing<T>>,
    tries: Tries,
}

/// The end of a consumer, with room for a batch.
#[derive(Debug)]
pub struct MpmcConsumer<T, const ONE_ATTEMPT: bool> {
    ring: Arc<MpmcRing<T>>,
    batch: Vec<T>,
    tries: Tries,
}

impl<T: Send + 'static, const ONE_ATTEMPT: bool> Queue<T> for Mpmc<ONE_ATTEMPT> {
    const ABOUT: About = if ONE_ATTEMPT {
        about("mpmc-ring", "one-attempt", "try_push and try_pop: busy is an answer, and counted")
    } else {
        about("mpmc-ring", "default", "push and pop; in batches push_batch and pop_batch")
    };

    type Producer = MpmcProducer<T, ONE_ATTEMPT>;
    type Consumer = MpmcConsumer<T, ONE_ATTEMPT>;

    fn ends(capacity: usize) -> (Self::Producer, Self::Consumer) {
        let ring = Arc::new(MpmcRing::new(capacity));
        let producer = MpmcProducer { ring: Arc::clone(&ring), tries: Tries::default() };
        (producer, MpmcConsumer { ring, batch: Vec::with_capacity(128), tries: Tries::default() })
    }
}

impl<T, const ONE_ATTEMPT: bool> Clone for MpmcProducer<T, ONE_ATTEMPT> {
    fn clone(&self) -> Self {
        Self { ring: Arc::clone(&self.ring), tries: Tries::default() }
    }
}

impl<T, const ONE_ATTEMPT: bool> Clone for MpmcConsumer<T, ONE_ATTEMPT> {
    fn clone(&self) -> Self {
        let ring = Arc::clone(&self.ring);
        Self { ring, batch: Vec::with_capacity(128), tries: Tries::default() }
    }
}

impl<T: Send + 'static, const ONE_ATTEMPT: bool> Producer<T> for MpmcProducer<T, ONE_ATTEMPT> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        if !ONE_ATTEMPT {
            return self.ring.push(value).map_err(PushError::into_inner);
        }
        self.tries.calls += 1;
        self.ring.try_push(value).map_err(|refused| {
            self.tries.busy += u64::from(matches!(refused, TryPushError::Busy(_)));
            refused.into_inner()
        })
    }

    #[inline]
    fn push_batch(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.ring.push_batch(&mut values.iter().copied()).unwrap_or(0)
    }

    fn tries(&self) -> Tries {
        self.tries
    }
}

impl<T: Send + 'static, const ONE_ATTEMPT: bool> Consumer<T> for MpmcConsumer<T, ONE_ATTEMPT> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        if !ONE_ATTEMPT {
            return self.ring.pop().ok();
        }
        self.tries.calls += 1;
        match self.ring.try_pop() {
            Ok(value) => Some(value),
            Err(refused) => {
                self.tries.busy += u64::from(refused == TryPopError::Busy);
                None
            }
        }
    }

    #[inline]
    fn pop_batch(&mut self, most: usize, each: impl FnMut(T)) -> usize {
        let popped = self.ring.pop_batch(&mut self.batch, most).unwrap_or(0);
        self.batch.drain(..).for_each(each);
        popped
    }

    fn tries(&self) -> Tries {
        self.tries
    }
}

/// `MpmcQueue`.
#[derive(Debug)]
pub struct Unbounded;

/// The end of a producer.
#[derive(Debug)]
pub struct UnboundedProducer<T>(Arc<MpmcQueue<T>>);

/// The end of a consumer, with room for a batch.
#[derive(Debug)]
pub struct UnboundedConsumer<T> {
    queue: Arc<MpmcQueue<T>>,
    batch: Vec<T>,
}

impl<T> UnboundedConsumer<T> {
    fn new(queue: Arc<MpmcQueue<T>>) -> Self {
        Self { queue, batch: Vec::with_capacity(128) }
    }
}

impl<T> Clone for UnboundedProducer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for UnboundedConsumer<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.queue))
    }
}

impl<T: Send + 'static> Queue<T> for Unbounded {
    const ABOUT: About = about(
        "mpmc-queue",
        "default",
        "MpmcQueue: push and pop; in batches push_batch and pop_batch",
    );

    type Producer = UnboundedProducer<T>;
    type Consumer = UnboundedConsumer<T>;

    fn ends(_: usize) -> (Self::Producer, Self::Consumer) {
        let queue = Arc::new(MpmcQueue::new());
        (UnboundedProducer(Arc::clone(&queue)), UnboundedConsumer::new(queue))
    }

    fn trim(
        (producer, mut consumer): (Self::Producer, Self::Consumer),
    ) -> (Self::Producer, Self::Consumer) {
        drop(producer);
        Arc::get_mut(&mut consumer.queue).expect("the other end is gone").trim();
        (UnboundedProducer(Arc::clone(&consumer.queue)), consumer)
    }
}

impl<T: Send + 'static> Producer<T> for UnboundedProducer<T> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        self.0.push(value).map_err(PushError::into_inner)
    }

    #[inline]
    fn push_batch(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.0.push_batch(&mut values.iter().copied()).unwrap_or(0)
    }
}

impl<T: Send + 'static> Consumer<T> for UnboundedConsumer<T> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.queue.pop().ok()
    }

    #[inline]
    fn pop_batch(&mut self, most: usize, each: impl FnMut(T)) -> usize {
        let popped = self.queue.pop_batch(&mut self.batch, most).unwrap_or(0);
        self.batch.drain(..).for_each(each);
        popped
    }
}

// ---- stacks ---------------------------------------------------------------------------------------

impl<T: Send + 'static> Stack<T> for IndexStack<T> {
    const ABOUT: About = about(
        "index-stack",
        "shared",
        "IndexStack by reference; in batches push_batch and pop_up_to",
    );

    fn with_capacity(capacity: usize) -> Self {
        Self::new(capacity)
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.push(value).map_err(PushError::into_inner)
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.pop()
    }

    #[inline]
    fn push_batch(&self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.push_batch(&mut values.iter().copied()).unwrap_or(0)
    }

    #[inline]
    fn pop_batch(&self, most: usize, mut each: impl FnMut(T)) -> usize {
        self.pop_up_to(most).fold(0, |popped, value| {
            each(value);
            popped + 1
        })
    }
}

/// `IndexStack` by handles, which keep a few nodes each.
#[derive(Debug)]
pub struct ByHandle;

/// A handle of a thread, by which it pushes and pops.
#[derive(Debug)]
pub struct Handle<T: 'static> {
    stack: Arc<IndexStack<T>>,
    own: StackHandle<'static, T>,
}

impl<T> Handle<T> {
    fn new(stack: Arc<IndexStack<T>>) -> Self {
        Self { own: StackHandle::owning(Arc::clone(&stack)), stack }
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.stack))
    }
}

impl<T: Send + 'static> Queue<T> for ByHandle {
    const ABOUT: About = about("index-stack", "default", "IndexStack, a handle in each thread");

    type Producer = Handle<T>;
    type Consumer = Handle<T>;

    fn ends(capacity: usize) -> (Handle<T>, Handle<T>) {
        let stack = Arc::new(IndexStack::new(capacity));
        (Handle::new(Arc::clone(&stack)), Handle::new(stack))
    }
}

impl<T: Send + 'static> Producer<T> for Handle<T> {
    #[inline]
    fn push(&mut self, value: T) -> Result<(), T> {
        self.own.push(value).map_err(PushError::into_inner)
    }
}

impl<T: Send + 'static> Consumer<T> for Handle<T> {
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.own.pop()
    }
}

impl<T: Send + 'static> Stack<T> for EpochStack<T> {
    const ABOUT: About = about("epoch-stack", "default", "EpochStack: no capacity, any value");

    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.push(value);
        Ok(())
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.pop()
    }
}

// ---- counters -------------------------------------------------------------------------------------

impl Count for Counter {
    const ABOUT: About = about("counter", "default", "Counter::add, which finds the thread's cell");

    type Own = ();

    fn new() -> Self {
        Self::new()
    }

    fn join(&self, _: usize) {}

    #[inline]
    fn add(&self, (): &mut (), more: u64) {
        self.add(more);
    }

    fn sum(&self) -> u64 {
        self.sum()
    }
}

/// `Counter` in loops.
#[derive(Debug)]
pub struct Local(Counter);

impl Count for Local {
    const ABOUT: About = about("counter", "local", "Counter::with_local round the loop");

    type Own = ();

    fn new() -> Self {
        Self(Counter::new())
    }

    fn join(&self, _: usize) {}

    #[inline]
    fn add(&self, (): &mut (), more: u64) {
        self.0.add(more);
    }

    #[inline]
    fn count_to(&self, (): &mut (), times: u64) {
        self.0.with_local(|counter| (0..times).for_each(|_| counter.add(1)));
    }

    fn sum(&self) -> u64 {
        self.0.sum()
    }
}
