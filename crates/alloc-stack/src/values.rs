//! Values, slices and strings in a [`Scope`].
//!
//! Every method has a `try_` twin that returns the reason (and the value, where one was passed
//! in) instead of panicking. A closure that panics half-way gives its block back, if nothing was
//! taken above it in the meantime; otherwise the frame does when it ends.

use core::mem;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::{fmt, slice};

use alloc_core::place::{array_layout, as_str, put, put_slice, uninit_slice};
use alloc_core::{Allocator, Layout, Rejected, TryAllocError, bump};

use crate::grow::no_room;
use crate::place::NoDrop;
use crate::stack::{Negated, Saved};
use crate::{Scope, Stack};

impl<'g, const MIN_ALIGN: usize, A: Allocator> Scope<'g, MIN_ALIGN, A> {
    /// Returns a block of `layout`, its contents undefined.
    ///
    /// The block is valid until the frame ends. Zero-sized requests succeed even on a full stack.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.stack().bump(layout) {
            Some(block) => block,
            None => self.stack().bump_slow_by_or_panic(Negated::of(layout)),
        }
    }

    /// Returns a block of `layout`, its contents undefined, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// If the newest segment has no room and another is refused: by the backing, the limit, or since
    /// no object can be so large.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.stack().bump(layout) {
            Some(block) => Ok(block),
            None => self.stack().bump_slow_by(Negated::of(layout)),
        }
    }

    /// Moves `value` into the frame.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut stack = alloc_stack::Stack::new();
    /// stack.scoped(|scope| {
    ///     let point = scope.alloc([1.0, 2.0]);
    ///     point[0] = 3.0;
    ///     assert_eq!(*point, [3.0, 2.0]);
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_alloc`](Self::try_alloc).
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &'g mut T {
        const { NoDrop::<T>::CHECK };
        let block = match self.stack().bump_for::<T>(size_of::<T>()) {
            Some(block) => block,
            None => self.stack().bump_slow_or_panic(Layout::new::<T>()),
        };
        // SAFETY: 1. and 2. a block of this layout, fresh (I3), valid during `'g` (F1).
        unsafe { put(block, value) }
    }

    /// Moves `value` into the frame, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&'g mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        let block = match self.stack().bump_for::<T>(size_of::<T>()) {
            Some(block) => block,
            None => match self.stack().bump_slow(Layout::new::<T>()) {
                Ok(block) => block,
                Err(error) => return Err(Rejected::new(value, error)),
            },
        };
        // SAFETY: as in `alloc`.
        Ok(unsafe { put(block, value) })
    }

    /// Makes a value in place: the room is taken first, so the value need not be moved there.
    ///
    /// `make` may take memory of the same scope.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or `make` panics (its block is given back, see the
    /// module).
    #[inline]
    #[track_caller]
    pub fn alloc_with<T>(&self, make: impl FnOnce() -> T) -> &'g mut T {
        match self.try_alloc_with(make) {
            Ok(value) => value,
            Err(error) => no_room(error),
        }
    }

    /// Makes a value in place, or returns the reason why there is no room for it, without having
    /// called `make`.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc_with<T>(&self, make: impl FnOnce() -> T) -> Result<&'g mut T, TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let claim = self.claim::<T>(Layout::new::<T>())?;
        let value = make();
        // SAFETY: as in `alloc`; what `make` took lies below the claim.
        Ok(unsafe { put(claim.keep(), value) })
    }

    /// Makes a value in place, unless `make` fails: then its block is given back.
    ///
    /// # Errors
    ///
    /// What `make` returns.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or `make` panics.
    #[inline]
    #[track_caller]
    pub fn alloc_try_with<T, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&'g mut T, E> {
        const { NoDrop::<T>::CHECK };
        let claim = match self.claim::<T>(Layout::new::<T>()) {
            Ok(claim) => claim,
            Err(error) => no_room(error),
        };
        let value = make()?;
        // SAFETY: as in `try_alloc_with`.
        Ok(unsafe { put(claim.keep(), value) })
    }

    /// Returns room for a value that the caller writes.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had.
    #[inline]
    #[track_caller]
    pub fn alloc_uninit<T>(&self) -> &'g mut MaybeUninit<T> {
        // An unwritten value is never dropped, so `MaybeUninit` passes the check by itself.
        self.alloc(MaybeUninit::uninit())
    }

    /// Returns room for a value that the caller writes, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_alloc_uninit<T>(&self) -> Result<&'g mut MaybeUninit<T>, TryAllocError> {
        self.try_alloc(MaybeUninit::uninit()).map_err(|rejected| rejected.error())
    }

    /// Returns room for `len` values that the caller writes.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or the slice would exceed `isize::MAX` bytes.
    #[inline]
    #[track_caller]
    pub fn alloc_uninit_slice<T>(&self, len: usize) -> &'g mut [MaybeUninit<T>] {
        match self.try_alloc_uninit_slice(len) {
            Ok(slice) => slice,
            Err(error) => no_room(error),
        }
    }

    /// Returns room for `len` values that the caller writes, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout), and if the slice would exceed `isize::MAX`
    /// bytes.
    #[inline]
    pub fn try_alloc_uninit_slice<T>(
        &self,
        len: usize,
    ) -> Result<&'g mut [MaybeUninit<T>], TryAllocError> {
        let layout = array_layout::<T>(len)?;
        let block = match self.stack().bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.stack().bump_slow(layout)?,
        };
        // SAFETY: 1. and 2. a fresh block for `len` values of `T` (I3), valid during `'g` (F1).
        Ok(unsafe { uninit_slice(block, len) })
    }

    /// Copies a slice into the frame.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See
    /// [`try_alloc_slice_copy`](Self::try_alloc_slice_copy).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &'g mut [T] {
        // The layout of a slice that exists is a layout: nothing can overflow.
        let layout = Layout::for_value(source);
        let block = match self.stack().bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.stack().bump_slow_or_panic(layout),
        };
        // SAFETY: 1. and 2. a fresh block for `source.len()` values (I3), valid during `'g` (F1).
        unsafe { put_slice(block, source) }
    }

    /// Copies a slice into the frame, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(
        &self,
        source: &[T],
    ) -> Result<&'g mut [T], TryAllocError> {
        let layout = Layout::for_value(source);
        let block = match self.stack().bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.stack().bump_slow(layout)?,
        };
        // SAFETY: as in `alloc_slice_copy`.
        Ok(unsafe { put_slice(block, source) })
    }

    /// Copies a string into the frame.
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had. See [`try_alloc_str`](Self::try_alloc_str).
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, source: &str) -> &'g mut str {
        // SAFETY: 1. a copy of a string.
        unsafe { as_str(self.alloc_slice_copy(source.as_bytes())) }
    }

    /// Copies a string into the frame, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&'g mut str, TryAllocError> {
        let copy = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { as_str(copy) })
    }

    /// Makes a slice of `len` values, element `i` by `make(i)`.
    ///
    /// `make` may take memory of the same scope.
    ///
    /// ```
    /// let mut stack = alloc_stack::Stack::new();
    /// stack.scoped(|scope| {
    ///     assert_eq!(scope.alloc_slice_fill_with(4, |i| i * i), [0, 1, 4, 9]);
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, the slice would exceed `isize::MAX` bytes, or `make`
    /// panics (the block is given back, see the module).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_with<T>(
        &self,
        len: usize,
        make: impl FnMut(usize) -> T,
    ) -> &'g mut [T] {
        match self.try_alloc_slice_fill_with(len, make) {
            Ok(slice) => slice,
            Err(error) => no_room(error),
        }
    }

    /// Makes a slice of `len` values, or returns the reason why there is no room, without having
    /// called `make`.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_uninit_slice`](Self::try_alloc_uninit_slice).
    #[inline]
    pub fn try_alloc_slice_fill_with<T>(
        &self,
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<&'g mut [T], TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let claim = self.claim::<T>(array_layout::<T>(len)?)?;
        for index in 0..len {
            let value = make(index);
            let place = claim.block.cast::<T>().as_ptr().wrapping_add(index);
            // SAFETY: element `index < len` of the claimed block, aligned like its first one.
            unsafe { place.write(value) };
        }
        // SAFETY: 1. and 2. as in `try_alloc_uninit_slice`.
        let slice = unsafe { uninit_slice(claim.keep(), len) };
        // SAFETY: the loop wrote every element.
        Ok(unsafe { slice.assume_init_mut() })
    }

    /// Makes a slice of `len` copies of `value`.
    ///
    /// # Panics
    ///
    /// As [`alloc_slice_fill_with`](Self::alloc_slice_fill_with).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_copy<T: Copy>(&self, len: usize, value: T) -> &'g mut [T] {
        self.alloc_slice_fill_with(len, |_| value)
    }

    /// Makes a slice of `len` copies of `value`, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_slice_fill_with`](Self::try_alloc_slice_fill_with).
    #[inline]
    pub fn try_alloc_slice_fill_copy<T: Copy>(
        &self,
        len: usize,
        value: T,
    ) -> Result<&'g mut [T], TryAllocError> {
        self.try_alloc_slice_fill_with(len, |_| value)
    }

    /// Makes a slice of `len` default values.
    ///
    /// # Panics
    ///
    /// As [`alloc_slice_fill_with`](Self::alloc_slice_fill_with).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_default<T: Default>(&self, len: usize) -> &'g mut [T] {
        self.alloc_slice_fill_with(len, |_| T::default())
    }

    /// Makes a slice of `len` default values, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_slice_fill_with`](Self::try_alloc_slice_fill_with).
    #[inline]
    pub fn try_alloc_slice_fill_default<T: Default>(
        &self,
        len: usize,
    ) -> Result<&'g mut [T], TryAllocError> {
        self.try_alloc_slice_fill_with(len, |_| T::default())
    }

    /// Clones a slice into the frame.
    ///
    /// # Panics
    ///
    /// As [`alloc_slice_fill_with`](Self::alloc_slice_fill_with).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_clone<T: Clone>(&self, source: &[T]) -> &'g mut [T] {
        self.alloc_slice_fill_with(source.len(), |index| source[index].clone())
    }

    /// Clones a slice into the frame, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_slice_fill_with`](Self::try_alloc_slice_fill_with).
    #[inline]
    pub fn try_alloc_slice_clone<T: Clone>(
        &self,
        source: &[T],
    ) -> Result<&'g mut [T], TryAllocError> {
        self.try_alloc_slice_fill_with(source.len(), |index| source[index].clone())
    }

    /// Collects an iterator of any length into a slice.
    ///
    /// The slice grows as the newest block, and is cut to its length at the end. The iterator may
    /// take memory of the same scope; then what the slice leaves behind when it grows is given back
    /// with the frame.
    ///
    /// ```
    /// let mut stack = alloc_stack::Stack::new();
    /// stack.scoped(|scope| {
    ///     let even = scope.alloc_from_iter((0..10).filter(|n| n % 2 == 0));
    ///     assert_eq!(even, [0, 2, 4, 6, 8]);
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or the iterator panics (what was built is given
    /// back).
    #[inline]
    #[track_caller]
    pub fn alloc_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> &'g mut [T] {
        match self.try_alloc_from_iter(values) {
            Ok(slice) => slice,
            Err(error) => no_room(error),
        }
    }

    /// Collects an iterator of any length into a slice, or returns the reason why there is no
    /// room; the iterator is dropped.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_uninit_slice`](Self::try_alloc_uninit_slice).
    pub fn try_alloc_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&'g mut [T], TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let values = values.into_iter();
        let mut growing = Growing::new(self.stack());
        // A hint that cannot be met may be untrue: the values themselves decide.
        let met = growing.try_reserve(values.size_hint().0);
        if cfg!(bug = "scope-trusts-hints") {
            met?;
        }
        for value in values {
            growing.try_push(value)?;
        }
        Ok(growing.finish())
    }

    /// Formats into a string in the frame.
    ///
    /// ```
    /// let mut stack = alloc_stack::Stack::new();
    /// stack.scoped(|scope| {
    ///     assert_eq!(scope.alloc_fmt(format_args!("{}-{:02}", 2026, 7)), "2026-07");
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room and none can be had, or a formatted value returns an error.
    #[track_caller]
    pub fn alloc_fmt(&self, arguments: fmt::Arguments<'_>) -> &'g mut str {
        match self.try_alloc_fmt(arguments) {
            Ok(Some(text)) => text,
            Ok(None) => panic!("a formatting trait implementation returned an error"),
            Err(error) => no_room(error),
        }
    }

    /// Formats into a string in the frame; `None` if a formatted value returned an error.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_layout`](Self::try_alloc_layout).
    pub fn try_alloc_fmt(
        &self,
        arguments: fmt::Arguments<'_>,
    ) -> Result<Option<&'g mut str>, TryAllocError> {
        let mut text = Text { bytes: Growing::new(self.stack()), error: None };
        let formatted = fmt::write(&mut text, arguments);
        if let Some(error) = text.error {
            return Err(error);
        }
        if formatted.is_err() {
            return Ok(None);
        }
        // SAFETY: 1. `Text` appended whole strings only.
        Ok(Some(unsafe { as_str(text.bytes.finish()) }))
    }

    /// Takes a block of `layout`, that of one `T` or several, which is given back unless it is
    /// kept.
    #[inline(always)]
    fn claim<T>(&self, layout: Layout) -> Result<Claim<'g, MIN_ALIGN, A>, TryAllocError> {
        let saved = self.stack().save();
        let block = match self.stack().bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.stack().bump_slow(layout)?,
        };
        Ok(Claim { stack: self.stack(), saved, block })
    }
}

/// A block that goes back, padding included, unless it is kept or something lies above it: for
/// initialisers that may panic.
struct Claim<'g, const MIN_ALIGN: usize, A: Allocator> {
    stack: &'g Stack<MIN_ALIGN, A>,
    saved: Saved,
    block: NonNull<u8>,
}

impl<const MIN_ALIGN: usize, A: Allocator> Claim<'_, MIN_ALIGN, A> {
    #[inline(always)]
    fn keep(self) -> NonNull<u8> {
        let block = self.block;
        #[expect(clippy::mem_forget, reason = "keeping the block is not giving it back")]
        mem::forget(self);
        block
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Claim<'_, MIN_ALIGN, A> {
    fn drop(&mut self) {
        let is_newest = self.stack.cursor.get() == self.block.addr().get();
        if is_newest || cfg!(bug = "claim-goes-back-when-not-newest") {
            self.stack.counters.freed();
            self.stack.restore(self.saved);
        }
    }
}

/// A slice that grows as long as its length is not known: a block that may go in any order.
struct Growing<'g, T, const MIN_ALIGN: usize, A: Allocator> {
    stack: &'g Stack<MIN_ALIGN, A>,
    first: NonNull<T>,
    len: usize,
    capacity: usize,
}

impl<'g, T, const MIN_ALIGN: usize, A: Allocator> Growing<'g, T, MIN_ALIGN, A> {
    fn new(stack: &'g Stack<MIN_ALIGN, A>) -> Self {
        let capacity = if size_of::<T>() == 0 { usize::MAX } else { 0 };
        Self { stack, first: NonNull::dangling(), len: 0, capacity }
    }

    #[inline]
    fn try_push(&mut self, value: T) -> Result<(), TryAllocError> {
        if self.len == self.capacity {
            self.try_reserve(1)?;
        }
        let place = self.first.as_ptr().wrapping_add(self.len);
        // SAFETY: `len < capacity`, so the place is one of the block, which is ours alone.
        unsafe { place.write(value) };
        self.len += 1;
        Ok(())
    }

    fn try_extend(&mut self, values: &[T]) -> Result<(), TryAllocError>
    where
        T: Copy,
    {
        self.try_reserve(values.len())?;
        let place = self.first.as_ptr().wrapping_add(self.len);
        // SAFETY: the block has room for as many behind `len`, and is not part of `values`.
        unsafe { place.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        self.len += values.len();
        Ok(())
    }

    /// Makes room for `more` values: twice as much as before, or what the segment has left, or what
    /// is needed.
    fn try_reserve(&mut self, more: usize) -> Result<(), TryAllocError> {
        if self.capacity - self.len >= more {
            return Ok(());
        }
        let overflow = TryAllocError::overflow::<T>;
        let least = self.len.checked_add(more).ok_or_else(|| overflow(usize::MAX))?;
        let doubled = self.capacity.saturating_mul(2);
        if doubled > least {
            if self.try_resize(doubled).is_ok() {
                return Ok(());
            }
            if cfg!(bug = "growing-doubles-or-fails") {
                return Err(overflow(doubled));
            }
            let left = self.left().min(doubled);
            if left > least && self.try_resize(left).is_ok() {
                return Ok(());
            }
        }
        self.try_resize(least)
    }

    /// How many values the block could have in the segment it is in, or that is next.
    fn left(&self) -> usize {
        let is_newest = self.first.addr().get() == self.stack.cursor.get();
        let own = if is_newest { self.layout().size() } else { 0 };
        let grain = Stack::<MIN_ALIGN, A>::GRAIN;
        // A block's room is whole grains.
        let own = bump::round_up(own, grain).unwrap_or(own);
        (own + bump::round_down(self.stack.remaining_bytes(), grain)) / size_of::<T>().max(1)
    }

    /// Makes the block one for `capacity` values.
    fn try_resize(&mut self, capacity: usize) -> Result<(), TryAllocError> {
        let grown = array_layout::<T>(capacity)?;
        let block = if self.capacity == 0 {
            self.stack.try_alloc_layout(grown)?
        } else {
            // SAFETY: the block is ours, of this layout.
            unsafe { self.stack.try_grow(self.first.cast(), self.layout(), grown) }?
        };
        self.first = block.cast();
        self.capacity = capacity;
        Ok(())
    }

    /// The layout of the block.
    fn layout(&self) -> Layout {
        let bytes = if size_of::<T>() == 0 { 0 } else { self.capacity * size_of::<T>() };
        // SAFETY: 1. an alignment; 2. a block of this size exists, or it is 0.
        unsafe { Layout::from_size_align_unchecked(bytes, align_of::<T>()) }
    }

    /// The slice, cut to its length.
    fn finish(mut self) -> &'g mut [T] {
        let (old, len) = (self.layout(), self.len);
        // SAFETY: 1. an alignment; 2. `len <= capacity`, whose layout this was.
        let new =
            unsafe { Layout::from_size_align_unchecked(len * size_of::<T>(), align_of::<T>()) };
        if new.size() < old.size() {
            // SAFETY: the block is ours, of layout `old`, and `new` is not larger.
            if let Ok(block) = unsafe { self.stack.try_shrink(self.first.cast(), old, new) } {
                self.first = block.cast();
            }
        }
        let first = self.first.as_ptr();
        #[expect(clippy::mem_forget, reason = "the block is the caller's now")]
        mem::forget(self);
        // SAFETY: `len` values, written, in a block that is the caller's alone, valid during `'g`.
        unsafe { slice::from_raw_parts_mut(first, len) }
    }
}

impl<T, const MIN_ALIGN: usize, A: Allocator> Drop for Growing<'_, T, MIN_ALIGN, A> {
    fn drop(&mut self) {
        let layout = self.layout();
        if layout.size() != 0 {
            // SAFETY: 1. the block is ours, of this layout; 2. its values need no drop (`CHECK`),
            // and nobody has seen them.
            unsafe { self.stack.dealloc_layout(self.first.cast(), layout) };
        }
    }
}

/// A formatter's target: bytes, and why it stopped.
struct Text<'g, const MIN_ALIGN: usize, A: Allocator> {
    bytes: Growing<'g, u8, MIN_ALIGN, A>,
    error: Option<TryAllocError>,
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Write for Text<'_, MIN_ALIGN, A> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.bytes.try_extend(part.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}
