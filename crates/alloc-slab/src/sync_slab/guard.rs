//! [`Ref`]: a value that stays while somebody looks at it.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use primitives::sync::atomic::AtomicU64;
use primitives::sync::atomic::Ordering::Relaxed;

use super::hazards::release;
use super::slot::Slot;
use crate::key::Key;

/// A value of a [`SyncSlab`](super::SyncSlab), which is not dropped before its last guard.
///
/// The value may have been removed meanwhile: then no new guard of it can be had, and it is dropped some
/// time after this one.
///
/// A guard may go to another thread, and be dropped there. One that is forgotten keeps its value, and
/// nothing else, until the slab is dropped, cleared or trimmed.
#[must_use = "a guard is there to look at its value"]
pub struct Ref<'a, T> {
    slot: &'a Slot<T>,
    /// What protects the value: 0 as soon as this guard is gone.
    hazard: &'a AtomicU64,
    _value: PhantomData<&'a T>,
}

// SAFETY: lends a `T` to the thread that has it: `T: Sync`. Ending it is an atomic store, which any thread
// may do (H1). The value is dropped elsewhere, so `T: Send` is not needed.
unsafe impl<T: Sync> Send for Ref<'_, T> {}
// SAFETY: lends a `T` to several threads: `T: Sync`. Nothing else can be done by `&Ref`.
unsafe impl<T: Sync> Sync for Ref<'_, T> {}

impl<'a, T> Ref<'a, T> {
    /// # Safety
    ///
    /// 1. `hazard` protects the key under which the slot has a value, and was stored before that was
    ///    found.
    #[inline(always)]
    pub(super) unsafe fn new(slot: &'a Slot<T>, hazard: &'a AtomicU64) -> Self {
        Self { slot, hazard, _value: PhantomData }
    }

    /// Returns the key under which the value was found.
    #[must_use]
    pub fn key(this: &Self) -> Key<T> {
        // ORD Relaxed: written by the thread that made this guard, and not again while it lives.
        let bits = this.hazard.load(Relaxed);
        // SAFETY: `new`: the key of a value is odd.
        unsafe { Key::of(bits) }
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: `new`: the value is there, and is not dropped while the hazard stands.
        unsafe { &*self.slot.value() }
    }
}

impl<T> Drop for Ref<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        release(self.hazard);
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
