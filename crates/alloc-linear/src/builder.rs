//! [`SliceBuilder`]: a slice that grows at the free end of a region, without ever being copied to
//! grow.
//!
//! ```text
//!   base      first         first + len      cursor            end
//!     |  pad    | built elements | free ....... | blocks ........ |
//!     ^ saved                    ^ start: what others may still take begins here
//! ```
//!
//! Blocks are taken from the high end as always; the slice grows up from the low end, towards
//! them. While it does, the region's `start` stands behind the last element, so that neither side
//! can run into the other. Finishing moves the slice once, to where a block belongs.
//!
//! # Invariants
//!
//! * **S1** `saved <= first`, and `first .. first + len` is memory of the region that nobody else
//!   has: no block lies below `start` (I3), and `start` was raised over the elements.
//! * **S2** builders nest: a younger one begins at the older one's `start`. An older builder finds
//!   that `start` is not its own any more, and refuses to grow until the younger one is gone.
//! * **S3** a builder gives its room back only if `start` is still its own. One that is dropped
//!   out of order, or forgotten, leaves its room unused until the region is reset; never to two.
//!
//! # Cost
//!
//! A push is two loads, two comparisons and two stores beside the element; finishing is one move
//! of the slice.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Global, Layout, Rejected, TryAllocError, bump};

use crate::Linear;
use crate::linear::{at, dangling};
use crate::place::NoDrop;

/// A growing slice of `T` in a [`Linear`] region.
///
/// Other blocks can be taken from the region meanwhile, and other builders opened and finished.
///
/// # Examples
///
/// ```
/// use alloc_linear::{Linear, SliceBuilder};
///
/// let region = Linear::with_capacity(1024);
/// let mut numbers = SliceBuilder::new(&region);
/// for n in 1..=3 {
///     numbers.push(n * 10);
///     region.alloc_str("in between"); // does not disturb the slice
/// }
/// assert_eq!(numbers.finish(), [10, 20, 30]);
/// ```
pub struct SliceBuilder<'a, T, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    region: &'a Linear<MIN_ALIGN, A>,
    /// The region's `start` before this builder.
    saved: NonNull<u8>,
    first: NonNull<u8>,
    /// Behind the last element; equal to the region's `start` while this builder is the youngest.
    next: NonNull<u8>,
    len: usize,
    elements: PhantomData<&'a mut [T]>,
}

impl<'a, T, const MIN_ALIGN: usize, A: Allocator> SliceBuilder<'a, T, MIN_ALIGN, A> {
    /// Returns an empty builder. Nothing is taken from the region until the first element.
    #[must_use]
    pub fn new(region: &'a Linear<MIN_ALIGN, A>) -> Self {
        const { NoDrop::<T>::CHECK };
        let saved = region.start();
        region.count_builder(true);
        // Values without size take no room; all they need is an aligned address.
        let first = if size_of::<T>() == 0 { dangling(align_of::<T>()) } else { saved };
        Self { region, saved, first, next: saved, len: 0, elements: PhantomData }
    }

    /// Returns the number of elements so far.
    #[must_use]
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
        let first = if self.len == 0 { dangling(align_of::<T>()) } else { self.first };
        // SAFETY: S1: `len` written elements that nobody else has, borrowed with `self`.
        unsafe { NonNull::slice_from_raw_parts(first.cast(), self.len).as_ref() }
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
            crate::place::no_room(rejected.error());
        }
    }

    /// Appends a value, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the region has no room and cannot grow, is closed by a guard, or a younger builder
    /// exists.
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), Rejected<T>> {
        match self.room(1) {
            Ok(place) => {
                // SAFETY: `room` returned memory for one `T`, aligned, nobody else's (S1).
                unsafe { place.cast::<T>().write(value) };
                self.len += 1;
                Ok(())
            }
            Err(error) => Err(Rejected::new(value, error)),
        }
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
        if source.is_empty() {
            return Ok(());
        }
        let place = self.room(source.len())?.cast::<T>();
        let from = NonNull::from_ref(source).cast::<T>();
        // SAFETY: `room` returned memory for as many `T`s, aligned, nobody else's (S1), so not
        // part of `source`.
        unsafe { place.copy_from_nonoverlapping(from, source.len()) };
        self.len += source.len();
        Ok(())
    }

    /// Returns room for `count` elements behind the last one, having raised `start` over it.
    #[inline]
    fn room(&mut self, count: usize) -> Result<NonNull<u8>, TryAllocError> {
        if size_of::<T>() == 0 {
            let fits = self.len.checked_add(count).is_some();
            return if fits { Ok(self.first) } else { Err(TryAllocError::overflow::<T>(count)) };
        }
        if self.len == 0 || self.region.start() != self.next {
            return self.room_slow(count);
        }
        let place = self.next;
        let Some(end) = self.end_of(place, count) else { return self.room_slow(count) };
        self.raise(place, end);
        Ok(place)
    }

    /// Where `count` elements at `place` would end, if that is not above the cursor. A closed
    /// region's cursor lies below every place, so nothing fits.
    #[inline(always)]
    fn end_of(&self, place: NonNull<u8>, count: usize) -> Option<usize> {
        let end = place.addr().get().checked_add(count.checked_mul(size_of::<T>())?)?;
        let fits = end <= self.region.cursor().addr().get();
        (fits || cfg!(bug = "builder-ignores-the-blocks")).then_some(end)
    }

    #[inline(always)]
    fn raise(&mut self, place: NonNull<u8>, end: usize) {
        self.next = at(place, end);
        self.region.set_start(self.next);
    }

    /// The first elements, which need alignment, and whatever does not simply fit.
    #[cold]
    #[inline(never)]
    fn room_slow(&mut self, count: usize) -> Result<NonNull<u8>, TryAllocError> {
        let layout = Layout::array::<T>(count).map_err(|_| TryAllocError::overflow::<T>(count))?;
        // Without elements nothing of the region is ours yet, and the place for the first may have
        // fallen: an older builder went, or the region was extended.
        if self.len == 0 && self.region.start() < self.next {
            self.saved = self.region.start();
            self.next = self.saved;
        }
        let refuse = |kind| Err(TryAllocError::new(kind, layout, self.region.remaining_bytes()));
        if self.region.is_closed() || self.region.start() != self.next {
            return refuse(ErrorKind::Closed);
        }
        if let Some(place) = self.align_and_take(count) {
            return Ok(place);
        }
        if self.make_room(count)
            && let Some(place) = self.align_and_take(count)
        {
            return Ok(place);
        }
        self.region.counters().refused(self.region.remaining_bytes());
        Err(TryAllocError::new(ErrorKind::Full, layout, self.region.remaining_bytes()))
    }

    fn align_and_take(&mut self, count: usize) -> Option<NonNull<u8>> {
        // The first element stands where a block could: then the final place, which is rounded to
        // `MIN_ALIGN`, is never below it.
        let align = if self.len == 0 { Self::FIRST_ALIGN } else { align_of::<T>() };
        let aligned = bump::round_up(self.next.addr().get(), align)?;
        let place = at(self.next, aligned);
        let end = self.end_of(place, count)?;
        if self.len == 0 {
            self.first = place;
        }
        debug_assert!(self.len == 0 || place == self.next, "elements are contiguous");
        self.raise(place, end);
        Some(place)
    }

    const FIRST_ALIGN: usize =
        if align_of::<T>() > MIN_ALIGN { align_of::<T>() } else { MIN_ALIGN };

    /// Lets a growing region extend itself below the elements, and moves them there.
    ///
    /// `start` stands above the elements until they are moved (S1), also if the backing panics.
    fn make_room(&mut self, count: usize) -> bool {
        if self.saved != self.region.base() {
            return false; // another builder stands below
        }
        let Some(all) = self.len.checked_add(count) else { return false };
        let Ok(layout) = Layout::array::<T>(all) else { return false };
        if !self.region.extend_below(self.region.cursor(), layout) {
            return false;
        }
        self.saved = self.region.base();
        let Some(to) = bump::round_up(self.saved.addr().get(), Self::FIRST_ALIGN) else {
            return false;
        };
        if self.len == 0 {
            self.next = self.saved;
        } else {
            let held = self.len * size_of::<T>();
            let to = at(self.saved, to);
            // SAFETY: the elements are ours (S1); the region now reaches from `saved` to the
            // cursor, with room for all elements from `to` on; the two places may overlap.
            unsafe { to.copy_from(self.first, held) };
            self.first = to;
            self.next = at(to, to.addr().get() + held);
        }
        self.region.set_start(self.next);
        true
    }

    /// Moves the slice to its final place and returns it.
    ///
    /// # Panics
    ///
    /// If the region is closed by a guard, or a younger builder leaves no room for the move. See
    /// [`try_finish`](Self::try_finish).
    #[track_caller]
    pub fn finish(self) -> &'a mut [T] {
        match self.try_finish() {
            Ok(slice) => slice,
            Err(rejected) => crate::place::no_room(rejected.error()),
        }
    }

    /// Moves the slice to its final place and returns it, or hands the builder back.
    ///
    /// # Errors
    ///
    /// If the region is closed by a guard, or a younger builder leaves no room for the move.
    pub fn try_finish(mut self) -> Result<&'a mut [T], Rejected<Self>> {
        let len = self.len;
        // SAFETY: the elements exist, so their layout does.
        let layout = unsafe { Layout::array::<T>(len).unwrap_unchecked() };
        if layout.size() == 0 {
            self.region.counters().allocated(0, 0, || self.region.used_bytes());
            let nowhere = dangling(align_of::<T>()).cast();
            // SAFETY: no elements, or elements without size: an aligned address is enough.
            return Ok(unsafe { NonNull::slice_from_raw_parts(nowhere, len).as_mut() });
        }
        // While the elements are moved, their own room counts as free: the final place may overlap
        // it. That is only right if nothing lies above them.
        let youngest = self.region.start() == self.next;
        if youngest && !self.region.is_closed() {
            self.region.set_start(self.saved);
        }
        let Some(place) = self.region.bump(layout) else {
            if youngest && !self.region.is_closed() {
                self.region.set_start(self.next);
            }
            let kind = if self.region.is_closed() { ErrorKind::Closed } else { ErrorKind::Full };
            let error = TryAllocError::new(kind, layout, self.region.remaining_bytes());
            return Err(Rejected::new(self, error));
        };
        // SAFETY: `place` is a block for `len` elements, `first` holds them (S1); the two may
        // overlap, which `copy_from` allows.
        unsafe { place.cast::<T>().copy_from(self.first.cast(), len) };
        // The room is given back already, or stays for a younger builder's sake (S3).
        self.next = self.saved;
        // SAFETY: a fresh block (I3), written above, that lives while the region is borrowed (I5).
        Ok(unsafe { NonNull::slice_from_raw_parts(place.cast(), len).as_mut() })
    }
}

impl<T, const MIN_ALIGN: usize, A: Allocator> Drop for SliceBuilder<'_, T, MIN_ALIGN, A> {
    fn drop(&mut self) {
        if self.next != self.saved && self.region.start() == self.next {
            self.region.set_start(self.saved); // S3
        }
        self.region.count_builder(false);
    }
}

impl<T: fmt::Debug, const MIN_ALIGN: usize, A: Allocator> fmt::Debug
    for SliceBuilder<'_, T, MIN_ALIGN, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}
