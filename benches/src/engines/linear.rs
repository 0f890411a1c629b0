//! Ours: `alloc-linear`.

use core::alloc::Layout;
use core::ptr::NonNull;

pub use alloc_linear::Linear;
use alloc_linear::SyncLinear;
use allocator_api2::alloc::{Allocator, Global};

use super::lifo::Lifo;
use super::shared::Shared;
use super::{About, Backing, Bump, Region};
use crate::case::Role;

/// `Frames<2>` of regions with minimum alignment 8.
pub type Frames = alloc_linear::Frames<2, 8>;

impl<const MIN_ALIGN: usize> Region for Linear<MIN_ALIGN> {
    const ABOUT: About = About {
        name: "linear",
        config: if MIN_ALIGN == 1 { "default" } else { "min-align-8" },
        package: "alloc-linear",
        why: if MIN_ALIGN == 1 {
            "minimum alignment 1: no padding is wasted"
        } else {
            "minimum alignment 8: types of alignment 8 and below need no rounding"
        },
        role: Role::Ours,
    };

    fn with_capacity(bytes: usize) -> Self {
        Self::with_min_align(bytes)
    }

    #[inline]
    fn alloc<T: Copy>(&self, value: T) -> &mut T {
        self.alloc(value)
    }

    #[inline]
    fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        self.alloc_layout(layout)
    }

    #[inline]
    fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
        self.alloc_slice_copy(values)
    }

    #[inline]
    fn alloc_str(&self, text: &str) -> &str {
        self.alloc_str(text)
    }

    #[inline]
    unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {
        self.reset();
    }
}

impl<const MIN_ALIGN: usize> Bump for Linear<MIN_ALIGN> {
    #[inline]
    fn reset(&mut self) {
        self.reset();
    }
}

impl<const MIN_ALIGN: usize> Backing for Linear<MIN_ALIGN> {
    type Handle<'a> = &'a Self;

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    #[inline]
    fn end_collections(&mut self) {
        self.reset();
    }
}

impl<const MIN_ALIGN: usize> Lifo for Linear<MIN_ALIGN> {
    const ABOUT: About = <Self as Region>::ABOUT;

    type Mark = ();

    fn with_capacity(bytes: usize) -> Self {
        Region::with_capacity(bytes)
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        (Self::alloc_layout(self, layout), ())
    }

    /// Gives back the newest block, without its padding; any other stays until the reset.
    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: clauses 1 and 2 of `pop`.
        unsafe { (*self).deallocate(block, layout) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.used_bytes()
    }

    fn settle(&mut self) {
        self.reset();
    }
}

/// `SyncLinear` through a handle that each thread takes once a round.
#[derive(Debug)]
pub struct Local(SyncLinear<8>);

/// `SyncLinear` itself: finds the thread's block at every call.
#[derive(Debug)]
pub struct Direct(SyncLinear<8>);

macro_rules! shared {
    ($engine:ident, $config:literal, $why:literal, $local:ty, ($region:ident, $work:ident) => $lend:expr) => {
        impl Shared for $engine {
            const ABOUT: About = About {
                name: "sync-linear",
                config: $config,
                package: "alloc-linear",
                why: $why,
                role: Role::Ours,
            };

            type Own = ();

            type Local<'a, 'l> = $local;

            fn with_capacity(bytes: usize, _: usize) -> Self {
                Self(SyncLinear::with_min_align(bytes))
            }

            fn join(&self) {}

            #[inline]
            fn with_local<'a, T>(
                &'a self,
                (): &'a mut (),
                work: impl for<'l> FnOnce(&Self::Local<'a, 'l>) -> T,
            ) -> T {
                let ($region, $work) = (&self.0, work);
                $lend
            }

            #[inline]
            fn alloc<T: Copy + Send + 'static>(
                local: &Self::Local<'_, '_>,
                value: T,
            ) -> NonNull<T> {
                NonNull::from(local.alloc(value))
            }

            #[inline]
            unsafe fn leave<T: Copy>(&self, (): &mut (), _: &[NonNull<T>]) {}

            fn reset(&mut self) {
                self.0.reset();
            }
        }
    };
}

shared!(
    Local,
    "local",
    "a handle that each thread takes once a round",
    alloc_linear::Local<'a, 'l, 8, Global>,
    (region, work) => region.with_local(work)
);
shared!(
    Direct,
    "direct",
    "the shared region itself: finds the thread's block at every call",
    &'a SyncLinear<8>,
    (region, work) => work(&region)
);
