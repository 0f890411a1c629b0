//! [`CachePadded`]: a value alone on its cache lines.
use core::fmt;
use core::ops::{Deref, DerefMut};

/// A value that shares no cache line with its neighbours.
///
/// 128 bytes on x86-64 and aarch64: x86-64 prefetches the second line of an aligned pair, so two
/// values 64 bytes apart still disturb each other, and some aarch64 cores have 128-byte lines.
/// 64 bytes elsewhere.
///
/// # Examples
///
/// ```
/// use primitives::{CachePadded, sync::atomic::AtomicUsize};
///
/// struct Ring {
///     head: CachePadded<AtomicUsize>, // written by consumers
///     tail: CachePadded<AtomicUsize>, // written by producers
/// }
/// assert!(size_of::<Ring>() >= 128);
/// ```
#[cfg_attr(
    all(any(target_arch = "x86_64", target_arch = "aarch64"), not(bug = "padding_one_line")),
    repr(align(128))
)]
#[cfg_attr(bug = "padding_one_line", repr(align(64)))]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), repr(align(64)))]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    /// Pads a value.
    #[inline]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value.
    #[inline]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for CachePadded<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for CachePadded<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for CachePadded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachePadded").field(&self.0).finish()
    }
}

impl<T> From<T> for CachePadded<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}
