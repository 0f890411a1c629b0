//! [`FrameGuard`] and [`Scope`]: memory for a while, inside an arena that lives on.
//!
//! ```text
//!   Arena  --frame(&mut)-->  FrameGuard  --scope(&'g mut)-->  Scope<'g>  --alloc(&)-->  &'g mut T
//!                            drop: back to the mark               |
//!                                                                 +--frame(&mut)-->  FrameGuard …
//! ```
//!
//! A reference from a scope borrows the *guard*, for `'g`; opening a child borrows the *scope*. So
//! references of a parent stay usable while a child is open, and nothing can be allocated through
//! the parent meanwhile. Only the guard's drop frees, and it needs `'g` to be over.
//!
//! # Invariants
//!
//! * **F1** between the making of a guard and its drop, nothing but scopes of this guard (and their
//!   frames, which are gone by then, or were forgotten) touches the arena: the guard borrows its
//!   parent exclusively for `'s`. So its mark stays a position of the arena.
//! * **F2** the values that a scope drops hang on its guard alone. A forgotten guard drops none of
//!   them: nobody else may, since what they borrow need not outlive anything but the guard.
//! * **F3** `T: 's` for those values, where `'s` is a lifetime of the guard's own type: the compiler
//!   requires `'s` to outlive the guard's drop, hence what the values borrow is alive then. `Scope`
//!   is invariant in `'s`, so that no shorter lifetime passes for it.
//!
//! # Cost
//!
//! Opening: 4 loads, 4 stores. Closing: 3 comparisons, 2 stores, and a few for each chunk that the
//! frame added.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

use alloc_core::{Allocator, Global};

use crate::Arena;
use crate::arena::Mark;
use crate::drops::DropList;

/// A frame of an [`Arena`]: what is allocated in its [`Scope`] is freed when this guard is dropped.
///
/// # Examples
///
/// ```
/// let mut arena = alloc_arena::Arena::new();
/// let mut frame = arena.frame();
/// let mut scope = frame.scope();
/// let parent = scope.alloc(1);
/// {
///     let mut child = scope.frame();
///     let temporary = child.scope().alloc_slice_fill_copy(1000, 0u8);
///     *parent += temporary.len(); // references of the parent stay usable
/// } // the 1000 bytes are free again
/// assert_eq!(*parent, 1001);
/// ```
#[must_use = "the frame ends when its guard is dropped"]
pub struct FrameGuard<'s, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    arena: &'s Arena<MIN_ALIGN, A>,
    mark: Mark,
    /// F2.
    drops: DropList,
    /// Whether the frame was opened on the arena itself.
    is_outermost: bool,
    /// The parent is borrowed exclusively (F1).
    parent: PhantomData<&'s mut ()>,
}

/// Access to a frame: allocates what lives as long as `'g`, the borrow of the frame's guard.
///
/// Has the methods of [`Arena`], whose documentation is theirs; values passed to
/// [`alloc_drop`](Scope::alloc_drop) may borrow what outlives `'s`.
pub struct Scope<'g, 's, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    pub(crate) arena: &'g Arena<MIN_ALIGN, A>,
    pub(crate) drops: &'g DropList,
    /// Invariant in `'s` (F3).
    values: PhantomData<Cell<&'s ()>>,
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Opens a frame: what is allocated in it is freed when the guard is dropped.
    ///
    /// The arena is borrowed exclusively, so what was allocated from it directly is out of reach
    /// meanwhile; what a frame allocated stays in reach while its children are open.
    #[inline]
    pub fn frame(&mut self) -> FrameGuard<'_, MIN_ALIGN, A> {
        FrameGuard::new(self, true)
    }

    /// Runs `f` in a frame.
    ///
    /// ```
    /// let mut arena = alloc_arena::Arena::new();
    /// let sum = arena.scoped(|scope| scope.alloc_from_iter(1..=10u32).iter().sum::<u32>());
    /// assert_eq!((sum, arena.used_bytes()), (55, 0));
    /// ```
    #[inline]
    pub fn scoped<'s, R>(
        &'s mut self,
        f: impl for<'g> FnOnce(&mut Scope<'g, 's, MIN_ALIGN, A>) -> R,
    ) -> R {
        let mut frame = self.frame();
        f(&mut frame.scope())
    }
}

impl<'s, const MIN_ALIGN: usize, A: Allocator> FrameGuard<'s, MIN_ALIGN, A> {
    /// The caller holds the parent exclusively for `'s` (F1).
    #[inline]
    fn new(arena: &'s Arena<MIN_ALIGN, A>, is_outermost: bool) -> Self {
        let (mark, drops) = (arena.mark(), DropList::new());
        Self { arena, mark, drops, is_outermost, parent: PhantomData }
    }

    /// Returns access to the frame, for as long as the guard is borrowed.
    ///
    /// May be called again when that borrow is over: the frame goes on where it was.
    #[inline]
    pub fn scope<'g>(&'g mut self) -> Scope<'g, 's, MIN_ALIGN, A> {
        Scope { arena: self.arena, drops: &self.drops, values: PhantomData }
    }

    /// Frees what was allocated in the frame so far, and goes on.
    pub fn reset(&mut self) {
        self.close();
    }

    #[inline(always)]
    fn close(&self) {
        if self.drops.head().is_some() {
            return self.drop_and_close();
        }
        // SAFETY: 1. F1: the guard's own mark; 2. the guard is held exclusively, so no reference from
        // a scope is left, and there are no values with a drop.
        unsafe { self.arena.go_back(&self.mark) };
    }

    #[inline(never)]
    fn drop_and_close(&self) {
        /// Goes back, also if a drop panics.
        struct Closed<'a, const MIN_ALIGN: usize, A: Allocator>(&'a Arena<MIN_ALIGN, A>, &'a Mark);
        impl<const MIN_ALIGN: usize, A: Allocator> Drop for Closed<'_, MIN_ALIGN, A> {
            fn drop(&mut self) {
                // SAFETY: 1. F1: the guard's own mark; 2. the guard is held exclusively, so no
                // reference from a scope is left, and the values with a drop were dropped.
                unsafe { self.0.go_back(self.1) };
            }
        }
        let closed = Closed(self.arena, &self.mark);
        // SAFETY: 1. their memory is given back afterwards, and what they borrow outlives `'s`, which
        // outlives the guard (F3); 2. the guard is held exclusively.
        unsafe { self.drops.run_down_to(None) };
        drop(closed);
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for FrameGuard<'_, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        self.close();
        if self.is_outermost
            && let Some(ledger) = self.arena.supply().ledger_if_made()
        {
            self.arena.supply().was_reset(ledger);
        }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Scope<'_, '_, MIN_ALIGN, A> {
    /// Opens a frame inside this one.
    ///
    /// While it is open nothing can be allocated through this scope; references from it stay usable.
    #[inline]
    pub fn frame(&mut self) -> FrameGuard<'_, MIN_ALIGN, A> {
        FrameGuard::new(self.arena, false)
    }

    /// Runs `f` in a frame inside this one.
    #[inline]
    pub fn scoped<'s, R>(
        &'s mut self,
        f: impl for<'g> FnOnce(&mut Scope<'g, 's, MIN_ALIGN, A>) -> R,
    ) -> R {
        let mut frame = self.frame();
        f(&mut frame.scope())
    }

    /// Returns the bytes in use in the whole arena.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.arena.used_bytes()
    }

    /// Returns the bytes that the arena's current chunk has left.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        self.arena.remaining_bytes()
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for FrameGuard<'_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameGuard").field("arena", &self.arena).finish_non_exhaustive()
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Scope<'_, '_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("arena", &self.arena).finish_non_exhaustive()
    }
}
