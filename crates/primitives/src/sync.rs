//! The sync facade: one import path for everything a model checker must see.
//!
//! | build | atomics, cells, threads | cost |
//! |---|---|---|
//! | plain | `core` and `std`, re-exported; transparent wrappers where the interfaces differ | none: `tests/zero_cost.rs` compares the instructions |
//! | `--cfg loom` | wrappers over loom's | a model: every interleaving, see the `model` module |
//! | `--cfg shuttle` | shuttle's | a randomised schedule, sequentially consistent |
//!
//! Code writes
//!
//! ```
//! use primitives::sync::atomic::{AtomicUsize, Ordering::{Acquire, Release}};
//!
//! let ready = AtomicUsize::new(0);
//! ready.store(1, Release);
//! assert_eq!(ready.load(Acquire), 1);
//! ```
//!
//! and never names `loom`, `shuttle`, or their `cfg`s. What the interfaces of the three builds do
//! not share has one spelling here: [`cell::UnsafeCell`] is reached through closures, exclusive
//! access to an atomic through [`atomic::Exclusive`], constructors that are `const` except under a
//! model through [`const_fn!`], and statics that no model may own through [`unmodelled`].
//!
//! # What loom sees through this facade, and not without it
//!
//! 1. **Loads count.** loom 0.7 keeps one last access per atomic, so a thread that loads before it
//!    stores hides another thread's earlier load, and interleavings are skipped in silence. Each
//!    access here first touches a shadow atomic: a relaxed read-modify-write of another location,
//!    which orders nothing and makes every two accesses dependent.
//! 2. **Weak compare-exchange fails.** Once per execution, at every place in turn: see
//!    `model::Model`.
//! 3. **Freeing is writing.** Dropping an atomic, a cell or a [`alloc::Track`], and freeing a block
//!    from [`alloc`](mod@alloc), must happen after every access to it, or the model fails. Blocks are
//!    kept until the execution ends, so a late access is a named panic.
//! 4. **Call sites have names.** One ordering can be weakened, or a thread frozen, by an
//!    environment variable: see the `model` module.

#[cfg(all(loom, shuttle))]
compile_error!(
    "`--cfg loom` and `--cfg shuttle` exclude each other: a build is checked by one of them"
);

/// Whether a model checker runs this build: for constants that shrink a model, and for what must not
/// be done under one.
pub const MODELLED: bool = cfg!(any(loom, shuttle));

#[cfg(not(loom))]
mod cell_plain;
#[cfg(loom)]
pub(crate) mod loomed;
mod macros;
#[cfg(not(loom))]
mod memory_plain;

#[doc(inline)]
pub use crate::__const_fn as const_fn;
#[cfg(any(feature = "std", loom, shuttle))]
#[doc(inline)]
pub use crate::__thread_local as thread_local;

/// What the exported macros expand to.
#[doc(hidden)]
pub mod __private {
    #[cfg(loom)]
    pub use ::loom;
    #[cfg(shuttle)]
    pub use ::shuttle;
    #[cfg(all(feature = "std", not(any(loom, shuttle))))]
    pub use ::std::thread_local;
}

/// Atomic integers, pointers and fences. Those of 64 bits where the target has them.
pub mod atomic {
    #[cfg(loom)]
    pub use super::loomed::atomic::*;
    #[cfg(not(any(loom, shuttle)))]
    pub use core::sync::atomic::{
        AtomicBool, AtomicI32, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicUsize,
        fence,
    };
    #[cfg(all(not(any(loom, shuttle)), target_has_atomic = "64"))]
    pub use core::sync::atomic::{AtomicI64, AtomicU64};
    pub use core::sync::atomic::{Ordering, compiler_fence};
    #[cfg(shuttle)]
    pub use shuttle::sync::atomic::{
        AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32,
        AtomicU64, AtomicUsize, fence,
    };

    /// Access to an atomic that nobody else can reach, in every build.
    ///
    /// `core`'s atomics lend `&mut T`, loom's take a closure; this is the closure form for all.
    /// Under loom an access that does not happen after all others fails the model.
    ///
    /// ```
    /// use primitives::sync::atomic::{AtomicUsize, Exclusive};
    ///
    /// let mut cursor = AtomicUsize::new(3);
    /// assert_eq!(cursor.with_mut(|value| core::mem::replace(value, 4)), 3);
    /// assert_eq!(cursor.into_inner(), 4);
    /// ```
    pub trait Exclusive {
        /// What the atomic holds.
        type Value;

        /// Runs `f` on the value, without synchronisation: `&mut self` proves there is no need.
        fn with_mut<R>(&mut self, f: impl FnOnce(&mut Self::Value) -> R) -> R;

        /// Returns a copy of the value, without synchronisation.
        #[inline]
        #[track_caller]
        fn get(&mut self) -> Self::Value
        where
            Self::Value: Copy,
        {
            self.with_mut(|value| *value)
        }
    }

    #[cfg(not(loom))]
    mod exclusive {
        macro_rules! exclusive {
            ($($atomic:ident $value:ty;)*) => {$(
                impl super::Exclusive for super::$atomic {
                    type Value = $value;
                    #[inline(always)]
                    fn with_mut<R>(&mut self, f: impl FnOnce(&mut $value) -> R) -> R {
                        f(self.get_mut())
                    }
                }
            )*};
        }
        exclusive! {
            AtomicBool bool; AtomicU8 u8; AtomicU16 u16; AtomicU32 u32; AtomicUsize usize;
            AtomicI32 i32; AtomicIsize isize;
        }
        #[cfg(target_has_atomic = "64")]
        exclusive! {
            AtomicU64 u64; AtomicI64 i64;
        }
        impl<T> super::Exclusive for super::AtomicPtr<T> {
            type Value = *mut T;
            #[inline(always)]
            fn with_mut<R>(&mut self, f: impl FnOnce(&mut *mut T) -> R) -> R {
                f(self.get_mut())
            }
        }
    }
}

/// `core`'s atomics in every build, invisible to the model checkers.
///
/// For statics (a model cannot own one) whose value does not steer an algorithm: a source of ids,
/// a statistic, a flag written before the first thread starts. Anything that publishes memory
/// belongs in [`atomic`].
pub mod unmodelled {
    pub use core::sync::atomic::{
        AtomicBool, AtomicI32, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize,
    };
    #[cfg(target_has_atomic = "64")]
    pub use core::sync::atomic::{AtomicI64, AtomicU64};
}

/// Interior mutability whose races a model reports.
pub mod cell {
    #[cfg(not(loom))]
    pub use super::cell_plain::UnsafeCell;
    #[cfg(loom)]
    pub use super::loomed::cell::UnsafeCell;
}

/// Raw memory from the global allocator, and [`Track`](alloc::Track).
pub mod alloc {
    #[cfg(loom)]
    pub use super::loomed::memory::{Track, access, alloc, alloc_zeroed, dealloc, realloc};
    #[cfg(not(loom))]
    pub use super::memory_plain::{Track, access, alloc, alloc_zeroed, dealloc, realloc};
    pub use core::alloc::Layout;
}

/// Hints to the processor, which a model takes as "let another thread run".
pub mod hint {
    /// Lets another thread run, where there are threads to yield to; else a pause.
    #[inline]
    pub fn yield_now() {
        #[cfg(any(feature = "std", loom, shuttle))]
        super::thread::yield_now();
        #[cfg(not(any(feature = "std", loom, shuttle)))]
        spin_loop();
    }

    #[cfg(not(any(loom, shuttle)))]
    pub use core::hint::spin_loop;
    #[cfg(loom)]
    pub use loom::hint::spin_loop;
    #[cfg(shuttle)]
    pub use shuttle::hint::spin_loop;
}

/// Threads: spawn, join, scope, park.
#[cfg(any(feature = "std", loom, shuttle))]
pub mod thread {
    #[cfg(loom)]
    pub use super::loomed::thread::*;
    #[cfg(shuttle)]
    pub use shuttle::thread::{
        AccessError, Builder, JoinHandle, LocalKey, Scope, ScopedJoinHandle, Thread, ThreadId,
        current, park, scope, spawn, yield_now,
    };
    pub use std::thread::panicking;
    #[cfg(not(any(loom, shuttle)))]
    pub use std::thread::{
        AccessError, Builder, JoinHandle, LocalKey, Scope, ScopedJoinHandle, Thread, ThreadId,
        current, park, scope, spawn, yield_now,
    };
}

#[cfg(not(any(loom, shuttle)))]
pub use ::alloc::sync::Arc;
#[cfg(loom)]
pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(shuttle)]
pub use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(all(feature = "std", not(any(loom, shuttle))))]
pub use std::sync::{Condvar, Mutex, MutexGuard};
