//! Atomics under loom: each access is `site` (record, weaken, freeze), then `life`, then the shadow,
//! then loom's own.
use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;

use super::execution;
use super::life::Life;
use super::memory;
use super::site::{self, Slot};
use crate::sync::atomic::Exclusive;

/// A fence; weakened to `Relaxed` it is none.
#[track_caller]
pub fn fence(order: Ordering) {
    let at = Location::caller();
    site::arrive(at, Slot::Fence);
    match site::ordering(at, Slot::Fence, order) {
        Ordering::Relaxed => {
            assert!(order != Ordering::Relaxed, "there is no such thing as a relaxed fence")
        }
        order => loom::sync::atomic::fence(order),
    }
}

/// What every atomic carries beside loom's.
struct Watch {
    /// Touched before each access. loom 0.7 keeps one last access per atomic (loom#392), so a load
    /// hides an earlier load of another thread; a read-modify-write is dependent on every other, and
    /// relaxed, on a location of its own, it orders nothing.
    shadow: loom::sync::atomic::AtomicBool,
    life: Life,
}

impl Watch {
    #[track_caller]
    fn new() -> Self {
        Self { shadow: loom::sync::atomic::AtomicBool::new(false), life: Life::new() }
    }

    #[track_caller]
    fn touch(&self) {
        #[cfg(not(bug = "facade_without_shadow"))]
        // ORD Relaxed: makes accesses dependent for loom's search, must order nothing.
        self.shadow.fetch_or(false, Ordering::Relaxed);
        // After the switch that the shadow allows, right before the access itself.
        memory::touch((&raw const *self).addr(), Location::caller());
        self.life.with(|| ());
    }

    /// Enters an access of one ordering.
    #[track_caller]
    fn enter(&self, slot: Slot, order: Ordering) -> Ordering {
        let at = Location::caller();
        site::arrive(at, slot);
        let order = site::ordering(at, slot, order);
        self.touch();
        order
    }

    /// Enters a compare-exchange.
    #[track_caller]
    fn enter_cas(&self, ok: Ordering, err: Ordering) -> (Ordering, Ordering) {
        let at = Location::caller();
        site::arrive(at, Slot::CasOk);
        let orders = (site::ordering(at, Slot::CasOk, ok), site::ordering(at, Slot::CasErr, err));
        self.touch();
        orders
    }
}

macro_rules! atomic {
    ($(#[$doc:meta])* $name:ident $(<$t:ident>)?, $value:ty; $($rmw:ident)*) => {
        $(#[$doc])*
        pub struct $name $(<$t>)? {
            // First, so that its address is the object's.
            watch: Watch,
            inner: loom::sync::atomic::$name $(<$t>)?,
        }

        impl $(<$t>)? $name $(<$t>)? {
            /// Creates an atomic; not `const` under loom.
            #[track_caller]
            #[must_use]
            pub fn new(value: $value) -> Self {
                Self { watch: Watch::new(), inner: loom::sync::atomic::$name::new(value) }
            }

            /// Loads the value.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                let order = self.watch.enter(Slot::Load, order);
                self.inner.load(order)
            }

            /// Stores a value.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let order = self.watch.enter(Slot::Store, order);
                self.inner.store(value, order);
            }

            /// Stores a value and returns the previous one.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                let order = self.watch.enter(Slot::Rmw, order);
                self.inner.swap(value, order)
            }

            /// Stores `new` if the value is `current`; returns the previous value.
            ///
            /// # Errors
            ///
            /// The value, when it is not `current`.
            #[track_caller]
            pub fn compare_exchange(
                &self, current: $value, new: $value, success: Ordering, failure: Ordering,
            ) -> Result<$value, $value> {
                let (success, failure) = self.watch.enter_cas(success, failure);
                self.inner.compare_exchange(current, new, success, failure)
            }

            /// As [`Self::compare_exchange`], but may fail although the value is `current`.
            ///
            /// # Errors
            ///
            /// The value, when it is not `current`, or for no reason.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self, current: $value, new: $value, success: Ordering, failure: Ordering,
            ) -> Result<$value, $value> {
                let (success, failure) = self.watch.enter_cas(success, failure);
                if execution::weak_call_fails() {
                    return Err(self.inner.load(failure));
                }
                self.inner.compare_exchange(current, new, success, failure)
            }

            /// Applies `f` until the value did not change meanwhile, or `f` declines.
            ///
            /// # Errors
            ///
            /// The value for which `f` returned `None`.
            #[track_caller]
            pub fn fetch_update(
                &self, set: Ordering, fetch: Ordering, mut f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut current = self.load(fetch);
                while let Some(new) = f(current) {
                    match self.compare_exchange_weak(current, new, set, fetch) {
                        Ok(previous) => return Ok(previous),
                        Err(changed) => current = changed,
                    }
                }
                Err(current)
            }

            $(
                /// Combines the value with `operand` and returns the previous value.
                #[track_caller]
                pub fn $rmw(&self, operand: $value, order: Ordering) -> $value {
                    let order = self.watch.enter(Slot::Rmw, order);
                    self.inner.$rmw(operand, order)
                }
            )*

            /// Returns the value.
            #[track_caller]
            #[must_use]
            pub fn into_inner(self) -> $value {
                self.inner.into_inner()
            }
        }

        impl $(<$t>)? Exclusive for $name $(<$t>)? {
            type Value = $value;
            #[track_caller]
            fn with_mut<R>(&mut self, f: impl FnOnce(&mut $value) -> R) -> R {
                memory::touch((&raw const *self).addr(), Location::caller());
                self.watch.life.with_mut(|| ());
                self.inner.with_mut(f)
            }
        }

        impl $(<$t>)? fmt::Debug for $name $(<$t>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Printing the value would be an access that the other builds do not make.
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl $(<$t>)? From<$value> for $name $(<$t>)? {
            #[track_caller]
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }
    };
}

/// loom's `AtomicBool` lacks the method its integers have.
trait WithMut {
    fn with_mut<R>(&mut self, f: impl FnOnce(&mut bool) -> R) -> R;
}

impl WithMut for loom::sync::atomic::AtomicBool {
    #[track_caller]
    fn with_mut<R>(&mut self, f: impl FnOnce(&mut bool) -> R) -> R {
        // SAFETY: `&mut self`: no other thread can reach the value.
        let mut value = unsafe { self.unsync_load() };
        let result = f(&mut value);
        *self = Self::new(value);
        result
    }
}

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident $value:ty;)*) => {$(
        atomic! {
            $(#[$doc])* $name, $value;
            fetch_add fetch_sub fetch_and fetch_nand fetch_or fetch_xor fetch_max fetch_min
        }
        impl Default for $name {
            #[track_caller]
            fn default() -> Self {
                Self::new(0)
            }
        }
    )*};
}

integers! {
    /// Modelled `u8`.
    AtomicU8 u8;
    /// Modelled `u16`.
    AtomicU16 u16;
    /// Modelled `u32`.
    AtomicU32 u32;
    /// Modelled `u64`.
    AtomicU64 u64;
    /// Modelled `usize`.
    AtomicUsize usize;
    /// Modelled `i32`.
    AtomicI32 i32;
    /// Modelled `i64`.
    AtomicI64 i64;
    /// Modelled `isize`.
    AtomicIsize isize;
}

atomic! {
    /// Modelled `bool`.
    AtomicBool, bool; fetch_and fetch_nand fetch_or fetch_xor
}

atomic! {
    /// Modelled pointer.
    AtomicPtr<T>, *mut T;
}

impl Default for AtomicBool {
    #[track_caller]
    fn default() -> Self {
        Self::new(false)
    }
}

impl<T> Default for AtomicPtr<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(core::ptr::null_mut())
    }
}
