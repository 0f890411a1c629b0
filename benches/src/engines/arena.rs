//! Ours: `alloc-arena`.

use core::alloc::Layout;
use core::ptr::NonNull;

use alloc_arena::{Arena as Inner, ArenaConfig, SyncArena};
use allocator_api2::alloc::{Allocator, Global};

use super::lifo::Lifo;
use super::shared::Shared;
use super::{About, Backing, Bump, Region};
use crate::case::Role;

/// `Arena::with_min_align()`, told nothing of how much will be asked for.
#[derive(Debug)]
pub struct New<const MIN_ALIGN: usize>(Inner<MIN_ALIGN>);

/// `Arena::with_capacity`.
#[derive(Debug)]
pub struct WithCapacity(Inner);

/// An arena that leaves no chunk to the thread when it is dropped.
#[derive(Debug)]
pub struct NoCache(Inner);

/// An arena for who minds the most memory held: smaller chunks at most, and none left to the thread.
#[derive(Debug)]
pub struct Lean(Inner<8>);

macro_rules! region {
    ($engine:ident $(<const $align:ident>)?, $about:expr, |$bytes:ident| $make:expr) => {
        impl$(<const $align: usize>)? Region for $engine$(<$align>)? {
            const ABOUT: About = {
                let (config, why) = $about;
                About { name: "arena", config, package: "alloc-arena", why, role: Role::Ours }
            };

            #[inline]
            fn with_capacity($bytes: usize) -> Self {
                Self($make)
            }

            #[inline]
            fn alloc<T: Copy>(&self, value: T) -> &mut T {
                self.0.alloc(value)
            }

            #[inline]
            fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
                self.0.alloc_layout(layout)
            }

            #[inline]
            fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
                self.0.alloc_slice_copy(values)
            }

            #[inline]
            fn alloc_str(&self, text: &str) -> &str {
                self.0.alloc_str(text)
            }

            #[inline]
            unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {
                self.0.reset();
            }
        }

        impl$(<const $align: usize>)? Bump for $engine$(<$align>)? {
            #[inline]
            fn reset(&mut self) {
                self.0.reset();
            }
        }
    };
}

region!(
    New<const MIN_ALIGN>,
    if MIN_ALIGN == 1 {
        ("default", "Arena::new(): minimum alignment 1, no padding is wasted")
    } else {
        ("min-align-8", "minimum alignment 8: types of alignment 8 and below need no rounding")
    },
    |_bytes| Inner::with_min_align()
);
region!(WithCapacity, ("with-capacity", "a first chunk that holds a round"), |bytes| {
    Inner::with_capacity(bytes)
});
region!(
    NoCache,
    ("no-cache", "leaves no chunk to its thread: what the cache of first chunks is worth"),
    |_bytes| Inner::with_config(ArenaConfig::new().thread_cache(false))
);

region!(
    Lean,
    ("lean", "minimum alignment 8, chunks of 128 KiB to 1 MiB, none left to the thread"),
    |_bytes| {
        let config = ArenaConfig::new().first_chunk_bytes(128 << 10).max_chunk_bytes(1 << 20);
        Inner::with_config(config.thread_cache(false))
    }
);

macro_rules! backing {
    ($engine:ident $(<const $align:ident>)?, $inner:ty) => {
        impl$(<const $align: usize>)? Backing for $engine$(<$align>)? {
            type Handle<'a> = &'a $inner;

            #[inline]
            fn handle(&self) -> &$inner {
                &self.0
            }

            #[inline]
            fn end_collections(&mut self) {
                self.0.reset();
            }
        }
    };
}

backing!(New<const MIN_ALIGN>, Inner<MIN_ALIGN>);
backing!(WithCapacity, Inner);

impl<const MIN_ALIGN: usize> Lifo for New<MIN_ALIGN> {
    const ABOUT: About = <Self as Region>::ABOUT;

    type Mark = ();

    fn with_capacity(bytes: usize) -> Self {
        Region::with_capacity(bytes)
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        (self.0.alloc_layout(layout), ())
    }

    /// Gives back the newest block, without its padding; any other stays until the reset.
    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: clauses 1 and 2 of `pop`.
        unsafe { self.0.deallocate(block, layout) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.0.used_bytes()
    }

    fn settle(&mut self) {
        self.0.reset();
    }
}

/// `SyncArena` through a handle that each thread takes once a round.
#[derive(Debug)]
pub struct Local(SyncArena<8>);

/// `SyncArena` itself: finds the thread's part at every call.
#[derive(Debug)]
pub struct Direct(SyncArena<8>);

macro_rules! shared {
    ($engine:ident, $config:literal, $why:literal, $local:ty, ($arena:ident, $work:ident) => $lend:expr) => {
        impl Shared for $engine {
            const ABOUT: About = About {
                name: "sync-arena",
                config: $config,
                package: "alloc-arena",
                why: $why,
                role: Role::Ours,
            };

            type Own = ();

            type Local<'a, 'l> = $local;

            /// It takes no capacity: chunks are kept by each reset.
            fn with_capacity(_: usize, _: usize) -> Self {
                Self(SyncArena::with_min_align())
            }

            fn join(&self) {}

            #[inline]
            fn with_local<'a, T>(
                &'a self,
                (): &'a mut (),
                work: impl for<'l> FnOnce(&Self::Local<'a, 'l>) -> T,
            ) -> T {
                let ($arena, $work) = (&self.0, work);
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
    alloc_arena::Local<'a, 'l, 8, Global>,
    (arena, work) => arena.with_local(work)
);
shared!(
    Direct,
    "direct",
    "the shared arena itself: finds the thread's part at every call",
    &'a SyncArena<8>,
    (arena, work) => work(&arena)
);
