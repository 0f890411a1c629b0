//! Values, slices and strings in an [`Arena`].
//!
//! Every method has a `try_` twin that returns the reason (and the value, where one was passed
//! in) instead of panicking. A closure that panics half-way gives its block back, if nothing was
//! allocated after it in the meantime; the arena stays usable in any case.

#![expect(clippy::mut_from_ref, reason = "each call returns memory that no other has (I3)")]

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::{fmt, mem};

use alloc_core::place::{array_layout, as_str, put, put_slice, uninit_slice};
use alloc_core::{Allocator, Layout, Rejected, TryAllocError};

use crate::arena::no_room;
use crate::chunk::{ChunkRef, at};
use crate::drops::DropList;
use crate::no_drop::NoDrop;
use crate::{Arena, SliceBuilder};

/// Most elements that an iterator's size hint makes room for in advance.
pub(crate) const MAX_HINT: usize = 1 << 16;

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Returns a block of `layout`, its contents undefined.
    ///
    /// The block is valid until the arena is reset or dropped. Zero-sized requests succeed even
    /// at the limit.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.bump(layout) {
            Some(block) => block,
            None => self.bump_slow_or_panic(layout),
        }
    }

    /// Returns a block of `layout`, its contents undefined, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        match self.bump(layout) {
            Some(block) => Ok(block),
            None => self.bump_slow(layout),
        }
    }

    /// Moves `value` into the arena.
    ///
    /// # Examples
    ///
    /// ```
    /// let arena = alloc_arena::Arena::new();
    /// let point = arena.alloc([1.0, 2.0]);
    /// point[0] = 3.0;
    /// assert_eq!(*point, [3.0, 2.0]);
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc`](Self::try_alloc).
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &mut T {
        const { NoDrop::<T>::CHECK };
        let block = match self.bump_for::<T>(size_of::<T>()) {
            Some(block) => block,
            None => self.bump_slow_or_panic(Layout::new::<T>()),
        };
        // SAFETY: 1. and 2. a block of this layout, fresh (I3), valid while `self` is borrowed (I4).
        unsafe { put(block, value) }
    }

    /// Moves `value` into the arena, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        let block = match self.bump_for::<T>(size_of::<T>()) {
            Some(block) => block,
            None => match self.bump_slow(Layout::new::<T>()) {
                Ok(block) => block,
                Err(error) => return Err(Rejected::new(value, error)),
            },
        };
        // SAFETY: as in `alloc`.
        Ok(unsafe { put(block, value) })
    }

    /// Makes a value in place: the room is taken first, so the value need not be moved there.
    ///
    /// `make` may allocate from the same arena.
    ///
    /// # Panics
    ///
    /// If there is no room, or `make` panics (its block is given back, see the module).
    #[inline]
    #[track_caller]
    pub fn alloc_with<T>(&self, make: impl FnOnce() -> T) -> &mut T {
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
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_with<T>(&self, make: impl FnOnce() -> T) -> Result<&mut T, TryAllocError> {
        const { NoDrop::<T>::CHECK };
        let claim = self.claim::<T>(Layout::new::<T>())?;
        let value = make();
        // SAFETY: as in `alloc`; what `make` allocated lies below the claim.
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
    /// If there is no room, or `make` panics.
    #[inline]
    #[track_caller]
    pub fn alloc_try_with<T, E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&mut T, E> {
        const { NoDrop::<T>::CHECK };
        let claim = match self.claim::<T>(Layout::new::<T>()) {
            Ok(claim) => claim,
            Err(error) => no_room(error),
        };
        let value = make()?;
        // SAFETY: as in `try_alloc_with`.
        Ok(unsafe { put(claim.keep(), value) })
    }

    /// Moves `value` into the arena, which will drop it: at the next reset, when it rewinds behind
    /// it, or when it is dropped itself, the newest value first.
    ///
    /// `'static`, since the arena may be dropped after what the value borrows, and `Send`, since it
    /// may be dropped on another thread. A value that borrows, or is bound to its thread, belongs in
    /// the [`Scope`](crate::Scope) of a frame, whose `alloc_drop` asks for neither.
    ///
    /// ```
    /// let mut arena = alloc_arena::Arena::new();
    /// let names = arena.alloc_drop(vec![String::from("kept")]);
    /// names.push(String::from("too"));
    /// arena.reset(); // drops the vector and its strings
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_drop`](Self::try_alloc_drop).
    #[inline]
    #[track_caller]
    pub fn alloc_drop<T: Send + 'static>(&self, value: T) -> &mut T {
        match self.try_alloc_drop(value) {
            Ok(value) => value,
            Err(rejected) => no_room(rejected.error()),
        }
    }

    /// Moves `value` into the arena, which will drop it, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_drop<T: Send + 'static>(&self, value: T) -> Result<&mut T, Rejected<T>> {
        // SAFETY: 1. `drops` is the arena's own, run before its blocks end; 2. `T: 'static`; 3. `Send`.
        unsafe { self.place_drop(&self.drops, value) }
    }

    /// Moves `value` into the arena, to be dropped by `drops`.
    ///
    /// # Safety
    ///
    /// 1. `drops` is run before the block ends, or never, and no reference is in use then;
    /// 2. what `T` borrows is alive when `drops` is run;
    /// 3. `drops` is run on this thread, or `T: Send`.
    #[inline]
    pub(crate) unsafe fn place_drop<T>(
        &self,
        drops: &DropList,
        value: T,
    ) -> Result<&mut T, Rejected<T>> {
        let layout = const { DropList::layout::<T>() };
        if !mem::needs_drop::<T>() {
            let block = match self.try_alloc_layout(Layout::new::<T>()) {
                Ok(block) => block,
                Err(error) => return Err(Rejected::new(value, error)),
            };
            // SAFETY: 1. and 2. a fresh block of this layout (I3, I4).
            return Ok(unsafe { put(block, value) });
        }
        match self.try_alloc_layout(layout) {
            // SAFETY: 1. a fresh block of this layout (I3), valid until `drops` is run (clause 1); 2.
            // clause 1.
            Ok(block) => Ok(unsafe { drops.add(block, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Returns room for a value that the caller writes.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_uninit<T>(&self) -> &mut MaybeUninit<T> {
        // An unwritten value is never dropped, so `MaybeUninit` passes the check by itself.
        self.alloc(MaybeUninit::uninit())
    }

    /// Returns room for a value that the caller writes, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_alloc_uninit<T>(&self) -> Result<&mut MaybeUninit<T>, TryAllocError> {
        self.try_alloc(MaybeUninit::uninit()).map_err(|rejected| rejected.error())
    }

    /// Returns room for `len` values that the caller writes.
    ///
    /// # Panics
    ///
    /// If there is no room, or the slice would exceed `isize::MAX` bytes.
    #[inline]
    #[track_caller]
    pub fn alloc_uninit_slice<T>(&self, len: usize) -> &mut [MaybeUninit<T>] {
        match self.try_alloc_uninit_slice(len) {
            Ok(slice) => slice,
            Err(error) => no_room(error),
        }
    }

    /// Returns room for `len` values that the caller writes, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, the backing refuses, or the slice would exceed `isize::MAX`
    /// bytes.
    #[inline]
    pub fn try_alloc_uninit_slice<T>(
        &self,
        len: usize,
    ) -> Result<&mut [MaybeUninit<T>], TryAllocError> {
        let block = self.bump_array::<T>(len)?;
        // SAFETY: 1. and 2. a fresh block for `len` values of `T` (I3), valid while `self` is
        // borrowed (I4).
        Ok(unsafe { uninit_slice(block, len) })
    }

    /// Copies a slice into the arena.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_slice_copy`](Self::try_alloc_slice_copy).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &mut [T] {
        // The layout of a slice that exists is a layout: nothing can overflow.
        let layout = Layout::for_value(source);
        let block = match self.bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.bump_slow_or_panic(layout),
        };
        // SAFETY: 1. and 2. a fresh block for `source.len()` values (I3, I4).
        unsafe { put_slice(block, source) }
    }

    /// Copies a slice into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(&self, source: &[T]) -> Result<&mut [T], TryAllocError> {
        let layout = Layout::for_value(source);
        let block = match self.bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.bump_slow(layout)?,
        };
        // SAFETY: as in `alloc_slice_copy`.
        Ok(unsafe { put_slice(block, source) })
    }

    /// Copies a string into the arena.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_str`](Self::try_alloc_str).
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, source: &str) -> &mut str {
        // SAFETY: 1. a copy of a string.
        unsafe { as_str(self.alloc_slice_copy(source.as_bytes())) }
    }

    /// Copies a string into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&mut str, TryAllocError> {
        let copy = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { as_str(copy) })
    }

    /// Makes a slice of `len` values, element `i` by `make(i)`.
    ///
    /// `make` may allocate from the same arena.
    ///
    /// ```
    /// let arena = alloc_arena::Arena::new();
    /// assert_eq!(arena.alloc_slice_fill_with(4, |i| i * i), [0, 1, 4, 9]);
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room, the slice would exceed `isize::MAX` bytes, or `make` panics (the block
    /// is given back, see the module).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_with<T>(&self, len: usize, make: impl FnMut(usize) -> T) -> &mut [T] {
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
    /// If the arena is at its limit, the backing refuses, or the slice would exceed `isize::MAX`
    /// bytes.
    #[inline]
    pub fn try_alloc_slice_fill_with<T>(
        &self,
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<&mut [T], TryAllocError> {
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
    pub fn alloc_slice_fill_copy<T: Copy>(&self, len: usize, value: T) -> &mut [T] {
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
    ) -> Result<&mut [T], TryAllocError> {
        self.try_alloc_slice_fill_with(len, |_| value)
    }

    /// Makes a slice of `len` default values.
    ///
    /// # Panics
    ///
    /// As [`alloc_slice_fill_with`](Self::alloc_slice_fill_with).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_fill_default<T: Default>(&self, len: usize) -> &mut [T] {
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
    ) -> Result<&mut [T], TryAllocError> {
        self.try_alloc_slice_fill_with(len, |_| T::default())
    }

    /// Clones a slice into the arena.
    ///
    /// # Panics
    ///
    /// As [`alloc_slice_fill_with`](Self::alloc_slice_fill_with).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_clone<T: Clone>(&self, source: &[T]) -> &mut [T] {
        self.alloc_slice_fill_with(source.len(), |index| source[index].clone())
    }

    /// Clones a slice into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc_slice_fill_with`](Self::try_alloc_slice_fill_with).
    #[inline]
    pub fn try_alloc_slice_clone<T: Clone>(&self, source: &[T]) -> Result<&mut [T], TryAllocError> {
        self.try_alloc_slice_fill_with(source.len(), |index| source[index].clone())
    }

    /// Collects an iterator of any length into a slice.
    ///
    /// The elements are built at the other end of a chunk, where growing does not copy. The iterator may allocate from the same arena.
    ///
    /// ```
    /// let arena = alloc_arena::Arena::new();
    /// let even = arena.alloc_from_iter((0..10).filter(|n| n % 2 == 0));
    /// assert_eq!(even, [0, 2, 4, 6, 8]);
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room, or the iterator panics (what was built is given back).
    #[inline]
    #[track_caller]
    pub fn alloc_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> &mut [T] {
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
    /// If the arena is at its limit, or the backing refuses.
    pub fn try_alloc_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&mut [T], TryAllocError> {
        let values = values.into_iter();
        let mut builder = SliceBuilder::new(self);
        // A hint may be wrong: it saves doublings, and an honest iterator's last shrinking.
        let _ = builder.try_reserve(values.size_hint().0.min(MAX_HINT));
        for value in values {
            builder.try_push(value)?;
        }
        Ok(builder.finish())
    }

    /// Formats into a string in the arena.
    ///
    /// ```
    /// let arena = alloc_arena::Arena::new();
    /// assert_eq!(arena.alloc_fmt(format_args!("{}-{:02}", 2026, 7)), "2026-07");
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room, or a formatted value returns an error.
    #[track_caller]
    pub fn alloc_fmt(&self, arguments: fmt::Arguments<'_>) -> &mut str {
        match self.try_alloc_fmt(arguments) {
            Ok(Some(text)) => text,
            Ok(None) => panic!("a formatting trait implementation returned an error"),
            Err(error) => no_room(error),
        }
    }

    /// Formats into a string in the arena; `None` if a formatted value returned an error.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    pub fn try_alloc_fmt(
        &self,
        arguments: fmt::Arguments<'_>,
    ) -> Result<Option<&mut str>, TryAllocError> {
        let mut text = Text { builder: SliceBuilder::new(self), error: None };
        let formatted = fmt::write(&mut text, arguments);
        if let Some(error) = text.error {
            return Err(error);
        }
        if formatted.is_err() {
            return Ok(None);
        }
        let bytes = text.builder.finish();
        // SAFETY: 1. `Text` appended whole strings only.
        Ok(Some(unsafe { as_str(bytes) }))
    }

    /// Returns a block for `len` values of `T`.
    #[inline(always)]
    fn bump_array<T>(&self, len: usize) -> Result<NonNull<u8>, TryAllocError> {
        let layout = array_layout::<T>(len)?;
        match self.bump_for::<T>(layout.size()) {
            Some(block) => Ok(block),
            None => self.bump_slow(layout),
        }
    }

    /// Takes a block of `layout`, that of one `T` or several, which is given back unless it is
    /// kept.
    #[inline(always)]
    fn claim<T>(&self, layout: Layout) -> Result<Claim<'_, MIN_ALIGN, A>, TryAllocError> {
        let (before, chunk_before) = (self.cursor(), self.chunk());
        let block = match self.bump_for::<T>(layout.size()) {
            Some(block) => block,
            None => self.bump_slow(layout)?,
        };
        Ok(Claim { arena: self, before, chunk_before, block })
    }
}

/// A block that goes back to the arena, padding included, unless it is kept: for initialisers
/// that may panic.
struct Claim<'a, const MIN_ALIGN: usize, A: Allocator> {
    arena: &'a Arena<MIN_ALIGN, A>,
    before: NonNull<u8>,
    chunk_before: Option<ChunkRef>,
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
    #[cold]
    fn drop(&mut self) {
        // Only the newest block can go back.
        let is_newest =
            self.arena.cursor() == self.block || cfg!(bug = "claim-goes-back-when-not-newest");
        if is_newest && let Some(chunk) = self.arena.chunk() {
            // A chunk that was added for the block held nothing before it.
            let is_same = self.chunk_before == Some(chunk);
            let top = if is_same { self.before } else { chunk.end::<MIN_ALIGN>() };
            self.arena.set_cursor(at(chunk.block(), top.addr().get()));
            self.arena.counters.freed();
        } else if let Some(large) = self.arena.newest_large(self.block) {
            self.arena.drop_large(large);
            self.arena.counters.freed();
        }
    }
}

/// A formatter's target: a builder of bytes, and why it stopped.
struct Text<'a, const MIN_ALIGN: usize, A: Allocator> {
    builder: SliceBuilder<'a, u8, MIN_ALIGN, A>,
    error: Option<TryAllocError>,
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Write for Text<'_, MIN_ALIGN, A> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.builder.try_extend_from_slice(part.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}
