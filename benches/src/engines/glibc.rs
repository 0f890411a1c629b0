//! The system's malloc (glibc on Linux), whatever the process's global allocator is.

use core::alloc::Layout;
use core::ffi::CStr;

use super::About;
use super::heap::Malloc;
use crate::case::Role;

/// What `malloc` aligns every block to on 64-bit glibc, whatever its size.
const MALLOC_ALIGN: usize = 2 * size_of::<usize>();

/// `malloc`, `free`, `realloc`.
#[derive(Debug)]
pub struct Glibc;

impl Malloc for Glibc {
    const ABOUT: About = About {
        name: "glibc",
        config: "default",
        package: "libc",
        why: "the system's malloc and free: what Box and Vec use unless told otherwise",
        role: Role::Peer,
    };

    #[inline]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            // SAFETY: any size will do.
            unsafe { libc::malloc(layout.size()) }.cast()
        } else {
            // SAFETY: the alignment is a power of two; glibc asks no more of the size.
            unsafe { libc::aligned_alloc(layout.align(), layout.size()) }.cast()
        }
    }

    #[inline]
    unsafe fn free(block: *mut u8, _: Layout) {
        // SAFETY: the caller's promise.
        unsafe { libc::free(block.cast()) };
    }

    #[inline]
    unsafe fn reallocate(block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        assert!(layout.align() <= MALLOC_ALIGN, "realloc keeps no alignment of {}", layout.align());
        // SAFETY: the caller's promise.
        unsafe { libc::realloc(block.cast(), new_bytes) }.cast()
    }

    #[inline]
    unsafe fn usable_bytes(block: *mut u8, _: Layout) -> usize {
        // SAFETY: the caller's promise: a block of this malloc, alive.
        unsafe { libc::malloc_usable_size(block.cast()) }
    }
}

/// Returns the version of the C library that this process runs on.
#[must_use]
pub(super) fn version() -> String {
    // SAFETY: takes nothing; returns a static string.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: a static string that ends with a zero byte.
    unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned()
}
