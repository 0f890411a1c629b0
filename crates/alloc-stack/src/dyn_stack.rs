//! [`DynStack`]: values of many types behind one trait, stored inline, last in first out.
//!
//! Not thread-safe; every operation is a few instructions and wait-free while the segment lasts.
//!
//! ```text
//!    base                                                          top
//!     |                                                             |
//!     | header | value A |·| footer A | pad | value B | footer B | free ....... | end
//!                             │                          │    │
//!                             ▼ below: base              │    └ below: footer A
//!                                                        └ value: *mut dyn Trait (to value B)
//! ```
//!
//! The footer holds the whole pointer that the coercion made, so nothing depends on how a pointer
//! to a trait object is laid out, and its provenance is that of the value. It also works for
//! `[T]`, `str`-like and sized `D`.
//!
//! # Invariants
//!
//! * **D1** the footers reached from `top` through `below`, down to `base` of each segment, are
//!   written; the value of each is initialised, is this stack's alone, and lies apart from all
//!   footers and other values.
//! * **D2** a segment below the current one holds at least one value. The current one may be empty.
//! * **D3** `top` and `base` are aligned for a footer, and `base <= top`; from the end of the footer
//!   at `top` to `end` the segment is free. (At `base` there is no footer, but room for one: so an
//!   empty segment needs no case of its own.) Without a segment all three dangle and nothing is free.
//! * **D4** a value never moves: from `push` to the end of its drop it stays where it was written.
//!
//! # Ordering edges
//!
//! None: no atomics.
//!
//! # Cost
//!
//! Three words beside each value, and up to seven bytes of padding (more before an over-aligned
//! one). No allocation in the steady state: one emptied segment is kept.
//!
//! # Source
//!
//! The idea is that of the crate `dynstack`, which copies all values when it grows, keeps the
//! pointers in a second vector as integers, and drops a value twice if its drop panics.

mod build;
mod iter;
mod segments;

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use alloc_core::{AllocStats, Allocator, Global, Layout, Rejected, TryAllocError};

pub use self::iter::{DynIter, DynIterMut};
use self::segments::{HEADER_BYTES, Header, Segments};
use crate::Coerce;
use crate::stack::POISON;

/// What follows each value.
struct Footer<D: ?Sized> {
    value: NonNull<D>,
    /// The footer below, or the segment's base.
    below: NonNull<Footer<D>>,
}

/// A stack of values of different types, seen through one trait: `dyn Trait` without a `Box` each.
///
/// Values lie in segments, one after another, and never move. They are dropped in the reverse of
/// the order in which they were pushed.
///
/// `D` is any type that the values can be coerced to: `dyn Trait`, `dyn Fn(u32) -> u32 + Send`,
/// `[T]`.
///
/// # Examples
///
/// ```
/// use alloc_stack::DynStack;
///
/// trait Undo {
///     fn undo(&self, text: &mut String);
/// }
/// struct Typed;
/// struct Deleted(char);
/// impl Undo for Typed {
///     fn undo(&self, text: &mut String) {
///         text.pop();
///     }
/// }
/// impl Undo for Deleted {
///     fn undo(&self, text: &mut String) {
///         text.push(self.0);
///     }
/// }
///
/// let mut history = DynStack::<dyn Undo>::new();
/// history.push(Deleted('l'), |value| value);
/// history.push(Typed, |value| value);
///
/// let mut text = String::from("cali");
/// while history.pop_with(|step| step.undo(&mut text)).is_some() {}
/// assert_eq!(text, "call");
/// ```
///
/// # Concurrency
///
/// One thread at a time, as `Vec<Box<D>>`: `Send` if `D` and the backing are, `Sync` likewise.
pub struct DynStack<D: ?Sized, A: Allocator = Global> {
    top: NonNull<Footer<D>>,
    base: NonNull<Footer<D>>,
    end: NonNull<u8>,
    len: usize,
    peak_bytes: usize,
    resets: u64,
    slow_calls: u64,
    #[cfg(feature = "stats")]
    exact: Exact,
    segments: Segments<A>,
    _values: PhantomData<D>,
}

#[cfg(feature = "stats")]
#[derive(Default)]
struct Exact {
    allocs: u64,
    frees: u64,
    requested_bytes: u64,
    waste_align_bytes: u64,
}

// SAFETY: the stack owns its values and its memory. Every value is a type that was coerced to `D`
// by the compiler alone (`Coerce`), and an unsized type is `Send` only if what was coerced is: so
// `D: Send` says it of all values. The backing moves along: `A: Send`.
unsafe impl<D: ?Sized + Send, A: Allocator + Send> Send for DynStack<D, A> {}
// SAFETY: `&self` methods lend `&D` and `&A` and write nothing.
unsafe impl<D: ?Sized + Sync, A: Allocator + Sync> Sync for DynStack<D, A> {}

impl<D: ?Sized, A: Allocator> DynStack<D, A> {
    const FOOTER_BYTES: usize = size_of::<Footer<D>>();
    const FOOTER_ALIGN: usize = {
        assert!(size_of::<Footer<D>>() <= HEADER_BYTES, "`base` lies in the segment");
        assert!(align_of::<Footer<D>>() <= segments::BLOCK_ALIGN, "so does `base` aligned");
        align_of::<Footer<D>>()
    };

    /// Returns an empty stack over `backing`. It takes no memory until the first push.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self {
            top: NonNull::dangling(),
            base: NonNull::dangling(),
            end: nothing_after::<D>(),
            len: 0,
            peak_bytes: 0,
            resets: 0,
            slow_calls: 0,
            #[cfg(feature = "stats")]
            exact: Exact { allocs: 0, frees: 0, requested_bytes: 0, waste_align_bytes: 0 },
            segments: Segments::new_in(backing),
            _values: PhantomData,
        }
    }

    /// Pushes `value`, and returns it as a `D`. The closure says how one becomes the other; it is
    /// always `|value| value`.
    ///
    /// ```
    /// let mut stack = alloc_stack::DynStack::<dyn Fn(u32) -> u32>::new();
    /// let step = 3;
    /// let add = stack.push(move |n| n + step, |value| value);
    /// assert_eq!(add(4), 7);
    /// ```
    ///
    /// # Panics
    ///
    /// If no memory can be had, or the closure panics or returns another object than it was given
    /// (which takes some ingenuity). The value is dropped then, and the stack as it was.
    #[inline]
    #[track_caller]
    pub fn push<T>(
        &mut self,
        value: T,
        coerce: impl for<'a> FnOnce(&'a mut Coerce<T>) -> &'a mut Coerce<D>,
    ) -> &mut D {
        let place = match self.place_for::<T>() {
            Some(place) => place,
            None => {
                self.advance_or_panic(Layout::new::<T>());
                self.fresh_place_for::<T>()
            }
        };
        // SAFETY: `place` was made for a `T` by one of the two.
        unsafe { self.put(place, value, coerce) }
    }

    /// Pushes `value`, and returns it as a `D`, or hands it back if no memory can be had.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backing`](alloc_core::ErrorKind::Backing) if a segment is needed and the backing
    /// refuses.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), for what the closure does.
    #[inline]
    pub fn try_push<T>(
        &mut self,
        value: T,
        coerce: impl for<'a> FnOnce(&'a mut Coerce<T>) -> &'a mut Coerce<D>,
    ) -> Result<&mut D, Rejected<T>> {
        let place = match self.place_for::<T>() {
            Some(place) => place,
            None => match self.advance(Layout::new::<T>()) {
                Ok(()) => self.fresh_place_for::<T>(),
                Err(error) => return Err(Rejected::new(value, error)),
            },
        };
        // SAFETY: `place` was made for a `T` by one of the two.
        Ok(unsafe { self.put(place, value, coerce) })
    }

    /// Returns where a `T` goes in the current segment, if it fits there with its footer.
    #[inline(always)]
    fn place_for<T>(&self) -> Option<NonNull<T>> {
        let top = self.top.addr().get();
        let room = self.end.addr().get() - top; // that of the top footer included
        let over_aligned = align_of::<T>() > Self::FOOTER_ALIGN;
        let padding = if over_aligned && !cfg!(bug = "dyn-forgets-over-alignment") {
            (top + Self::FOOTER_BYTES).wrapping_neg() & (align_of::<T>() - 1)
        } else {
            0 // aligned for a footer (D3)
        };
        let needed = const { Self::footer_offset::<T>() + 2 * Self::FOOTER_BYTES };
        if room < needed + padding {
            return None;
        }
        // SAFETY: D3 and the comparison: between the top footer and the end of the segment.
        let place = unsafe { self.top.byte_add(Self::FOOTER_BYTES + padding) };
        Some(place.cast())
    }

    /// [`Self::place_for`] after `advance` made room.
    #[inline]
    fn fresh_place_for<T>(&self) -> NonNull<T> {
        match self.place_for::<T>() {
            Some(place) => place,
            None => unreachable!("a segment was obtained for this layout"),
        }
    }

    /// How far behind the start of a `T` its footer lies.
    const fn footer_offset<T>() -> usize {
        size_of::<T>().next_multiple_of(Self::FOOTER_ALIGN)
    }

    /// Writes value and footer, and makes them the top.
    ///
    /// # Safety
    ///
    /// 1. `place` is what `place_for::<T>` returns now.
    #[inline(always)]
    #[track_caller]
    unsafe fn put<T>(
        &mut self,
        place: NonNull<T>,
        value: T,
        coerce: impl for<'a> FnOnce(&'a mut Coerce<T>) -> &'a mut Coerce<D>,
    ) -> &mut D {
        // SAFETY: clause 1: free memory (D3), long enough and aligned for a `T`.
        unsafe { place.write(value) };
        // From here until the footer stands, a panic drops the value where it is.
        let pending = InPlace(place);
        // SAFETY: just written, and nobody else knows it.
        let mut coerced = unsafe { Coerce::place(place, coerce) };
        let _ = ManuallyDrop::new(pending);
        // SAFETY: clause 1: the footer's place lies between the value and the end of the segment.
        let footer = unsafe { place.cast::<u8>().byte_add(Self::footer_offset::<T>()) };
        let footer = footer.cast::<Footer<D>>();
        debug_assert!(footer.is_aligned() && footer > self.top, "D3: footer at {footer:p}");
        // SAFETY: as above; aligned, as `place` is for `T` and for a footer, and the offset is a
        // multiple of a footer's alignment.
        unsafe { footer.write(Footer { value: coerced, below: self.top }) };
        self.count_push(footer.addr().get() + Self::FOOTER_BYTES, size_of::<T>());
        self.top = footer;
        self.len += 1;
        // SAFETY: D1; lent for as long as the stack is borrowed.
        unsafe { coerced.as_mut() }
    }

    /// Drops the newest value. Returns whether there was one.
    ///
    /// A value whose drop panics counts as dropped.
    #[inline]
    pub fn pop(&mut self) -> bool {
        if cfg!(bug = "dyn-unlinks-after-the-drop")
            && let Some(value) = self.last_mut()
        {
            let value = NonNull::from_mut(value);
            // SAFETY: none, this is a planted fault: if the drop panics, the value stays linked.
            unsafe { value.drop_in_place() };
            return self.unlink().is_some();
        }
        self.unlink().map(drop).is_some()
    }

    /// Runs `f` on the newest value and drops it, also if `f` panics. Returns what `f` returned, or
    /// `None` if there is no value.
    ///
    /// ```
    /// let mut stack = alloc_stack::DynStack::<dyn FnMut() -> u32>::new();
    /// stack.push(|| 7, |value| value);
    /// assert_eq!(stack.pop_with(|call| call()), Some(7));
    /// assert_eq!(stack.pop_with(|call| call()), None);
    /// ```
    #[inline]
    pub fn pop_with<R>(&mut self, f: impl FnOnce(&mut D) -> R) -> Option<R> {
        let mut popped = self.unlink()?;
        // SAFETY: D1: initialised and ours alone; dropped by `Popped` after the last use.
        Some(f(unsafe { popped.value.0.as_mut() }))
    }

    /// Takes the newest value out of the stack; it stays where it is until the caller drops it, whose
    /// borrow of the stack keeps the memory from being used again.
    #[inline(always)]
    fn unlink(&mut self) -> Option<Popped<D>> {
        if self.top == self.base && !self.retreat() {
            return None;
        }
        // SAFETY: D1 and D2: `top` is not the base, so a footer that is written.
        let Footer { value, below } = unsafe { self.top.read() };
        let footer = self.top;
        self.top = below;
        self.len -= 1;
        #[cfg(feature = "stats")]
        {
            self.exact.frees += 1;
        }
        Some(Popped { value: InPlace(value), _entry: Entry { value, footer } })
    }

    /// Returns the newest value.
    #[must_use]
    #[inline]
    pub fn last(&self) -> Option<&D> {
        let footer = self.newest()?;
        // SAFETY: D1: the newest footer is written.
        let value = unsafe { footer.as_ref() }.value;
        // SAFETY: D1: initialised, and borrowed shared as the stack is.
        Some(unsafe { value.as_ref() })
    }

    /// Returns the newest value for writing.
    #[must_use]
    #[inline]
    pub fn last_mut(&mut self) -> Option<&mut D> {
        let footer = self.newest()?;
        // SAFETY: D1: the newest footer is written.
        let mut value = unsafe { footer.as_ref() }.value;
        // SAFETY: D1: initialised, and borrowed exclusively as the stack is.
        Some(unsafe { value.as_mut() })
    }

    #[inline(always)]
    fn newest(&self) -> Option<NonNull<Footer<D>>> {
        if self.top == self.base { self.newest_below() } else { Some(self.top) }
    }

    /// [`Self::newest`] when the current segment is empty.
    #[cold]
    fn newest_below(&self) -> Option<NonNull<Footer<D>>> {
        // SAFETY: G2: in the chain.
        let below = unsafe { self.segments.current?.as_ref() }.below?;
        // SAFETY: G2: in the chain.
        Some(unsafe { below.as_ref() }.top.cast())
    }

    /// Drops all values, newest first. Memory is kept: see [`trim`](Self::trim).
    ///
    /// If a value's drop panics, the others are dropped all the same, and the panic goes on.
    pub fn clear(&mut self) {
        /// Goes on where a panicking drop stopped.
        struct Rest<'a, D: ?Sized, A: Allocator>(&'a mut DynStack<D, A>);
        impl<D: ?Sized, A: Allocator> Drop for Rest<'_, D, A> {
            fn drop(&mut self) {
                while !cfg!(bug = "dyn-panic-leaks-the-rest") && self.0.pop() {}
            }
        }
        self.look();
        self.resets += 1;
        let rest = Rest(self);
        while rest.0.pop() {}
    }

    /// Gives memory that no value uses back to the backing; returns how many bytes that were.
    pub fn trim(&mut self) -> usize {
        let held = self.segments.reserved_bytes();
        if self.top == self.base
            && !self.retreat()
            && let Some(segment) = self.segments.current.take()
        {
            self.top = NonNull::dangling();
            self.base = self.top;
            self.end = nothing_after::<D>();
            // SAFETY: taken out of the chain; it holds no value, since `top` was its base.
            unsafe { self.segments.keep(segment) };
        }
        self.segments.trim();
        held - self.segments.reserved_bytes()
    }

    /// Returns the number of values.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no value.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes in use now: values, footers, padding.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        let used_below = self.segments.current.map_or(0, |segment| {
            // SAFETY: G2: in the chain.
            unsafe { segment.as_ref() }.used_below
        });
        used_below + self.used_here()
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        self.segments.backing()
    }

    /// Returns what the stack did so far. A reset is a [`clear`](Self::clear).
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        let mut stats = AllocStats::default();
        stats.used_bytes = self.used_bytes();
        stats.reserved_bytes = self.segments.reserved_bytes();
        stats.peak_bytes = self.peak_bytes.max(stats.used_bytes);
        stats.waste_tail_bytes = self.segments.current.map_or(0, |segment| {
            // SAFETY: G2: in the chain.
            unsafe { segment.as_ref() }.tail_below
        });
        stats.resets = self.resets;
        stats.slow_calls = self.slow_calls;
        #[cfg(feature = "stats")]
        {
            stats.allocs = Some(self.exact.allocs);
            stats.frees = Some(self.exact.frees);
            stats.requested_bytes = Some(self.exact.requested_bytes);
            stats.waste_align_bytes = Some(self.exact.waste_align_bytes);
        }
        stats
    }

    /// Bytes used in the current segment.
    fn used_here(&self) -> usize {
        self.top.addr().get() - self.base.addr().get()
    }

    /// Bytes free in the current segment.
    fn free_here(&self) -> usize {
        self.end.addr().get() - self.top.addr().get() - Self::FOOTER_BYTES
    }

    /// Looks whether there were never more bytes in use.
    fn look(&mut self) {
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
    }

    /// A value of `size` bytes was written; its entry ends at `end`.
    #[inline(always)]
    fn count_push(&mut self, end: usize, size: usize) {
        #[cfg(feature = "stats")]
        {
            let entry = end - (self.top.addr().get() + Self::FOOTER_BYTES);
            self.exact.allocs += 1;
            self.exact.requested_bytes += size as u64;
            self.exact.waste_align_bytes += (entry - size - Self::FOOTER_BYTES) as u64;
            let used = self.used_bytes() + entry;
            self.peak_bytes = self.peak_bytes.max(used);
        }
        #[cfg(not(feature = "stats"))]
        let _ = (end, size);
    }

    /// Makes an empty segment with room for a value of `layout` the current one.
    #[cold]
    #[inline(never)]
    fn advance(&mut self, layout: Layout) -> Result<(), TryAllocError> {
        self.slow_calls += 1;
        self.look();
        let overflow = TryAllocError::overflow::<u8>(layout.size());
        let padding = layout.align().saturating_sub(Self::FOOTER_ALIGN);
        let entry = (layout.size().checked_next_multiple_of(Self::FOOTER_ALIGN))
            .and_then(|bytes| bytes.checked_add(padding + Self::FOOTER_BYTES))
            .ok_or(overflow)?;
        let mut segment = self.segments.obtain(entry)?;
        let Some(mut current) = self.segments.current else {
            self.enter(segment);
            return Ok(());
        };
        let (used_here, free_here) = (self.used_here(), self.free_here());
        // SAFETY: G2: in the chain, and nobody else looks at it.
        let old = unsafe { current.as_mut() };
        // SAFETY: G2: just obtained, and nobody else knows it.
        let new = unsafe { segment.as_mut() };
        if used_here == 0 {
            // D2: an empty segment does not stay in the chain; the new one replaces it.
            new.below = old.below;
            new.used_below = old.used_below;
            new.tail_below = old.tail_below;
            self.enter(segment);
            // SAFETY: `enter` took it out of the chain, and it holds no value.
            unsafe { self.segments.keep(current) };
        } else {
            old.top = self.top.cast();
            new.below = Some(current);
            new.used_below = old.used_below + used_here;
            new.tail_below = old.tail_below + free_here;
            self.enter(segment);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn advance_or_panic(&mut self, layout: Layout) {
        if let Err(error) = self.advance(layout) {
            panic!("stack of {} bytes: {error}", self.segments.reserved_bytes());
        }
    }

    /// Goes back to the segment below, if there is one, and keeps the current one, which is empty,
    /// as the spare.
    #[cold]
    #[inline(never)]
    fn retreat(&mut self) -> bool {
        let Some(current) = self.segments.current else { return false };
        // SAFETY: G2: in the chain.
        let Some(below) = (unsafe { current.as_ref() }).below else { return false };
        self.slow_calls += 1;
        self.enter(below);
        // SAFETY: G2: in the chain.
        self.top = unsafe { below.as_ref() }.top.cast();
        // SAFETY: `enter` took it out of the chain, and it holds no value (the caller's look).
        unsafe { self.segments.keep(current) };
        true
    }

    /// Makes `segment` the current one, empty. What lies below it is in its header.
    fn enter(&mut self, segment: NonNull<Header>) {
        self.segments.current = Some(segment);
        // SAFETY: a segment of ours.
        self.base = unsafe { base_of(segment) };
        self.top = self.base;
        // SAFETY: as above.
        self.end = unsafe { Header::end(segment) };
    }
}

// A value stays where it is when the stack moves (D4).
impl<D: ?Sized, A: Allocator + Unpin> Unpin for DynStack<D, A> {}

impl<D: ?Sized, A: Allocator> Drop for DynStack<D, A> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<D: ?Sized> Default for DynStack<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: ?Sized, A: Allocator> fmt::Debug for DynStack<D, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynStack")
            .field("len", &self.len)
            .field("used_bytes", &self.used_bytes())
            .finish_non_exhaustive()
    }
}

/// A value that is dropped where it lies, also by a panic.
struct InPlace<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Drop for InPlace<T> {
    fn drop(&mut self) {
        // SAFETY: made for a value that is initialised and reached by nobody else.
        unsafe { self.0.drop_in_place() };
    }
}

/// A value that was taken out: its drop drops it where it lies, and then its entry is free.
struct Popped<D: ?Sized> {
    value: InPlace<D>,
    _entry: Entry<D>,
}

/// A value's bytes up to the end of its footer. In debug builds they are overwritten when this is
/// dropped, so that stale pointers kept by `unsafe` code show.
struct Entry<D: ?Sized> {
    value: NonNull<D>,
    footer: NonNull<Footer<D>>,
}

impl<D: ?Sized> Drop for Entry<D> {
    #[inline(always)]
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            let behind = self.footer.addr().get() - self.value.addr().get();
            // SAFETY: the value lies in the footer's segment, so far below it (D1).
            let first = unsafe { self.footer.cast::<u8>().byte_sub(behind) };
            let len = behind + size_of::<Footer<D>>();
            // SAFETY: the bytes of an entry that is no longer linked, of a value that was dropped.
            unsafe { first.write_bytes(POISON, len) };
        }
    }
}

/// The place of a footer that would lie below the first value of `segment`.
///
/// # Safety
///
/// 1. `segment` is one of a live `Segments`.
unsafe fn base_of<D: ?Sized>(segment: NonNull<Header>) -> NonNull<Footer<D>> {
    // SAFETY: clause 1.
    let first = unsafe { Header::first(segment) };
    // SAFETY: a footer is no longer than a header (`FOOTER_ALIGN`), so still inside the segment.
    unsafe { first.byte_sub(size_of::<Footer<D>>()) }.cast()
}

/// The `end` of a stack without a segment: right after the footer that is not there.
const fn nothing_after<D: ?Sized>() -> NonNull<u8> {
    let dangling = NonNull::<Footer<D>>::dangling().cast::<u8>();
    // SAFETY: small and not zero; a pointer without memory behind it.
    unsafe { NonNull::new_unchecked(dangling.as_ptr().wrapping_add(size_of::<Footer<D>>())) }
}
