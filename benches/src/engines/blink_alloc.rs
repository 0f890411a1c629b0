//! blink-alloc: chunks that grow, bumped upwards; implements `allocator-api2` 0.4.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::handle_alloc_error;

use allocator_api2::alloc::{AllocError, Allocator};
use blink_alloc::{Blink, BlinkAlloc, LocalBlinkAlloc, SyncBlinkAlloc};

use super::shared::Shared;
use super::{About, Backing, Bump, Region};
use crate::case::Role;

/// `Blink::new()`: as most users write it.
pub struct New(Blink);

/// `Blink` over a `BlinkAlloc` whose first chunk holds a round.
pub struct WithCapacity(Blink);

macro_rules! region {
    ($engine:ident, $config:literal, $why:literal, $make:expr) => {
        impl Region for $engine {
            const ABOUT: About = About {
                name: "blink-alloc",
                config: $config,
                package: "blink-alloc",
                why: $why,
                role: Role::Peer,
            };

            fn with_capacity(bytes: usize) -> Self {
                let make: fn(usize) -> Blink = $make;
                Self(make(bytes))
            }

            #[inline]
            fn alloc<T: Copy>(&self, value: T) -> &mut T {
                self.0.put_no_drop(value)
            }

            #[inline]
            fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
                match self.0.allocator().allocate(layout) {
                    Ok(block) => block.cast(),
                    Err(_) => handle_alloc_error(layout),
                }
            }

            #[inline]
            fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
                self.0.copy_slice(values)
            }

            #[inline]
            fn alloc_str(&self, text: &str) -> &str {
                self.0.copy_str(text)
            }

            #[inline]
            unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {
                self.0.reset();
            }
        }

        impl core::fmt::Debug for $engine {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(module_path!(), "/", $config))
            }
        }

        impl Bump for $engine {
            #[inline]
            fn reset(&mut self) {
                self.0.reset();
            }
        }

        impl Backing for $engine {
            type Handle<'a> = Handle<'a>;

            #[inline]
            fn handle(&self) -> Handle<'_> {
                Handle(self.0.allocator())
            }

            #[inline]
            fn end_collections(&mut self) {
                self.0.reset();
            }
        }
    };
}

region!(New, "default", "Blink::new(), as most users write it", |_| Blink::new());
region!(WithCapacity, "with-capacity", "a first chunk that holds a round", |bytes| Blink::new_in(
    BlinkAlloc::with_chunk_size(bytes)
));

/// `&BlinkAlloc` as an `allocator-api2` 0.2 allocator: forwards to the methods that its own
/// implementation of the 0.4 trait forwards to.
#[derive(Clone, Copy)]
pub struct Handle<'a>(&'a BlinkAlloc);

impl core::fmt::Debug for Handle<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "blink-alloc at {:p}", self.0)
    }
}

// SAFETY: forwards to one `BlinkAlloc`, which gives out blocks that live until it is reset, which
// the borrow forbids, or dropped; copies of the handle forward to the same one.
unsafe impl Allocator for Handle<'_> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.0.allocate(layout).map_err(|_| AllocError)
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise: a block of this allocator, of this size.
        unsafe { self.0.deallocate(block, layout.size()) };
    }

    #[inline]
    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise: a block of this allocator, with the old layout.
        unsafe { self.0.resize(block, old, new) }.map_err(|_| AllocError)
    }

    #[inline]
    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise: a block of this allocator, with the old layout.
        unsafe { self.0.resize(block, old, new) }.map_err(|_| AllocError)
    }
}

/// `SyncBlinkAlloc` through a local proxy that each thread takes once a round: its documented way
/// of sharing.
pub struct SharedLocal(SyncBlinkAlloc);

/// `SyncBlinkAlloc` itself.
pub struct SharedDirect(SyncBlinkAlloc);

macro_rules! shared {
    ($engine:ident, $config:literal, $why:literal, $local:ty, $region:ident => $lend:expr) => {
        impl core::fmt::Debug for $engine {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(module_path!(), "/", $config))
            }
        }

        impl Shared for $engine {
            const ABOUT: About = About {
                name: "blink-alloc",
                config: $config,
                package: "blink-alloc",
                why: $why,
                role: Role::Peer,
            };

            type Own = ();

            type Local<'a, 'l> = $local;

            /// After a round its last chunk holds the round, and is kept.
            fn with_capacity(_: usize, _: usize) -> Self {
                Self(SyncBlinkAlloc::new())
            }

            fn join(&self) {}

            #[inline]
            fn with_local<'a, T>(&'a self, (): &'a mut (), work: impl FnOnce(&$local) -> T) -> T {
                let $region = &self.0;
                work(&$lend)
            }

            #[inline]
            fn alloc<T: Copy + Send + 'static>(
                local: &Self::Local<'_, '_>,
                value: T,
            ) -> NonNull<T> {
                let layout = Layout::new::<T>();
                match local.allocate(layout) {
                    Ok(block) => {
                        let block = block.cast::<T>();
                        // SAFETY: a fresh block of `T`'s layout.
                        unsafe { block.write(value) };
                        block
                    }
                    Err(_) => handle_alloc_error(layout),
                }
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
    SharedLocal,
    "sync-local",
    "a local proxy for each thread and round, as its documentation advises",
    LocalBlinkAlloc<'a>,
    shared => shared.local()
);
shared!(
    SharedDirect,
    "sync",
    "the shared allocator itself",
    &'a SyncBlinkAlloc,
    shared => shared
);
