//! Group `lockfree`: values that go from thread to thread.
//!
//! ```text
//!   spsc             one producer, one consumer                           lockfree_queues
//!   mpmc-bounded     any of both, room for 1,024 values                   lockfree_queues, lockfree_tail
//!   mpmc-unbounded   any of both, no bound           lockfree_queues, lockfree_tail, lockfree_memory
//!   stack            the newest first                                     lockfree_queues
//!   crossing         how much work between two operations makes a mutex as good   lockfree_queues
//!   counter          threads that add up                                  lockfree_counters
//!   false-sharing    two words on one line, and on two                    lockfree_counters
//!   pipeline         source files read by one thread, tokenised by others  lockfree_pipeline
//! ```
//!
//! **Waiting is the scenario's, and the same for all.** A call that is refused (full, empty, busy) is
//! made again after a pause of crossbeam's `Backoff`: a few processor hints, doubled each time, and
//! then the CPU is yielded. So a figure is the time to success, and a queue that refuses often is slow
//! and not fast. Who blocks in its call blocks there.
//!
//! **Every value says whose it is and which.** Consumers add all up, and look whether what one producer
//! pushed comes in its order; the checksum is of both.

use crossbeam_utils::Backoff;

use super::checksum::fold;
use super::{
    lockfree_counters, lockfree_memory, lockfree_pipeline, lockfree_queues, lockfree_tail,
};
use crate::case::Case;
use crate::engines::queues::{Consumer, Producer};

/// The crate that this group is about.
pub(super) const CRATE: &str = "lockfree";

/// Values that a bounded queue has room for.
pub(super) const CAPACITY: usize = 1024;

/// Rounds before anything is timed: in one of thousands of values a ring has gone round, blocks come
/// back, and what grows has grown.
pub(super) const WARM_ROUNDS: u64 = 2;

/// Returns the cases of the group.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(lockfree_queues::cases());
    cases.extend(lockfree_tail::cases());
    cases.extend(lockfree_memory::cases());
    cases.extend(lockfree_counters::cases());
    cases.extend(lockfree_pipeline::cases());
    cases
}

/// Pushes a value, however often it takes.
#[inline]
pub(super) fn push<T>(to: &mut impl Producer<T>, value: T) {
    let Err(mut value) = to.push(value) else { return };
    let wait = Backoff::new();
    loop {
        wait.snooze();
        match to.push(value) {
            Ok(()) => return,
            Err(back) => value = back,
        }
    }
}

/// Pops a value, however often it takes.
#[inline]
pub(super) fn pop<T>(from: &mut impl Consumer<T>) -> T {
    if let Some(value) = from.pop() {
        return value;
    }
    let wait = Backoff::new();
    loop {
        wait.snooze();
        if let Some(value) = from.pop() {
            return value;
        }
    }
}

/// Pushes all of `values`, in as few calls as they go.
#[inline]
pub(super) fn push_batch<T: Copy>(to: &mut impl Producer<T>, values: &[T]) {
    let mut left = &values[to.push_batch(values)..];
    if left.is_empty() {
        return;
    }
    let wait = Backoff::new();
    while !left.is_empty() {
        wait.snooze();
        let pushed = to.push_batch(left);
        left = &left[pushed..];
        if pushed > 0 {
            wait.reset();
        }
    }
}

/// Pops `count` values, `most` a call, and gives them to `each`.
#[inline]
pub(super) fn pop_batches<T>(
    from: &mut impl Consumer<T>,
    count: usize,
    most: usize,
    mut each: impl FnMut(T),
) {
    let mut left = count;
    let wait = Backoff::new();
    while left > 0 {
        match from.pop_batch(most.min(left), &mut each) {
            0 => wait.snooze(),
            popped => {
                left -= popped;
                wait.reset();
            }
        }
    }
}

/// The first value of a producer; the others follow it.
pub(super) const fn first_of(producer: usize) -> u64 {
    (producer as u64) << 32
}

/// What one consumer got in a round: of `FROM` producers, whose values come in their order; of none,
/// where there is no order (a stack).
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally<const FROM: usize> {
    pub(super) sum: u64,
    pub(super) xor: u64,
    /// Not 0 once a value came before one that its producer had pushed earlier.
    pub(super) disorder: u64,
    next: [u64; FROM],
}

impl<const FROM: usize> Tally<FROM> {
    pub(super) const fn new() -> Self {
        Self { sum: 0, xor: 0, disorder: 0, next: [0; FROM] }
    }

    #[inline]
    pub(super) fn take(&mut self, value: u64) {
        self.sum = self.sum.wrapping_add(value);
        self.xor ^= value;
        if FROM > 0 {
            let next = &mut self.next[(value >> 32) as usize % FROM];
            self.disorder |= u64::from(value < *next);
            *next = value + 1;
        }
    }

    pub(super) fn checksum(&self) -> u64 {
        checksum(self.sum, self.xor, self.disorder)
    }
}

/// One word of what all consumers got.
pub(super) fn checksum(sum: u64, xor: u64, disorder: u64) -> u64 {
    [sum, xor, disorder].into_iter().fold(1, fold)
}
