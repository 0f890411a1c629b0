//! [`Nodes`]: a table of nodes, and lists of them whose head is one tagged word.
//!
//! ```text
//!            63           bits  bits-1      0
//!  Head     ┌──────────────────┬─────────────┐      number: of the first node, 0 if there is none
//!           │ tag: puts so far │ number      │      bits:   as few as the capacity needs
//!           └──────────────────┴──────┬──────┘
//!                                     ▼
//!  Nodes    1 │ next, value │  2 │ next, value │  …  capacity
//! ```
//!
//! A node is in one list, or it belongs to the one thread that took it. Nodes are never freed while
//! the table lives, so a thread that is late reads an old `next`, never memory that is gone; and its
//! compare-exchange fails, because the head has another tag by then. Old `next`s may lead in a circle:
//! a taker of many nodes takes no more steps than there are nodes, and looks up now and then whether the
//! head is still what it began from.
//!
//! **Invariants.**
//! - I1: a head's number, and a `next`, is 0 or that of a node of the table.
//! - I2: a node is reached from at most one head, and from none while a thread has taken it.
//! - I3: the value of each reader and writer is its node's taker's: nobody else touches it.
//! - I4: a (tag, number) pair stands in a head once: what makes a node first again is a put, and each
//!   put has a tag of its own, until the tag wraps.
//!
//! **Ordering edges.**
//! - `node-hand-over`: `put` → `take`, of the same head. Value and links are written, or read for the
//!   last time, before the next taker has the node. A head is only ever changed by read-modify-writes,
//!   so a take is ordered after every earlier put, whoever took or put in between.
//!
//! **Tags.** A thread is fooled if it sleeps in `take`, between its load and its compare-exchange,
//! while others put exactly a multiple of 2^tag_bits times, and leave the same node first. At a put
//! every 10 ns, which is faster than two processors of ours hand a line to and fro, that takes
//!
//! | capacity up to | number bits | tag bits | sleep |
//! |---|---|---|---|
//! | 1,023 | 10 | 54 | 5.7 years |
//! | 65,535 | 16 | 48 | 32 days |
//! | 1,048,575 | 20 | 44 | 2 days |
//! | 16,777,215 | 24 | 40 | 3 hours |
//! | 4,294,967,295 | 32 | 32 | 43 seconds |
//!
//! and then it must wake at the one put in 2^tag_bits that matches, not a put earlier or later.
//!
//! **Cost.** Take: a load, a load of `next`, a compare-exchange. Put: a load, a store of `next`, a
//! compare-exchange. Any number of nodes goes in at once, and comes out at once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::mem::MaybeUninit;

use primitives::Backoff;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicU32, AtomicU64};
use primitives::sync::cell::UnsafeCell;

use crate::error::ConfigError;

/// Most nodes of a table: numbers have 32 bits, and 0 is none.
const NUMBERS: usize = u32::MAX as usize;

/// After so many nodes a taker of many looks whether they are still in the list.
const LOOK_UP: u32 = if cfg!(any(loom, shuttle)) { 1 } else { 64 };

/// The first of the nodes in a list.
pub(super) struct Head(AtomicU64);

/// Every node, and how the heads of lists of them are packed.
pub(super) struct Nodes<T> {
    table: Box<[Node<T>]>,
    /// The bits of a head that hold a number.
    number_mask: u64,
}

struct Node<T> {
    /// The number of the node behind this one (I1).
    next: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// Nodes in a row that the holder took: `first`, and what its `next`s lead to, as far as `last`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    first: u32,
    last: u32,
    len: u32,
}

impl Run {
    /// The first node's number.
    #[inline]
    pub(super) fn first(self) -> u32 {
        self.first
    }

    /// How many nodes.
    #[inline]
    pub(super) fn len(self) -> u32 {
        self.len
    }
}

impl<T> Nodes<T> {
    /// Most nodes that there can be.
    pub(super) const MOST: usize = {
        let in_memory = isize::MAX.unsigned_abs() / size_of::<Node<T>>();
        if in_memory < NUMBERS { in_memory } else { NUMBERS }
    };

    /// Makes `capacity` nodes, and the list of all of them.
    pub(super) fn try_new(capacity: usize) -> Result<(Self, Head), ConfigError> {
        let count = match u32::try_from(capacity) {
            Ok(count) if (1..=Self::MOST).contains(&capacity) => count,
            _ => return Err(ConfigError::out_of_range("capacity", capacity, 1, Self::MOST)),
        };
        let mut table = Vec::new();
        if table.try_reserve_exact(capacity).is_err() {
            let layout = Layout::array::<Node<T>>(capacity).unwrap_or(Layout::new::<Node<T>>());
            return Err(ConfigError::no_memory("capacity", capacity, layout));
        }
        table.extend((1..=count).map(|number| Node {
            next: AtomicU32::new(if number == count { 0 } else { number + 1 }),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }));
        let number_bits = u32::BITS - count.leading_zeros();
        let number_mask = (1_u64 << number_bits) - 1;
        Ok((Self { table: table.into_boxed_slice(), number_mask }, Head(AtomicU64::new(1))))
    }

    /// How many nodes there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many nodes there are, as a number of one.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "`try_new` takes a `u32` of them at most")]
    fn count(&self) -> u32 {
        self.table.len() as u32
    }

    /// Takes up to `most` nodes from the front of a list, if there are any, in their order.
    ///
    /// The caller has them until it puts them somewhere.
    #[inline]
    pub(super) fn take(&self, head: &Head, most: u32) -> Option<Run> {
        let backoff = Backoff::new();
        // Who comes late follows links that their nodes' taker rewrites, and these may lead in a circle
        // for as long as that one likes.
        let most = if cfg!(bug = "late-takers-go-round") { most } else { most.min(self.count()) };
        // ORD[node-hand-over] Acquire ← Release in `put`, of every node in the list.
        let mut seen = head.0.load(Acquire);
        loop {
            let first = self.number(seen);
            if first == 0 {
                return None;
            }
            let mut run = Run { first, last: first, len: 1 };
            let mut behind = self.next(first);
            while run.len < most && behind != 0 {
                // ORD Relaxed: only says whether to go on; the compare-exchange decides.
                if run.len.is_multiple_of(LOOK_UP) && head.0.load(Relaxed) != seen {
                    break;
                }
                run = Run { first, last: behind, len: run.len + 1 };
                behind = self.next(behind);
            }
            let after = seen & !self.number_mask | u64::from(behind);
            // ORD Relaxed on success: the word is the one that the load above acquired, by its tag
            // (I4), and this read-modify-write hands on what earlier puts released.
            // ORD[node-hand-over] Acquire on failure ← Release in `put`: nodes are read through it.
            match head.0.compare_exchange_weak(seen, after, Relaxed, Acquire) {
                Ok(_) => return Some(run),
                Err(now) => seen = now,
            }
            backoff.spin();
        }
    }

    /// Takes a whole list, without looking at its nodes, and returns the first one's number or 0.
    #[inline]
    pub(super) fn take_all(&self, head: &Head) -> u32 {
        let backoff = Backoff::new();
        // ORD[node-hand-over] Acquire ← Release in `put`, of every node in the list.
        let mut seen = head.0.load(Acquire);
        loop {
            let first = self.number(seen);
            if first == 0 {
                return 0;
            }
            // ORD Relaxed on success, as in `take`.
            // ORD[node-hand-over] Acquire on failure ← Release in `put`: the nodes' links are read.
            match head.0.compare_exchange_weak(seen, seen & !self.number_mask, Relaxed, Acquire) {
                Ok(_) => return first,
                Err(now) => seen = now,
            }
            backoff.spin();
        }
    }

    /// Puts nodes in front of a list, in their order.
    ///
    /// # Safety
    ///
    /// 1. The caller has these nodes, and has them no more.
    #[inline]
    pub(super) unsafe fn put(&self, head: &Head, run: Run) {
        let backoff = Backoff::new();
        // ORD Relaxed: a guess, which the compare-exchange confirms; nothing is read through it.
        let mut seen = head.0.load(Relaxed);
        loop {
            self.set_next(run.last, self.number(seen));
            let tag = if cfg!(bug = "puts-count-nothing") { 0 } else { self.number_mask + 1 };
            let after = (seen & !self.number_mask).wrapping_add(tag) | u64::from(run.first);
            // ORD[node-hand-over] Release → Acquire in `take`, `take_all`: the values and links of the
            // run were written, or read for the last time, before.
            // ORD Relaxed on failure: another guess.
            match head.0.compare_exchange_weak(seen, after, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
            backoff.spin();
        }
    }

    /// Says whether a list had no node a moment ago.
    #[inline]
    pub(super) fn is_empty(&self, head: &Head) -> bool {
        // ORD Relaxed: a hint, and nothing is read through it.
        self.number(head.0.load(Relaxed)) == 0
    }

    /// The number behind node `number`; of a node that another thread has, some number.
    #[inline]
    pub(super) fn next(&self, number: u32) -> u32 {
        // ORD Relaxed: a taker's own nodes' links were ordered with the nodes; who reads another's
        // link has a head that is no more, and finds out by its tag.
        self.node(number).next.load(Relaxed)
    }

    #[inline]
    fn set_next(&self, number: u32, next: u32) {
        debug_assert!(next as usize <= self.table.len(), "I1: link to {next}");
        // ORD Relaxed: `put` publishes it with the node.
        self.node(number).next.store(next, Relaxed);
    }

    /// One node that the caller took, as a run.
    #[inline]
    pub(super) fn single(&self, number: u32) -> Run {
        debug_assert!(self.is_node(number), "I1: run of node {number}");
        Run { first: number, last: number, len: 1 }
    }

    /// Strings a node in front of a run, or makes a run of it. The caller has them all.
    #[inline]
    pub(super) fn prepend(&self, number: u32, run: Option<Run>) -> Run {
        match run {
            None => self.single(number),
            Some(run) => {
                self.set_next(number, run.first);
                Run { first: number, last: run.last, len: run.len + 1 }
            }
        }
    }

    /// Makes the last node of a run end it: what is behind it is not the run's. The caller has them all.
    #[inline]
    pub(super) fn end_at_last(&self, run: Run) {
        self.set_next(run.last, 0);
    }

    /// Splits the first node from a run. The caller has them all.
    #[inline]
    pub(super) fn split_first(&self, run: Run) -> (u32, Option<Run>) {
        if run.len == 1 {
            return (run.first, None);
        }
        (run.first, Some(Run { first: self.next(run.first), last: run.last, len: run.len - 1 }))
    }

    /// Puts a value into a node that holds none.
    ///
    /// # Safety
    ///
    /// 1. The caller took the node.
    #[inline]
    pub(super) unsafe fn write(&self, number: u32, value: T) {
        // SAFETY: I3 by clause 1: nobody else reads or writes the cell, and the pointer is the cell's.
        self.node(number).value.with_mut(|place| unsafe { place.write(MaybeUninit::new(value)) });
    }

    /// Takes the value out of a node.
    ///
    /// # Safety
    ///
    /// 1. The caller took the node;
    /// 2. it holds a value, which this call moves out.
    #[inline]
    pub(super) unsafe fn read(&self, number: u32) -> T {
        // SAFETY: I3 by clause 1: nobody else writes the cell, and the pointer is the cell's. Exclusive,
        // so that a model sees two readers as the two owners they would be.
        let value = self.node(number).value.with_mut(|place| unsafe { place.read() });
        // SAFETY: clause 2.
        unsafe { value.assume_init() }
    }

    #[inline]
    fn node(&self, number: u32) -> &Node<T> {
        debug_assert!(self.is_node(number), "I1: node {number} of {}", self.table.len());
        // SAFETY: I1: numbers of nodes are 1 to the length, and who calls has seen that it is not 0.
        unsafe { self.table.get_unchecked(number as usize - 1) }
    }

    fn is_node(&self, number: u32) -> bool {
        (1..=self.table.len()).contains(&(number as usize))
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask has at most 32 bits")]
    fn number(&self, head: u64) -> u32 {
        (head & self.number_mask) as u32
    }
}

impl Head {
    /// A list without nodes.
    pub(super) fn empty() -> Self {
        Self(AtomicU64::new(0))
    }
}
