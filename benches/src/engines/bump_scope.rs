//! bump-scope: the direction and the minimum alignment are settings; both directions are peers.

use core::alloc::Layout;
use core::ptr::NonNull;

use bump_scope::alloc::Global;
use bump_scope::settings::{BumpSettings, MinimumAlignment, SupportedMinimumAlignment};
use bump_scope::traits::BumpAllocatorTyped;
use bump_scope::{BumpPool, BumpPoolGuard};

use super::shared::Shared;
use super::{About, Backing, Bump, Region};
use crate::case::Role;

mod lifo;

pub use lifo::{Checkpoints, Scoped};

type Inner<const MIN_ALIGN: usize, const UP: bool> =
    bump_scope::Bump<Global, BumpSettings<MIN_ALIGN, UP>>;

/// `Bump::with_size` bumping upwards (its default: the last block grows in place) or downwards
/// (fewer instructions).
#[derive(Debug)]
pub struct Scope<const MIN_ALIGN: usize, const UP: bool>(Inner<MIN_ALIGN, UP>)
where
    MinimumAlignment<MIN_ALIGN>: SupportedMinimumAlignment;

macro_rules! forward {
    () => {
        #[inline]
        fn alloc<T: Copy>(&self, value: T) -> &mut T {
            self.0.alloc(value).into_mut()
        }

        #[inline]
        fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
            self.0.allocate_layout(layout)
        }

        #[inline]
        fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
            self.0.alloc_slice_copy(values).into_mut()
        }

        #[inline]
        fn alloc_str(&self, text: &str) -> &str {
            self.0.alloc_str(text).into_ref()
        }

        #[inline]
        unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {
            self.0.reset();
        }
    };
}

/// `Bump::new()`, bumping upwards: its defaults, told nothing of how much will be asked for.
#[derive(Debug)]
pub struct New(Inner<1, true>);

impl Region for New {
    const ABOUT: About = About {
        name: "bump-scope",
        config: "default",
        package: "bump-scope",
        why: "Bump::new(), as most users write it: upwards, from a small first chunk",
        role: Role::Peer,
    };

    fn with_capacity(_: usize) -> Self {
        Self(Inner::new())
    }

    forward!();
}

impl Bump for New {
    #[inline]
    fn reset(&mut self) {
        self.0.reset();
    }
}

impl<const MIN_ALIGN: usize, const UP: bool> Region for Scope<MIN_ALIGN, UP>
where
    MinimumAlignment<MIN_ALIGN>: SupportedMinimumAlignment,
{
    const ABOUT: About = About {
        name: "bump-scope",
        config: match (MIN_ALIGN, UP) {
            (1, true) => "up",
            (1, false) => "down",
            (_, true) => "up-min-align-8",
            (_, false) => "down-min-align-8",
        },
        package: "bump-scope",
        why: match (MIN_ALIGN, UP) {
            (1, true) => "its default direction, with a capacity: the last block grows in place",
            (1, false) => "downwards, with a capacity: rounding is one mask",
            (_, true) => "upwards, with a capacity, no rounding up to alignment 8",
            (_, false) => "downwards, with a capacity, no rounding up to alignment 8: its fastest",
        },
        role: Role::Peer,
    };

    fn with_capacity(bytes: usize) -> Self {
        // The size includes the chunk's header and footer.
        Self(Inner::with_size(bytes + 256))
    }

    forward!();
}

impl<const MIN_ALIGN: usize, const UP: bool> Bump for Scope<MIN_ALIGN, UP>
where
    MinimumAlignment<MIN_ALIGN>: SupportedMinimumAlignment,
{
    #[inline]
    fn reset(&mut self) {
        self.0.reset();
    }
}

impl<const MIN_ALIGN: usize, const UP: bool> Backing for Scope<MIN_ALIGN, UP>
where
    MinimumAlignment<MIN_ALIGN>: SupportedMinimumAlignment,
{
    type Handle<'a> = &'a Inner<MIN_ALIGN, UP>;

    #[inline]
    fn handle(&self) -> &Inner<MIN_ALIGN, UP> {
        &self.0
    }

    #[inline]
    fn end_collections(&mut self) {
        self.0.reset();
    }
}

type PoolSettings = BumpSettings<8, false>;

/// `BumpPool`: each thread borrows a whole `Bump` for a round.
pub struct Pool {
    pool: BumpPool<Global, PoolSettings>,
    bytes_per_thread: usize,
}

impl core::fmt::Debug for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("bytes_per_thread", &self.bytes_per_thread).finish()
    }
}

impl Shared for Pool {
    const ABOUT: About = About {
        name: "bump-scope",
        config: "pool",
        package: "bump-scope",
        why: "BumpPool of downward bumps with minimum alignment 8: one borrowed a thread and round",
        role: Role::Peer,
    };

    type Own = ();

    type Local<'a, 'l> = BumpPoolGuard<'a, Global, PoolSettings>;

    fn with_capacity(bytes: usize, threads: usize) -> Self {
        Self { pool: BumpPool::new_in(Global), bytes_per_thread: bytes / threads }
    }

    fn join(&self) {}

    #[inline]
    fn with_local<'a, T>(
        &'a self,
        (): &'a mut (),
        work: impl for<'l> FnOnce(&Self::Local<'a, 'l>) -> T,
    ) -> T {
        work(&self.pool.get_with_size(self.bytes_per_thread))
    }

    #[inline]
    fn alloc<T: Copy + Send + 'static>(local: &Self::Local<'_, '_>, value: T) -> NonNull<T> {
        NonNull::from(local.alloc(value).into_mut())
    }

    #[inline]
    unsafe fn leave<T: Copy>(&self, (): &mut (), _: &[NonNull<T>]) {}

    fn reset(&mut self) {
        self.pool.reset();
    }
}
