//! oxc_allocator: the arena of the oxc compilers, a fork of bumpalo that keeps its cursor in the
//! struct. The fastest published bump allocator known here.

use core::alloc::Layout;
use core::ptr::NonNull;

use oxc_allocator::Allocator as Inner;

use super::{About, Backing, Bump, Region};
use crate::case::Role;

/// `Allocator::default()`: grows from 16 KiB.
pub struct New(Inner);

/// `Allocator::with_capacity`.
pub struct WithCapacity(Inner);

macro_rules! region {
    ($engine:ident, $config:literal, $why:literal, $make:expr) => {
        impl Region for $engine {
            const ABOUT: About = About {
                name: "oxc",
                config: $config,
                package: "oxc_allocator",
                why: $why,
                role: Role::Peer,
            };

            fn with_capacity(bytes: usize) -> Self {
                let make: fn(usize) -> Inner = $make;
                Self(make(bytes))
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
            type Handle<'a> = &'a Inner;

            #[inline]
            fn handle(&self) -> &Inner {
                &self.0
            }

            #[inline]
            fn end_collections(&mut self) {
                self.0.reset();
            }
        }
    };
}

region!(New, "default", "Allocator::default(), as oxc's users write it", |_| Inner::default());
region!(WithCapacity, "with-capacity", "a round fits the first chunk", Inner::with_capacity);
