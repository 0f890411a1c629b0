//! [`EpochStack`]: values one at a time, without a bound; nodes are freed when nobody can look at them.
//!
//! ```text
//!  head ─▶ Node { next, value } ─▶ Node ─▶ 0            each one a box
//!  popped, its memory still there ─▶ until every thread that was pinned then is not
//! ```
//!
//! **Invariants.**
//! - E1: from the head, `next`s lead through live nodes with a value to 0.
//! - E2: `next` is written before its node is pushed only.
//! - E3: a node that was taken out is freed after the grace period of its retirement, so who was pinned
//!   when it read the node's address may read its `next`; nobody but its taker touches its value.
//!
//! **Ordering edges.**
//! - `epoch-stack-hand-over`: `push` → `pop`, `pop_all`. The node is written before it is read. The head
//!   is only changed by read-modify-writes, so a pop is ordered after every push below as well.
//! - That nobody reads a node after it is freed is crossbeam-epoch's to order.
//!
//! **Addresses.** A push is not pinned: it links to the head's address and never follows it, and if
//! that node is freed and another pushed at the same address, the link is right. Addresses are exposed
//! and kept as integers for that reason; `DESIGN.md` says more.
//!
//! **Cost.** A push: one allocation, one compare-exchange. A pop: pinning (a fence), one
//! compare-exchange, one retirement; the free comes later.
//!
//! **Source.** R. K. Treiber, 1986; K. Fraser, *Practical lock-freedom*, 2004, as crossbeam-epoch does
//! it. Ours: pushes do not pin.

use alloc::boxed::Box;
use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr;

use crossbeam_epoch as epoch;
use primitives::Backoff;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicUsize, Exclusive};
use primitives::sync::cell::UnsafeCell;

/// A stack without a bound: any thread pushes, any thread pops.
///
/// [`IndexStack`](crate::IndexStack) is faster, and its memory does not wait for other threads: use
/// this one where no capacity can be stated.
///
/// # Examples
///
/// ```
/// let stack = lockfree::EpochStack::new();
/// stack.push(String::from("one"));
/// stack.push(String::from("two"));
/// assert_eq!(stack.pop().as_deref(), Some("two"));
/// assert_eq!(stack.pop().as_deref(), Some("one"));
/// assert_eq!(stack.pop(), None);
/// ```
///
/// # Concurrency
///
/// Lock-free, as far as the allocator is. Values go from thread to thread with all that happened before
/// their push. Memory: a value's node is freed some time after its pop, when every thread that was
/// pinned then has unpinned, which is no sooner than after a few dozen more retirements. A thread that
/// stops while it is pinned, in a `pop` or by a guard of crossbeam-epoch's default collector, keeps all
/// nodes popped since: nothing bounds their number. Values themselves are moved out at once.
pub struct EpochStack<T> {
    /// The newest node's exposed address, 0 if there is none (E1).
    head: AtomicUsize,
    _owned: PhantomData<Box<Node<T>>>,
}

struct Node<T> {
    /// The exposed address of the node below (E2).
    next: UnsafeCell<usize>,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: values go in on one thread and come out on another, hence `T: Send`; no two threads have the
// same one, so `T: Sync` is not needed.
unsafe impl<T: Send> Send for EpochStack<T> {}
// SAFETY: as above: `&EpochStack` moves values in and out, and lends none.
unsafe impl<T: Send> Sync for EpochStack<T> {}

impl<T> EpochStack<T> {
    primitives::sync::const_fn! {
        /// Returns a stack without values; allocates nothing.
        #[must_use]
        pub const fn new() -> Self {
            Self { head: AtomicUsize::new(0), _owned: PhantomData }
        }
    }

    /// Puts a value on top, in a node from the allocator.
    ///
    /// # Panics
    ///
    /// Without memory for a node it ends as every failed allocation does.
    ///
    /// # Concurrency
    ///
    /// Lock-free, as far as the allocator is. Linearizes at its compare-exchange.
    #[inline]
    pub fn push(&self, value: T) {
        let node = Box::new(Node {
            next: UnsafeCell::new(0),
            value: UnsafeCell::new(MaybeUninit::new(value)),
        });
        let first = Box::into_raw(node).expose_provenance();
        let backoff = Backoff::new();
        // ORD Relaxed: a guess, which the compare-exchange confirms; nothing is read through it.
        let mut seen = self.head.load(Relaxed);
        let guess = seen;
        loop {
            let below = if cfg!(bug = "epoch-retry-keeps-the-old-link") { guess } else { seen };
            // SAFETY: made above, and not pushed yet.
            let node = unsafe { Node::<T>::at(first) };
            // SAFETY: E2: not pushed yet, so nobody else sees it.
            node.next.with_mut(|next| unsafe { next.write(below) });
            // ORD[epoch-stack-hand-over] Release → Acquire in `pop`, `pop_all`: value and link are
            // written before.
            // ORD Relaxed on failure: another guess.
            match self.head.compare_exchange_weak(seen, first, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
            backoff.spin();
        }
    }

    /// Takes the newest value, if there is one.
    ///
    /// # Concurrency
    ///
    /// Lock-free, as far as the allocator is. Linearizes at its compare-exchange; when empty, at the load
    /// that finds nothing, without a fence: two threads that each pushed into one stack and then pop from
    /// the other's may both find it empty. Retains the node, without its value, until all threads that are pinned now have
    /// unpinned.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        // ORD Relaxed: empty is empty, and nothing is read; else it is loaded once more, pinned.
        if self.head.load(Relaxed) == 0 {
            return None;
        }
        let guard = epoch::pin();
        let backoff = Backoff::new();
        // ORD[epoch-stack-hand-over] Acquire ← Release in `push`, of this node and of those below.
        let mut seen = self.head.load(Acquire);
        loop {
            if seen == 0 {
                return None;
            }
            // SAFETY: E1, E3: it was in the stack when it was read, since when this thread is pinned.
            let node = unsafe { Node::<T>::at(seen) };
            // SAFETY: E2: nobody writes it any more.
            let below = node.next.with(|next| unsafe { *next });
            // ORD Relaxed on success: the node was acquired by the load of its address, which is the
            // same node's as long as this thread is pinned; this read-modify-write hands on what
            // earlier pushes released.
            // ORD[epoch-stack-hand-over] Acquire on failure ← Release in `push`: the node is read.
            match self.head.compare_exchange_weak(seen, below, Relaxed, Acquire) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
            backoff.spin();
        }
        // SAFETY: as in the loop.
        let node = unsafe { Node::<T>::at(seen) };
        // SAFETY: 1. the compare-exchange took it out, and this is its only read (E3).
        let value = unsafe { node.read() };
        // SAFETY: 1. out of the stack, and of nobody else's; who read its address before was pinned then.
        let free = move || unsafe { Node::<T>::free(seen) };
        if cfg!(bug = "epoch-stack-frees-at-once") {
            free();
            return Some(value);
        }
        // SAFETY: may be called on any thread and at any time: it frees memory, and touches no `T`.
        unsafe { guard.defer_unchecked(free) };
        Some(value)
    }

    /// Takes all values, the newest first.
    ///
    /// # Complexity
    ///
    /// O(1); running through them is O(values). The nodes are retired together, when the iterator is
    /// dropped.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its swap, or at its load if that finds nothing, as [`pop`](Self::pop).
    #[inline]
    pub fn pop_all(&self) -> EpochPopped<T> {
        // ORD Relaxed: empty is empty, and nothing is read; else the swap orders.
        let first = if self.head.load(Relaxed) == 0 {
            0
        } else {
            // ORD[epoch-stack-hand-over] Acquire ← Release in `push`, of all of them.
            self.head.swap(0, Acquire)
        };
        EpochPopped { first, next: first, _owned: PhantomData }
    }

    /// Returns whether there was no value a moment ago.
    ///
    /// # Concurrency
    ///
    /// Wait-free; a load that orders nothing.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ORD Relaxed: a hint, and nothing is read through it.
        self.head.load(Relaxed) == 0
    }
}

impl<T> Node<T> {
    /// The node at an address.
    ///
    /// # Safety
    ///
    /// 1. A node of `push` is there, and is not freed while the reference is used.
    #[inline]
    unsafe fn at<'n>(address: usize) -> &'n Self {
        // SAFETY: clause 1; the address was exposed.
        unsafe { &*ptr::with_exposed_provenance(address) }
    }

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// 1. The caller took the node out of the stack, and calls this once.
    #[inline]
    unsafe fn read(&self) -> T {
        // SAFETY: clause 1: nobody else touches the cell. Exclusive, so that a model sees two readers as
        // the two owners they would be.
        let value = self.value.with_mut(|value| unsafe { value.read() });
        // SAFETY: a node has its value from the start, and clause 1.
        unsafe { value.assume_init() }
    }

    /// Frees the node; its value is not dropped.
    ///
    /// # Safety
    ///
    /// 1. A node of `push` is there, nobody uses it any more, and this is called once.
    unsafe fn free(address: usize) {
        // SAFETY: clause 1; the box of `push`, by its exposed address.
        drop(unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<Self>(address)) });
    }
}

/// The values that [`EpochStack::pop_all`] took, the newest first.
///
/// Owns them: those that are not taken out of it are dropped with it, and then the nodes are retired.
///
/// # Concurrency
///
/// The values are its own: a step is wait-free, and touches nothing that other threads write. Its drop
/// pins the thread, and retires all nodes together. Forgotten, it leaks values and nodes.
#[must_use = "what is not taken out of it is dropped"]
pub struct EpochPopped<T> {
    /// The first node, whose value may be gone.
    first: usize,
    /// The first node with its value, 0 if there is none.
    next: usize,
    _owned: PhantomData<Box<Node<T>>>,
}

// SAFETY: stands for the values that it will yield; of the nodes it only reads what nobody writes.
unsafe impl<T: Send> Send for EpochPopped<T> {}
// SAFETY: a shared iterator yields nothing.
unsafe impl<T: Sync> Sync for EpochPopped<T> {}

impl<T> EpochPopped<T> {
    /// Returns whether no value is left.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }
}

impl<T> Iterator for EpochPopped<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.next == 0 {
            return None;
        }
        // SAFETY: ours, and not retired before the drop.
        let node = unsafe { Node::<T>::at(self.next) };
        // SAFETY: E2: nobody writes it any more.
        self.next = node.next.with(|next| unsafe { *next });
        // SAFETY: 1. the swap took it out, and the line above stepped over it.
        Some(unsafe { node.read() })
    }
}

impl<T> FusedIterator for EpochPopped<T> {}

impl<T> EpochPopped<T> {
    /// Drops the values that are left, all of them though a drop panics, and then calls `nodes` with
    /// the first node, if there is one.
    fn end(&mut self, nodes: unsafe fn(usize)) {
        struct GoOn<'p, T>(&'p mut EpochPopped<T>, unsafe fn(usize));
        impl<T> Drop for GoOn<'_, T> {
            fn drop(&mut self) {
                if !cfg!(bug = "epoch-stack-stops-at-a-panic") {
                    self.0.by_ref().for_each(drop);
                }
                let first = core::mem::replace(&mut self.0.first, 0);
                if first != 0 {
                    // SAFETY: out of the stack, without values, and by the line above not met again.
                    unsafe { self.1(first) };
                }
            }
        }
        let rest = GoOn(self, nodes);
        rest.0.by_ref().for_each(drop);
    }
}

impl<T> Drop for EpochPopped<T> {
    fn drop(&mut self) {
        self.end(retire_all::<T>);
    }
}

/// Frees the nodes of a chain when nobody can read them any more.
///
/// # Safety
///
/// 1. The nodes are out of the stack, and freed by this call alone.
unsafe fn retire_all<T>(first: usize) {
    let guard = epoch::pin();
    // SAFETY: clause 1; who read an address of theirs before was pinned then, and is waited for.
    let free = move || unsafe { free_all::<T>(first) };
    // SAFETY: may be called on any thread and at any time: it frees memory, and touches no `T`.
    unsafe { guard.defer_unchecked(free) };
}

/// Frees the nodes of a chain; their values are not dropped.
///
/// # Safety
///
/// 1. As [`Node::free`], for every node of the chain.
unsafe fn free_all<T>(first: usize) {
    let mut rest = first;
    while rest != 0 {
        // SAFETY: clause 1.
        let node = unsafe { Node::<T>::at(rest) };
        // SAFETY: E2: nobody writes it any more.
        let below = node.next.with(|next| unsafe { *next });
        // SAFETY: 1. by clause 1; the reference is not used again.
        unsafe { Node::<T>::free(rest) };
        rest = below;
    }
}

impl<T> Drop for EpochStack<T> {
    fn drop(&mut self) {
        let first = self.head.get();
        let next = if cfg!(bug = "epoch-stack-leaks-its-values") { 0 } else { first };
        let mut rest = EpochPopped { first, next, _owned: PhantomData::<Box<Node<T>>> };
        // At once: `&mut` proves that nobody is in a call that could read them.
        rest.end(free_all::<T>);
    }
}

impl<T> Default for EpochStack<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for EpochStack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochStack").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for EpochPopped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochPopped").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
