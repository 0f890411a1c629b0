//! mimalloc 3, through its C interface: block by block, and a heap of its own destroyed at once.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::handle_alloc_error;

use libmimalloc_sys as mi;

use super::heap::Malloc;
use super::{About, Region};
use crate::case::Role;

/// The largest alignment that `mi_malloc` gives a block of at least that many bytes.
const MALLOC_ALIGN: usize = 16;

/// `mi_malloc`, `mi_free`, `mi_realloc`.
#[derive(Debug)]
pub struct Mimalloc;

/// Whether this executable's global allocator is mimalloc.
#[must_use]
pub fn is_global() -> bool {
    let block = Box::new(1_u64);
    // SAFETY: asks about an address, whoever it belongs to.
    unsafe { mi::mi_is_in_heap_region((&raw const *block).cast()) }
}

#[inline]
fn naturally_aligned(layout: Layout) -> bool {
    layout.align() <= MALLOC_ALIGN && layout.align() <= layout.size()
}

impl Malloc for Mimalloc {
    const ABOUT: About = About {
        name: "mimalloc",
        config: "default",
        package: "libmimalloc-sys",
        why: "version 3, its defaults, without its debug or secure modes",
        role: Role::Peer,
    };

    #[inline]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        if naturally_aligned(layout) {
            // SAFETY: any size will do.
            unsafe { mi::mi_malloc(layout.size()) }.cast()
        } else {
            // SAFETY: the alignment is a power of two.
            unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()) }.cast()
        }
    }

    #[inline]
    unsafe fn free(block: *mut u8, _: Layout) {
        // SAFETY: the caller's promise.
        unsafe { mi::mi_free(block.cast()) };
    }

    #[inline]
    unsafe fn reallocate(block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN && layout.align() <= new_bytes {
            // SAFETY: the caller's promise.
            unsafe { mi::mi_realloc(block.cast(), new_bytes) }.cast()
        } else {
            // SAFETY: the caller's promise; the alignment is a power of two.
            unsafe { mi::mi_realloc_aligned(block.cast(), new_bytes, layout.align()) }.cast()
        }
    }

    #[inline]
    unsafe fn usable_bytes(block: *mut u8, _: Layout) -> usize {
        // SAFETY: the caller's promise: a block of this malloc, alive.
        unsafe { mi::mi_usable_size(block.cast()) }
    }
}

/// A first-class heap, destroyed and made anew at the end of a round: mimalloc's own way of freeing
/// many blocks at once.
#[derive(Debug)]
pub struct OwnHeap(NonNull<mi::mi_heap_t>);

impl OwnHeap {
    fn make() -> NonNull<mi::mi_heap_t> {
        // SAFETY: takes nothing.
        NonNull::new(unsafe { mi::mi_heap_new() }).expect("mimalloc makes a heap")
    }

    #[inline]
    fn block(&self, layout: Layout) -> NonNull<u8> {
        let block = if naturally_aligned(layout) {
            // SAFETY: the heap is alive, as `self` is.
            unsafe { mi::mi_heap_malloc(self.0.as_ptr(), layout.size()) }
        } else {
            // SAFETY: the heap is alive, as `self` is; the alignment is a power of two.
            unsafe { mi::mi_heap_malloc_aligned(self.0.as_ptr(), layout.size(), layout.align()) }
        };
        NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout))
    }
}

impl Region for OwnHeap {
    const ABOUT: About = About {
        name: "mimalloc",
        config: "heap-destroy",
        package: "libmimalloc-sys",
        why: "mi_heap_malloc from a heap that is destroyed at once instead of freeing each block",
        role: Role::Peer,
    };

    fn with_capacity(_: usize) -> Self {
        Self(Self::make())
    }

    #[inline]
    fn alloc<T: Copy>(&self, value: T) -> &mut T {
        let mut block = self.block(Layout::new::<T>()).cast::<T>();
        // SAFETY: the block has `T`'s layout and nobody else has it.
        unsafe { block.write(value) };
        // SAFETY: initialised just now; it lives until the heap is destroyed, through `&mut self`.
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
        // SAFETY: initialised just now; it lives until the heap is destroyed, through `&mut self`.
        unsafe { NonNull::slice_from_raw_parts(block, values.len()).as_mut() }
    }

    #[inline]
    fn alloc_str(&self, text: &str) -> &str {
        let bytes = self.alloc_slice_copy(text.as_bytes());
        // SAFETY: a copy of a `str`.
        unsafe { core::str::from_utf8_unchecked(bytes) }
    }

    #[inline]
    unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {
        // SAFETY: made by `make`, destroyed once, replaced below; clause 2 of `release`.
        unsafe { mi::mi_heap_destroy(self.0.as_ptr()) };
        self.0 = Self::make();
    }
}

impl Drop for OwnHeap {
    fn drop(&mut self) {
        // SAFETY: made by `make`, destroyed once; no borrow of `self` is left.
        unsafe { mi::mi_heap_destroy(self.0.as_ptr()) };
    }
}
