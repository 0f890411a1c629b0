//! [`IndexStack`]: values one at a time, in nodes made once; any thread pushes, any thread pops.
//!
//! ```text
//!  head ─▶ 5 ─▶ 2 ─▶ 7        the values, newest first
//!  free ─▶ 1 ─▶ 3 ─▶ 4 ─▶ 6   nodes without a value
//!  in transit: those of a push or pop at work, and those in handles
//! ```
//!
//! **Invariants**, beside those of [`nodes`](super::nodes):
//! - I5: a node holds a value exactly when it is in the list of `head`, or was taken from it and not
//!   read yet, or was written and not put there yet.
//!
//! **Cost.** A push and a pop are two compare-exchanges each: one of the nodes without a value, one of
//! those with. A [`StackHandle`] keeps nodes of its own, and saves the first; batches share both.
//! 4 bytes a value, and its padding. Two pairs of cache lines.
//!
//! **Source.** R. K. Treiber, 1986, with the counter against ABA of the IBM System/370 manual, in one
//! word by indices; the counter counts puts only, so that taking a whole list leaves it alone.

use core::fmt;

use primitives::CachePadded;

use super::handle::StackHandle;
use super::nodes::{Head, Nodes, Run};
use super::popped::IndexPopped;
use crate::error::{ConfigError, PushError};

/// Nodes that a batch takes, or gives back, at a time.
pub(super) const RUN: u32 = 32;

/// A stack of a fixed capacity: any thread pushes, any thread pops.
///
/// No memory is allocated after it was built.
///
/// # Capacity
///
/// A value needs a node, and there are `capacity` of them. A node is nobody else's while
///
/// * a `push` or `pop` under way has it: one for each;
/// * a [`push_batch`](Self::push_batch) under way has it: all that it has filled, and up to 32 that it has
///   not, for as long as its iterator takes;
/// * an [`IndexPopped`] has it: all that it took, but those that it gave back, 32 at a time; so also while
///   a [`pop_up_to`](Self::pop_up_to) or [`pop_all`](Self::pop_all) is stopped;
/// * a [`StackHandle`] keeps it: up to [`KEEPS`](StackHandle::KEEPS) for each.
///
/// So `push` may find none though fewer than `capacity` values are in the stack, or none at all; one
/// thread alone, too, that keeps what `pop_all` returned and pushes. Without any of these a thread pushes
/// exactly `capacity` values.
///
/// # Examples
///
/// ```
/// use lockfree::{IndexStack, PushError};
///
/// let stack = IndexStack::new(2);
/// stack.push("one")?;
/// stack.push("two")?;
/// assert_eq!(stack.push("three"), Err(PushError::Full("three")));
/// assert_eq!(stack.pop(), Some("two"));
/// assert_eq!(stack.pop(), Some("one"));
/// assert_eq!(stack.pop(), None);
/// # Ok::<(), PushError<&str>>(())
/// ```
///
/// # Concurrency
///
/// Every method is lock-free: a thread that is stopped anywhere keeps from the others the nodes that it
/// has (see [Capacity](#capacity)), and nothing else. Values go from thread to thread with all that happened before their push. Memory:
/// the nodes, until the stack is dropped. ABA: a tag of 32 to 63 bits, as many as the capacity leaves;
/// `DESIGN.md` says how long a thread must sleep for it to wrap (5.7 years at 1,023 values and a push
/// every 10 ns; 43 seconds at four thousand million).
pub struct IndexStack<T> {
    /// Nodes with a value.
    head: CachePadded<Head>,
    /// Nodes without.
    free: CachePadded<Head>,
    nodes: Nodes<T>,
}

// SAFETY: values go in on one thread and come out on another, hence `T: Send`; no two threads have the
// same one, so `T: Sync` is not needed.
unsafe impl<T: Send> Send for IndexStack<T> {}
// SAFETY: as above: `&IndexStack` moves values in and out, and lends none.
unsafe impl<T: Send> Sync for IndexStack<T> {}

impl<T> IndexStack<T> {
    /// The largest capacity: a number of 32 bits each, of which 0 says none; fewer if values are so large
    /// that an allocation holds fewer.
    pub const MAX_CAPACITY: usize = Nodes::<T>::MOST;

    /// Makes a stack with room for `capacity` values.
    ///
    /// # Complexity
    ///
    /// O(capacity): each node is linked.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0 or larger than [`MAX_CAPACITY`](Self::MAX_CAPACITY), with the message of
    /// [`try_new`](Self::try_new). Memory that is refused ends as it does in other collections, through
    /// `handle_alloc_error`.
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self::try_new(capacity).unwrap_or_else(|error| error.raise())
    }

    /// Makes a stack with room for `capacity` values, or says what is wrong with that.
    ///
    /// # Complexity
    ///
    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `capacity` is 0 or larger than [`MAX_CAPACITY`](Self::MAX_CAPACITY), or if the
    /// memory for it was refused.
    pub fn try_new(capacity: usize) -> Result<Self, ConfigError> {
        let (nodes, free) = Nodes::try_new(capacity)?;
        let head = CachePadded::new(Head::empty());
        Ok(Self { head, free: CachePadded::new(free), nodes })
    }

    /// Returns how many values there is room for.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there was no value a moment ago.
    ///
    /// # Concurrency
    ///
    /// Wait-free; a load that orders nothing.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty(&self.head)
    }

    /// Returns a handle, for a thread that pushes and pops often.
    ///
    /// It keeps nodes without values, and needs one compare-exchange where the stack's own methods need two.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes. A handle takes nodes when it needs the first, and retains
    /// up to [`keeps`](StackHandle::keeps) of them until it is dropped.
    #[inline]
    #[must_use]
    pub fn handle(&self) -> StackHandle<'_, T> {
        StackHandle::new(self)
    }

    /// Puts a value on top.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] with the value if no node is free, though there may be fewer values than
    /// [nodes](Self#capacity); never `Closed`.
    ///
    /// # Concurrency
    ///
    /// Lock-free. Linearizes at the compare-exchange that puts the node in; when full, at the load
    /// that finds no free node.
    #[inline]
    pub fn push(&self, value: T) -> Result<(), PushError<T>> {
        let Some(run) = self.take_free(1) else {
            return Err(PushError::Full(value));
        };
        // SAFETY: 1. taken from those without a value, by the line above.
        unsafe { self.push_in(run.first(), value) };
        Ok(())
    }

    /// Takes the newest value, if there is one.
    ///
    /// # Concurrency
    ///
    /// Lock-free. Linearizes at the compare-exchange that takes its node; when empty, at the load that
    /// finds none, without a fence: two threads that each pushed into one stack and then pop from the
    /// other's may both find it empty.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let (number, value) = self.pop_out()?;
        // SAFETY: 1. and 2. taken with its value, which was moved out, by the line above.
        unsafe { self.put_free(self.nodes.single(number)) };
        Some(value)
    }

    /// Puts values on top, in their order, and returns how many there was room for.
    ///
    /// The last one is topmost; those that found no room are still in `items`. If `items` panics, the
    /// values that it gave before are pushed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{IndexStack, PushError};
    ///
    /// let stack = IndexStack::new(3);
    /// let mut values = 1..=5;
    /// assert_eq!(stack.push_batch(&mut values), Ok(3));
    /// assert_eq!(stack.push_batch(&mut values), Err(PushError::Full(())));
    /// assert!(stack.pop_all().eq([3, 2, 1]));
    /// assert_eq!(stack.push_batch(&mut values), Ok(2));
    /// ```
    ///
    /// # Complexity
    ///
    /// One compare-exchange for all, and one for each 32 nodes that are found free, or for fewer if the
    /// iterator's lower bound promises fewer.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] if no node is free, and nothing was asked of `items` but its
    /// [`size_hint`](Iterator::size_hint); never `Closed`. No values at all are no error.
    ///
    /// # Concurrency
    ///
    /// Lock-free, as far as `items` is. Linearizes at its last compare-exchange: all values are
    /// there at once, and no other value is between them; when full, as [`push`](Self::push). Until then
    /// it retains the nodes of all that `items` gave, and up to 32 more.
    pub fn push_batch<I>(&self, items: &mut I) -> Result<usize, PushError<()>>
    where
        I: Iterator<Item = T>,
    {
        let mut batch = Batch { stack: self, filled: None, spare: None };
        loop {
            let spare = match batch.spare {
                Some(spare) => spare,
                None => {
                    let (least, most) = items.size_hint();
                    if most == Some(0) {
                        break;
                    }
                    let wanted = u32::try_from(least).unwrap_or(u32::MAX);
                    match self.take_free(wanted.clamp(1, RUN)) {
                        Some(spare) => *batch.spare.insert(spare),
                        None if batch.filled.is_none() => return Err(PushError::Full(())),
                        None => break,
                    }
                }
            };
            // Before the node is split off: a panic finds it with the others.
            let Some(value) = items.next() else { break };
            let (number, rest) = self.nodes.split_first(spare);
            batch.spare = rest;
            // SAFETY: 1. taken with its run, and not put anywhere since.
            unsafe { self.nodes.write(number, value) };
            batch.filled = Some(self.nodes.prepend(number, batch.filled));
        }
        Ok(batch.filled.map_or(0, |filled| filled.len() as usize))
    }

    /// Takes the newest values, at most `max`, the newest first.
    ///
    /// # Examples
    ///
    /// ```
    /// let stack = lockfree::IndexStack::new(8);
    /// stack.push_batch(&mut (1..=5)).unwrap();
    /// assert!(stack.pop_up_to(2).eq([5, 4]));
    /// assert!(stack.pop_up_to(9).eq([3, 2, 1]));
    /// ```
    ///
    /// # Complexity
    ///
    /// One compare-exchange, before which it runs through the nodes, again when another thread was
    /// quicker; and one for each 32 nodes that become free.
    ///
    /// # Concurrency
    ///
    /// Lock-free. Linearizes at its compare-exchange, which takes all of them; when empty, at the load
    /// that finds none. Nodes are free again 32 at a time as values are taken out of the iterator, the last
    /// ones when it is dropped: until then pushes may find [none](Self#capacity).
    #[inline]
    pub fn pop_up_to(&self, max: usize) -> IndexPopped<'_, T> {
        let most = u32::try_from(max).unwrap_or(u32::MAX);
        let run = if most == 0 { None } else { self.nodes.take(&self.head, most) };
        let first = run.map_or(0, |run| {
            self.nodes.end_at_last(run);
            run.first()
        });
        // SAFETY: 1. taken from the list of nodes with values (I5), and the last one ends them.
        unsafe { IndexPopped::new(self, first) }
    }

    /// Takes all values, the newest first.
    ///
    /// # Complexity
    ///
    /// One compare-exchange, and one for each 32 nodes that become free.
    ///
    /// # Concurrency
    ///
    /// As [`pop_up_to`](Self::pop_up_to).
    #[inline]
    pub fn pop_all(&self) -> IndexPopped<'_, T> {
        let first = self.nodes.take_all(&self.head);
        // SAFETY: 1. taken from the list of nodes with values (I5), whole.
        unsafe { IndexPopped::new(self, first) }
    }

    /// Takes nodes without values.
    #[inline]
    pub(super) fn take_free(&self, most: u32) -> Option<Run> {
        self.nodes.take(&self.free, most)
    }

    /// Gives nodes without values back.
    ///
    /// # Safety
    ///
    /// 1. The caller has these nodes, and has them no more;
    /// 2. they hold no value.
    #[inline]
    pub(super) unsafe fn put_free(&self, run: Run) {
        // SAFETY: 1. by clause 1; I5 by clause 2.
        unsafe { self.nodes.put(&self.free, run) };
    }

    /// Puts a value on top, in a node of the caller's.
    ///
    /// # Safety
    ///
    /// 1. The caller has this node, without a value, and has it no more.
    #[inline]
    pub(super) unsafe fn push_in(&self, number: u32, value: T) {
        // SAFETY: 1. by clause 1.
        unsafe { self.nodes.write(number, value) };
        // SAFETY: 1. by clause 1; I5 by the line above.
        unsafe { self.nodes.put(&self.head, self.nodes.single(number)) };
    }

    /// Takes the newest value, and the node that it was in.
    #[inline]
    pub(super) fn pop_out(&self) -> Option<(u32, T)> {
        let number = self.nodes.take(&self.head, 1)?.first();
        // SAFETY: 1. taken, by the line above; 2. from the list of nodes with values (I5).
        Some((number, unsafe { self.nodes.read(number) }))
    }

    #[inline]
    pub(super) fn nodes(&self) -> &Nodes<T> {
        &self.nodes
    }
}

/// Nodes at work in `push_batch`. Its drop pushes what has a value, also when the iterator panics.
struct Batch<'s, T> {
    stack: &'s IndexStack<T>,
    filled: Option<Run>,
    spare: Option<Run>,
}

impl<T> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        if let Some(filled) = self.filled {
            // SAFETY: 1. taken by `push_batch`, and this is their only way out; with values (I5).
            unsafe { self.stack.nodes.put(&self.stack.head, filled) };
        }
        if let Some(spare) = self.spare {
            // SAFETY: 1. as above; 2. a node leaves `spare` when its value is written.
            unsafe { self.stack.put_free(spare) };
        }
    }
}

impl<T> Drop for IndexStack<T> {
    fn drop(&mut self) {
        if core::mem::needs_drop::<T>() && !cfg!(bug = "index-stack-leaks-its-values") {
            drop(self.pop_all());
        }
    }
}

impl<T> fmt::Debug for IndexStack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexStack")
            .field("capacity", &self.capacity())
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}
