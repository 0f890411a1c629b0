//! The least that a bump allocator can do: one buffer, one comparison, and nothing behind it.
//!
//! A full buffer is the end of the process: no chunk follows, nothing is dropped. A yardstick, not an
//! allocator.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use super::{About, Region};
use crate::case::Role;

/// What the buffer is aligned to.
const ALIGN: usize = 4096;

/// One buffer, bumped downwards.
#[derive(Debug)]
pub struct Ideal {
    start: *mut u8,
    cursor: Cell<*mut u8>,
    bytes: usize,
}

impl Ideal {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGN).expect("a buffer of a scenario's size")
    }

    /// Takes `bytes` at a multiple of `align`.
    #[inline(always)]
    fn block(&self, bytes: usize, align: usize) -> NonNull<u8> {
        let block = self.cursor.get().wrapping_sub(bytes).map_addr(|at| at & align.wrapping_neg());
        // A distance below zero is seen as a negative number: the buffer is shorter than `isize`.
        if block.addr().wrapping_sub(self.start.addr()).cast_signed() < 0 {
            full();
        }
        self.cursor.set(block);
        // SAFETY: not below `start`, which is an allocation's address.
        unsafe { NonNull::new_unchecked(block) }
    }
}

#[cold]
#[inline(never)]
fn full() -> ! {
    panic!("the ideal buffer is full: the scenario states too small a capacity")
}

impl Drop for Ideal {
    fn drop(&mut self) {
        // SAFETY: from `with_capacity`, of this layout, freed once.
        unsafe { std::alloc::dealloc(self.start, Self::layout(self.bytes)) };
    }
}

impl Region for Ideal {
    const ABOUT: About = About {
        name: "ideal",
        config: "default",
        package: "benches",
        why: "one buffer, one comparison: what a bump allocator costs at the least",
        role: Role::Control,
    };

    fn with_capacity(bytes: usize) -> Self {
        // SAFETY: no scenario states a capacity of 0.
        let start = unsafe { std::alloc::alloc(Self::layout(bytes)) };
        assert!(!start.is_null(), "no memory for {bytes} bytes");
        Self { start, cursor: Cell::new(start.wrapping_add(bytes)), bytes }
    }

    #[inline]
    fn alloc<T: Copy>(&self, value: T) -> &mut T {
        debug_assert!(self.cursor.get().addr().is_multiple_of(align_of::<T>()), "two types");
        let mut block = self.block(size_of::<T>(), 1).cast::<T>();
        // SAFETY: a fresh block of `T`'s layout: the cursor keeps the alignment of what a scenario
        // allocates this way, which is one type.
        unsafe { block.write(value) };
        // SAFETY: initialised just now; it lives until the region is released.
        unsafe { block.as_mut() }
    }

    #[inline]
    fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        self.block(layout.size(), layout.align())
    }

    #[inline]
    fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
        let block = self.alloc_layout(Layout::for_value(values)).cast::<T>();
        // SAFETY: the block is as long as `values`, fresh, and so does not overlap it.
        unsafe { block.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        // SAFETY: initialised just now; it lives until the region is released.
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
        self.cursor.set(self.start.wrapping_add(self.bytes));
    }
}
