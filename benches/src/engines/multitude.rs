//! multitude: an arena whose values may outlive it through counted handles; here only its cheapest
//! handles are used, those that live as long as the arena.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::handle_alloc_error;

use allocator_api2::alloc::Allocator;
use multitude::{Alloc, Arena};

use super::{About, Backing, Bump, Region};
use crate::case::Role;

/// `Arena::new()`: as most users write it.
pub struct New(Arena);

/// An arena built with a capacity, and with every block of a round below its limit for blocks that
/// share a chunk.
pub struct WithCapacity(Arena);

macro_rules! region {
    ($engine:ident, $config:literal, $why:literal, $make:expr) => {
        impl Region for $engine {
            const ABOUT: About = About {
                name: "multitude",
                config: $config,
                package: "multitude",
                why: $why,
                role: Role::Peer,
            };

            fn with_capacity(bytes: usize) -> Self {
                let make: fn(usize) -> Arena = $make;
                Self(make(bytes))
            }

            #[inline]
            fn alloc<T: Copy>(&self, value: T) -> &mut T {
                Alloc::leak(self.0.alloc(value))
            }

            #[inline]
            fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
                match Allocator::allocate(&&self.0, layout) {
                    Ok(block) => block.cast(),
                    Err(_) => handle_alloc_error(layout),
                }
            }

            #[inline]
            fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
                Alloc::leak(self.0.alloc_slice_copy(values))
            }

            #[inline]
            fn alloc_str(&self, text: &str) -> &str {
                Alloc::leak(self.0.alloc_str(text))
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
            type Handle<'a> = &'a Arena;

            #[inline]
            fn handle(&self) -> &Arena {
                &self.0
            }

            #[inline]
            fn end_collections(&mut self) {
                self.0.reset();
            }
        }
    };
}

region!(New, "default", "Arena::new(), as most users write it", |_| Arena::new());
region!(WithCapacity, "with-capacity", "chunks for a round are made beforehand", |bytes| {
    Arena::builder().with_capacity(bytes.next_power_of_two()).build()
});
