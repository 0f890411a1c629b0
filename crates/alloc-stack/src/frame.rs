//! [`FrameGuard`] and [`Scope`]: what is taken together goes together.
//!
//! ```text
//!   guard = stack.frame()         remembers where the stack is
//!   scope = guard.scope()         borrows the guard for 'g; scope.alloc(..) -> &'g mut T
//!   child = scope.frame()         borrows the scope: it cannot be used while the child is open,
//!                                 but the references that it gave stay usable: they borrow the guard
//!   drop(child), drop(guard)      comes back to where the stack was
//! ```
//!
//! # Why it is sound
//!
//! * **F1** a reference of a frame borrows its guard for `'g`; moving, dropping or resetting the
//!   guard needs that borrow to have ended.
//! * **F2** while a frame is open nothing below it can be given back, and nothing be taken but
//!   through the frame: it holds the stack, or its parent's scope, or what is above a handle,
//!   exclusively.
//! * **F3** forgetting a guard leaves its memory taken; the parent's position lies below and does
//!   not move. Swapping two guards or scopes of equal lifetimes swaps whole stacks: each guard comes
//!   back to its own position of its own stack, and neither can be dropped while a reference of
//!   either scope is alive, for both are borrowed for the same `'g`.
//! * **F4** what was given back out of order inside a frame is forgotten when the frame ends.
//!
//! # Cost
//!
//! Two loads to open, a comparison and a store to end.

use core::fmt;

use alloc_core::{Allocator, Global};

use crate::stack::Saved;
use crate::{Stack, Top};

/// A frame: everything taken through its [`scope`](Self::scope) goes when it is dropped.
///
/// # Examples
///
/// ```
/// let mut stack = alloc_stack::Stack::new();
/// for line in ["a = 1", "b = 2"] {
///     let mut frame = stack.frame();
///     let scope = frame.scope();
///     let words = scope.alloc_from_iter(line.split(' '));
///     assert_eq!(words[1], "=");
/// }
/// assert_eq!(stack.used_bytes(), 0);
/// ```
#[must_use = "the frame ends when the guard is dropped"]
pub struct FrameGuard<'p, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    stack: &'p Stack<MIN_ALIGN, A>,
    saved: Saved,
}

/// What a frame is used through: values, slices and strings that live as long as `'g`, the borrow of
/// the frame's guard.
///
/// **Nothing allocated here is ever dropped.** Types that need dropping are refused at compile time;
/// put them in a [`StackBox`](Self::alloc_box), or on the [`top`](Self::top).
pub struct Scope<'g, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    stack: &'g Stack<MIN_ALIGN, A>,
}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Opens a frame: what is taken through it goes when the guard is dropped.
    #[inline]
    pub fn frame(&mut self) -> FrameGuard<'_, MIN_ALIGN, A> {
        FrameGuard::on(self)
    }

    /// Runs `work` in a frame that ends with it.
    ///
    /// ```
    /// let mut stack = alloc_stack::Stack::new();
    /// let sum = stack.scoped(|scope| {
    ///     let squares = scope.alloc_slice_fill_with(10, |i| i * i);
    ///     squares.iter().sum::<usize>()
    /// });
    /// assert_eq!((sum, stack.used_bytes()), (285, 0));
    /// ```
    #[inline]
    pub fn scoped<R>(&mut self, work: impl FnOnce(&mut Scope<'_, MIN_ALIGN, A>) -> R) -> R {
        work(&mut self.frame().scope())
    }
}

impl<'p, const MIN_ALIGN: usize, A: Allocator> FrameGuard<'p, MIN_ALIGN, A> {
    /// A frame on a stack that the caller holds exclusively, for `'p` (F2).
    #[inline]
    pub(crate) fn on(stack: &'p Stack<MIN_ALIGN, A>) -> Self {
        Self { stack, saved: stack.save() }
    }

    /// Returns what the frame is used through. It goes on where an earlier scope of the frame ended.
    #[inline]
    pub fn scope<'g>(&'g mut self) -> Scope<'g, MIN_ALIGN, A> {
        Scope { stack: self.stack }
    }

    /// Gives back what was taken in the frame so far, and goes on with it.
    #[inline]
    pub fn reset(&mut self) {
        self.stack.restore(self.saved);
        self.saved = self.stack.save();
    }

    #[cfg(target_has_atomic = "64")]
    pub(crate) fn stack(&self) -> &'p Stack<MIN_ALIGN, A> {
        self.stack
    }

    #[cfg(target_has_atomic = "64")]
    pub(crate) fn saved(&self) -> Saved {
        self.saved
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for FrameGuard<'_, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        self.stack.restore(self.saved);
    }
}

impl<'g, const MIN_ALIGN: usize, A: Allocator> Scope<'g, MIN_ALIGN, A> {
    /// Opens a frame inside this one. References taken through this scope stay usable meanwhile; the
    /// scope itself does not.
    #[inline]
    pub fn frame(&mut self) -> FrameGuard<'_, MIN_ALIGN, A> {
        FrameGuard::on(self.stack)
    }

    /// Runs `work` in a frame inside this one that ends with it.
    #[inline]
    pub fn scoped<R>(&mut self, work: impl FnOnce(&mut Scope<'_, MIN_ALIGN, A>) -> R) -> R {
        work(&mut self.frame().scope())
    }

    /// Returns the top of the stack, to push values that are dropped and popped in reverse order.
    /// The scope cannot be used meanwhile.
    #[inline]
    pub fn top(&mut self) -> Top<'_, MIN_ALIGN, A> {
        Top::on(self.stack)
    }

    /// Returns the bytes in use on the whole stack.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.stack.used_bytes()
    }

    /// The stack. Callers take memory by it, never give back what the scope did not take.
    #[inline(always)]
    pub(crate) fn stack(&self) -> &'g Stack<MIN_ALIGN, A> {
        self.stack
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for FrameGuard<'_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameGuard")
            .field("from", &format_args!("{:#x}", self.saved.cursor))
            .finish_non_exhaustive()
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Scope<'_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("stack", &self.stack).finish()
    }
}
