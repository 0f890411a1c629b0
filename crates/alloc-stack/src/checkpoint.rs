//! [`Checkpoint`]: a position to come back to, checked in every build.
//!
//! ```text
//!   Checkpoint    stack id | serial number of the segment | cursor
//! ```
//!
//! # Invariants
//!
//! * **C1** ids and serial numbers are never used twice: a segment that was closed, or kept by a
//!   reset, has another number when it is used again. So a checkpoint whose stack and segment still
//!   bear its numbers names a cursor that this segment had.
//! * **C2** coming back needs the stack, or the frame that was opened before the checkpoint was
//!   made, exclusively: nothing borrows what is given back.
//!
//! A checkpoint is *stale* once the stack has gone below it. That is noticed while the stack is
//! below, and for good if a segment was closed or the stack reset. A stack that went below a
//! checkpoint and up again inside one segment accepts it: then what is above that cursor is given
//! back, which nobody can be using (C2).

use core::fmt;

use alloc_core::Allocator;

use crate::segment::Segment;
use crate::{FrameGuard, Scope, Stack};

/// Where a stack was, to [`rewind`](Stack::rewind) to.
///
/// # Examples
///
/// ```
/// use alloc_stack::Stack;
///
/// let mut stack = Stack::new();
/// let mut frame = stack.frame();
/// let number = *frame.scope().alloc(1);
/// let checkpoint = frame.checkpoint();
/// frame.scope().alloc([0u8; 1000]); // an attempt that fails
/// frame.rewind(checkpoint);
/// assert!(frame.scope().used_bytes() < 1000 && number == 1);
///
/// let mut other = Stack::new();
/// assert!(other.try_rewind(checkpoint).is_err(), "of another stack");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    stack_id: u64,
    /// The segment's number; 0 if there was none.
    serial: u64,
    cursor: usize,
}

/// Why a stack cannot come back to a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The checkpoint is of another stack.
    Foreign,
    /// The stack has gone below the checkpoint, or was reset.
    Stale,
    /// The checkpoint is from before the frame was opened.
    OutsideFrame,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the checkpoint is of another stack",
            Self::Stale => "the stack has gone below the checkpoint, or was reset",
            Self::OutsideFrame => "the checkpoint is from before the frame was opened",
        })
    }
}

impl core::error::Error for CheckpointError {}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Returns where the stack is.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            stack_id: self.id(),
            serial: self.segment.get().map_or(0, Segment::serial),
            cursor: self.cursor.get(),
        }
    }

    /// Gives back everything taken since the checkpoint was made. Values are not dropped.
    ///
    /// # Panics
    ///
    /// If the checkpoint is of another stack, or stale. See [`try_rewind`](Self::try_rewind).
    #[track_caller]
    pub fn rewind(&mut self, checkpoint: Checkpoint) {
        if let Err(error) = self.try_rewind(checkpoint) {
            panic!("cannot rewind: {error}");
        }
    }

    /// Gives back everything taken since the checkpoint was made, or says why not. Values are not
    /// dropped.
    ///
    /// Blocks of raw pushes above the checkpoint must not be used again.
    ///
    /// # Errors
    ///
    /// [`Foreign`](CheckpointError::Foreign) or [`Stale`](CheckpointError::Stale); nothing changed.
    pub fn try_rewind(&mut self, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.rewind_above(checkpoint, None)
    }

    /// Comes back to a checkpoint that is above `floor`, a position of an open frame.
    fn rewind_above(
        &self,
        checkpoint: Checkpoint,
        floor: Option<usize>,
    ) -> Result<(), CheckpointError> {
        if checkpoint.stack_id != self.id() && !cfg!(bug = "checkpoints-of-any-stack") {
            return Err(CheckpointError::Foreign);
        }
        let is_floor = |segment: Segment| floor.is_some_and(|at| segment.holds(at));
        let mut cursor = self.cursor.get();
        let mut next = self.segment.get();
        while let Some(segment) = next {
            // A checkpoint from before there was a segment stands at the end of the oldest.
            let is_first = checkpoint.serial == 0 && segment.prev().is_none();
            if is_first || segment.serial() == checkpoint.serial {
                let position = if is_first { segment.end() } else { checkpoint.cursor };
                if is_floor(segment) && floor.is_some_and(|floor| position > floor) {
                    return Err(CheckpointError::OutsideFrame);
                }
                if cursor > position {
                    return Err(CheckpointError::Stale);
                }
                self.restore_slow(position);
                return Ok(());
            }
            if is_floor(segment) {
                return Err(CheckpointError::OutsideFrame);
            }
            cursor = segment.prev_cursor();
            next = segment.prev();
        }
        // Without a segment there is one position.
        if checkpoint.serial == 0 && checkpoint.cursor == Self::NOWHERE {
            return Ok(());
        }
        Err(CheckpointError::Stale)
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> FrameGuard<'_, MIN_ALIGN, A> {
    /// Returns where the stack is.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.stack().checkpoint()
    }

    /// Gives back everything taken in this frame since the checkpoint was made.
    ///
    /// # Panics
    ///
    /// If the checkpoint is of another stack, from before the frame, or stale. See
    /// [`try_rewind`](Self::try_rewind).
    #[track_caller]
    pub fn rewind(&mut self, checkpoint: Checkpoint) {
        if let Err(error) = self.try_rewind(checkpoint) {
            panic!("cannot rewind: {error}");
        }
    }

    /// Gives back everything taken in this frame since the checkpoint was made, or says why not.
    ///
    /// # Errors
    ///
    /// [`Foreign`](CheckpointError::Foreign), [`OutsideFrame`](CheckpointError::OutsideFrame) or
    /// [`Stale`](CheckpointError::Stale); nothing changed.
    pub fn try_rewind(&mut self, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.stack().rewind_above(checkpoint, Some(self.saved().cursor))
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Scope<'_, MIN_ALIGN, A> {
    /// Returns where the stack is, to [rewind](FrameGuard::rewind) the frame to.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.stack().checkpoint()
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("stack_id", &self.stack_id)
            .field("serial", &self.serial)
            .field("cursor", &format_args!("{:#x}", self.cursor))
            .finish()
    }
}
