//! mimalloc 3, through its C interface.

use core::alloc::Layout;

use libmimalloc_sys as mi;

use super::About;
use super::heap::Malloc;
use crate::case::Role;

/// The largest alignment that `mi_malloc` gives a block of at least that many bytes.
const MALLOC_ALIGN: usize = 16;

/// `mi_malloc`, `mi_free`, `mi_realloc`.
#[derive(Debug)]
pub struct Mimalloc;

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
}
