//! scoped-arena: scopes over growing buckets. Its `Allocator` needs nightly Rust, so it is no
//! [`super::Backing`] here.

use core::alloc::Layout;
use core::ptr::NonNull;

use scoped_arena::Scope;

use super::{About, Bump, Region};
use crate::case::Role;

/// `Scope::new()`: its first bucket is small, the next ones grow.
#[derive(Debug)]
pub struct New(Scope<'static>);

/// `Scope::with_capacity`.
#[derive(Debug)]
pub struct WithCapacity(Scope<'static>);

macro_rules! region {
    ($engine:ident, $config:literal, $why:literal, $make:expr) => {
        impl Region for $engine {
            const ABOUT: About = About {
                name: "scoped-arena",
                config: $config,
                package: "scoped-arena",
                why: $why,
                role: Role::Peer,
            };

            fn with_capacity(bytes: usize) -> Self {
                let make: fn(usize) -> Scope<'static> = $make;
                Self(make(bytes))
            }

            #[inline]
            fn alloc<T: Copy>(&self, value: T) -> &mut T {
                self.0.to_scope(value)
            }

            #[inline]
            fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
                NonNull::from(self.0.alloc(layout)).cast()
            }

            /// It has no copy of slices, and its `to_scope_from_iter` makes an invalid layout by an unchecked
            /// constructor, on which debug builds abort (0.4.1); a block and a copy is its fastest way anyway.
            #[inline]
            fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
                let block = self.alloc_layout(Layout::for_value(values)).cast::<T>();
                // SAFETY: the block is as long as `values`, fresh, and so does not overlap it.
                unsafe {
                    block.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len())
                };
                // SAFETY: initialised just now; it lives until the scope is reset, which borrows `self`.
                unsafe { NonNull::slice_from_raw_parts(block, values.len()).as_mut() }
            }

            #[inline]
            fn alloc_str(&self, text: &str) -> &str {
                let bytes = self.alloc_slice_copy(text.as_bytes());
                // SAFETY: the bytes of a `str`.
                unsafe { core::str::from_utf8_unchecked(bytes) }
            }

            #[inline]
            unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {
                self.0.reset();
            }
        }

        impl Bump for $engine {
            #[inline]
            fn reset(&mut self) {
                self.0.reset();
            }
        }
    };
}

region!(New, "default", "Scope::new(), as most users write it", |_| Scope::new());
region!(
    WithCapacity,
    "with-capacity",
    "a first bucket that holds a round; after one round the default has the same",
    Scope::with_capacity
);
