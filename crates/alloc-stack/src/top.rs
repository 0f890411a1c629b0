//! [`Top`] and [`Pushed`]: values pushed and popped in reverse order, by the borrow checker alone.
//!
//! ```text
//!   top = stack.top()             holds the stack exclusively
//!   a = top.push(A)               borrows top: nothing else can be pushed on it
//!   (&mut A, top) = a.split()     the value, and the top above it
//!   b = top.push(B)               ...
//!   drop(b), drop(a)              the only order that compiles
//! ```
//!
//! # Why it is sound
//!
//! * **T1** a `Top` has its stack, from where it stands upwards, exclusively: while anything borrows
//!   it, nothing else takes memory there, and nothing below is given back.
//! * **T2** a `Pushed` borrows the top it was pushed on, and lends what is above it by `split`, which
//!   borrows the `Pushed`: so whatever is above has ended or was forgotten when it pops.
//! * **T3** what was forgotten above is given back with what is below: the position to come back to
//!   is in the handle. If segments or dead blocks came or went, `events` differs, and the slow way
//!   back looks at them (I7).
//!
//! # Cost
//!
//! `push` as the fastest way to take memory, and a load; a pop is a comparison and a store. The
//! handle is three words, which the optimiser keeps in registers where it can.

use core::mem::{self, MaybeUninit};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::{fmt, ptr};

use alloc_core::place::{array_layout, put_slice, uninit_slice};
use alloc_core::{Allocator, Global, Layout, Rejected, TryAllocError};

use crate::grow::no_room;
use crate::place::Written;
use crate::stack::{Negated, Saved};
use crate::{FrameGuard, Stack};

/// The top of a stack, which one thing at a time can be pushed on.
///
/// # Examples
///
/// ```
/// use alloc_stack::{Stack, Top};
///
/// /// The depth of nested parentheses, one `Vec` of positions for each open one.
/// fn depth(text: &mut std::str::Bytes<'_>, mut top: Top<'_>) -> usize {
///     let mut deepest = 0;
///     while let Some(byte) = text.next() {
///         match byte {
///             b'(' => {
///                 let mut open = top.push(vec![byte]); // dropped when this level ends
///                 let (_, above) = open.split();
///                 deepest = deepest.max(1 + depth(text, above));
///             }
///             b')' => break,
///             _ => {}
///         }
///     }
///     deepest
/// }
///
/// let mut stack = Stack::new();
/// assert_eq!(depth(&mut "(a(b)(c(d)))".bytes(), stack.top()), 3);
/// assert_eq!(stack.used_bytes(), 0);
/// ```
pub struct Top<'a, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    stack: &'a Stack<MIN_ALIGN, A>,
}

/// A value on the top of a stack: dropped and popped when the handle is.
///
/// `mem::forget` leaks the value, and its memory until what is below is popped.
#[must_use = "the value is popped when the handle is dropped"]
pub struct Pushed<'a, T: ?Sized, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    value: NonNull<T>,
    saved: Saved,
    stack: &'a Stack<MIN_ALIGN, A>,
    owned: core::marker::PhantomData<T>,
}

/// Comes back to a position when dropped: for initialisers, and drops, that may panic.
struct Return<'a, const MIN_ALIGN: usize, A: Allocator> {
    stack: &'a Stack<MIN_ALIGN, A>,
    saved: Saved,
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Return<'_, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        self.stack.counters.freed();
        self.stack.restore(self.saved);
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Returns the top of the stack, to push values that are dropped and popped in reverse order.
    #[inline]
    pub fn top(&mut self) -> Top<'_, MIN_ALIGN, A> {
        Top::on(self)
    }
}

impl<'a, const MIN_ALIGN: usize, A: Allocator> Top<'a, MIN_ALIGN, A> {
    /// The top of a stack that the caller holds exclusively, for `'a` (T1).
    #[inline]
    pub(crate) fn on(stack: &'a Stack<MIN_ALIGN, A>) -> Self {
        Self { stack }
    }

    /// Pushes a value.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_push`](Self::try_push).
    #[inline]
    #[track_caller]
    pub fn push<T>(&mut self, value: T) -> Pushed<'_, T, MIN_ALIGN, A> {
        let saved = self.stack.save();
        let block = match self.stack.bump_for::<T>(size_of::<T>()) {
            Some(block) => block,
            None => self.stack.bump_slow_or_panic(Layout::new::<T>()),
        };
        // SAFETY: a fresh block of this layout (I3).
        unsafe { block.cast::<T>().write(value) };
        self.pushed(block.cast(), saved)
    }

    /// Pushes a value, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the newest segment has no room and another is refused: by the backing, the limit, or since
    /// no object can be so large.
    #[inline]
    pub fn try_push<T>(&mut self, value: T) -> Result<Pushed<'_, T, MIN_ALIGN, A>, Rejected<T>> {
        let saved = self.stack.save();
        let block = match self.stack.bump_for::<T>(size_of::<T>()) {
            Some(block) => block,
            None => match self.stack.bump_slow(Layout::new::<T>()) {
                Ok(block) => block,
                Err(error) => return Err(Rejected::new(value, error)),
            },
        };
        // SAFETY: a fresh block of this layout (I3).
        unsafe { block.cast::<T>().write(value) };
        Ok(self.pushed(block.cast(), saved))
    }

    /// Pushes a value made in place: the room is taken first, so the value need not be moved there.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or `make` panics; its room is given back.
    #[inline]
    #[track_caller]
    pub fn push_with<T>(&mut self, make: impl FnOnce() -> T) -> Pushed<'_, T, MIN_ALIGN, A> {
        match self.try_push_with(make) {
            Ok(pushed) => pushed,
            Err(error) => no_room(error),
        }
    }

    /// Pushes a value made in place, or returns the reason why there is no room for it, without
    /// having called `make`.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    #[inline]
    pub fn try_push_with<T>(
        &mut self,
        make: impl FnOnce() -> T,
    ) -> Result<Pushed<'_, T, MIN_ALIGN, A>, TryAllocError> {
        let (claim, block) = self.claim::<T>(Layout::new::<T>())?;
        let value = make();
        // SAFETY: a fresh block of this layout (I3).
        unsafe { block.cast::<T>().write(value) };
        Ok(self.pushed(block.cast(), claim.keep()))
    }

    /// Pushes a copy of a slice.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See
    /// [`try_push_slice_copy`](Self::try_push_slice_copy).
    #[inline]
    #[track_caller]
    pub fn push_slice_copy<T: Copy>(&mut self, source: &[T]) -> Pushed<'_, [T], MIN_ALIGN, A> {
        match self.try_push_slice_copy(source) {
            Ok(pushed) => pushed,
            Err(error) => no_room(error),
        }
    }

    /// Pushes a copy of a slice, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    #[inline]
    pub fn try_push_slice_copy<T: Copy>(
        &mut self,
        source: &[T],
    ) -> Result<Pushed<'_, [T], MIN_ALIGN, A>, TryAllocError> {
        let (claim, block) = self.claim::<T>(Layout::for_value(source))?;
        // SAFETY: 1. and 2. a fresh block for as many values (I3).
        let copy = unsafe { put_slice(block, source) };
        Ok(self.pushed(NonNull::from_mut(copy), claim.keep()))
    }

    /// Pushes a copy of a string.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_push_str`](Self::try_push_str).
    #[inline]
    #[track_caller]
    pub fn push_str(&mut self, source: &str) -> Pushed<'_, str, MIN_ALIGN, A> {
        match self.try_push_str(source) {
            Ok(pushed) => pushed,
            Err(error) => no_room(error),
        }
    }

    /// Pushes a copy of a string, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    #[inline]
    pub fn try_push_str(
        &mut self,
        source: &str,
    ) -> Result<Pushed<'_, str, MIN_ALIGN, A>, TryAllocError> {
        let (claim, block) = self.claim::<u8>(Layout::for_value(source))?;
        // SAFETY: 1. and 2. a fresh block for as many bytes (I3).
        let bytes = unsafe { put_slice(block, source.as_bytes()) };
        // SAFETY: 1. a copy of a string.
        let text = unsafe { alloc_core::place::as_str(bytes) };
        Ok(self.pushed(NonNull::from_mut(text), claim.keep()))
    }

    /// Pushes a slice of `len` values, element `i` made by `make(i)`.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or `make` panics: what it made is dropped, and the
    /// room given back.
    #[inline]
    #[track_caller]
    pub fn push_slice_fill_with<T>(
        &mut self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> Pushed<'_, [T], MIN_ALIGN, A> {
        match self.try_push_slice_fill_with(len, make) {
            Ok(pushed) => pushed,
            Err(error) => no_room(error),
        }
    }

    /// Pushes a slice of `len` values, or returns the reason why there is no room, without having
    /// called `make`.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push), and if the slice would exceed `isize::MAX` bytes.
    #[inline]
    pub fn try_push_slice_fill_with<T>(
        &mut self,
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<Pushed<'_, [T], MIN_ALIGN, A>, TryAllocError> {
        let (claim, block) = self.claim::<T>(array_layout::<T>(len)?)?;
        // SAFETY: 1. and 2. a fresh block for `len` values (I3), which only we use.
        let mut written = unsafe { Written::new(block.cast::<T>(), len) };
        for index in 0..len {
            written.push(make(index));
        }
        Ok(self.pushed(written.finish(), claim.keep()))
    }

    /// Pushes unwritten bytes of a layout known at run time.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_push_layout`](Self::try_push_layout).
    #[inline]
    #[track_caller]
    pub fn push_layout(&mut self, layout: Layout) -> Pushed<'_, [MaybeUninit<u8>], MIN_ALIGN, A> {
        let saved = self.stack.save();
        let block = match self.stack.bump(layout) {
            Some(block) => block,
            None => self.stack.bump_slow_by_or_panic(Negated::of(layout)),
        };
        // SAFETY: 1. and 2. a fresh block of this layout (I3).
        let bytes = unsafe { uninit_slice(block, layout.size()) };
        self.pushed(NonNull::from_mut(bytes), saved)
    }

    /// Pushes unwritten bytes of a layout known at run time, or returns the reason why there is no
    /// room.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    #[inline]
    pub fn try_push_layout(
        &mut self,
        layout: Layout,
    ) -> Result<Pushed<'_, [MaybeUninit<u8>], MIN_ALIGN, A>, TryAllocError> {
        let saved = self.stack.save();
        let block = match self.stack.bump(layout) {
            Some(block) => block,
            None => self.stack.bump_slow(layout)?,
        };
        // SAFETY: 1. and 2. a fresh block of this layout (I3).
        let bytes = unsafe { uninit_slice(block, layout.size()) };
        Ok(self.pushed(NonNull::from_mut(bytes), saved))
    }

    /// Lends the top again: to pass it on by value, in a loop say, and still have it afterwards.
    ///
    /// ```
    /// use alloc_stack::{Stack, Top};
    ///
    /// fn count(levels: u32, mut top: Top<'_>) -> u32 {
    ///     let mut here = top.push(1);
    ///     let (one, mut above) = here.split();
    ///     *one + (0..levels).map(|_| count(levels - 1, above.reborrow())).sum::<u32>()
    /// }
    /// assert_eq!(count(3, Stack::new().top()), 16);
    /// ```
    #[inline]
    pub fn reborrow(&mut self) -> Top<'_, MIN_ALIGN, A> {
        Top::on(self.stack)
    }

    /// Opens a frame on the top: what is taken through it goes when the guard is dropped.
    #[inline]
    pub fn frame(&mut self) -> FrameGuard<'_, MIN_ALIGN, A> {
        FrameGuard::on(self.stack)
    }

    /// Returns the bytes in use on the whole stack.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.stack.used_bytes()
    }

    /// Takes a block of `layout`, that of one `T` or several, and what gives it back if it is not
    /// kept.
    #[inline(always)]
    fn claim<T>(
        &self,
        layout: Layout,
    ) -> Result<(Return<'a, MIN_ALIGN, A>, NonNull<u8>), TryAllocError> {
        let saved = self.stack.save();
        let block = match self.stack.bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.stack.bump_slow(layout)?,
        };
        Ok((Return { stack: self.stack, saved }, block))
    }

    /// The handle of a value that was just written to a block of ours.
    #[inline(always)]
    fn pushed<T: ?Sized>(
        &mut self,
        value: NonNull<T>,
        saved: Saved,
    ) -> Pushed<'_, T, MIN_ALIGN, A> {
        Pushed { value, saved, stack: self.stack, owned: core::marker::PhantomData }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Return<'_, MIN_ALIGN, A> {
    #[inline(always)]
    fn keep(self) -> Saved {
        let saved = self.saved;
        #[expect(clippy::mem_forget, reason = "keeping the block is not giving it back")]
        mem::forget(self);
        saved
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> Pushed<'_, T, MIN_ALIGN, A> {
    /// Returns the value and the top above it: what is pushed there goes before this value can.
    #[inline]
    pub fn split(&mut self) -> (&mut T, Top<'_, MIN_ALIGN, A>) {
        // SAFETY: the value was written when it was pushed, is ours alone, and lives as long as the
        // handle, which stays borrowed.
        (unsafe { self.value.as_mut() }, Top::on(self.stack))
    }
}

impl<T, const MIN_ALIGN: usize, A: Allocator> Pushed<'_, T, MIN_ALIGN, A> {
    /// Pops the value, and returns it.
    #[inline]
    #[must_use = "to drop the value, drop the handle"]
    pub fn pop(self) -> T {
        let _return = Return { stack: self.stack, saved: self.saved };
        // SAFETY: written when it was pushed; the handle is forgotten, so this is the only read.
        let value = unsafe { self.value.read() };
        #[expect(clippy::mem_forget, reason = "its value is moved out, its memory given back")]
        mem::forget(self);
        value
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> Drop for Pushed<'_, T, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        // Popped after the value is dropped, even if that panics.
        let _return = Return { stack: self.stack, saved: self.saved };
        if !cfg!(bug = "pushed-value-is-not-dropped") {
            // SAFETY: the value is ours and was not moved out; the handle is not used again.
            unsafe { ptr::drop_in_place(self.value.as_ptr()) };
        }
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> Deref for Pushed<'_, T, MIN_ALIGN, A> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: written when it was pushed, alive as long as the handle, borrowed with it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> DerefMut for Pushed<'_, T, MIN_ALIGN, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug, const MIN_ALIGN: usize, A: Allocator> fmt::Debug
    for Pushed<'_, T, MIN_ALIGN, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Top<'_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Top").field("stack", &self.stack).finish()
    }
}
