//! Raw memory and [`Track`] outside loom: the global allocator, and nothing.

pub use ::alloc::alloc::{alloc, alloc_zeroed, dealloc, realloc};

/// Declares a read of the block that `ptr` points into, for code that reaches it with bare
/// pointers.
///
/// Nothing in this build. Under loom it fails the model when the block is freed, or freed without
/// happening after this access; atomics and cells of the facade declare themselves.
#[inline(always)]
pub fn access<T: ?Sized>(ptr: *const T) {
    let _ = ptr;
}

/// A value whose leak, and whose drop while others still use it, loom reports.
///
/// Nothing but the value in this build.
///
/// # Examples
///
/// ```
/// use primitives::sync::alloc::Track;
///
/// let mut tracked = Track::new(7);
/// *tracked.get_mut() += 1;
/// assert_eq!(*tracked.get_ref(), 8);
/// assert_eq!(tracked.into_inner(), 8);
/// ```
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Track<T>(T);

impl<T> Track<T> {
    /// Tracks a value.
    #[inline(always)]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns a shared reference to the value.
    #[inline(always)]
    pub const fn get_ref(&self) -> &T {
        &self.0
    }

    /// Returns an exclusive reference to the value.
    #[inline(always)]
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }

    /// Returns the value and stops tracking it.
    #[inline(always)]
    pub fn into_inner(self) -> T {
        self.0
    }
}
