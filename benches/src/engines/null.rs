//! No allocator: every "allocation" is the same block. What a scenario's loop costs without one.
//!
//! The block's address passes through an empty `asm!` that claims to read memory: the compiler
//! must store each value and each layout where the loop says, as it must for a real allocator, and
//! no instruction is added. (`black_box` would add a store and a load.)

use core::alloc::Layout;
use core::arch::asm;
use core::ptr::NonNull;

use super::{About, Region};
use crate::case::Role;

/// Longest block that a scenario may ask of the null engine.
const BLOCK_BYTES: usize = 4096;

/// Always the same block.
#[derive(Debug)]
pub struct Null {
    block: NonNull<Block>,
}

#[repr(align(4096))]
struct Block(#[expect(dead_code, reason = "only its address is used")] [u8; BLOCK_BYTES]);

impl Drop for Null {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `with_capacity`, dropped once.
        drop(unsafe { Box::from_raw(self.block.as_ptr()) });
    }
}

impl Region for Null {
    const ABOUT: About = About {
        name: "null",
        config: "loop",
        package: "benches",
        why: "the loop and its stores, without an allocation",
        role: Role::Null,
    };

    fn with_capacity(_: usize) -> Self {
        Self { block: NonNull::from(Box::leak(Box::new(Block([0; BLOCK_BYTES])))) }
    }

    #[inline]
    fn alloc<T: Copy>(&self, value: T) -> &mut T {
        const { assert!(size_of::<T>() <= BLOCK_BYTES) }
        let mut block = self.block.cast::<T>();
        // SAFETY: emits nothing; see the module's text.
        unsafe { asm!("/* {0} */", in(reg) block.as_ptr(), options(nostack, preserves_flags)) };
        // SAFETY: the block is ours, long enough, and aligned to a page.
        unsafe { block.write(value) };
        // SAFETY: initialised just now. Scenarios turn it into a pointer before the next call.
        unsafe { block.as_mut() }
    }

    #[inline]
    fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        debug_assert!(layout.size() <= BLOCK_BYTES, "null block too short for {layout:?}");
        let block = self.block.cast::<u8>();
        // SAFETY: emits nothing; see the module's text.
        unsafe {
            asm!("/* {0} {1} {2} */", in(reg) block.as_ptr(), in(reg) layout.size(),
                in(reg) layout.align(), options(nostack, preserves_flags));
        }
        block
    }

    #[inline]
    fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
        let block = self.alloc_layout(Layout::for_value(values)).cast::<T>();
        // SAFETY: the block is ours, long enough, and not `values`.
        unsafe { block.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        // SAFETY: initialised just now. Scenarios turn it into a pointer before the next call.
        unsafe { NonNull::slice_from_raw_parts(block, values.len()).as_mut() }
    }

    #[inline]
    fn alloc_str(&self, text: &str) -> &str {
        let bytes = self.alloc_slice_copy(text.as_bytes());
        // SAFETY: a copy of a `str`.
        unsafe { core::str::from_utf8_unchecked(bytes) }
    }

    #[inline]
    unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {}
}
