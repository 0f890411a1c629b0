//! [`Index32`]: the place of a value in a typed arena, in four bytes.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::num::NonZeroU32;

/// The most values that have an index; few in the tests of this module.
pub(super) const MAX_INDICES: usize = if cfg!(test) { 1000 } else { u32::MAX as usize };

/// The number of a value in a [`TypedArena`](super::TypedArena): a link of four bytes.
///
/// Values are numbered from 0 in the order in which they were allocated, without gaps, so that a
/// table beside the arena can be indexed by [`to_usize`](Self::to_usize). `Option<Index32<T>>` is
/// four bytes too.
///
/// An index belongs to the arena that made it, until that is cleared. Another arena takes it for
/// its own value of that number, or refuses it if it has none: a mistake, and never undefined
/// behaviour. `T` keeps indices of arenas of different types apart.
///
/// ```
/// use alloc_arena::Index32;
/// assert_eq!(size_of::<Option<Index32<String>>>(), 4);
/// ```
#[repr(transparent)]
pub struct Index32<T> {
    /// The number plus 1.
    raw: NonZeroU32,
    _names: PhantomData<fn() -> T>,
}

impl<T> Index32<T> {
    /// Returns the index of the `number`-th value; `None` for one beyond all indices, of which
    /// there are `u32::MAX`.
    #[inline]
    #[must_use]
    pub const fn from_usize(number: usize) -> Option<Self> {
        if number >= u32::MAX as usize {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared with `u32::MAX` above")]
        match NonZeroU32::new(number as u32 + 1) {
            Some(raw) => Some(Self { raw, _names: PhantomData }),
            None => None,
        }
    }

    /// Returns the number of the value, from 0.
    #[inline(always)]
    #[must_use]
    pub const fn to_usize(self) -> usize {
        self.raw.get() as usize - 1
    }

    /// The index of a value whose number is known to have one.
    #[inline(always)]
    pub(super) fn of(number: usize) -> Self {
        debug_assert!(number < MAX_INDICES, "T5: value number {number} has no index");
        #[expect(clippy::cast_possible_truncation, reason = "below `MAX_INDICES` by T5")]
        let raw = number as u32 + 1;
        // SAFETY: `number < u32::MAX`, so the sum does not wrap, and is not 0.
        Self { raw: unsafe { NonZeroU32::new_unchecked(raw) }, _names: PhantomData }
    }
}

// By hand: derived ones would ask the same of `T`.
impl<T> Clone for Index32<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Index32<T> {}

impl<T> PartialEq for Index32<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<T> Eq for Index32<T> {}

impl<T> PartialOrd for Index32<T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Index32<T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.raw.cmp(&other.raw)
    }
}

impl<T> Hash for Index32<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl<T> fmt::Debug for Index32<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index32({})", self.to_usize())
    }
}
