//! [`IndexPopped`]: values on their way out, and the nodes that they leave.

use core::fmt;
use core::iter::FusedIterator;

use super::index::{IndexStack, RUN};
use super::nodes::Run;

/// The values that [`IndexStack::pop_all`] or [`IndexStack::pop_up_to`] took, the newest first.
///
/// Owns them: those that are not taken out of it are dropped with it. Their nodes are free again 32 at
/// a time, and all of them when it is dropped.
///
/// # Concurrency
///
/// The values are its own. A step is wait-free, but each 32nd one, and its drop, give nodes back, by one
/// compare-exchange, which is lock-free. Forgotten, it retains its values and their nodes until the
/// stack is dropped.
#[must_use = "what is not taken out of it is dropped"]
pub struct IndexPopped<'s, T> {
    stack: &'s IndexStack<T>,
    /// The next node with a value, 0 if there is none: ours, and so are all behind it.
    next: u32,
    /// Nodes whose value was taken out.
    emptied: Option<Run>,
}

impl<'s, T> IndexPopped<'s, T> {
    /// Values of nodes that are the caller's.
    ///
    /// # Safety
    ///
    /// 1. `first` is 0 or a node that the caller took, whose links lead through nodes that it took, all
    ///    with values, to 0; it has them no more.
    #[inline]
    pub(super) unsafe fn new(stack: &'s IndexStack<T>, first: u32) -> Self {
        Self { stack, next: first, emptied: None }
    }

    /// Returns whether no value is left.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Gives the nodes back that hold nothing any more.
    #[inline]
    fn give_back(&mut self) {
        if let Some(run) = self.emptied.take() {
            // SAFETY: 1. ours, and `take` forgot them; 2. a node is here when its value was read.
            unsafe { self.stack.put_free(run) };
        }
    }
}

impl<T> Iterator for IndexPopped<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let number = self.next;
        if number == 0 {
            return None;
        }
        let nodes = self.stack.nodes();
        self.next = nodes.next(number);
        // SAFETY: 1. ours; 2. it has its value until now: the line above stepped over it.
        let value = unsafe { nodes.read(number) };
        let emptied = nodes.prepend(number, self.emptied);
        self.emptied = Some(emptied);
        if emptied.len() == RUN {
            self.give_back();
        }
        Some(value)
    }
}

impl<T> FusedIterator for IndexPopped<'_, T> {}

impl<T> Drop for IndexPopped<'_, T> {
    fn drop(&mut self) {
        /// Goes on when a value's drop panics, and gives the nodes back at last.
        struct GoOn<'p, 's, T>(&'p mut IndexPopped<'s, T>);
        impl<T> Drop for GoOn<'_, '_, T> {
            fn drop(&mut self) {
                if !cfg!(bug = "popped-values-stop-at-a-panic") {
                    self.0.by_ref().for_each(drop);
                }
                self.0.give_back();
            }
        }
        let rest = GoOn(self);
        rest.0.by_ref().for_each(drop);
    }
}

impl<T> fmt::Debug for IndexPopped<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexPopped").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
