//! [`ArenaBox`]: an owned value whose memory is an arena's.
//!
//! ```text
//!   ArenaBox { place } ──▶ [ value ]      in a chunk of the arena
//!   its drop drops the value; the room stays taken until the arena is reset
//! ```
//!
//! # Invariants
//!
//! * **O1** `place` holds an initialised value, which is the box's alone.
//! * **O2** the memory at `place` is the value's for as long as `'a`: it was taken from an arena that
//!   is borrowed for `'a`, or from a frame of it.
//!
//! # Why it cannot be pinned
//!
//! `Pin<Box<T>>` may promise that its value stays in its place until it is *dropped*, because a `Box`
//! that is forgotten leaks its memory for ever. An arena's memory is used again after a reset, also
//! where a box in it was forgotten: a pinned value would vanish without its drop. So there is no
//! `into_pin` here, and none can be written in safe code: `Pin::new` asks for `T: Unpin`.
//!
//! # Ordering edges
//!
//! None: a box does not touch its arena. It may go to another thread if its value may.
//!
//! # Cost
//!
//! A pointer (two for unsized values). Making one is `Arena::alloc`; dropping one drops the value.
//!
//! # Source
//!
//! `Box`; `bumpalo::boxed::Box` for the idea. What a box can be coerced to on stable Rust:
//! [`alloc_core::Coerce`].

use core::any::Any;
use core::borrow::{Borrow, BorrowMut};
use core::cmp::Ordering;
use core::future::Future;
use core::hash::{Hash, Hasher};
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use core::{error, fmt};

use alloc_core::place::put;
use alloc_core::{Allocator, Coerce, Layout, Rejected, TryAllocError};

use crate::arena::no_room;
use crate::collect::collect;
use crate::{Arena, Scope};

/// An owned value in an [`Arena`], dropped when the box is; its memory stays taken until the arena is
/// reset.
///
/// For values that need dropping, one by one, at a time of their own; for those that may all be
/// dropped with the arena there is [`Arena::alloc_drop`], and for those that need no drop
/// [`Arena::alloc`].
///
/// As with `Box`, what concerns the box and not the value is called as a function:
/// `ArenaBox::into_inner(b)`.
///
/// # Examples
///
/// ```
/// use alloc_arena::{Arena, ArenaBox};
/// use core::fmt::Display;
///
/// let arena = Arena::new();
/// let name = arena.alloc_box(String::from("a"));
/// let shown = [
///     ArenaBox::coerce::<dyn Display>(name, |value| value),
///     ArenaBox::coerce::<dyn Display>(arena.alloc_box(7), |value| value),
/// ];
/// assert_eq!(format!("{}{}", shown[0], shown[1]), "a7");
/// // The string is dropped here, by its box.
/// ```
///
/// # Concurrency
///
/// `Send` and `Sync` where `T` is: a box never touches its arena.
#[must_use = "the value is dropped at once if its box is not kept"]
pub struct ArenaBox<'a, T: ?Sized> {
    place: NonNull<T>,
    _memory: PhantomData<&'a ()>,
    _owns: PhantomData<T>,
}

// SAFETY: a box owns its value and reaches nothing else: the arena is not touched through it, and
// its memory is not tied to a thread. So `T: Send` is what sending the value asks, and no more.
unsafe impl<T: ?Sized + Send> Send for ArenaBox<'_, T> {}
// SAFETY: `&ArenaBox` gives `&T` and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for ArenaBox<'_, T> {}

impl<'a, T: ?Sized> ArenaBox<'a, T> {
    /// Takes ownership of the value at `place`.
    ///
    /// # Safety
    ///
    /// 1. `place` holds an initialised value that nobody else uses, or drops, any more (O1);
    /// 2. its memory is valid, and the value's alone, for as long as `'a` (O2).
    #[inline(always)]
    unsafe fn own(place: NonNull<T>) -> Self {
        Self { place, _memory: PhantomData, _owns: PhantomData }
    }

    /// Gives the value up without dropping it.
    #[inline(always)]
    fn disown(this: Self) -> NonNull<T> {
        ManuallyDrop::new(this).place
    }

    /// Returns a reference to the value that lasts as long as its memory; it is never dropped.
    ///
    /// ```
    /// use alloc_arena::{Arena, ArenaBox};
    /// let arena = Arena::new();
    /// let list: &mut [String] = ArenaBox::leak(arena.alloc_box_from_iter([String::from("a")]));
    /// list[0].push('b');
    /// ```
    #[inline]
    pub fn leak(this: Self) -> &'a mut T
    where
        T: 'a,
    {
        let mut place = Self::disown(this);
        // SAFETY: O1 and O2: initialised, nobody else's, valid for `'a`.
        unsafe { place.as_mut() }
    }

    /// Returns a pointer to the value, valid for as long as the box or, once it is
    /// [leaked](Self::leak), the memory.
    #[inline]
    #[must_use]
    pub const fn as_ptr(this: &Self) -> *const T {
        this.place.as_ptr()
    }
}

impl<'a, T> ArenaBox<'a, T> {
    /// Returns the value; its place in the arena stays taken.
    #[inline]
    #[must_use]
    pub fn into_inner(this: Self) -> T {
        // SAFETY: O1: initialised, and given up: it is read once.
        unsafe { Self::disown(this).read() }
    }

    /// Makes the box one of an unsized type: a trait object, a slice.
    ///
    /// `coerce` is given the value and returns it: `|value| value` is all that there is to write, and
    /// the type to become, as in `ArenaBox::coerce::<dyn Fn() -> u8>(b, |value| value)`.
    ///
    /// # Panics
    ///
    /// If `coerce` does, or returns another object than it was given; the value is dropped then.
    #[inline]
    #[track_caller]
    pub fn coerce<D: ?Sized>(
        this: Self,
        coerce: impl for<'b> FnOnce(&'b mut Coerce<T>) -> &'b mut Coerce<D>,
    ) -> ArenaBox<'a, D> {
        // SAFETY: O1; the box is not used meanwhile, and drops the value if `coerce` panics.
        let place = unsafe { Coerce::place(this.place, coerce) };
        Self::disown(this);
        // SAFETY: 1. and 2. the same value, given up by the other box.
        unsafe { ArenaBox::own(place) }
    }
}

impl<'a> ArenaBox<'a, dyn Any> {
    /// Returns the box of the type that the value has, or the box as it is if it is another.
    ///
    /// # Errors
    ///
    /// The box itself, if the value is no `T`.
    #[inline]
    pub fn downcast<T: Any>(this: Self) -> Result<ArenaBox<'a, T>, Self> {
        if !this.is::<T>() {
            return Err(this);
        }
        // SAFETY: 1. and 2. the same value, which is a `T`, given up by the other box.
        Ok(unsafe { ArenaBox::own(Self::disown(this).cast()) })
    }
}

impl<'a> ArenaBox<'a, dyn Any + Send> {
    /// Returns the box of the type that the value has, or the box as it is if it is another.
    ///
    /// # Errors
    ///
    /// The box itself, if the value is no `T`.
    #[inline]
    pub fn downcast<T: Any>(this: Self) -> Result<ArenaBox<'a, T>, Self> {
        if !this.is::<T>() {
            return Err(this);
        }
        // SAFETY: as above.
        Ok(unsafe { ArenaBox::own(Self::disown(this).cast()) })
    }
}

impl<T: ?Sized> Drop for ArenaBox<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if cfg!(bug = "box-forgets-its-value") {
            return;
        }
        // SAFETY: O1: initialised, and nobody else's; the box is not used after this.
        unsafe { self.place.drop_in_place() };
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Moves `value` into the arena and returns it, owned: it is dropped with its box.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> ArenaBox<'_, T> {
        let place = match self.bump_for::<T>(size_of::<T>()) {
            Some(place) => place,
            None => self.bump_slow_or_panic(Layout::new::<T>()),
        };
        // SAFETY: 1. and 2. a fresh block of this layout (I3), valid while `self` is borrowed (I4).
        let value = unsafe { put(place, value) };
        // SAFETY: 1. just written; 2. as above.
        unsafe { ArenaBox::own(NonNull::from_mut(value)) }
    }

    /// Moves `value` into the arena and returns it, owned; or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<ArenaBox<'_, T>, Rejected<T>> {
        match self.try_alloc_layout(Layout::new::<T>()) {
            Ok(place) => {
                // SAFETY: 1. and 2. a fresh block of this layout (I3, I4).
                let value = unsafe { put(place, value) };
                // SAFETY: 1. just written; 2. as above.
                Ok(unsafe { ArenaBox::own(NonNull::from_mut(value)) })
            }
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Collects an iterator of any length into a slice that is owned: its elements are dropped with
    /// its box. The iterator may allocate from the arena.
    ///
    /// # Panics
    ///
    /// If there is no room, or the iterator panics; the elements so far are dropped.
    #[track_caller]
    pub fn alloc_box_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> ArenaBox<'_, [T]> {
        match self.try_alloc_box_from_iter(values) {
            Ok(slice) => slice,
            Err(error) => no_room(error),
        }
    }

    /// Collects an iterator of any length into a slice that is owned, or returns the reason why there
    /// is no room; the elements are dropped then.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    pub fn try_alloc_box_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<ArenaBox<'_, [T]>, TryAllocError> {
        let mut list = collect(values.into_iter(), self)?;
        list.shrink_to_fit();
        let place = NonNull::from_mut(list.leak());
        // SAFETY: 1. the elements, which the vector gave up; 2. in a block that is theirs while `self`
        // is borrowed (I3, I4).
        Ok(unsafe { ArenaBox::own(place) })
    }

    /// Copies a string into the arena and returns it, owned.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_box_str(&self, source: &str) -> ArenaBox<'_, str> {
        // SAFETY: 1. just copied, lent to nobody else; 2. while `self` is borrowed (I3, I4).
        unsafe { ArenaBox::own(NonNull::from_mut(self.alloc_str(source))) }
    }

    /// Copies a string into the arena and returns it, owned; or returns the reason why there is no
    /// room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_box_str(&self, source: &str) -> Result<ArenaBox<'_, str>, TryAllocError> {
        let text = NonNull::from_mut(self.try_alloc_str(source)?);
        // SAFETY: 1. just copied, lent to nobody else; 2. while `self` is borrowed (I3, I4).
        Ok(unsafe { ArenaBox::own(text) })
    }
}

impl<'g, const MIN_ALIGN: usize, A: Allocator> Scope<'g, '_, MIN_ALIGN, A> {
    /// Moves `value` into the frame and returns it, owned: it is dropped with its box, which does not
    /// outlive the frame.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_box`](Self::try_alloc_box).
    #[inline]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> ArenaBox<'g, T> {
        self.arena.alloc_box(value)
    }

    /// Moves `value` into the frame and returns it, owned; or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<ArenaBox<'g, T>, Rejected<T>> {
        self.arena.try_alloc_box(value)
    }

    /// Collects an iterator of any length into a slice that is owned: its elements are dropped with
    /// its box.
    ///
    /// # Panics
    ///
    /// If there is no room, or the iterator panics; the elements so far are dropped.
    #[track_caller]
    pub fn alloc_box_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> ArenaBox<'g, [T]> {
        self.arena.alloc_box_from_iter(values)
    }

    /// Collects an iterator of any length into a slice that is owned, or returns the reason why there
    /// is no room; the elements are dropped then.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    pub fn try_alloc_box_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<ArenaBox<'g, [T]>, TryAllocError> {
        self.arena.try_alloc_box_from_iter(values)
    }

    /// Copies a string into the frame and returns it, owned.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn alloc_box_str(&self, source: &str) -> ArenaBox<'g, str> {
        self.arena.alloc_box_str(source)
    }

    /// Copies a string into the frame and returns it, owned; or returns the reason why there is no
    /// room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    #[inline]
    pub fn try_alloc_box_str(&self, source: &str) -> Result<ArenaBox<'g, str>, TryAllocError> {
        self.arena.try_alloc_box_str(source)
    }
}

impl<T: ?Sized> Deref for ArenaBox<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: O1 and O2: initialised, and borrowed as the box is.
        unsafe { self.place.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for ArenaBox<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, exclusively.
        unsafe { self.place.as_mut() }
    }
}

// A box is moved without its value, so moving it never moves what it holds.
impl<T: ?Sized> Unpin for ArenaBox<'_, T> {}

impl<T: ?Sized> AsRef<T> for ArenaBox<'_, T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: ?Sized> AsMut<T> for ArenaBox<'_, T> {
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: ?Sized> Borrow<T> for ArenaBox<'_, T> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<T: ?Sized> BorrowMut<T> for ArenaBox<'_, T> {
    fn borrow_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ArenaBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for ArenaBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> fmt::Pointer for ArenaBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.place, f)
    }
}

impl<T: ?Sized + PartialEq> PartialEq for ArenaBox<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ?Sized + Eq> Eq for ArenaBox<'_, T> {}

impl<T: ?Sized + PartialOrd> PartialOrd for ArenaBox<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: ?Sized + Ord> Ord for ArenaBox<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: ?Sized + Hash> Hash for ArenaBox<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: ?Sized + Hasher> Hasher for ArenaBox<'_, T> {
    fn finish(&self) -> u64 {
        (**self).finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        (**self).write(bytes);
    }
}

impl<T: ?Sized + Iterator> Iterator for ArenaBox<'_, T> {
    type Item = T::Item;

    fn next(&mut self) -> Option<T::Item> {
        (**self).next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (**self).size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<T::Item> {
        (**self).nth(n)
    }
}

impl<T: ?Sized + DoubleEndedIterator> DoubleEndedIterator for ArenaBox<'_, T> {
    fn next_back(&mut self) -> Option<T::Item> {
        (**self).next_back()
    }

    fn nth_back(&mut self, n: usize) -> Option<T::Item> {
        (**self).nth_back(n)
    }
}

impl<T: ?Sized + ExactSizeIterator> ExactSizeIterator for ArenaBox<'_, T> {
    fn len(&self) -> usize {
        (**self).len()
    }
}

impl<T: ?Sized + FusedIterator> FusedIterator for ArenaBox<'_, T> {}

impl<T: ?Sized + Future + Unpin> Future for ArenaBox<'_, T> {
    type Output = T::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T::Output> {
        Pin::new(&mut **self).poll(context)
    }
}

impl<T: ?Sized + error::Error> error::Error for ArenaBox<'_, T> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        (**self).source()
    }
}
