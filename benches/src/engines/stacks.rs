//! Stacks that threads share.

use core::mem::ManuallyDrop;
use core::ptr;
use core::sync::atomic::Ordering::*;

use crossbeam_epoch::{self as epoch, Atomic, Owned};

use super::About;
use super::queues::{ByRef, Nowhere, Shared};
use crate::case::Role;

/// A stack of `T`, used by `&self`.
pub trait Stack<T>: Send + Sync + Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// Makes one for `capacity` values; who knows no capacity ignores it.
    fn with_capacity(capacity: usize) -> Self;

    /// Pushes a value in one call.
    ///
    /// # Errors
    ///
    /// The value, where it was refused.
    fn push(&self, value: T) -> Result<(), T>;

    /// Pops a value in one call, if one is there.
    fn pop(&self) -> Option<T>;

    /// Pushes values from the front of `values`, as many as go, and returns how many went.
    #[inline]
    fn push_batch(&self, values: &[T]) -> usize
    where
        T: Copy,
    {
        values.iter().position(|&value| self.push(value).is_err()).unwrap_or(values.len())
    }

    /// Pops values, `most` at most, gives them to `each`, and returns how many there were.
    #[inline]
    fn pop_batch(&self, most: usize, mut each: impl FnMut(T)) -> usize {
        for popped in 0..most {
            let Some(value) = self.pop() else { return popped };
            each(value);
        }
        most
    }
}

/// A stack where a scenario asks for a queue: only the order differs.
pub type AsQueue<S> = ByRef<Stacked<S>>;

/// What is behind it.
#[derive(Debug)]
pub struct Stacked<S>(S);

impl<T, S: Stack<T>> Shared<T> for Stacked<S> {
    const ABOUT: About = S::ABOUT;

    fn with_capacity(capacity: usize) -> Self {
        Self(S::with_capacity(capacity))
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.0.push(value)
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    #[inline]
    fn push_batch(&self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.0.push_batch(values)
    }

    #[inline]
    fn pop_batch(&self, most: usize, each: impl FnMut(T)) -> usize {
        self.0.pop_batch(most, each)
    }
}

/// Treiber's stack on crossbeam-epoch, as its documentation builds it: a node a value, retired when it
/// is popped.
#[derive(Debug)]
pub struct Treiber<T> {
    top: Atomic<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    value: ManuallyDrop<T>,
    next: Atomic<Node<T>>,
}

// SAFETY: values go from thread to thread, and nobody gets a reference to one that is shared.
unsafe impl<T: Send> Send for Treiber<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Treiber<T> {}

impl<T: Send + 'static> Stack<T> for Treiber<T> {
    const ABOUT: About = About {
        name: "treiber-epoch",
        config: "default",
        package: "crossbeam-epoch",
        why: "Treiber's stack: a pin, a node and a compare-and-swap each; nodes are retired",
        role: Role::Peer,
    };

    fn with_capacity(_: usize) -> Self {
        Self { top: Atomic::null() }
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        let guard = &epoch::pin();
        let mut node = Owned::new(Node { value: ManuallyDrop::new(value), next: Atomic::null() });
        loop {
            // ORD Relaxed: what lies below is only linked to; the exchange looks again.
            let top = self.top.load(Relaxed, guard);
            // ORD Relaxed: nobody else sees the node yet.
            node.next.store(top, Relaxed);
            // ORD[treiber-push] Release → Acquire in `pop`: the node's value and link.
            // ORD Relaxed: a failure tries again.
            match self.top.compare_exchange_weak(top, node, Release, Relaxed, guard) {
                Ok(_) => return Ok(()),
                Err(lost) => node = lost.new,
            }
        }
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        let guard = &epoch::pin();
        loop {
            // ORD[treiber-push] Acquire ← Release in `push`.
            let top = self.top.load(Acquire, guard);
            // SAFETY: loaded under this guard, so it is not freed before the guard is dropped.
            let node = unsafe { top.as_ref() }?;
            // ORD Relaxed: written before the node was published, and never again.
            let next = node.next.load(Relaxed, guard);
            // ORD Relaxed: what is published is an older node's, whose push published it already.
            if self.top.compare_exchange_weak(top, next, Relaxed, Relaxed, guard).is_ok() {
                // SAFETY: the exchange made the node ours alone; its value is read once and never
                // dropped in place.
                let value = unsafe { ptr::read(&raw const *node.value) };
                // SAFETY: unlinked: nobody who pins from now on can reach it.
                unsafe { guard.defer_destroy(top) };
                return Some(value);
            }
        }
    }
}

impl<T> Drop for Treiber<T> {
    fn drop(&mut self) {
        // SAFETY: `&mut self`: no other thread uses the stack.
        let guard = unsafe { epoch::unprotected() };
        // ORD Relaxed: as above.
        let mut next = self.top.swap(epoch::Shared::null(), Relaxed, guard);
        while !next.is_null() {
            // SAFETY: linked, so nobody has freed it; nobody else can reach it.
            let node = *unsafe { next.into_owned() }.into_box();
            drop(ManuallyDrop::into_inner(node.value));
            // ORD Relaxed: as above.
            next = node.next.load(Relaxed, guard);
        }
    }
}

impl Stack<u64> for Nowhere {
    const ABOUT: About = <Self as super::queues::Queue<u64>>::ABOUT;

    fn with_capacity(_: usize) -> Self {
        Self
    }

    #[inline]
    fn push(&self, value: u64) -> Result<(), u64> {
        super::queues::Producer::push(&mut Self, value)
    }

    #[inline]
    fn pop(&self) -> Option<u64> {
        super::queues::Consumer::pop(&mut Self)
    }
}
