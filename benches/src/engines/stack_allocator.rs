//! stack-allocator: an inline buffer of constant size, bumped upwards by a compare-and-swap even
//! where one thread uses it.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::handle_alloc_error;

use allocator_api2::alloc::{Allocator, Global};
use stack_allocator::{HybridAllocator, StackAllocator};

use super::About;
use super::lifo::{Framed, Lifo};
use crate::case::Role;

/// Bytes of the buffer: what a round pushes in all, since little of it is given back.
const BUFFER_BYTES: usize = 768 * 1024;

/// Bytes of the buffer before the heap takes over.
const HYBRID_BYTES: usize = 64 * 1024;

/// `StackAllocator`, boxed so that the engine can move.
pub struct Inline(Box<StackAllocator<BUFFER_BYTES>>);

/// `HybridAllocator`: what does not fit goes to the global allocator.
pub struct Hybrid(Box<HybridAllocator<HYBRID_BYTES, Global>>);

macro_rules! lifo {
    ($engine:ident, $config:literal, $why:literal, $make:expr) => {
        impl core::fmt::Debug for $engine {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_tuple(stringify!($engine)).field(&self.0.current_offset()).finish()
            }
        }

        impl Lifo for $engine {
            const ABOUT: About = About {
                name: "stack-allocator",
                config: $config,
                package: "stack-allocator",
                why: $why,
                role: Role::Peer,
            };

            type Mark = ();

            fn with_capacity(_: usize) -> Self {
                Self(Box::new($make))
            }

            #[inline]
            fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
                match (&*self.0).allocate(layout) {
                    Ok(block) => (block.cast(), ()),
                    Err(_) => handle_alloc_error(layout),
                }
            }

            /// Gives back the newest block; any other stays until the reset.
            #[inline]
            unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
                // SAFETY: clauses 1 and 2 of `pop`.
                unsafe { (&*self.0).deallocate(block, layout) };
            }

            fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
                self.0.current_offset()
            }

            fn settle(&mut self) {
                self.0.reset();
            }
        }
    };
}

impl Hybrid {
    /// Lends the allocator that collections hold.
    #[must_use]
    pub fn allocator(&self) -> &HybridAllocator<HYBRID_BYTES, Global> {
        &self.0
    }
}

lifo!(
    Inline,
    "default",
    "StackAllocator with a buffer as long as a round's pushes, reset between rounds",
    StackAllocator::new()
);
lifo!(
    Hybrid,
    "hybrid",
    "HybridAllocator: a 64 KiB buffer, and the global allocator when that is full",
    HybridAllocator::new(Global)
);

impl Framed for Inline {
    const ABOUT: About = <Self as Lifo>::ABOUT;

    type Frame<'f> = &'f StackAllocator<BUFFER_BYTES>;

    fn with_capacity(bytes: usize) -> Self {
        Lifo::with_capacity(bytes)
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut Self::Frame<'_>, &[Layout], &mut [NonNull<u8>]),
    ) {
        fill(&mut &*self.0, layouts, blocks);
        self.0.reset();
    }

    #[inline]
    fn alloc_layout(frame: &mut Self::Frame<'_>, layout: Layout) -> NonNull<u8> {
        match (*frame).allocate(layout) {
            Ok(block) => block.cast(),
            Err(_) => handle_alloc_error(layout),
        }
    }
}
