//! No allocator: every "allocation" is the same block. What a scenario's loop costs without one.
//!
//! The block's address passes through an empty `asm!` that claims to read memory: the compiler
//! must store each value and each layout where the loop says, as it must for a real allocator, and
//! no instruction is added. (`black_box` would add a store and a load.)

use core::alloc::Layout;
use core::arch::asm;
use core::ops::Deref;
use core::ptr::NonNull;

use super::lifo::{Framed, Lifo, Owner, Recurse, Value};
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

impl Lifo for Null {
    const ABOUT: About = <Self as Region>::ABOUT;

    type Mark = ();

    fn with_capacity(bytes: usize) -> Self {
        Region::with_capacity(bytes)
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        (self.alloc_layout(layout), ())
    }

    /// Takes pointer and layout, as `deallocate` does: the caller reads them from its table.
    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: emits nothing; see the module's text.
        unsafe {
            asm!("/* {0} {1} {2} */", in(reg) block.as_ptr(), in(reg) layout.size(),
                in(reg) layout.align(), options(nostack, preserves_flags));
        }
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        0
    }

    fn settle(&mut self) {}
}

impl Recurse for Null {
    const ABOUT: About = <Self as Region>::ABOUT;

    type Top<'s> = &'s Self;

    fn with_capacity(bytes: usize) -> Self {
        Region::with_capacity(bytes)
    }

    #[inline]
    fn enter<T>(&mut self, work: impl FnOnce(&Self) -> T) -> T {
        work(self)
    }

    #[inline]
    fn again<'t>(top: &'t mut &Self) -> &'t Self {
        top
    }

    /// Nothing is kept across `work`, since handles that keep nothing exist.
    #[inline]
    fn with_block<T>(
        top: &mut &Self,
        layout: Layout,
        work: impl FnOnce(NonNull<u8>, &Self) -> T,
    ) -> T {
        work(Region::alloc_layout(*top, layout), top)
    }
}

impl Framed for Null {
    const ABOUT: About = <Self as Region>::ABOUT;

    type Frame<'f> = &'f Self;

    fn with_capacity(bytes: usize) -> Self {
        Region::with_capacity(bytes)
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut &Self, &[Layout], &mut [NonNull<u8>]),
    ) {
        fill(&mut &*self, layouts, blocks);
    }

    #[inline]
    fn alloc_layout(frame: &mut &Self, layout: Layout) -> NonNull<u8> {
        Region::alloc_layout(*frame, layout)
    }
}

/// A box that gives nothing back.
#[derive(Debug)]
pub struct NullBox(NonNull<Value>);

impl Deref for NullBox {
    type Target = Value;

    #[inline]
    fn deref(&self) -> &Value {
        // SAFETY: the engine's block, initialised by `boxed`; the scenario drops its boxes first.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for NullBox {
    /// Takes the pointer: the caller reads it from its table.
    #[inline]
    fn drop(&mut self) {
        // SAFETY: emits nothing; see the module's text.
        unsafe { asm!("/* {0} */", in(reg) self.0.as_ptr(), options(nostack, preserves_flags)) };
    }
}

impl Owner for Null {
    const ABOUT: About = <Self as Region>::ABOUT;

    type Boxed<'s> = NullBox;

    fn with_capacity(bytes: usize) -> Self {
        Region::with_capacity(bytes)
    }

    #[inline]
    fn boxed(&self, value: Value) -> NullBox {
        NullBox(NonNull::from(Region::alloc(self, value)))
    }

    fn settle(&mut self) {}
}
