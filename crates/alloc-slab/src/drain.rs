//! Values on their way out: [`Drain`], [`IntoIter`], and [`drop_rest`], by which a slab is emptied.
//!
//! Each value leaves its slot when it is yielded, so a forgotten `Drain` leaves the rest in the slab,
//! and a drop that panics finds the slab in order.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use crate::iter::Cursor;
use crate::key::Key;
use crate::pages::Pages;
use crate::slots::Table;
use crate::store::{Slots, Store};

/// Takes out the next value in the order of slots.
#[inline]
fn take_next<T, S: Slots>(table: &mut Table<S>, cursor: &mut Cursor) -> Option<(Key<T>, T)> {
    let index = cursor.next::<T, S>(table)?;
    // SAFETY: the cursor found a value in this slot when it reached the group, and none of its values
    // left since but those it yielded.
    Some(unsafe { table.take_at::<T>(index) })
}

/// Takes out and drops all values from the cursor on, also when a drop panics.
pub(crate) fn drop_rest<T, S: Slots>(table: &mut Table<S>, cursor: &mut Cursor) {
    struct GoOn<'a, T, S: Slots>(&'a mut Table<S>, &'a mut Cursor, PhantomData<T>);
    impl<T, S: Slots> Drop for GoOn<'_, T, S> {
        fn drop(&mut self) {
            if cfg!(bug = "a-panic-ends-the-drops") {
                return;
            }
            while drop_next::<T, S>(self.0, self.1) {}
        }
    }
    let both = GoOn::<T, S>(table, cursor, PhantomData);
    while drop_next::<T, S>(both.0, both.1) {}
}

/// Drops the next value in the order of slots, where it stands; says whether there was one.
#[inline]
fn drop_next<T, S: Slots>(table: &mut Table<S>, cursor: &mut Cursor) -> bool {
    let Some(index) = cursor.next::<T, S>(table) else { return false };
    // SAFETY: as in `take_next`.
    let value = unsafe { table.vacate_at::<T>(index) };
    // SAFETY: it was a value, and its slot is vacant now: nobody drops it again, and nobody fills the
    // slot while the table is borrowed.
    unsafe { value.drop_in_place() };
    true
}

/// The values taken out of a [`Slab`](crate::Slab) with the keys they had; made by
/// [`Slab::drain`](crate::Slab::drain).
///
/// What is not yielded is dropped with the iterator; if that is forgotten, it stays in the slab.
pub struct Drain<'a, T, S: Store = Pages> {
    table: &'a mut Table<S>,
    cursor: Cursor,
    _takes: PhantomData<T>,
}

impl<'a, T, S: Store> Drain<'a, T, S> {
    pub(crate) fn new(table: &'a mut Table<S>) -> Self {
        Self { table, cursor: Cursor::new(), _takes: PhantomData }
    }
}

impl<T, S: Store> Iterator for Drain<'_, T, S> {
    type Item = (Key<T>, T);

    #[inline]
    fn next(&mut self) -> Option<(Key<T>, T)> {
        take_next(self.table, &mut self.cursor)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.table.len(), Some(self.table.len()))
    }
}

impl<T, S: Store> Drop for Drain<'_, T, S> {
    fn drop(&mut self) {
        drop_rest::<T, S>(self.table, &mut self.cursor);
    }
}

/// The values of a [`Slab`](crate::Slab) with their keys, by value; made by its `into_iter`.
pub struct IntoIter<T, S: Store = Pages> {
    // Drops what is not yielded.
    table: Table<S>,
    cursor: Cursor,
    _owns: PhantomData<T>,
}

impl<T, S: Store> IntoIter<T, S> {
    pub(crate) fn new(table: Table<S>) -> Self {
        Self { table, cursor: Cursor::new(), _owns: PhantomData }
    }
}

impl<T, S: Store> Iterator for IntoIter<T, S> {
    type Item = (Key<T>, T);

    #[inline]
    fn next(&mut self) -> Option<(Key<T>, T)> {
        take_next(&mut self.table, &mut self.cursor)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.table.len(), Some(self.table.len()))
    }
}

impl<T, S: Store> ExactSizeIterator for Drain<'_, T, S> {}
impl<T, S: Store> FusedIterator for Drain<'_, T, S> {}
impl<T, S: Store> ExactSizeIterator for IntoIter<T, S> {}
impl<T, S: Store> FusedIterator for IntoIter<T, S> {}

impl<T, S: Store> fmt::Debug for Drain<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("left", &self.table.len()).finish_non_exhaustive()
    }
}

impl<T, S: Store> fmt::Debug for IntoIter<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").field("left", &self.table.len()).finish_non_exhaustive()
    }
}
