//! [`IntrusiveStack`]: any thread pushes nodes or whole chains, and whoever wants takes all there is.
//!
//! ```text
//!   head ──▶ [ node ] ──▶ [ node ] ──▶ … ──▶ [ node ] ──▶ 0
//!              newest        links, written before the node is pushed
//!   push:     link := head; head: link → node        one compare-exchange
//!   pop_all:  head: node → 0                         one swap
//! ```
//!
//! # Invariants
//!
//! * **I1** `head` is 0 or the exposed address of a node; from it the links lead from node to node,
//!   to a link of 0.
//! * **I2** all these nodes are the stack's own. Their links are written before they come in and read
//!   after they went out, never in between.
//!
//! No ABA: a push compares addresses, and needs no more than that `head` *is* what it linked to; what
//! became of the node that had this address when it was read does not matter, since nothing was read
//! from it. Single nodes cannot be popped for the same reason: that would read a link of a node that
//! may be gone.
//!
//! # Ordering edges
//!
//! * `chain-hand-over`: `push` → `pop_all`. The nodes, and their links, are written before they are
//!   taken. A pop reads one push's value; the pushes below it are ordered too, since each later push
//!   is a read-modify-write and so continues the release sequences of those before.
//!
//! # Cost
//!
//! One word. A push is a load, a store to the node, and a compare-exchange; a pop of all is a swap, or
//! a load when there is nothing. One atomic read-modify-write for a chain of any length.
//!
//! # Source
//!
//! R. K. Treiber, *Systems Programming: Coping with Parallelism*, IBM RJ 5118, 1986; without its pop.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZero;

use primitives::Backoff;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicUsize, Exclusive};
use primitives::sync::cell::UnsafeCell;

use super::chain::{Chain, Ends};
use super::link::{Linked, expose, set_next};
use super::popped::Popped;

/// A stack of nodes that carry their own link: any thread pushes, any thread takes all.
///
/// Nothing is allocated, ever. See [`Linked`] for an example.
///
/// # Concurrency
///
/// [`push`](Self::push) and [`push_chain`](Self::push_chain) are lock-free,
/// [`pop_all`](Self::pop_all) and [`is_empty`](Self::is_empty) wait-free. Each is linearizable, at its
/// one atomic read-modify-write, or at its load where that found nothing. The stack retains no memory
/// but the nodes in it.
pub struct IntrusiveStack<T: Linked> {
    /// The newest node's address, 0 if there is none (I1).
    head: AtomicUsize,
    /// Owns handles, and is shared as they are sent.
    _owned: PhantomData<UnsafeCell<T::Handle>>,
}

// SAFETY: handles go in on one thread and come out on another, hence `Send`; no two threads ever have
// the same one, so they need not be `Sync`.
unsafe impl<T: Linked<Handle: Send>> Sync for IntrusiveStack<T> {}

impl<T: Linked> IntrusiveStack<T> {
    primitives::sync::const_fn! {
        /// Returns a stack without nodes.
        #[must_use]
        pub const fn new() -> Self {
            Self { head: AtomicUsize::new(0), _owned: PhantomData }
        }
    }

    /// Puts a node on top, and returns whether the stack was empty before.
    ///
    /// Of the pushes between two pops exactly one is told so: it is the one to wake who pops, if
    /// somebody sleeps.
    ///
    /// # Concurrency
    ///
    /// Lock-free. Linearizes at its compare-exchange.
    #[inline]
    pub fn push(&self, handle: T::Handle) -> bool {
        let node = expose::<T>(handle);
        self.push_ends(Ends { first: node, last: node })
    }

    /// Puts all nodes of a chain on top at once, its first topmost.
    ///
    /// Returns whether the stack was empty before. An empty chain changes nothing, and returns `false`.
    ///
    /// # Complexity
    ///
    /// O(1), one atomic read-modify-write.
    ///
    /// # Concurrency
    ///
    /// As [`push`](Self::push). No other thread sees a part of the chain.
    #[inline]
    pub fn push_chain(&self, chain: Chain<T>) -> bool {
        match chain.into_ends() {
            Some(ends) => self.push_ends(ends),
            None => false,
        }
    }

    #[inline]
    fn push_ends(&self, Ends { first, last }: Ends) -> bool {
        // ORD Relaxed: a guess; the compare-exchange below confirms it, and nothing is read through it.
        let mut head = self.head.load(Relaxed);
        let guess = head;
        let backoff = Backoff::new();
        loop {
            let below = if cfg!(bug = "retry-keeps-the-old-link") { guess } else { head };
            let lower_end = if cfg!(bug = "chain-is-linked-by-its-first") { first } else { last };
            // SAFETY: 1. and 2. not pushed yet, so still the caller's alone.
            unsafe { set_next::<T>(lower_end, NonZero::new(below)) };
            // ORD[chain-hand-over] Release → Acquire in `pop_all`: the nodes and their links, the one
            // above included, are written before they are taken.
            // ORD Relaxed on failure: another guess.
            match self.head.compare_exchange_weak(head, first.get(), Release, Relaxed) {
                Ok(_) => return head == 0 || cfg!(bug = "every-push-is-told"),
                Err(now) => head = now,
            }
            backoff.spin();
        }
    }

    /// Takes all nodes, the newest first.
    ///
    /// # Complexity
    ///
    /// O(1); running through them is O(nodes).
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its swap, or at its load if that finds nothing, without a fence: two
    /// threads that each pushed into one stack and then look into the other's may both find nothing. What
    /// others push meanwhile stays.
    #[inline]
    pub fn pop_all(&self) -> Popped<T> {
        // ORD Relaxed: empty is empty, and nothing is read; else the swap orders.
        let seen = self.head.load(Relaxed);
        if seen == 0 {
            // SAFETY: 1. and 2. no nodes.
            return unsafe { Popped::from_first(None) };
        }
        // ORD[chain-hand-over] Acquire ← Release in `push_ends`, of this node's push and of those below.
        let after = if cfg!(bug = "pop-forgets-to-empty") { seen } else { 0 };
        let first = self.head.swap(after, Acquire);
        // SAFETY: 1. I1, and the edge makes the links visible; 2. the swap took them from the stack.
        unsafe { Popped::from_first(NonZero::new(first)) }
    }

    /// Takes all nodes by exclusive access, without an atomic operation; the newest first.
    ///
    /// # Complexity
    ///
    /// O(1); running through them is O(nodes).
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that other threads touch: access is exclusive.
    #[inline]
    pub fn take(&mut self) -> Popped<T> {
        let first = self.head.with_mut(|head| core::mem::replace(head, 0));
        // SAFETY: 1. I1, and `&mut` comes after every push; 2. they are the stack's no more.
        unsafe { Popped::from_first(NonZero::new(first)) }
    }

    /// Returns whether there was no node a moment ago.
    ///
    /// # Concurrency
    ///
    /// Wait-free; orders nothing.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ORD Relaxed: a hint, and nothing is read through it.
        self.head.load(Relaxed) == 0
    }
}

impl<T: Linked> Drop for IntrusiveStack<T> {
    fn drop(&mut self) {
        if !cfg!(bug = "stack-leaks-its-nodes") {
            drop(self.take());
        }
    }
}

impl<T: Linked> Default for IntrusiveStack<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Linked> fmt::Debug for IntrusiveStack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrusiveStack").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
