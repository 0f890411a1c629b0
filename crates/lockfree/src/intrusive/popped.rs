//! [`Popped`]: nodes on their way out, one handle after another.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use super::Chain;
use super::chain::Ends;
use super::link::{Address, Linked, next, set_next, unexpose};

/// The nodes that [`IntrusiveStack::pop_all`](super::IntrusiveStack::pop_all) took, the newest first.
///
/// Owns them: those that are not taken out of it are dropped with it.
///
/// # Concurrency
///
/// One thread has it, and no method touches anything that another one does.
pub struct Popped<T: Linked> {
    next: Address,
    _owned: PhantomData<T::Handle>,
}

impl<T: Linked> Popped<T> {
    /// Nodes that are the caller's.
    ///
    /// # Safety
    ///
    /// 1. From `first` the links lead from node to node, to a link of 0;
    /// 2. the caller owns all these nodes.
    #[inline]
    pub(super) unsafe fn from_first(first: Address) -> Self {
        Self { next: first, _owned: PhantomData }
    }

    /// Returns whether no node is left.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.next.is_none()
    }

    /// Turns the order round: in the order of arrival, where whole stacks are taken.
    ///
    /// # Complexity
    ///
    /// O(nodes left).
    #[must_use]
    pub fn reversed(mut self) -> Self {
        let mut turned = None;
        let mut rest = self.next.take();
        while let Some(node) = rest {
            // SAFETY: 1. and 2. one of the nodes, which are ours alone.
            rest = unsafe { next::<T>(node) };
            // SAFETY: as above.
            unsafe { set_next::<T>(node, turned) };
            turned = Some(node);
        }
        self.next = turned;
        self
    }

    /// Returns the nodes as a chain, in the same order, to be pushed elsewhere.
    ///
    /// # Complexity
    ///
    /// O(nodes left): the last one has to be found.
    #[must_use]
    pub fn into_chain(mut self) -> Chain<T> {
        let ends = self.next.take().map(|first| {
            let mut last = first;
            // SAFETY: 1. and 2. one of the nodes, which are ours alone.
            while let Some(node) = unsafe { next::<T>(last) } {
                last = node;
            }
            Ends { first, last }
        });
        // SAFETY: 1. as the loop found; 2. they were ours.
        unsafe { Chain::from_ends(ends) }
    }
}

impl<T: Linked> Iterator for Popped<T> {
    type Item = T::Handle;

    #[inline]
    fn next(&mut self) -> Option<T::Handle> {
        let node = self.next?;
        // SAFETY: 1. and 2. one of the nodes, which are ours alone.
        self.next = unsafe { next::<T>(node) };
        // SAFETY: 1. one of the nodes, and from now on of them no more.
        Some(unsafe { unexpose::<T>(node) })
    }
}

impl<T: Linked> FusedIterator for Popped<T> {}

impl<T: Linked> Drop for Popped<T> {
    fn drop(&mut self) {
        /// Drops the others too when a handle's drop panics.
        struct GoOn<'p, T: Linked>(&'p mut Popped<T>);
        impl<T: Linked> Drop for GoOn<'_, T> {
            fn drop(&mut self) {
                if !cfg!(bug = "drop-stops-at-a-panic") {
                    self.0.for_each(drop);
                }
            }
        }
        let rest = GoOn(self);
        rest.0.by_ref().for_each(drop);
    }
}

impl<T: Linked> fmt::Debug for Popped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Popped").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
