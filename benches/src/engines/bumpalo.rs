//! bumpalo: chunks that grow, bumped downwards; the cursor lies in the chunk's footer.

use core::alloc::Layout;
use core::ptr::NonNull;

use bumpalo::Bump as Inner;

use super::{About, Backing, Bump, Region};
use crate::case::Role;

/// `Bump::new()`: as most users write it.
#[derive(Debug)]
pub struct New(Inner);

/// `Bump::with_min_align_and_capacity`: minimum alignment 8 needs no mask for most types, 1 wastes
/// no padding; the capacity keeps every block of a round in one chunk.
#[derive(Debug)]
pub struct WithCapacity<const MIN_ALIGN: usize>(Inner<MIN_ALIGN>);

macro_rules! forward {
    () => {
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
    };
}

impl Region for New {
    const ABOUT: About = About {
        name: "bumpalo",
        config: "default",
        package: "bumpalo",
        why: "Bump::new(), as most users write it",
        role: Role::Peer,
    };

    fn with_capacity(_: usize) -> Self {
        Self(Inner::new())
    }

    forward!();
}

impl<const MIN_ALIGN: usize> Region for WithCapacity<MIN_ALIGN> {
    const ABOUT: About = About {
        name: "bumpalo",
        config: if MIN_ALIGN == 1 { "with-capacity" } else { "min-align-8" },
        package: "bumpalo",
        why: if MIN_ALIGN == 1 {
            "Bump::with_capacity: a round fits the first chunk"
        } else {
            "with_min_align_and_capacity::<8>: no rounding for types of alignment 8 and below"
        },
        role: Role::Peer,
    };

    fn with_capacity(bytes: usize) -> Self {
        Self(Inner::with_min_align_and_capacity(bytes))
    }

    forward!();
}

impl Bump for New {
    #[inline]
    fn reset(&mut self) {
        self.0.reset();
    }
}

impl<const MIN_ALIGN: usize> Bump for WithCapacity<MIN_ALIGN> {
    #[inline]
    fn reset(&mut self) {
        self.0.reset();
    }
}

impl Backing for New {
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

impl<const MIN_ALIGN: usize> Backing for WithCapacity<MIN_ALIGN> {
    type Handle<'a> = &'a Inner<MIN_ALIGN>;

    #[inline]
    fn handle(&self) -> &Inner<MIN_ALIGN> {
        &self.0
    }

    #[inline]
    fn end_collections(&mut self) {
        self.0.reset();
    }
}
