//! [`Mark`]: where a raw push, or a look, found the stack.

use core::fmt;
use core::num::NonZero;

use alloc_core::Allocator;

use crate::Stack;

/// Where the stack was before a [`push`](Stack::push), or at a [`mark`](Stack::mark).
///
/// One word; in debug builds it also knows its stack and what was the newest block, and a pop out of
/// order panics.
#[derive(Clone, Copy)]
#[must_use = "the block can be popped by this mark alone"]
pub struct Mark {
    /// The cursor before the push; `None` if the push opened a segment, which knows it.
    pub(crate) cursor: Option<NonZero<usize>>,
    #[cfg(debug_assertions)]
    check: Check,
}

/// What a mark of a debug build can be checked by.
#[cfg(debug_assertions)]
#[derive(Clone, Copy)]
struct Check {
    stack_id: u64,
    /// The cursor after the push.
    newest: usize,
}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Returns where the stack is, for [`pop_to`](Self::pop_to).
    pub fn mark(&self) -> Mark {
        self.mark_within(self.cursor.get())
    }

    /// Gives back every block taken since the mark was.
    ///
    /// A [`Checkpoint`](crate::Checkpoint) does the same with all checks, and safely, where the stack
    /// is borrowed exclusively.
    ///
    /// # Safety
    ///
    /// 1. `mark` was returned by [`mark`](Self::mark) of this stack;
    /// 2. no block taken since then is used again, and every frame and handle begun since then has
    ///    ended, or never will.
    #[inline]
    pub unsafe fn pop_to(&self, mark: Mark) {
        self.check_own(&mark);
        debug_assert!(mark.cursor.is_some(), "{mark:?} is of a push, not of `mark`");
        if let Some(cursor) = mark.cursor {
            let to = cursor.get();
            // Between the cursor and `watch` there is nothing but live blocks of this segment (I5).
            let is_plain = to < self.watch.get() || cfg!(bug = "a-mark-forgets-no-dead");
            if self.cursor.get() <= to && is_plain {
                self.raise(to);
            } else {
                self.restore_slow(to);
            }
        }
    }

    /// The mark of a push that stayed in its segment, whose cursor was `before`.
    #[inline(always)]
    pub(crate) fn mark_within(&self, before: usize) -> Mark {
        // No cursor is zero.
        self.mark_of(NonZero::new(before))
    }

    /// The mark of a push that opened a segment.
    pub(crate) fn mark_of_segment(&self) -> Mark {
        self.mark_of(None)
    }

    #[inline(always)]
    fn mark_of(&self, cursor: Option<NonZero<usize>>) -> Mark {
        Mark {
            cursor,
            #[cfg(debug_assertions)]
            check: Check { stack_id: self.id(), newest: self.cursor.get() },
        }
    }

    /// Panics in debug builds unless `mark` is of the newest block of this stack.
    #[inline(always)]
    pub(crate) fn check_newest(&self, mark: &Mark) {
        self.check_own(mark);
        #[cfg(debug_assertions)]
        {
            // Padding below a grain may be left of blocks above that went in any order.
            let (cursor, newest) = (self.cursor.get(), mark.check.newest);
            assert!(
                newest == Self::NOWHERE || cursor <= newest && newest - cursor < Self::GRAIN,
                "popped out of order: the newest block is at {cursor:#x}, not at {newest:#x}"
            );
        }
    }

    /// Panics in debug builds if a block below the popped one was given back before it.
    #[inline(always)]
    pub(crate) fn check_settled(&self) {
        #[cfg(debug_assertions)]
        if let Some(segment) = self.segment.get() {
            let cursor = self.cursor.get();
            let is_settled = if cursor == segment.end() {
                segment.prev().is_none()
            } else {
                !segment.is_dead(cursor, Self::GRAIN)
            };
            assert!(
                is_settled,
                "popped out of order: the block below, at {cursor:#x}, was given back before"
            );
        }
    }

    /// Panics in debug builds unless `mark` is of this stack.
    #[inline(always)]
    pub(crate) fn check_own(&self, mark: &Mark) {
        #[cfg(debug_assertions)]
        assert!(mark.check.stack_id == self.id(), "{mark:?} is of another stack");
        #[cfg(not(debug_assertions))]
        let _ = mark;
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cursor {
            Some(cursor) => write!(f, "Mark({cursor:#x})"),
            None => f.write_str("Mark(start of a segment)"),
        }
    }
}
