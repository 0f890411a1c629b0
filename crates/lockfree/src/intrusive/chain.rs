//! [`Chain`]: nodes strung together before they are pushed.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZero;

use super::Popped;
use super::link::{Linked, expose, next, set_next, unexpose};

/// Nodes in a row, one thread's own, to be pushed by a single atomic operation.
///
/// Owns its nodes: what is still in it is dropped with it.
///
/// # Examples
///
/// ```
/// # use core::ptr::{self, NonNull};
/// # use lockfree::{Chain, IntrusiveStack, Link, Linked};
/// # struct Job { link: Link, number: u32 }
/// # // SAFETY: 1. and 2. a box; 3. the field.
/// # unsafe impl Linked for Job {
/// #     type Handle = Box<Job>;
/// #     fn into_ptr(job: Box<Job>) -> NonNull<Job> {
/// #         // SAFETY: a box is not null.
/// #         unsafe { NonNull::new_unchecked(Box::into_raw(job)) }
/// #     }
/// #     unsafe fn from_ptr(job: NonNull<Job>) -> Box<Job> {
/// #         // SAFETY: the pointer came from a box.
/// #         unsafe { Box::from_raw(job.as_ptr()) }
/// #     }
/// #     unsafe fn link(job: NonNull<Job>) -> NonNull<Link> {
/// #         // SAFETY: the node is alive.
/// #         unsafe { NonNull::new_unchecked(&raw mut (*job.as_ptr()).link) }
/// #     }
/// # }
/// let jobs = IntrusiveStack::<Job>::new();
/// let batch: Chain<Job> = (1..=3).map(|number| Box::new(Job { link: Link::new(), number })).collect();
/// jobs.push_chain(batch);
/// assert!(jobs.pop_all().map(|job| job.number).eq([1, 2, 3]));
/// ```
///
/// # Concurrency
///
/// One thread has it, and no method touches anything that another one does. It can be sent if its nodes
/// can.
pub struct Chain<T: Linked> {
    ends: Option<Ends>,
    _owned: PhantomData<T::Handle>,
}

/// The first and the last node's addresses; the last one's link is 0.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) first: NonZero<usize>,
    pub(super) last: NonZero<usize>,
}

impl<T: Linked> Chain<T> {
    /// Returns a chain without nodes.
    #[must_use]
    pub const fn new() -> Self {
        Self { ends: None, _owned: PhantomData }
    }

    /// Returns whether there are no nodes.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    /// Puts a node in front of all others.
    ///
    /// # Complexity
    ///
    /// O(1).
    #[inline]
    pub fn push_front(&mut self, handle: T::Handle) {
        let mut chain = Self::of(handle);
        chain.append(self);
        *self = chain;
    }

    /// Puts a node behind all others.
    ///
    /// # Complexity
    ///
    /// O(1).
    #[inline]
    pub fn push_back(&mut self, handle: T::Handle) {
        self.append(&mut Self::of(handle));
    }

    /// Moves all nodes of `other` behind those of this chain; `other` is empty then.
    ///
    /// # Complexity
    ///
    /// O(1).
    #[inline]
    pub fn append(&mut self, other: &mut Self) {
        let Some(more) = other.ends.take() else { return };
        if let Some(ends) = &mut self.ends {
            // SAFETY: 1. and 2. a node of this chain, which is ours alone.
            unsafe { set_next::<T>(ends.last, Some(more.first)) };
            if !cfg!(bug = "append-forgets-its-end") {
                ends.last = more.last;
            }
        } else {
            self.ends = Some(more);
        }
    }

    /// Takes the first node out.
    ///
    /// # Complexity
    ///
    /// O(1).
    #[inline]
    pub fn pop_front(&mut self) -> Option<T::Handle> {
        let Ends { first, last } = self.ends?;
        // SAFETY: 1. and 2. a node of this chain, which is ours alone.
        let second = unsafe { next::<T>(first) };
        self.ends = second.map(|first| Ends { first, last });
        // SAFETY: 1. a node of this chain, and of it no more.
        Some(unsafe { unexpose::<T>(first) })
    }

    /// A chain of one node.
    #[inline]
    fn of(handle: T::Handle) -> Self {
        let node = expose::<T>(handle);
        // SAFETY: 1. and 2. just taken apart, and nobody else's.
        unsafe { set_next::<T>(node, None) };
        Self { ends: Some(Ends { first: node, last: node }), _owned: PhantomData }
    }

    /// Gives the nodes away.
    #[inline]
    pub(super) fn into_ends(mut self) -> Option<Ends> {
        self.ends.take()
    }

    /// A chain of nodes that are the caller's.
    ///
    /// # Safety
    ///
    /// 1. From `first` the links lead to `last`, whose link is 0;
    /// 2. the caller owns all these nodes.
    pub(super) unsafe fn from_ends(ends: Option<Ends>) -> Self {
        Self { ends, _owned: PhantomData }
    }
}

impl<T: Linked> Drop for Chain<T> {
    fn drop(&mut self) {
        let first = self.ends.take().map(|ends| ends.first);
        // SAFETY: 1. and 2. this chain's nodes, and of it no more.
        drop(unsafe { Popped::<T>::from_first(first) });
    }
}

impl<T: Linked> Default for Chain<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Linked> Extend<T::Handle> for Chain<T> {
    fn extend<I: IntoIterator<Item = T::Handle>>(&mut self, handles: I) {
        handles.into_iter().for_each(|handle| self.push_back(handle));
    }
}

impl<T: Linked> FromIterator<T::Handle> for Chain<T> {
    fn from_iter<I: IntoIterator<Item = T::Handle>>(handles: I) -> Self {
        let mut chain = Self::new();
        chain.extend(handles);
        chain
    }
}

impl<T: Linked> IntoIterator for Chain<T> {
    type Item = T::Handle;
    type IntoIter = Popped<T>;

    fn into_iter(self) -> Popped<T> {
        let first = self.into_ends().map(|ends| ends.first);
        // SAFETY: 1. and 2. this chain's nodes, and of it no more.
        unsafe { Popped::from_first(first) }
    }
}

impl<T: Linked> fmt::Debug for Chain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
