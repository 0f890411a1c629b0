//! The standard traits of a [`Slab`].

use core::fmt;
use core::ops::{Index, IndexMut};

use alloc_core::Allocator;

use crate::drain::IntoIter;
use crate::iter::{Iter, IterMut};
use crate::key::Key;
use crate::pages::Pages;
use crate::slab::Slab;
use crate::store::Store;

/// # Panics
///
/// If the key names no value of this slab.
impl<T, S: Store> Index<Key<T>> for Slab<T, S> {
    type Output = T;

    #[inline]
    #[track_caller]
    fn index(&self, key: Key<T>) -> &T {
        match self.get(key) {
            Some(value) => value,
            None => no_value(key.index(), key.generation(), self.len()),
        }
    }
}

/// # Panics
///
/// If the key names no value of this slab.
impl<T, S: Store> IndexMut<Key<T>> for Slab<T, S> {
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, key: Key<T>) -> &mut T {
        let len = self.len();
        match self.get_mut(key) {
            Some(value) => value,
            None => no_value(key.index(), key.generation(), len),
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn no_value(index: usize, generation: u32, len: usize) -> ! {
    panic!("slab of {len} values: none has the key of slot {index}, generation {generation}")
}

impl<T, A: Allocator + Default> Default for Slab<T, Pages<A>> {
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

/// The keys are those of [`Slab::keys`].
impl<T> FromIterator<T> for Slab<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut slab = Self::new();
        slab.extend(values);
        slab
    }
}

/// The keys are those of [`Slab::keys`].
impl<T, S: Store> Extend<T> for Slab<T, S> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        // Growing copies nothing, so there is no need to believe what the iterator announces.
        for value in values {
            self.insert(value);
        }
    }
}

impl<T, S: Store> IntoIterator for Slab<T, S> {
    type Item = (Key<T>, T);
    type IntoIter = IntoIter<T, S>;

    fn into_iter(self) -> IntoIter<T, S> {
        IntoIter::new(self.into_table())
    }
}

impl<'a, T, S: Store> IntoIterator for &'a Slab<T, S> {
    type Item = (Key<T>, &'a T);
    type IntoIter = Iter<'a, T, S>;

    fn into_iter(self) -> Iter<'a, T, S> {
        self.iter()
    }
}

impl<'a, T, S: Store> IntoIterator for &'a mut Slab<T, S> {
    type Item = (Key<T>, &'a mut T);
    type IntoIter = IterMut<'a, T, S>;

    fn into_iter(self) -> IterMut<'a, T, S> {
        self.iter_mut()
    }
}

impl<T: fmt::Debug, S: Store> fmt::Debug for Slab<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}
