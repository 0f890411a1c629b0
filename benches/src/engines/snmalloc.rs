//! snmalloc, through the C interface of its Rust shim. It dies under callgrind, which is no error
//! of the row: its instructions are not counted.

use core::alloc::Layout;

use snmalloc_sys as sn;

use super::About;
use super::heap::Malloc;
use crate::case::Role;

/// `sn_rust_alloc`, `sn_rust_dealloc` (which are told the layout), `sn_rust_realloc`.
#[derive(Debug)]
pub struct Snmalloc;

impl Malloc for Snmalloc {
    const ABOUT: About = About {
        name: "snmalloc",
        config: "default",
        package: "snmalloc-sys",
        why: "its defaults, built by the C++ compiler at hand; free is told the size",
        role: Role::Peer,
    };

    #[inline]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        // SAFETY: the alignment is a power of two above 0.
        unsafe { sn::sn_rust_alloc(layout.align(), layout.size()) }.cast()
    }

    #[inline]
    unsafe fn free(block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: this block, this layout.
        unsafe { sn::sn_rust_dealloc(block.cast(), layout.align(), layout.size()) };
    }

    #[inline]
    unsafe fn reallocate(block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: the caller's promise: this block, this layout.
        unsafe {
            sn::sn_rust_realloc(block.cast(), layout.align(), layout.size(), new_bytes).cast()
        }
    }

    #[inline]
    unsafe fn usable_bytes(block: *mut u8, _: Layout) -> usize {
        // SAFETY: the caller's promise: a block of this malloc, alive.
        unsafe { sn::sn_rust_usable_size(block.cast()) }
    }
}
