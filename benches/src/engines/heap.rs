//! Whole allocators as regions: each block is allocated and freed on its own.

use core::alloc::{GlobalAlloc, Layout};
use core::hint::black_box;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::alloc::{self, handle_alloc_error};

use allocator_api2::alloc::{AllocError, Allocator};

use super::lifo::{Framed, Lifo};
use super::{About, Backing, Region};
use crate::case::Role;

/// A malloc, called through its C interface; it replaces nobody's global allocator.
pub trait Malloc: 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// Returns a block for `layout`, or null.
    ///
    /// # Safety
    ///
    /// `layout.size()` is above 0.
    unsafe fn allocate(layout: Layout) -> *mut u8;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// `block` came from [`Malloc::allocate`] or [`Malloc::reallocate`] with this layout, and is not used again.
    unsafe fn free(block: *mut u8, layout: Layout);

    /// Changes a block's size, moving it when it must; returns null and leaves it alone when it
    /// cannot.
    ///
    /// # Safety
    ///
    /// As [`Malloc::free`] unless null is returned; `new_bytes` is above 0 and, rounded up to
    /// the alignment, fits `isize`.
    unsafe fn reallocate(block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8;

    /// Returns how many bytes of a block the caller could use, were it told.
    ///
    /// # Safety
    ///
    /// `block` is alive and came from this malloc with this layout.
    unsafe fn usable_bytes(block: *mut u8, layout: Layout) -> usize;
}

/// The process's global allocator, in the place of any malloc where calls are counted: how often a
/// scenario calls does not depend on which malloc answers.
#[derive(Debug)]
pub struct Counted;

impl Malloc for Counted {
    const ABOUT: About = About {
        name: "counted",
        config: "default",
        package: "libc",
        why: "the process's global allocator, which counts its calls; never timed",
        role: Role::Control,
    };

    #[inline]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise: the size is above 0.
        let block = unsafe { alloc::alloc(layout) };
        // The compiler knows these calls, and would leave out a block that nobody else sees.
        black_box(block)
    }

    #[inline]
    unsafe fn free(block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: this block, this layout.
        unsafe { alloc::dealloc(block, layout) };
    }

    #[inline]
    unsafe fn reallocate(block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: the caller's promise: this block, this layout, a size above 0 that fits `isize`.
        unsafe { alloc::realloc(block, layout, new_bytes) }
    }

    #[inline]
    unsafe fn usable_bytes(_: *mut u8, layout: Layout) -> usize {
        layout.size()
    }
}

/// A [`Malloc`] as a [`Region`], and as the global allocator of an executable; zero-sized.
#[derive(Debug)]
pub struct Heap<M>(PhantomData<M>);

impl<M: Malloc> Heap<M> {
    /// Makes one.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    #[inline]
    fn block(layout: Layout) -> NonNull<u8> {
        // SAFETY: no scenario asks for an empty block, which the debug build asserts.
        let block = unsafe { M::allocate(layout) };
        debug_assert!(layout.size() > 0, "empty block of {layout:?}");
        NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
    }
}

impl<M: Malloc> Default for Heap<M> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: forwards to a malloc, whose blocks have the layout asked for, overlap no other, live until
// freed, and which does not unwind. `GlobalAlloc` is never asked for an empty block.
unsafe impl<M: Malloc> GlobalAlloc for Heap<M> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise: the size is above 0.
        unsafe { M::allocate(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: this block, this layout.
        unsafe { M::free(block, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: the caller's promise: this block, this layout, a size above 0 that fits `isize`.
        unsafe { M::reallocate(block, layout, new_bytes) }
    }
}

impl<M: Malloc> Region for Heap<M> {
    const ABOUT: About = M::ABOUT;

    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    #[inline]
    fn alloc<T: Copy>(&self, value: T) -> &mut T {
        let mut block = Self::block(Layout::new::<T>()).cast::<T>();
        // SAFETY: the block has `T`'s layout and nobody else has it.
        unsafe { block.write(value) };
        // SAFETY: initialised just now; the caller frees it after its last use (`Region::release`).
        unsafe { block.as_mut() }
    }

    #[inline]
    fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        Self::block(layout)
    }

    #[inline]
    fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
        let block = Self::block(Layout::for_value(values)).cast::<T>();
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
            unsafe { M::free(block.as_ptr(), layout) };
        }
    }

    #[inline]
    unsafe fn end(&mut self, blocks: impl Iterator<Item = (NonNull<u8>, Layout)>) {
        // SAFETY: the caller's promise, handed on.
        unsafe { self.release(blocks) };
    }
}

impl<M: Malloc> Lifo for Heap<M> {
    const ABOUT: About = M::ABOUT;

    type Mark = ();

    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        (Self::block(layout), ())
    }

    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: clauses 1 and 2 of `pop`.
        unsafe { M::free(block.as_ptr(), layout) };
    }

    fn held_bytes(&mut self, live: &[(NonNull<u8>, Layout)]) -> usize {
        live.iter()
            .map(|&(block, layout)| {
                // SAFETY: `live` is what is alive.
                unsafe { M::usable_bytes(block.as_ptr(), layout) }
            })
            .sum()
    }

    #[inline]
    fn settle(&mut self) {}
}

impl<M: Malloc> Framed for Heap<M> {
    const ABOUT: About = M::ABOUT;

    type Frame<'f> = ();

    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut (), &[Layout], &mut [NonNull<u8>]),
    ) {
        fill(&mut (), layouts, blocks);
        for (block, &layout) in blocks.iter().zip(layouts) {
            // SAFETY: allocated by `fill` just now, and dead with the frame.
            unsafe { M::free(block.as_ptr(), layout) };
        }
    }

    #[inline]
    fn alloc_layout((): &mut (), layout: Layout) -> NonNull<u8> {
        Self::block(layout)
    }
}

impl<M: Malloc> Backing for Heap<M> {
    type Handle<'a> = Handle<M>;

    #[inline]
    fn handle(&self) -> Handle<M> {
        Handle(PhantomData)
    }

    /// Dropped collections have freed their blocks themselves.
    #[inline]
    fn end_collections(&mut self) {}
}

/// A [`Malloc`] as an [`Allocator`]: grows by `realloc`, as std's `Vec` does.
#[derive(Debug)]
pub struct Handle<M>(PhantomData<M>);

impl<M> Clone for Handle<M> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Handle<M> {}

impl<M: Malloc> Handle<M> {
    #[inline]
    unsafe fn resize(
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return Self(PhantomData).allocate(new);
        }
        if new.size() == 0 || old.align() != new.align() {
            // No collection here shrinks to nothing or changes its alignment.
            return Err(AllocError);
        }
        // SAFETY: the caller's promise of `Allocator::grow`/`shrink`; both sizes are above 0, and
        // `new` is a `Layout`, so its size fits `isize`.
        let moved = unsafe { M::reallocate(block.as_ptr(), old, new.size()) };
        let moved = NonNull::new(moved).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(moved, new.size()))
    }
}

// SAFETY: blocks come from a malloc: they live until freed, wherever the handle moves, and any
// copy of the handle can free them, as it holds no state.
unsafe impl<M: Malloc> Allocator for Handle<M> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            let dangling = NonNull::without_provenance(layout.align().try_into().unwrap());
            return Ok(NonNull::slice_from_raw_parts(dangling, 0));
        }
        // SAFETY: the size is above 0.
        let block = NonNull::new(unsafe { M::allocate(layout) }).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            // SAFETY: the caller's promise: allocated here with this layout, not used again.
            unsafe { M::free(block.as_ptr(), layout) };
        }
    }

    #[inline]
    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, handed on.
        unsafe { Self::resize(block, old, new) }
    }

    #[inline]
    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, handed on.
        unsafe { Self::resize(block, old, new) }
    }
}
