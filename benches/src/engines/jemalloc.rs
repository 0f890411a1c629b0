//! jemalloc 5.3, through its C interface under the prefix `_rjem_`: it replaces no malloc.

use core::alloc::Layout;
use core::ffi::c_int;
use core::ptr::null_mut;

use tikv_jemalloc_sys as je;

use super::About;
use super::heap::Malloc;
use crate::case::Role;

/// The largest alignment that `malloc` gives a block of at least that many bytes.
const MALLOC_ALIGN: usize = 16;

/// `malloc`, `free`, `realloc`.
#[derive(Debug)]
pub struct Plain;

/// `mallocx`, `sdallocx`, `rallocx`: the caller tells the size again when it frees, which spares
/// jemalloc the look-up. This is how its Rust global allocator calls it.
#[derive(Debug)]
pub struct SizedFree;

/// Returns to the system what is free: this thread's cache first, then every arena's pages.
pub fn give_back() {
    // 4096 stands for all arenas.
    for command in [c"thread.tcache.flush", c"arena.4096.purge"] {
        // SAFETY: a command that reads and writes nothing here.
        let failed =
            unsafe { je::mallctl(command.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
        debug_assert_eq!(failed, 0, "{command:?}");
    }
}

impl Malloc for Plain {
    const ABOUT: About = About {
        name: "jemalloc",
        config: "default",
        package: "tikv-jemalloc-sys",
        why: "malloc and free, its defaults",
        role: Role::Peer,
    };

    #[inline]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN && layout.align() <= layout.size() {
            // SAFETY: any size will do.
            unsafe { je::malloc(layout.size()) }.cast()
        } else {
            // SAFETY: the alignment is a power of two and the size above 0.
            unsafe { je::mallocx(layout.size(), align_flag(layout.align())) }.cast()
        }
    }

    #[inline]
    unsafe fn free(block: *mut u8, _: Layout) {
        // SAFETY: the caller's promise.
        unsafe { je::free(block.cast()) };
    }

    #[inline]
    unsafe fn reallocate(block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN && layout.align() <= new_bytes {
            // SAFETY: the caller's promise.
            unsafe { je::realloc(block.cast(), new_bytes) }.cast()
        } else {
            // SAFETY: the caller's promise; the alignment is a power of two.
            unsafe { je::rallocx(block.cast(), new_bytes, align_flag(layout.align())) }.cast()
        }
    }

    #[inline]
    unsafe fn usable_bytes(block: *mut u8, _: Layout) -> usize {
        // SAFETY: the caller's promise: a block of this malloc, alive.
        unsafe { je::malloc_usable_size(block.cast()) }
    }
}

impl Malloc for SizedFree {
    const ABOUT: About = About {
        name: "jemalloc",
        config: "sized-free",
        package: "tikv-jemalloc-sys",
        why: "mallocx and sdallocx: telling the size on free spares a look-up",
        role: Role::Peer,
    };

    #[inline]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise: the size is above 0.
        unsafe { je::mallocx(layout.size(), flags(layout)) }.cast()
    }

    #[inline]
    unsafe fn free(block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; size and flags are those of the allocation.
        unsafe { je::sdallocx(block.cast(), layout.size(), flags(layout)) };
    }

    #[inline]
    unsafe fn reallocate(block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: a size above 0 and no larger than a layout's (the caller's promise).
        let new = unsafe { Layout::from_size_align_unchecked(new_bytes, layout.align()) };
        // SAFETY: the caller's promise.
        unsafe { je::rallocx(block.cast(), new_bytes, flags(new)) }.cast()
    }

    #[inline]
    unsafe fn usable_bytes(block: *mut u8, _: Layout) -> usize {
        // SAFETY: the caller's promise: a block of this malloc, alive.
        unsafe { je::malloc_usable_size(block.cast()) }
    }
}

/// No flag where every block of that size is aligned anyway.
#[inline]
fn flags(layout: Layout) -> c_int {
    if layout.align() <= MALLOC_ALIGN && layout.align() <= layout.size() {
        0
    } else {
        align_flag(layout.align())
    }
}

#[inline]
fn align_flag(align: usize) -> c_int {
    je::MALLOCX_ALIGN(align)
}
