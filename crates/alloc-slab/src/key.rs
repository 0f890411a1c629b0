//! [`Key`]: the name of a value in a slab.
//!
//! ```text
//!   bits   63 ............ 32  31 ............. 0
//!          generation, odd     index of the slot
//! ```
//!
//! # Invariants
//!
//! * **K1** the generation of a key is odd, so that a key is never 0 (`Option<Key<T>>` has its size),
//!   and never equals the state of a vacant slot, whose generation is even.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::num::NonZeroU64;

/// Where the generation begins.
pub(crate) const GENERATION_SHIFT: u32 = 32;

/// One generation further.
pub(crate) const GENERATION: u64 = 1 << GENERATION_SHIFT;

/// The name of a value in a [`Slab`](crate::Slab): 8 bytes, and `Option<Key<T>>` has 8, too.
///
/// A key names its value until that is removed, and nothing from then on: the slot is used again
/// under another generation. A key of another slab is refused unless that one has a value in the
/// slot of the same number and under the same generation; generations start at a number of its own
/// in each slab, so for one key and one slab this happens with a probability of about 2⁻³⁰. `T` keeps
/// keys of slabs of different types apart, [`Slab::branded`](crate::Slab::branded) those of any two.
///
/// Keys are ordered by generation, then by index; that is neither the order of insertion nor that
/// of iteration.
///
/// # Examples
///
/// ```
/// use alloc_slab::{Key, Slab};
///
/// assert_eq!(size_of::<Option<Key<String>>>(), 8);
/// let mut slab = Slab::new();
/// let key = slab.insert(1);
/// let bits = key.to_bits(); // through a C interface, say
/// assert_eq!(Key::from_bits(bits), Some(key));
/// ```
#[repr(transparent)]
pub struct Key<T> {
    bits: NonZeroU64,
    _names: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Returns the key that [`to_bits`](Self::to_bits) turned into a number; `None` if no key has
    /// that number.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(nonzero) if bits & GENERATION != 0 => {
                Some(Self { bits: nonzero, _names: PhantomData })
            }
            _ => None,
        }
    }

    /// Returns the key as a number: generation in the upper half, index in the lower.
    #[inline(always)]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.bits.get()
    }

    /// Returns the number of the slot, from 0. No two values have the same at one time, so a table
    /// beside the slab can be indexed by it.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self.slot() as usize
    }

    /// Returns which use of its slot the key names; odd.
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.bits.get() >> GENERATION_SHIFT) as u32
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(crate) const fn slot(self) -> u32 {
        self.bits.get() as u32
    }

    /// The key whose bits a live slot holds.
    ///
    /// # Safety
    ///
    /// 1. The generation in `bits` is odd (K1).
    #[inline(always)]
    pub(crate) const unsafe fn of(bits: u64) -> Self {
        debug_assert!(bits & GENERATION != 0, "K1: an even generation");
        // SAFETY: clause 1: a bit is set.
        Self { bits: unsafe { NonZeroU64::new_unchecked(bits) }, _names: PhantomData }
    }
}

// By hand: derived ones would ask the same of `T`.
impl<T> Clone for Key<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl<T> Eq for Key<T> {}

impl<T> PartialOrd for Key<T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Key<T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.bits.cmp(&other.bits)
    }
}

impl<T> Hash for Key<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, generation {})", self.index(), self.generation())
    }
}
