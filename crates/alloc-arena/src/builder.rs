//! [`SliceBuilder`]: a slice of unknown length that grows at the low end of a chunk, where growing
//! does not copy.
//!
//! ```text
//!   base      first       first + len   first + capacity        cursor
//!     | older | built elements | room ... | free ............... | blocks |
//!                                         ^ start
//! ```
//!
//! The room doubles; while it is the newest block at the low end and the chunk lasts, that moves
//! `start` and nothing else. Finishing gives the rest of the room back and leaves the slice where it
//! is.
//!
//! # Invariants
//!
//! * **S1** `first .. first + capacity` is a live block of the arena that nobody else has, and the
//!   first `len` elements are written.
//!
//! # Cost
//!
//! A push is a comparison and two stores beside the element; doubling in place about 15
//! instructions.

use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ptr::NonNull;

use alloc_core::place::{array_layout, dangling};
use alloc_core::{Allocator, Global, Layout, Rejected, TryAllocError};

use crate::Arena;
use crate::no_drop::NoDrop;

/// Room for the first elements, in bytes.
const FIRST_ROOM_BYTES: usize = 64;

/// A growing slice of `T` in an [`Arena`].
///
/// Other blocks can be taken from the arena meanwhile, and other builders opened and finished.
///
/// # Examples
///
/// ```
/// use alloc_arena::{Arena, SliceBuilder};
///
/// let arena = Arena::new();
/// let mut numbers = SliceBuilder::new(&arena);
/// for n in 1..=3 {
///     numbers.push(n * 10);
///     arena.alloc_str("in between"); // does not disturb the slice
/// }
/// assert_eq!(numbers.finish(), [10, 20, 30]);
/// ```
pub struct SliceBuilder<'a, T, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    arena: &'a Arena<MIN_ALIGN, A>,
    first: NonNull<T>,
    capacity: usize,
    len: usize,
    elements: PhantomData<&'a mut [T]>,
}

impl<'a, T, const MIN_ALIGN: usize, A: Allocator> SliceBuilder<'a, T, MIN_ALIGN, A> {
    /// Returns an empty builder. Nothing is taken from the arena until the first element.
    #[must_use]
    #[inline]
    pub fn new(arena: &'a Arena<MIN_ALIGN, A>) -> Self {
        const { NoDrop::<T>::CHECK };
        // Values without size take no room.
        let capacity = if size_of::<T>() == 0 { usize::MAX } else { 0 };
        let first = dangling(align_of::<T>()).cast();
        Self { arena, first, capacity, len: 0, elements: PhantomData }
    }

    /// Returns the number of elements so far.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no elements yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the elements so far.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: S1: `len` written elements that nobody else has, borrowed with `self`.
        unsafe { NonNull::slice_from_raw_parts(self.first, self.len).as_ref() }
    }

    /// Appends a value.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_push`](Self::try_push).
    #[inline]
    #[track_caller]
    pub fn push(&mut self, value: T) {
        if let Err(rejected) = self.try_push(value) {
            crate::arena::no_room(rejected.error());
        }
    }

    /// Appends a value, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), Rejected<T>> {
        if self.len == self.capacity
            && let Err(error) = self.try_reserve(1)
        {
            return Err(Rejected::new(value, error));
        }
        // SAFETY: S1: `len < capacity`, so the place is ours and inside the block.
        let place = unsafe { self.first.add(self.len) };
        // SAFETY: S1: as above, aligned like the first element.
        unsafe { place.write(value) };
        self.len += 1;
        Ok(())
    }

    /// Appends copies of all elements of `source`.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push); then nothing was appended.
    #[inline]
    pub fn try_extend_from_slice(&mut self, source: &[T]) -> Result<(), TryAllocError>
    where
        T: Copy,
    {
        if self.capacity - self.len < source.len() {
            self.try_reserve(source.len())?;
        }
        let from = NonNull::from_ref(source).cast::<T>();
        // SAFETY: S1: `len <= capacity`: inside the block, or one past its end.
        let place = unsafe { self.first.add(self.len) };
        // SAFETY: S1: room for as many elements, ours alone, so not part of `source`.
        unsafe { place.copy_from_nonoverlapping(from, source.len()) };
        self.len += source.len();
        Ok(())
    }

    /// Makes room for `count` more elements, at least doubling.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push), and if the slice would exceed `isize::MAX` bytes.
    #[inline]
    pub fn try_reserve(&mut self, count: usize) -> Result<(), TryAllocError> {
        if count > self.capacity - self.len {
            // By value: no reference to the builder leaves the caller, so its fields can stay in
            // registers through a loop of pushes.
            (self.first, self.capacity) =
                Self::room(self.arena, self.first, self.capacity, self.len, count)?;
        }
        Ok(())
    }

    /// Grows the block at `first`, of `capacity` elements, for `count` more than `len`; returns
    /// where it is now and its capacity.
    #[cold]
    #[inline(never)]
    fn room(
        arena: &Arena<MIN_ALIGN, A>,
        first: NonNull<T>,
        capacity: usize,
        len: usize,
        count: usize,
    ) -> Result<(NonNull<T>, usize), TryAllocError> {
        let overflow = TryAllocError::overflow::<T>(count.saturating_add(len));
        let needed = len.checked_add(count).ok_or(overflow)?;
        if size_of::<T>() == 0 {
            return Err(overflow); // more than `usize` can count
        }
        let least = (FIRST_ROOM_BYTES / size_of::<T>()).max(1);
        let doubled = needed.max(capacity.saturating_mul(2)).max(least);
        let grow_to = |more: usize| {
            let new = array_layout::<T>(more)?;
            let block = if capacity == 0 {
                arena.try_alloc_low(new, new.size())?
            } else {
                let old = array_layout::<T>(capacity)?;
                // SAFETY: S1: a live block of the arena with this layout; the new one is larger.
                unsafe { arena.regrow(first.cast(), old, new) }?
            };
            Ok((block.cast(), more))
        };
        // At the limit, exactly what is needed may still be had.
        match grow_to(doubled) {
            Err(_) if doubled > needed => grow_to(needed),
            result => result,
        }
    }

    /// The layout of the block.
    fn layout(&self) -> Layout {
        // SAFETY: S1: the block exists, so its layout does.
        unsafe { Layout::array::<T>(self.capacity).unwrap_unchecked() }
    }

    fn has_block(&self) -> bool {
        self.capacity != 0 && size_of::<T>() != 0
    }

    /// Returns the slice, and gives back the room that it does not need.
    #[inline]
    pub fn finish(self) -> &'a mut [T] {
        if self.has_block() {
            let kept = Layout::array::<T>(self.len).unwrap_or(self.layout());
            // SAFETY: S1: a live block of the arena; `kept` is not larger. An error is impossible
            // (the alignment is the same) and would change nothing.
            let shrunk = unsafe { self.arena.shrink(self.first.cast(), self.layout(), kept) };
            debug_assert!(shrunk.is_ok_and(|block| block.cast() == self.first), "it moved");
        }
        let mut slice = NonNull::slice_from_raw_parts(self.first, self.len);
        #[expect(clippy::mem_forget, reason = "the slice is handed out, not given back")]
        mem::forget(self);
        // SAFETY: S1: `len` written elements, nobody else's, in a block that lives while the arena
        // is borrowed (I4).
        unsafe { slice.as_mut() }
    }
}

impl<T, const MIN_ALIGN: usize, A: Allocator> Drop for SliceBuilder<'_, T, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        if self.has_block() {
            // SAFETY: S1: a live block of the arena with this layout, which nobody uses any more.
            unsafe { self.arena.deallocate(self.first.cast(), self.layout()) };
        }
    }
}

impl<T: fmt::Debug, const MIN_ALIGN: usize, A: Allocator> fmt::Debug
    for SliceBuilder<'_, T, MIN_ALIGN, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}
