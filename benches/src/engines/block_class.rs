//! Ours: `SlabAlloc` of `alloc-slab`, a class of blocks of one size, in the place of a malloc.
//!
//! It serves whoever states the largest block: a smaller one costs as much memory, a larger one goes
//! to the backing. (The `Slab`, whose values have keys, is no region.)

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::handle_alloc_error;

use alloc_slab::SlabAlloc;
use allocator_api2::alloc::Allocator;

use super::lifo::Lifo;
use super::{About, Backing, Region};
use crate::case::Role;

/// What the tables say of it.
const ABOUT: About = About {
    name: "alloc-slab",
    config: "boxes",
    package: "alloc-slab",
    why: "SlabAlloc, one class as large as the workload's largest small block; each is given back",
    role: Role::Ours,
};

/// A class of `BYTES` at alignment 16, as a malloc has it.
#[derive(Debug)]
pub struct Blocks<const BYTES: usize>(SlabAlloc);

impl<const BYTES: usize> Blocks<BYTES> {
    fn new() -> Self {
        let class = Layout::from_size_align(BYTES, 16).expect("a small class");
        Self(SlabAlloc::new(class))
    }

    #[inline]
    fn block(&self, layout: Layout) -> NonNull<u8> {
        match self.0.allocate(layout) {
            Ok(block) => block.cast(),
            Err(_) => handle_alloc_error(layout),
        }
    }
}

impl<const BYTES: usize> Region for Blocks<BYTES> {
    const ABOUT: About = ABOUT;

    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    #[inline]
    fn alloc<T: Copy>(&self, value: T) -> &mut T {
        let mut block = self.block(Layout::new::<T>()).cast::<T>();
        // SAFETY: the block has `T`'s layout and nobody else has it.
        unsafe { block.write(value) };
        // SAFETY: initialised just now; the caller frees it after its last use (`Region::release`).
        unsafe { block.as_mut() }
    }

    #[inline]
    fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        self.block(layout)
    }

    #[inline]
    fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
        let block = self.block(Layout::for_value(values)).cast::<T>();
        // SAFETY: the block is as long as `values`, fresh, and so does not overlap it.
        unsafe { block.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        // SAFETY: initialised just now; the caller frees it after its last use (`Region::release`).
        unsafe { NonNull::slice_from_raw_parts(block, values.len()).as_mut() }
    }

    #[inline]
    fn alloc_str(&self, text: &str) -> &str {
        let bytes = self.alloc_slice_copy(text.as_bytes());
        // SAFETY: a copy of a `str`.
        unsafe { core::str::from_utf8_unchecked(bytes) }
    }

    #[inline]
    unsafe fn release(&mut self, blocks: impl Iterator<Item = (NonNull<u8>, Layout)>) {
        for (block, layout) in blocks {
            // SAFETY: clauses 1 and 2 of `release`.
            unsafe { self.0.deallocate(block, layout) };
        }
    }

    #[inline]
    unsafe fn end(&mut self, blocks: impl Iterator<Item = (NonNull<u8>, Layout)>) {
        // SAFETY: the caller's promise, handed on; blocks beyond the class are the backing's.
        unsafe { self.release(blocks) };
    }
}

impl<const BYTES: usize> Backing for Blocks<BYTES> {
    type Handle<'a> = &'a SlabAlloc;

    #[inline]
    fn handle(&self) -> &SlabAlloc {
        &self.0
    }

    /// Dropped collections have given their blocks back themselves.
    #[inline]
    fn end_collections(&mut self) {}
}

impl<const BYTES: usize> Lifo for Blocks<BYTES> {
    const ABOUT: About = ABOUT;

    type Mark = ();

    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        (self.block(layout), ())
    }

    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: clauses 1 and 2 of `pop`.
        unsafe { self.0.deallocate(block, layout) };
    }

    /// A whole block of the class for each that lives; what exceeds the class is the backing's.
    fn held_bytes(&mut self, live: &[(NonNull<u8>, Layout)]) -> usize {
        let beyond = |&&(_, layout): &&(NonNull<u8>, Layout)| !self.0.serves(layout);
        let beyond: usize = live.iter().filter(beyond).map(|(_, layout)| layout.size()).sum();
        self.0.stats().used_bytes + beyond
    }

    fn settle(&mut self) {}
}
