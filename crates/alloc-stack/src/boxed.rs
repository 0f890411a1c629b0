//! [`StackBox`]: an owned value on a stack, dropped in any order.
//!
//! ```text
//!   cursor
//!     | c | b | a |        drop(b): its block is marked dead; drop(c): both are free
//! ```
//!
//! # Why it is sound
//!
//! * **X1** a box borrows the stack (or the scope) it was made by, shared: no frame can be opened,
//!   nothing be pushed by a handle, no reset or rewind happen while it exists.
//! * **X2** the value is dropped before its block is given back, even if the drop panics: a drop may
//!   take memory of the same stack, and what it forgets there lies above the block.
//! * **X3** a forgotten box keeps its block until the frame around it ends or the stack is reset.
//!
//! There is no `Pin<StackBox>`: a forgotten box would give its memory back, with the frame, without
//! dropping its value.
//!
//! # Cost
//!
//! Two words (three if the value is unsized). What giving back costs besides the drop:
//! [`Stack::dealloc_layout`].

use core::borrow::{Borrow, BorrowMut};
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::{fmt, ptr};

use alloc_core::place::{array_layout, as_str, put, put_slice};
use alloc_core::{Allocator, Coerce, Global, Layout, Rejected, TryAllocError};

use crate::grow::no_room;
use crate::place::Written;
use crate::{Scope, Stack};

/// A value on a stack that is dropped, and its memory given back, when the box is: in any order.
///
/// # Examples
///
/// ```
/// let stack = alloc_stack::Stack::new();
/// let a = stack.alloc_box(String::from("a"));
/// let b = stack.alloc_box([1u64; 100]);
/// drop(a); // its bytes wait for `b`
/// assert_eq!(b.len(), 100);
/// drop(b);
/// assert_eq!(stack.used_bytes(), 0);
/// ```
pub struct StackBox<'s, T: ?Sized, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    value: NonNull<T>,
    stack: &'s Stack<MIN_ALIGN, A>,
    owned: PhantomData<T>,
}

/// Gives a block back when dropped: after drops, and initialisers, that may panic.
struct Release<'s, const MIN_ALIGN: usize, A: Allocator> {
    stack: &'s Stack<MIN_ALIGN, A>,
    block: NonNull<u8>,
    layout: Layout,
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Release<'_, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        if self.layout.size() != 0 {
            // SAFETY: 1. whoever made this took the block from this stack with this layout; 2. and
            // has no use for it any more.
            unsafe { self.stack.dealloc_layout(self.block, self.layout) };
        }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Release<'_, MIN_ALIGN, A> {
    #[inline(always)]
    fn keep(self) -> NonNull<u8> {
        let block = self.block;
        #[expect(clippy::mem_forget, reason = "keeping the block is not giving it back")]
        mem::forget(self);
        block
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Stack<MIN_ALIGN, A> {
    /// Moves `value` to the stack, into a box of its own.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> StackBox<'_, T, MIN_ALIGN, A> {
        let block = self.alloc_layout_or_dangling::<T>();
        // SAFETY: 1. and 2. a fresh block of this layout (I3).
        let value = unsafe { put(block, value) };
        // SAFETY: 1. and 2. the block is for the box alone.
        unsafe { StackBox::new(value, self) }
    }

    /// Moves `value` to the stack, into a box of its own, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the newest segment has no room and another is refused: by the backing, the limit, or since
    /// no object can be so large.
    #[inline]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<StackBox<'_, T, MIN_ALIGN, A>, Rejected<T>> {
        let claim = match self.claim_box(Layout::new::<T>()) {
            Ok(claim) => claim,
            Err(error) => return Err(Rejected::new(value, error)),
        };
        // SAFETY: 1. and 2. a fresh block of this layout (I3).
        let value = unsafe { put(claim.keep(), value) };
        // SAFETY: 1. and 2. the block is for the box alone.
        Ok(unsafe { StackBox::new(value, self) })
    }

    /// Boxes a value made in place: the room is taken first, so the value need not be moved there.
    ///
    /// `make` may take memory of the same stack.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or `make` panics: its room is given back.
    #[inline]
    #[track_caller]
    pub fn alloc_box_with<T>(&self, make: impl FnOnce() -> T) -> StackBox<'_, T, MIN_ALIGN, A> {
        match self.try_alloc_box_with(make) {
            Ok(boxed) => boxed,
            Err(error) => no_room(error),
        }
    }

    /// Boxes a value made in place, or returns the reason why there is no room for it, without
    /// having called `make`.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    pub fn try_alloc_box_with<T>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Result<StackBox<'_, T, MIN_ALIGN, A>, TryAllocError> {
        let claim = self.claim_box(Layout::new::<T>())?;
        let value = make();
        // SAFETY: 1. and 2. a fresh block of this layout (I3).
        let value = unsafe { put(claim.keep(), value) };
        // SAFETY: 1. and 2. the block is for the box alone.
        Ok(unsafe { StackBox::new(value, self) })
    }

    /// Boxes a copy of a slice.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See
    /// [`try_alloc_box_slice_copy`](Self::try_alloc_box_slice_copy).
    #[inline]
    #[track_caller]
    pub fn alloc_box_slice_copy<T: Copy>(&self, source: &[T]) -> StackBox<'_, [T], MIN_ALIGN, A> {
        match self.try_alloc_box_slice_copy(source) {
            Ok(boxed) => boxed,
            Err(error) => no_room(error),
        }
    }

    /// Boxes a copy of a slice, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    pub fn try_alloc_box_slice_copy<T: Copy>(
        &self,
        source: &[T],
    ) -> Result<StackBox<'_, [T], MIN_ALIGN, A>, TryAllocError> {
        let claim = self.claim_box(Layout::for_value(source))?;
        // SAFETY: 1. and 2. a fresh block for as many values (I3).
        let copy = unsafe { put_slice(claim.keep(), source) };
        // SAFETY: 1. and 2. the block is for the box alone.
        Ok(unsafe { StackBox::new(copy, self) })
    }

    /// Boxes a copy of a string.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_alloc_box_str`](Self::try_alloc_box_str).
    #[inline]
    #[track_caller]
    pub fn alloc_box_str(&self, source: &str) -> StackBox<'_, str, MIN_ALIGN, A> {
        match self.try_alloc_box_str(source) {
            Ok(boxed) => boxed,
            Err(error) => no_room(error),
        }
    }

    /// Boxes a copy of a string, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    pub fn try_alloc_box_str(
        &self,
        source: &str,
    ) -> Result<StackBox<'_, str, MIN_ALIGN, A>, TryAllocError> {
        let claim = self.claim_box(Layout::for_value(source))?;
        // SAFETY: 1. and 2. a fresh block for as many bytes (I3).
        let bytes = unsafe { put_slice(claim.keep(), source.as_bytes()) };
        // SAFETY: 1. a copy of a string.
        let text = unsafe { as_str(bytes) };
        // SAFETY: 1. and 2. the block is for the box alone.
        Ok(unsafe { StackBox::new(text, self) })
    }

    /// Boxes a slice of `len` values, element `i` made by `make(i)`.
    ///
    /// `make` may take memory of the same stack.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or `make` panics: what it made is dropped, and the
    /// room given back.
    #[inline]
    #[track_caller]
    pub fn alloc_box_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> StackBox<'_, [T], MIN_ALIGN, A> {
        match self.try_alloc_box_slice_fill_with(len, make) {
            Ok(boxed) => boxed,
            Err(error) => no_room(error),
        }
    }

    /// Boxes a slice of `len` values, or returns the reason why there is no room, without having
    /// called `make`.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_box`](Self::try_alloc_box), and if the slice would exceed `isize::MAX` bytes.
    #[inline]
    pub fn try_alloc_box_slice_fill_with<T>(
        &self,
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<StackBox<'_, [T], MIN_ALIGN, A>, TryAllocError> {
        let claim = self.claim_box(array_layout::<T>(len)?)?;
        // SAFETY: 1. and 2. a fresh block for `len` values (I3), which only we use.
        let mut written = unsafe { Written::new(claim.block.cast::<T>(), len) };
        for index in 0..len {
            written.push(make(index));
        }
        claim.keep();
        let mut values = written.finish();
        // SAFETY: written, and in a block for the box alone.
        let values = unsafe { values.as_mut() };
        // SAFETY: 1. and 2. the block is for the box alone.
        Ok(unsafe { StackBox::new(values, self) })
    }

    /// Boxes a clone of a slice.
    ///
    /// # Panics
    ///
    /// As [`alloc_box_slice_fill_with`](Self::alloc_box_slice_fill_with).
    #[inline]
    #[track_caller]
    pub fn alloc_box_slice_clone<T: Clone>(&self, source: &[T]) -> StackBox<'_, [T], MIN_ALIGN, A> {
        self.alloc_box_slice_fill_with(source.len(), |index| source[index].clone())
    }

    /// Boxes a clone of a slice, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    pub fn try_alloc_box_slice_clone<T: Clone>(
        &self,
        source: &[T],
    ) -> Result<StackBox<'_, [T], MIN_ALIGN, A>, TryAllocError> {
        self.try_alloc_box_slice_fill_with(source.len(), |index| source[index].clone())
    }

    #[inline(always)]
    #[track_caller]
    fn alloc_layout_or_dangling<T>(&self) -> NonNull<u8> {
        if const { size_of::<T>() == 0 } {
            NonNull::<T>::dangling().cast()
        } else {
            self.alloc_layout(Layout::new::<T>())
        }
    }

    /// Takes a block that is given back unless it is kept.
    #[inline(always)]
    fn claim_box(&self, layout: Layout) -> Result<Release<'_, MIN_ALIGN, A>, TryAllocError> {
        let block = if layout.size() == 0 {
            alloc_core::place::dangling(layout.align())
        } else {
            self.try_alloc_layout(layout)?
        };
        Ok(Release { stack: self, block, layout })
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Scope<'_, MIN_ALIGN, A> {
    /// Moves `value` into a box of its own, which drops it: before the frame ends, and before a
    /// frame is opened inside it.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> StackBox<'_, T, MIN_ALIGN, A> {
        self.stack().alloc_box(value)
    }

    /// Moves `value` into a box of its own, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// As [`Stack::try_alloc_box`].
    #[inline]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<StackBox<'_, T, MIN_ALIGN, A>, Rejected<T>> {
        self.stack().try_alloc_box(value)
    }
}

impl<'s, T: ?Sized, const MIN_ALIGN: usize, A: Allocator> StackBox<'s, T, MIN_ALIGN, A> {
    /// A box of the value in a block of `stack`.
    ///
    /// # Safety
    ///
    /// 1. `value` lies in a live block of `stack`, which was taken to go in any order, with its
    ///    layout (or has no size);
    /// 2. the block and the value are the box's alone from here on.
    #[inline(always)]
    unsafe fn new(value: &mut T, stack: &'s Stack<MIN_ALIGN, A>) -> Self {
        Self { value: NonNull::from_mut(value), stack, owned: PhantomData }
    }

    /// Gives up the box and returns its value, which is not dropped and stays where it is until the
    /// frame around it ends, or the stack is reset.
    ///
    /// An associated function, as all here, so that it hides no method of the value.
    #[inline]
    #[must_use = "to drop the value, drop the box"]
    pub fn leak(boxed: Self) -> &'s mut T
    where
        A: 's,
    {
        let mut boxed = ManuallyDrop::new(boxed);
        // SAFETY: the value is the box's, which is gone; its block is given back only when nothing
        // borrows the stack any more, which `'s` does (X1).
        unsafe { boxed.value.as_mut() }
    }

    /// Returns the box with its value seen as a trait object, or an array as a slice.
    ///
    /// ```
    /// use std::fmt::Display;
    /// use alloc_stack::{Stack, StackBox};
    ///
    /// let stack = Stack::new();
    /// let shown: [StackBox<'_, dyn Display>; 2] = [
    ///     StackBox::coerce(stack.alloc_box(7), |value| value as _),
    ///     StackBox::coerce(stack.alloc_box("seven"), |value| value as _),
    /// ];
    /// assert_eq!(format!("{} {}", shown[0], shown[1]), "7 seven");
    /// ```
    ///
    /// # Panics
    ///
    /// If `coerce` does, or returns another object than it was given. The value is dropped then.
    #[inline]
    #[track_caller]
    pub fn coerce<U: ?Sized>(
        boxed: Self,
        coerce: impl for<'a> FnOnce(&'a mut Coerce<T>) -> &'a mut Coerce<U>,
    ) -> StackBox<'s, U, MIN_ALIGN, A>
    where
        T: Sized,
    {
        // SAFETY: 1. the value is the box's, which is ours.
        let value = unsafe { Coerce::place(boxed.value, coerce) };
        let boxed = ManuallyDrop::new(boxed);
        StackBox { value, stack: boxed.stack, owned: PhantomData }
    }
}

impl<T, const MIN_ALIGN: usize, A: Allocator> StackBox<'_, T, MIN_ALIGN, A> {
    /// Gives the block back and returns the value.
    #[inline]
    #[must_use = "to drop the value, drop the box"]
    pub fn into_inner(boxed: Self) -> T {
        let boxed = ManuallyDrop::new(boxed);
        let _release = boxed.release();
        // SAFETY: the value is the box's, which is not dropped, so this is the only read.
        unsafe { boxed.value.read() }
    }
}

impl<'s, T: ?Sized, const MIN_ALIGN: usize, A: Allocator> StackBox<'s, T, MIN_ALIGN, A> {
    /// What gives the block back.
    #[inline(always)]
    fn release(&self) -> Release<'s, MIN_ALIGN, A> {
        let layout = Layout::for_value(&**self);
        Release { stack: self.stack, block: self.value.cast(), layout }
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> Drop for StackBox<'_, T, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        // Dropped after the value, even if its drop panics (X2).
        let release = self.release();
        if cfg!(bug = "box-pops-before-it-drops") {
            drop(release);
            // SAFETY: none: this is a planted fault.
            unsafe { ptr::drop_in_place(self.value.as_ptr()) };
            return;
        }
        let _release = release;
        // SAFETY: the value is ours and was not moved out; the box is not used again.
        unsafe { ptr::drop_in_place(self.value.as_ptr()) };
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> Deref for StackBox<'_, T, MIN_ALIGN, A> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the box's own value, alive as long as it, borrowed with it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> DerefMut for StackBox<'_, T, MIN_ALIGN, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> AsRef<T> for StackBox<'_, T, MIN_ALIGN, A> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> AsMut<T> for StackBox<'_, T, MIN_ALIGN, A> {
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> Borrow<T> for StackBox<'_, T, MIN_ALIGN, A> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<T: ?Sized, const MIN_ALIGN: usize, A: Allocator> BorrowMut<T>
    for StackBox<'_, T, MIN_ALIGN, A>
{
    fn borrow_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: ?Sized + PartialEq, const MIN_ALIGN: usize, A: Allocator> PartialEq
    for StackBox<'_, T, MIN_ALIGN, A>
{
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ?Sized + Eq, const MIN_ALIGN: usize, A: Allocator> Eq for StackBox<'_, T, MIN_ALIGN, A> {}

impl<T: ?Sized + PartialOrd, const MIN_ALIGN: usize, A: Allocator> PartialOrd
    for StackBox<'_, T, MIN_ALIGN, A>
{
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: ?Sized + Ord, const MIN_ALIGN: usize, A: Allocator> Ord for StackBox<'_, T, MIN_ALIGN, A> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: ?Sized + Hash, const MIN_ALIGN: usize, A: Allocator> Hash
    for StackBox<'_, T, MIN_ALIGN, A>
{
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<I: ?Sized + Iterator, const MIN_ALIGN: usize, A: Allocator> Iterator
    for StackBox<'_, I, MIN_ALIGN, A>
{
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        (**self).next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (**self).size_hint()
    }
}

impl<T: ?Sized + fmt::Debug, const MIN_ALIGN: usize, A: Allocator> fmt::Debug
    for StackBox<'_, T, MIN_ALIGN, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, const MIN_ALIGN: usize, A: Allocator> fmt::Display
    for StackBox<'_, T, MIN_ALIGN, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
