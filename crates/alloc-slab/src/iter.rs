//! Iteration over what is there: [`Iter`], [`IterMut`], [`Keys`], [`Values`], [`ValuesMut`], and the
//! [`Cursor`] of everything that removes as it goes.
//!
//! ```text
//!   liveness bytes  00 FF 00 00 FF ..  x 64    four loads and four gathers
//!   mask            0  1  0  0  1  ..          one bit a slot: a hole costs nothing
//! ```
//!
//! In the order of the slots, which is neither that of insertion nor that of keys.
//!
//! # Cost
//!
//! About 22 instructions for each 64 slots, and 7 for each value, at any share of holes. A group
//! without holes takes a straight loop in [`Iterator::fold`], on which `for_each`, `sum` and most
//! others are built.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use crate::key::Key;
use crate::pages::Pages;
use crate::shape::{GROUP, Shape, live_mask};
use crate::slots::Table;
use crate::store::{Place, Slots, Store};

/// [`GROUP`] as an index counts.
const GROUP_SLOTS: u32 = 64;
const _: () = assert!(GROUP_SLOTS as usize == GROUP, "one number");

/// A place in the order of slots. Holds no borrow: slots may be vacated as it goes, not filled.
pub(crate) struct Cursor {
    page: usize,
    groups: usize,
    /// What is left of the group.
    mask: u64,
    /// The first slot of the group.
    base: u32,
}

impl Cursor {
    pub(crate) const fn new() -> Self {
        Self { page: 0, groups: 0, mask: 0, base: 0 }
    }

    /// The next slot that held a value when its group was reached.
    pub(crate) fn next<T, S: Slots>(&mut self, table: &Table<S>) -> Option<u32> {
        while self.mask == 0 {
            if self.groups == 0 {
                if self.page == table.store.pages() {
                    return None;
                }
                if let Some((first, _)) = table.first_of::<T>(self.page) {
                    self.groups = Shape::<T>::SLOTS / GROUP;
                    self.base = first;
                }
                self.page += 1;
                if self.groups == 0 {
                    continue;
                }
            } else {
                self.base += GROUP_SLOTS;
            }
            self.groups -= 1;
            // SAFETY: a group of a page that is held: nobody releases one meanwhile.
            self.mask = unsafe { table.group::<T>(self.base) };
        }
        let slot = self.base + self.mask.trailing_zeros();
        self.mask &= self.mask - 1;
        Some(slot)
    }
}

/// The values of a table, by address, with their states.
// Pointers to `const`, so that iterators of shared references are covariant.
struct Walk<'a, T, S: Slots> {
    mask: u64,
    /// The first slot of the group that `mask` is of.
    state: *const u64,
    value: *const T,
    live: *const u8,
    /// `live` of the last group of this run of pages.
    last: *const u8,
    /// Values not yet yielded.
    left: usize,
    /// The page behind this run.
    page: usize,
    table: &'a Table<S>,
}

impl<'a, T, S: Slots> Walk<'a, T, S> {
    fn new(table: &'a Table<S>) -> Self {
        let (state, value, live) = (core::ptr::null(), core::ptr::null(), core::ptr::null());
        Self { mask: 0, state, value, live, last: live, left: table.len(), page: 0, table }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<(*const u64, *const T)> {
        // Values that are left need not be looked for to the end of the last page.
        if self.left == 0 {
            return None;
        }
        while self.mask == 0 {
            if !self.turn() {
                return None;
            }
        }
        let slot = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        self.left -= 1;
        Some((self.state.wrapping_add(slot), self.value.wrapping_add(slot)))
    }

    /// Goes on to the next group; says whether there is one.
    #[inline(always)]
    fn turn(&mut self) -> bool {
        if self.live == self.last {
            let Some(run) = run_from::<T, S>(self.table, self.page) else {
                debug_assert_eq!(self.left, 0, "S4: values are missing");
                return false;
            };
            self.page = run.end;
            self.state = run.first.state;
            self.value = run.first.value;
            self.live = run.first.live;
            self.last = run.last;
        } else {
            self.state = self.state.wrapping_add(GROUP);
            self.value = self.value.wrapping_add(GROUP);
            self.live = self.live.wrapping_add(GROUP);
        }
        // SAFETY: a group of a page that is held while the table is borrowed.
        self.mask = unsafe { live_mask(self.live) };
        true
    }

    /// Yields all that are left. Counts none of them: there is no instruction for it everywhere.
    #[inline(always)]
    fn fold<B>(mut self, init: B, mut fold: impl FnMut(B, *const u64, *const T) -> B) -> B {
        let mut sum = init;
        self.left = 0;
        loop {
            let (state, value, mut mask) = (self.state, self.value, self.mask);
            if mask == u64::MAX {
                for slot in 0..GROUP {
                    sum = fold(sum, state.wrapping_add(slot), value.wrapping_add(slot));
                }
            } else {
                while mask != 0 {
                    let slot = mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    sum = fold(sum, state.wrapping_add(slot), value.wrapping_add(slot));
                }
            }
            if !self.turn() {
                return sum;
            }
        }
    }
}

/// Pages that stand in a row, none of which was released.
struct Run<T> {
    /// The first slot.
    first: Place<T>,
    /// The liveness bytes of the last group.
    last: *const u8,
    /// The page behind the last.
    end: usize,
}

/// The first run from `page` on.
// By value: no reference to a `Walk` leaves the caller, so it can live in registers.
#[cold]
#[inline(never)]
fn run_from<T, S: Slots>(table: &Table<S>, mut page: usize) -> Option<Run<T>> {
    let pages = table.store.pages();
    while page < pages {
        if let Some((_, first)) = table.first_of::<T>(page) {
            let mut end = page + 1;
            while S::IN_A_ROW && end < pages && table.store.is_held(end) {
                end += 1;
            }
            let slots = (end - page) * Shape::<T>::SLOTS;
            return Some(Run { last: first.live.wrapping_add(slots - GROUP), first, end });
        }
        page += 1;
    }
    None
}

impl<T, S: Slots> Clone for Walk<'_, T, S> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

/// The key in the state of a slot that holds a value.
///
/// # Safety
///
/// `state` is that of a slot that holds a value.
#[inline(always)]
unsafe fn key_in<T>(state: *const u64) -> Key<T> {
    // SAFETY: the caller's promise.
    let bits = unsafe { *state };
    // SAFETY: S1: odd.
    unsafe { Key::of(bits) }
}

/// The values of a [`Slab`](crate::Slab) with their keys; made by [`Slab::iter`](crate::Slab::iter).
pub struct Iter<'a, T, S: Store = Pages> {
    walk: Walk<'a, T, S>,
    _lends: PhantomData<&'a T>,
}

/// The values of a [`Slab`](crate::Slab) with their keys, to change; made by
/// [`Slab::iter_mut`](crate::Slab::iter_mut).
pub struct IterMut<'a, T, S: Store = Pages> {
    walk: Walk<'a, T, S>,
    _lends: PhantomData<&'a mut T>,
}

// SAFETY: stands for the `&T` that it will yield, and a shared table.
unsafe impl<T: Sync, S: Store + Sync> Send for Iter<'_, T, S> {}
// SAFETY: as above; a shared iterator yields nothing, or a copy that yields `&T`.
unsafe impl<T: Sync, S: Store + Sync> Sync for Iter<'_, T, S> {}
// SAFETY: stands for the `&mut T` that it will yield, and a table of which only what is read by all
// is read: the exclusive borrow makes this iterator the only one, so `S: Sync` is for the table alone.
unsafe impl<T: Send, S: Store + Sync> Send for IterMut<'_, T, S> {}
// SAFETY: a shared iterator yields nothing.
unsafe impl<T: Sync, S: Store + Sync> Sync for IterMut<'_, T, S> {}

impl<'a, T, S: Store> Iter<'a, T, S> {
    pub(crate) fn new(table: &'a Table<S>) -> Self {
        Self { walk: Walk::new(table), _lends: PhantomData }
    }
}

impl<'a, T, S: Store> IterMut<'a, T, S> {
    /// Of a table that is borrowed exclusively for `'a`.
    pub(crate) fn new(table: &'a mut Table<S>) -> Self {
        Self { walk: Walk::new(table), _lends: PhantomData }
    }
}

impl<T, S: Store> Clone for Iter<'_, T, S> {
    fn clone(&self) -> Self {
        Self { walk: self.walk.clone(), _lends: PhantomData }
    }
}

impl<'a, T, S: Store> Iterator for Iter<'a, T, S> {
    type Item = (Key<T>, &'a T);

    #[inline]
    fn next(&mut self) -> Option<(Key<T>, &'a T)> {
        let (state, value) = self.walk.next()?;
        // SAFETY: a slot that holds a value.
        let key = unsafe { key_in(state) };
        // SAFETY: as above; the slab is borrowed for `'a`.
        Some((key, unsafe { &*value }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.walk.left, Some(self.walk.left))
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut f: F) -> B {
        self.walk.fold(init, |sum, state, value| {
            // SAFETY: a slot that holds a value.
            let key = unsafe { key_in(state) };
            // SAFETY: as above; the slab is borrowed for `'a`.
            f(sum, (key, unsafe { &*value }))
        })
    }
}

impl<'a, T, S: Store> Iterator for IterMut<'a, T, S> {
    type Item = (Key<T>, &'a mut T);

    #[inline]
    fn next(&mut self) -> Option<(Key<T>, &'a mut T)> {
        let (state, value) = self.walk.next()?;
        // SAFETY: a slot that holds a value.
        let key = unsafe { key_in(state) };
        // SAFETY: as above; the slab is borrowed exclusively for `'a`, and each is yielded once.
        Some((key, unsafe { &mut *value.cast_mut() }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.walk.left, Some(self.walk.left))
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut f: F) -> B {
        self.walk.fold(init, |sum, state, value| {
            // SAFETY: a slot that holds a value.
            let key = unsafe { key_in(state) };
            // SAFETY: as above; the slab is borrowed exclusively for `'a`, and each is yielded once.
            f(sum, (key, unsafe { &mut *value.cast_mut() }))
        })
    }
}

/// The keys of a [`Slab`](crate::Slab); made by [`Slab::keys`](crate::Slab::keys).
pub struct Keys<'a, T, S: Store = Pages>(pub(crate) Iter<'a, T, S>);

/// The values of a [`Slab`](crate::Slab); made by [`Slab::values`](crate::Slab::values).
pub struct Values<'a, T, S: Store = Pages>(pub(crate) Iter<'a, T, S>);

/// The values of a [`Slab`](crate::Slab), to change; made by
/// [`Slab::values_mut`](crate::Slab::values_mut).
pub struct ValuesMut<'a, T, S: Store = Pages>(pub(crate) IterMut<'a, T, S>);

impl<T, S: Store> Clone for Keys<'_, T, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, S: Store> Clone for Values<'_, T, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, S: Store> Iterator for Keys<'_, T, S> {
    type Item = Key<T>;

    #[inline]
    fn next(&mut self) -> Option<Key<T>> {
        self.0.next().map(|(key, _)| key)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    #[inline]
    fn fold<B, F: FnMut(B, Key<T>) -> B>(self, init: B, mut f: F) -> B {
        self.0.fold(init, |sum, (key, _)| f(sum, key))
    }
}

impl<'a, T, S: Store> Iterator for Values<'a, T, S> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        let (_, value) = self.0.walk.next()?;
        // SAFETY: a slot that holds a value; the slab is borrowed for `'a`.
        Some(unsafe { &*value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    #[inline]
    fn fold<B, F: FnMut(B, &'a T) -> B>(self, init: B, mut f: F) -> B {
        // SAFETY: as in `next`.
        self.0.walk.fold(init, |sum, _, value| f(sum, unsafe { &*value }))
    }
}

impl<'a, T, S: Store> Iterator for ValuesMut<'a, T, S> {
    type Item = &'a mut T;

    #[inline]
    fn next(&mut self) -> Option<&'a mut T> {
        let (_, value) = self.0.walk.next()?;
        // SAFETY: a slot that holds a value; the slab is borrowed exclusively for `'a`, and each is
        // yielded once.
        Some(unsafe { &mut *value.cast_mut() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    #[inline]
    fn fold<B, F: FnMut(B, &'a mut T) -> B>(self, init: B, mut f: F) -> B {
        // SAFETY: as in `next`.
        self.0.walk.fold(init, |sum, _, value| f(sum, unsafe { &mut *value.cast_mut() }))
    }
}

macro_rules! exact {
    ($($name:ident)*) => {$(
        impl<T, S: Store> ExactSizeIterator for $name<'_, T, S> {}
        impl<T, S: Store> FusedIterator for $name<'_, T, S> {}
        impl<T, S: Store> fmt::Debug for $name<'_, T, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("left", &self.len()).finish_non_exhaustive()
            }
        }
    )*};
}

exact!(Iter IterMut Keys Values ValuesMut);
