//! [`UnsafeCell`] under loom.
use super::life::Life;
use super::memory;
use core::fmt;
use core::panic::Location;

/// Interior mutability whose races fail the model.
///
/// Dropping the cell, [`UnsafeCell::get_mut`] and [`UnsafeCell::into_inner`] count as writes.
pub struct UnsafeCell<T: ?Sized> {
    life: Life,
    value: core::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    /// Wraps a value.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { life: Life::new(), value: core::cell::UnsafeCell::new(value) }
    }

    /// Returns the value.
    #[track_caller]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// Runs `f` on a pointer to read through; a concurrent write fails the model.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        memory::touch(self.address(), Location::caller());
        self.life.with(|| f(self.value.get()))
    }

    /// Runs `f` on a pointer to write through; any concurrent access fails the model.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        memory::touch(self.address(), Location::caller());
        self.life.with_mut(|| f(self.value.get()))
    }

    /// Lends the value: `&mut self` proves that nobody else can reach it.
    #[track_caller]
    pub fn get_mut(&mut self) -> &mut T {
        memory::touch(self.address(), Location::caller());
        self.life.with_mut(|| ());
        self.value.get_mut()
    }

    fn address(&self) -> usize {
        (&raw const self.life).addr()
    }
}

impl<T: Default> Default for UnsafeCell<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for UnsafeCell<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized> fmt::Debug for UnsafeCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsafeCell").finish_non_exhaustive()
    }
}
