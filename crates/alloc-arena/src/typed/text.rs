//! Strings in a [`TypedArena`] of bytes.

use alloc_core::{Allocator, TryAllocError};

use super::{TypedArena, no_room};

impl<A: Allocator> TypedArena<u8, A> {
    /// Copies a string into the arena.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[track_caller]
    pub fn alloc_str(&self, source: &str) -> &mut str {
        match self.try_alloc_str(source) {
            Ok(text) => text,
            Err(error) => no_room(error),
        }
    }

    /// Copies a string into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_from_iter`](Self::try_alloc_from_iter).
    #[expect(clippy::mut_from_ref, reason = "each call returns places that no other has (T3)")]
    pub fn try_alloc_str(&self, source: &str) -> Result<&mut str, TryAllocError> {
        // This length is no hint.
        self.try_reserve(source.len())?;
        let bytes = self.try_alloc_from_iter(source.bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { alloc_core::place::as_str(bytes) })
    }
}
