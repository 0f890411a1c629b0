//! Several values at once, each to change: [`Slab::get_disjoint_mut`](crate::Slab::get_disjoint_mut).

use core::fmt;

use crate::Slab;
use crate::key::Key;
use crate::store::Store;

/// Why several values cannot be lent mutably at once.
///
/// ```
/// let mut slab = alloc_slab::Slab::new();
/// let key = slab.insert(1);
/// let error = slab.get_disjoint_mut([key, key]).unwrap_err();
/// assert_eq!(error.to_string(), "keys 0 and 1 are equal");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisjointError {
    /// The key at this position names no value.
    Stale {
        /// Its place in the array.
        position: usize,
    },
    /// Two keys name one value.
    Equal {
        /// The place of the first in the array.
        first: usize,
        /// The place of the second.
        second: usize,
    },
}

impl fmt::Display for DisjointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { position } => write!(f, "key {position} names no value of this slab"),
            Self::Equal { first, second } => write!(f, "keys {first} and {second} are equal"),
        }
    }
}

impl core::error::Error for DisjointError {}

impl<T, S: Store> Slab<T, S> {
    /// Lends the values of `N` keys at once, each mutably.
    ///
    /// # Complexity
    ///
    /// Each key is compared with all before it.
    ///
    /// # Errors
    ///
    /// If a key names no value, or two are equal; which ones, the error says.
    pub fn get_disjoint_mut<const N: usize>(
        &mut self,
        keys: [Key<T>; N],
    ) -> Result<[&mut T; N], DisjointError> {
        let mut values = [core::ptr::null_mut::<T>(); N];
        for (position, &key) in keys.iter().enumerate() {
            let Some(place) = self.table().find(key) else {
                return Err(DisjointError::Stale { position });
            };
            // Two keys that name a value each are equal if and only if it is the same (S1).
            let before = keys.iter().take(position).position(|&other| other == key);
            if let Some(first) = before
                && !cfg!(bug = "equal-keys-are-disjoint")
            {
                return Err(DisjointError::Equal { first, second: position });
            }
            if let Some(value) = values.get_mut(position) {
                *value = place.value;
            }
        }
        // SAFETY: every pointer was set, to a value in a slot that no other pointer is to; the slab is
        // borrowed exclusively for as long as the references live.
        Ok(values.map(|value| unsafe { &mut *value }))
    }
}
