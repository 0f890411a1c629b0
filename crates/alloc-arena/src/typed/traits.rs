//! The standard traits of a [`TypedArena`].

use core::fmt;
use core::ops::{Index, IndexMut};

use alloc_core::Allocator;

use super::{Index32, IntoIter, IterMut, TypedArena};

/// # Panics
///
/// If the arena has no value of that number, or it has no index yet.
impl<T, A: Allocator> Index<Index32<T>> for TypedArena<T, A> {
    type Output = T;

    #[inline]
    #[track_caller]
    fn index(&self, index: Index32<T>) -> &T {
        match self.get(index) {
            Some(value) => value,
            None => no_value(index.to_usize(), self.indexed_len()),
        }
    }
}

/// # Panics
///
/// If the arena has no value of that number, or it has no index yet.
impl<T, A: Allocator> IndexMut<Index32<T>> for TypedArena<T, A> {
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, index: Index32<T>) -> &mut T {
        let indexed = self.indexed_len();
        match self.get_mut(index) {
            Some(value) => value,
            None => no_value(index.to_usize(), indexed),
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn no_value(number: usize, indexed: usize) -> ! {
    panic!("typed arena: no value has index {number}, of {indexed} that have one")
}

impl<T, A: Allocator + Default> Default for TypedArena<T, A> {
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

impl<T, A: Allocator> Extend<T> for TypedArena<T, A> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        let values = values.into_iter();
        // A hint: what it promises and cannot be had will be missed when it comes.
        let _ = self.store.consolidate(values.size_hint().0);
        for value in values {
            self.alloc(value);
        }
    }
}

impl<T> FromIterator<T> for TypedArena<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut arena = Self::new();
        arena.extend(values);
        arena
    }
}

impl<T, A: Allocator> IntoIterator for TypedArena<T, A> {
    type Item = T;
    type IntoIter = IntoIter<T, A>;

    /// Takes all values out, oldest first.
    fn into_iter(self) -> IntoIter<T, A> {
        IntoIter::new(self)
    }
}

impl<'a, T, A: Allocator> IntoIterator for &'a mut TypedArena<T, A> {
    type Item = &'a mut T;
    type IntoIter = IterMut<'a, T>;

    fn into_iter(self) -> IterMut<'a, T> {
        self.iter_mut()
    }
}

impl<T, A: Allocator> fmt::Debug for TypedArena<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be lent mutably: not shown.
        f.debug_struct("TypedArena")
            .field("len", &self.len())
            .field("indexed_len", &self.indexed_len())
            .field("reserved_bytes", &self.reserved_bytes())
            .finish_non_exhaustive()
    }
}
