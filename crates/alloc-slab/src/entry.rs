//! [`VacantEntry`]: a slot that knows its key before it has a value.

use core::fmt;
use core::marker::PhantomData;

use crate::key::Key;
use crate::pages::Pages;
use crate::slots::Table;
use crate::store::Store;

/// The slot of the next value of a [`Slab`](crate::Slab), whose key is known already; made by
/// [`Slab::vacant_entry`](crate::Slab::vacant_entry).
///
/// Dropped, or forgotten, without a value, it leaves the slab as it was: the next value that comes has
/// the key that this entry would have given.
///
/// # Examples
///
/// ```
/// use alloc_slab::{Key, Slab};
///
/// struct Node { me: Key<Node> }
///
/// let mut slab = Slab::new();
/// let entry = slab.vacant_entry();
/// let me = entry.key();
/// assert_eq!(entry.insert(Node { me }).me, me);
/// ```
pub struct VacantEntry<'a, T, S: Store = Pages> {
    table: &'a mut Table<S>,
    /// The first slot of the free list, and stays it: the table is borrowed.
    index: u32,
    key: Key<T>,
    _names: PhantomData<&'a mut T>,
}

impl<'a, T, S: Store> VacantEntry<'a, T, S> {
    /// The entry of the first free slot, once there is one.
    #[inline]
    pub(crate) fn new(table: &'a mut Table<S>) -> Option<Self> {
        let index = table.first_free()?;
        // SAFETY: a slot of the free list.
        let key = unsafe { table.next_key::<T>(index) };
        Some(Self { table, index, key, _names: PhantomData })
    }

    /// Returns the key that the value will have.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Key<T> {
        self.key
    }

    /// Puts `value` into the slot, and lends it.
    #[inline]
    pub fn insert(self, value: T) -> &'a mut T {
        // SAFETY: the first slot of the free list.
        let (key, place) = unsafe { self.table.fill(self.index, value) };
        debug_assert_eq!(key, self.key);
        // SAFETY: a value that was just written; the slab is borrowed exclusively for `'a`.
        unsafe { &mut *place }
    }
}

impl<T, S: Store> fmt::Debug for VacantEntry<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VacantEntry").field("key", &self.key).finish_non_exhaustive()
    }
}
