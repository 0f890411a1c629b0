//! What needs the queue alone, and what tells about it: drop, trim, drain, statistics.
//!
//! ```text
//!   trim:  chain   5 ─▶ 2 ─▶ 7        values move to the lowest ids    1 ─▶ 2 ─▶ 3
//!          free    1, 3, 4, 6                                          those of segments that stay
//! ```

use core::fmt;
use core::mem::needs_drop;

use primitives::sync::atomic::Exclusive;
use primitives::sync::atomic::Ordering::Relaxed;

use super::block::{Block, SHIFT, follow};
use super::ends::End;
use super::name::{self, Link, Name};
use super::{CLOSED, MpmcQueue};

/// What a queue did and holds; see [`MpmcQueue::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Blocks that there is memory for.
    pub reserved_blocks: u64,
    /// Bytes of that memory.
    pub reserved_bytes: u64,
    /// Blocks that values are in, or that the ends stand in.
    pub used_blocks: u64,
    /// Blocks that were emptied and wait for their next use, or were never used.
    pub free_blocks: u64,
    /// How often a block was put in the chain.
    pub linked_blocks: u64,
    /// How often that was a block that had been there before, so that nothing had to be made.
    pub recycled_blocks: u64,
}

/// Where the statistics begin to count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Since {
    linked: u64,
    recycled: u64,
    /// Number of the tail's block, and blocks made, when this was noted.
    number: u64,
    made: u32,
}

impl Since {
    pub(super) const fn new() -> Self {
        Self { linked: 0, recycled: 0, number: 0, made: 0 }
    }
}

impl<T> MpmcQueue<T> {
    /// Returns what the queue did, and what memory it holds.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Each number is right for some moment during the call, not all for the same one.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let made = self.depot.made();
        let reserved = u64::from(self.depot.reserved());
        let head = self.block_number(&self.head);
        let tail = self.block_number(&self.tail);
        let used = if tail == 0 { 0 } else { tail.saturating_sub(head.max(1)) + 1 };
        let linked = tail.saturating_sub(self.since.number);
        let newly_made = u64::from(made.saturating_sub(self.since.made));
        QueueStats {
            reserved_blocks: reserved,
            reserved_bytes: reserved.saturating_mul(size_of::<Block<T>>() as u64),
            used_blocks: used,
            free_blocks: reserved.saturating_sub(used),
            linked_blocks: self.since.linked + linked,
            recycled_blocks: self.since.recycled + linked.saturating_sub(newly_made),
        }
    }

    /// Returns the number of an end's block, 0 if it is before the first.
    pub(super) fn block_number(&self, end: &End<T>) -> u64 {
        // ORD Relaxed: a statistic.
        let name = Name::from_word(end.name.load(Relaxed));
        // ORD Relaxed: a statistic.
        let number = (end.position.load(Relaxed) & !CLOSED) >> SHIFT;
        if name.is_number(number) { number } else { number - 1 }
    }

    /// Takes values, oldest first, until the queue is empty.
    ///
    /// It ends with the first [`pop`](Self::pop) that finds nothing; values that are pushed meanwhile
    /// are taken too. Dropping it leaves the rest in the queue.
    ///
    /// # Concurrency
    ///
    /// Blocking: each step is a [`pop`](Self::pop).
    pub fn drain(&self) -> QueueDrain<'_, T> {
        QueueDrain { queue: self }
    }

    /// Gives memory back, and returns how many bytes.
    ///
    /// All but that of the blocks in which there are values, to the next power of two. Values move in memory,
    /// to the blocks that are kept.
    ///
    /// # Complexity
    ///
    /// O(blocks).
    ///
    /// # Concurrency
    ///
    /// Waits for nobody but the allocator: access is exclusive, so it touches nothing that other threads
    /// touch.
    pub fn trim(&mut self) -> u64 {
        let before = self.stats();
        let closed = self.tail.position.get() & CLOSED;
        let (head, tail) = (self.head.position.get(), self.tail.position.get() & !CLOSED);
        let kept = if head == tail {
            // SAFETY: 1. no value is in any block; 2. the ends start anew.
            unsafe { self.depot.trim(0) };
            *self.head = End::new();
            *self.tail = End::new();
            self.tail.position.with_mut(|position| *position |= closed);
            self.root.with_mut(|root| *root = name::active(0));
            0
        } else {
            self.gather(head >> SHIFT, (tail - 1) >> SHIFT)
        };
        let number = self.block_number(&self.tail);
        let made = self.depot.made();
        self.since =
            Since { linked: before.linked_blocks, recycled: before.recycled_blocks, number, made };
        let bytes = u64::from(kept) * size_of::<Block<T>>() as u64;
        before.reserved_bytes - bytes
    }

    /// Moves blocks `first..=last`, which have values, to the lowest ids, and gives back segments that
    /// then are not needed. Returns how many blocks there is memory for.
    fn gather(&mut self, first: u64, last: u64) -> u32 {
        // Each block's new id, 0 if it is not to be kept, is noted in its `below`.
        for id in 1..=self.depot.made() {
            // ORD Relaxed: exclusive access.
            self.depot.get(id).below().store(0, Relaxed);
        }
        let mut keep = 0;
        let mut name = Name::from_word(self.head.name.get());
        for number in first..=last {
            name = self.name_of(name, number);
            keep += 1;
            // ORD Relaxed: exclusive access.
            self.depot.get(name.id()).below().store(keep, Relaxed);
        }
        for id in 1..=self.depot.made() {
            loop {
                // ORD Relaxed: exclusive access.
                let target = self.depot.get(id).below().load(Relaxed);
                if target == 0 || target == id {
                    break;
                }
                self.depot.swap(id, target);
            }
        }
        for (number, id) in (first..=last).zip(1..) {
            let link =
                if number == last { name::active(number) } else { name::linked(number, id + 1) };
            // ORD Relaxed: exclusive access.
            self.depot.get(id).link().store(link, Relaxed);
        }
        let (head, tail) = (self.head.position.get(), self.tail.position.get());
        *self.head = End::at(head, Name::new(1, first));
        *self.tail = End::at(tail, Name::new(keep, last));
        // SAFETY: 1. values are in blocks up to `keep`; 2. the ends start anew.
        unsafe { self.depot.trim(keep) }
    }

    /// Returns the name of block `number`, which is that of `name`, or the one after it.
    fn name_of(&self, name: Name, number: u64) -> Name {
        if name.is_number(number) {
            return name;
        }
        match follow(self.link_of(name), number - 1) {
            Link::Next(next) => next,
            link @ (Link::Last | Link::Stale) => {
                unreachable!("block {number} does not follow {name:?}: {link:?}")
            }
        }
    }
}

/// Takes out what is in a queue that nobody else can reach any more.
struct Rest<'q, T> {
    queue: &'q MpmcQueue<T>,
    name: Name,
    position: u64,
    end: u64,
}

impl<T> Iterator for Rest<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.position != self.end {
            let position = self.position;
            self.name = self.queue.name_of(self.name, position >> SHIFT);
            self.position += 1;
            let value =
                self.queue.depot.get(self.name.id()).slot(position).take_exclusive(position);
            if value.is_some() {
                return value;
            }
        }
        None
    }
}

impl<T> Drop for MpmcQueue<T> {
    fn drop(&mut self) {
        /// Drops the other values, and frees the memory, when a value's drop panics.
        struct GoOn<'r, 'q, T>(&'r mut Rest<'q, T>);
        impl<T> Drop for GoOn<'_, '_, T> {
            fn drop(&mut self) {
                if !cfg!(bug = "queue-drop-stops-at-a-panic") {
                    self.0.for_each(drop);
                }
            }
        }
        /// Frees the memory.
        struct Free<'q, T>(&'q mut MpmcQueue<T>);
        impl<T> Drop for Free<'_, T> {
            fn drop(&mut self) {
                if !cfg!(bug = "queue-leaks-its-blocks") {
                    // SAFETY: 1. the values were dropped, all of them; 2. the queue ends.
                    unsafe { self.0.depot.trim(0) };
                }
            }
        }
        let free = Free(self);
        if needs_drop::<T>() {
            let name = Name::from_word(free.0.head.name.get());
            let (position, end) =
                (free.0.head.position.get(), free.0.tail.position.get() & !CLOSED);
            let mut rest = Rest { queue: free.0, name, position, end };
            let rest = GoOn(&mut rest);
            rest.0.by_ref().for_each(drop);
        }
    }
}

/// An iterator that takes values out of a queue until it is empty; see [`MpmcQueue::drain`].
#[must_use = "values are taken as the iterator is run"]
pub struct QueueDrain<'q, T> {
    queue: &'q MpmcQueue<T>,
}

impl<T> Iterator for QueueDrain<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.queue.pop().ok()
    }
}

impl<T> fmt::Debug for QueueDrain<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueDrain").field("len", &self.queue.len()).finish_non_exhaustive()
    }
}
