//! [`Slot`]: a stamp, and room for a value.

use core::mem::MaybeUninit;

use primitives::sync::atomic::AtomicU64;
use primitives::sync::atomic::Exclusive;
use primitives::sync::atomic::Ordering::{Acquire, Release};
use primitives::sync::cell::UnsafeCell;

/// One place of a ring. Its stamp says whose turn it is ([`super::shape`]); whoever's turn it is has
/// the value to itself.
// The stamp first, and the size a multiple of its: what the offsets of positions are made of.
#[repr(C)]
pub(super) struct Slot<T> {
    stamp: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    #[track_caller]
    pub(super) fn new(stamp: u64) -> Self {
        Self { stamp: AtomicU64::new(stamp), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Reads whose turn it is, and makes what the one before did to the slot visible.
    #[inline(always)]
    pub(super) fn stamp(&self) -> u64 {
        // ORD[slot] Acquire ← Release in `stamp_as`: a push that finds the slot free writes over what
        // the pop before read out, a pop that finds it full reads what the push wrote.
        self.stamp.load(Acquire)
    }

    /// Ends this turn, and says whose is next.
    #[inline(always)]
    pub(super) fn stamp_as(&self, stamp: u64) {
        // ORD[slot] Release → Acquire in `stamp`: our reading or writing of the value must
        // happen-before what the next one does to it.
        self.stamp.store(stamp, Release);
    }

    /// Writes a value.
    ///
    /// # Safety
    ///
    /// 1. It is the caller's turn, by a claimed position whose stamp it saw;
    /// 2. the slot holds no value (one that it holds would leak).
    #[inline(always)]
    pub(super) unsafe fn put(&self, value: T) {
        // SAFETY: a place for a `T`, aligned by its type; by 1. nobody else reads or writes it.
        self.value.with_mut(|place| unsafe { place.cast::<T>().write(value) });
    }

    /// Reads the value out.
    ///
    /// # Safety
    ///
    /// 1. It is the caller's turn, by a claimed position whose stamp it saw;
    /// 2. the slot holds a value, and the caller treats it as holding none from now on.
    #[inline(always)]
    pub(super) unsafe fn take(&self) -> T {
        // As a write, for a model to see it when two threads move the same value out.
        // SAFETY: by 2. a `T` was written; by 1. nobody else reads or writes it.
        self.value.with_mut(|place| unsafe { place.cast::<T>().read() })
    }

    /// The stamp, of a slot that nobody else can reach.
    #[inline]
    pub(super) fn exclusive_stamp(&mut self) -> u64 {
        self.stamp.get()
    }

    /// Sets the stamp, of a slot that nobody else can reach.
    #[inline]
    pub(super) fn set_stamp(&mut self, to: u64) {
        self.stamp.with_mut(|stamp| *stamp = to);
    }
}
