//! [`Branded`]: a slab whose keys no other slab takes, by a lifetime that no other slab has.
//!
//! The closure of [`Slab::branded`] is called for a lifetime `'id` that it cannot choose, name outside,
//! or confuse with that of another call: `'id` is invariant in both types, so keys of two slabs have
//! different types.
//!
//! # Source
//!
//! The technique is A. Beingessner's ("You Can't Spell Trust Without Rust", 2015, chapter 6).

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

use alloc_core::{Rejected, TryAllocError};

use crate::key::Key;
use crate::pages::Pages;
use crate::slab::Slab;
use crate::store::Store;

/// Neither longer nor shorter than itself.
type Brand<'id> = PhantomData<fn(&'id ()) -> &'id ()>;

/// A [`Slab`] for the time of a closure, whose keys are its own by type: made by [`Slab::branded`].
///
/// A stale key is still refused when it is used; a key of another slab does not compile.
///
/// # Examples
///
/// ```
/// use alloc_slab::Slab;
///
/// let mut slab = Slab::new();
/// let outside = slab.insert("a");
/// slab.branded(|mut slab| {
///     let a = slab.adopt(outside).expect("a key of this slab");
///     let b = slab.insert("b");
///     assert_eq!((slab[a], slab[b]), ("a", "b"));
///     slab.remove(a);
///     assert!(slab.get(a).is_none());
/// });
/// assert_eq!(slab.len(), 1);
/// ```
pub struct Branded<'s, 'id, T, S: Store = Pages> {
    slab: &'s mut Slab<T, S>,
    _brand: Brand<'id>,
}

/// The name of a value in the one [`Branded`] slab that has the same `'id`.
pub struct BrandedKey<'id, T> {
    key: Key<T>,
    _brand: Brand<'id>,
}

impl<T, S: Store> Slab<T, S> {
    /// Calls `body` with this slab under a brand of its own.
    ///
    /// # Panics
    ///
    /// If `body` does; the slab is then as `body` left it.
    pub fn branded<R>(&mut self, body: impl for<'id> FnOnce(Branded<'_, 'id, T, S>) -> R) -> R {
        body(Branded { slab: self, _brand: PhantomData })
    }
}

impl<'id, T, S: Store> Branded<'_, 'id, T, S> {
    const fn brand(key: Key<T>) -> BrandedKey<'id, T> {
        BrandedKey { key, _brand: PhantomData }
    }

    /// Moves `value` into the slab, and returns its key.
    ///
    /// # Panics
    ///
    /// As [`Slab::insert`].
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, value: T) -> BrandedKey<'id, T> {
        Self::brand(self.slab.insert(value))
    }

    /// Moves `value` into the slab and returns its key, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// As [`Slab::try_insert`].
    #[inline]
    pub fn try_insert(&mut self, value: T) -> Result<BrandedKey<'id, T>, Rejected<T>> {
        self.slab.try_insert(value).map(Self::brand)
    }

    /// Moves into the slab what `make` returns for the key that it will have.
    ///
    /// # Panics
    ///
    /// As [`Slab::insert_with`].
    #[inline]
    #[track_caller]
    pub fn insert_with(
        &mut self,
        make: impl FnOnce(BrandedKey<'id, T>) -> T,
    ) -> BrandedKey<'id, T> {
        Self::brand(self.slab.insert_with(|key| make(Self::brand(key))))
    }

    /// Moves into the slab what `make` returns for the key that it will have, or says why there is no
    /// room; then `make` is not called.
    ///
    /// # Errors
    ///
    /// As [`Slab::try_insert`].
    #[inline]
    pub fn try_insert_with(
        &mut self,
        make: impl FnOnce(BrandedKey<'id, T>) -> T,
    ) -> Result<BrandedKey<'id, T>, TryAllocError> {
        self.slab.try_insert_with(|key| make(Self::brand(key))).map(Self::brand)
    }

    /// Takes the value out that `key` names; `None` if it was removed.
    #[inline]
    pub fn remove(&mut self, key: BrandedKey<'id, T>) -> Option<T> {
        self.slab.remove(key.key)
    }

    /// Returns the value that `key` names, if it was not removed.
    #[inline]
    #[must_use]
    pub fn get(&self, key: BrandedKey<'id, T>) -> Option<&T> {
        self.slab.get(key.key)
    }

    /// Returns the value that `key` names, if it was not removed, to change.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: BrandedKey<'id, T>) -> Option<&mut T> {
        self.slab.get_mut(key.key)
    }

    /// Returns whether the value that `key` names is still there.
    #[inline]
    #[must_use]
    pub fn contains(&self, key: BrandedKey<'id, T>) -> bool {
        self.slab.contains(key.key)
    }

    /// Returns `key` under the brand of this slab, if it names a value of it.
    #[inline]
    #[must_use]
    pub fn adopt(&self, key: Key<T>) -> Option<BrandedKey<'id, T>> {
        self.slab.contains(key).then(|| Self::brand(key))
    }

    /// Returns the keys, in the order of slots.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = BrandedKey<'id, T>> {
        self.slab.keys().map(Self::brand)
    }

    /// Returns the values with their keys, in the order of slots.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (BrandedKey<'id, T>, &T)> {
        self.slab.iter().map(|(key, value)| (Self::brand(key), value))
    }

    /// Returns the values with their keys, to change, in the order of slots.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (BrandedKey<'id, T>, &mut T)> {
        self.slab.iter_mut().map(|(key, value)| (Self::brand(key), value))
    }

    /// Takes all values out, each when it is asked for, as [`Slab::drain`] does.
    pub fn drain(&mut self) -> impl Iterator<Item = (BrandedKey<'id, T>, T)> {
        self.slab.drain().map(|(key, value)| (Self::brand(key), value))
    }

    /// Keeps the values for which `keep` says so, and drops the others.
    ///
    /// # Panics
    ///
    /// As [`Slab::retain`].
    pub fn retain(&mut self, mut keep: impl FnMut(BrandedKey<'id, T>, &mut T) -> bool) {
        self.slab.retain(|key, value| keep(Self::brand(key), value));
    }

    /// Returns the slab without its brand, to look at.
    #[must_use]
    pub const fn slab(&self) -> &Slab<T, S> {
        self.slab
    }

    /// Returns the slab without its brand, to change: keys may become stale, and no more. (Swapped for
    /// another, it refuses foreign keys as that one does: by their generations.)
    #[must_use]
    pub const fn slab_mut(&mut self) -> &mut Slab<T, S> {
        self.slab
    }
}

impl<T> BrandedKey<'_, T> {
    /// Returns the key without its brand, for use after the closure.
    #[inline]
    #[must_use]
    pub const fn key(self) -> Key<T> {
        self.key
    }
}

/// # Panics
///
/// If the value was removed.
impl<'id, T, S: Store> Index<BrandedKey<'id, T>> for Branded<'_, 'id, T, S> {
    type Output = T;

    #[inline]
    #[track_caller]
    fn index(&self, key: BrandedKey<'id, T>) -> &T {
        &self.slab[key.key]
    }
}

/// # Panics
///
/// If the value was removed.
impl<'id, T, S: Store> IndexMut<BrandedKey<'id, T>> for Branded<'_, 'id, T, S> {
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, key: BrandedKey<'id, T>) -> &mut T {
        &mut self.slab[key.key]
    }
}

// By hand: derived ones would ask the same of `T`.
impl<T> Clone for BrandedKey<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for BrandedKey<'_, T> {}

impl<T> PartialEq for BrandedKey<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for BrandedKey<'_, T> {}

impl<T> Hash for BrandedKey<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl<T> fmt::Debug for BrandedKey<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl<T: fmt::Debug, S: Store> fmt::Debug for Branded<'_, '_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slab.fmt(f)
    }
}
