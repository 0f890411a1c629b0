//! The least that a bump allocator which grows can do: one buffer, one comparison, and a call where
//! the buffer is full.
//!
//! That call returns, as any allocator's must: where it could not, the compiler would keep more in
//! registers, and unroll loops, around what is then no allocator's fast path. A round that fits what
//! the scenario stated never makes it. A yardstick, not an allocator.

use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use super::{About, Region};
use crate::case::Role;

/// What a buffer is aligned to.
const ALIGN: usize = 4096;

/// One buffer, bumped downwards, and those that were full.
#[derive(Debug)]
pub struct Ideal {
    start: Cell<*mut u8>,
    cursor: Cell<*mut u8>,
    bytes: usize,
    full: RefCell<Vec<*mut u8>>,
}

impl Ideal {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGN).expect("a buffer of a scenario's size")
    }

    fn buffer(bytes: usize) -> *mut u8 {
        // SAFETY: no scenario states a capacity of 0.
        let start = unsafe { std::alloc::alloc(Self::layout(bytes)) };
        assert!(!start.is_null(), "no memory for {bytes} bytes");
        start
    }

    /// Takes `bytes` at a multiple of `align`.
    #[inline(always)]
    fn block(&self, bytes: usize, align: usize) -> NonNull<u8> {
        let block = self.cursor.get().wrapping_sub(bytes).map_addr(|at| at & align.wrapping_neg());
        // A distance below zero is seen as a negative number: the buffer is shorter than `isize`.
        if block.addr().wrapping_sub(self.start.get().addr()).cast_signed() < 0 {
            return self.another(bytes, align);
        }
        self.cursor.set(block);
        // SAFETY: not below `start`, which is an allocation's address.
        unsafe { NonNull::new_unchecked(block) }
    }

    /// Goes on in another buffer.
    #[cold]
    #[inline(never)]
    fn another(&self, bytes: usize, align: usize) -> NonNull<u8> {
        assert!(
            bytes.saturating_add(align) <= self.bytes && align <= ALIGN,
            "{bytes} bytes aligned to {align} from a buffer of {} aligned to {ALIGN}",
            self.bytes
        );
        let start = Self::buffer(self.bytes);
        self.full.borrow_mut().push(self.start.replace(start));
        self.cursor.set(start.wrapping_add(self.bytes));
        self.block(bytes, align)
    }
}

impl Drop for Ideal {
    fn drop(&mut self) {
        for start in self.full.get_mut().drain(..).chain([self.start.get()]) {
            // SAFETY: from `buffer`, of this layout, freed once.
            unsafe { std::alloc::dealloc(start, Self::layout(self.bytes)) };
        }
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
        let start = Self::buffer(bytes);
        Self {
            start: Cell::new(start),
            cursor: Cell::new(start.wrapping_add(bytes)),
            bytes,
            full: RefCell::default(),
        }
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
        self.cursor.set(self.start.get().wrapping_add(self.bytes));
    }
}
