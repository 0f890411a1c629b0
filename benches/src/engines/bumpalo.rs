//! bumpalo: chunks that grow, bumped downwards; the cursor lies in the chunk's footer.

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use bumpalo::Bump as Inner;

use super::lifo::Lifo;
use super::shared::Shared;
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

macro_rules! lifo {
    () => {
        const ABOUT: About = <Self as Region>::ABOUT;

        type Mark = ();

        fn with_capacity(bytes: usize) -> Self {
            Region::with_capacity(bytes)
        }

        #[inline]
        fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
            (self.0.alloc_layout(layout), ())
        }

        /// Gives back the newest block; any other stays until the reset.
        #[inline]
        unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
            // SAFETY: clauses 1 and 2 of `pop`.
            unsafe { (&self.0).deallocate(block, layout) };
        }

        fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
            self.0.iter_allocated_chunks().map(<[_]>::len).sum()
        }

        fn settle(&mut self) {
            self.0.reset();
        }
    };
}

impl Lifo for New {
    lifo!();
}

impl<const MIN_ALIGN: usize> Lifo for WithCapacity<MIN_ALIGN> {
    lifo!();
}

/// `bumpalo_herd::Herd`: each thread borrows a whole `Bump` for a round.
#[derive(Debug)]
pub struct Herd(bumpalo_herd::Herd);

impl Shared for Herd {
    const ABOUT: About = About {
        name: "bumpalo-herd",
        config: "default",
        package: "bumpalo-herd",
        why: "a Bump borrowed from the herd by each thread and round, as its documentation advises",
        role: Role::Peer,
    };

    type Own = ();

    type Local<'a, 'l> = bumpalo_herd::Member<'a>;

    /// It takes no capacity: after a few rounds each Bump's last chunk holds one.
    fn with_capacity(_: usize, _: usize) -> Self {
        Self(bumpalo_herd::Herd::new())
    }

    fn join(&self) {}

    #[inline]
    fn with_local<'a, T>(
        &'a self,
        (): &'a mut (),
        work: impl for<'l> FnOnce(&Self::Local<'a, 'l>) -> T,
    ) -> T {
        work(&self.0.get())
    }

    #[inline]
    fn alloc<T: Copy + Send + 'static>(local: &Self::Local<'_, '_>, value: T) -> NonNull<T> {
        NonNull::from(local.alloc(value))
    }

    #[inline]
    unsafe fn leave<T: Copy>(&self, (): &mut (), _: &[NonNull<T>]) {}

    fn reset(&mut self) {
        self.0.reset();
    }
}
