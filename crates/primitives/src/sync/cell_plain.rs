//! [`UnsafeCell`] outside loom: a transparent wrapper with the closure interface.

/// Interior mutability, reached through closures so that loom can watch each access begin and end.
///
/// A transparent wrapper over [`core::cell::UnsafeCell`], and like it not `Sync`: a type that
/// shares one says why it may.
///
/// # Examples
///
/// ```
/// use primitives::sync::cell::UnsafeCell;
///
/// let mut cell = UnsafeCell::new(1);
/// // SAFETY: the cell is this thread's own, and no reference to its value is live.
/// cell.with_mut(|value| unsafe { *value = 2 });
/// // SAFETY: as above; the write is over.
/// assert_eq!(cell.with(|value| unsafe { *value }), 2);
/// *cell.get_mut() += 1;
/// assert_eq!(cell.into_inner(), 3);
/// ```
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// Wraps a value.
    #[inline(always)]
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Returns the value.
    #[inline(always)]
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// Runs `f` on a pointer to read through; under loom a concurrent write fails the model.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Runs `f` on a pointer to write through; under loom any concurrent access fails the model.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    /// Lends the value: `&mut self` proves that nobody else can reach it.
    #[inline(always)]
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T> From<T> for UnsafeCell<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}
