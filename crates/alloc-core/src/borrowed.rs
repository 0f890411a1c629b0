//! Memory lent by the caller, as the backing of an allocator: no heap, no operating system.

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::{AllocError, Allocator, bump};

/// A backing that hands out one borrowed buffer, whole, to one block at a time.
///
/// It lets every allocator of the workspace run on a static array, on the stack, or on memory
/// that a device owns.
///
/// # Examples
///
/// ```
/// use alloc_core::{Allocator, Borrowed, Layout};
/// use core::mem::MaybeUninit;
///
/// let mut buffer = [MaybeUninit::<u8>::uninit(); 256];
/// let backing = Borrowed::new(&mut buffer);
/// let block = backing.allocate(Layout::from_size_align(100, 1)?).expect("100 of 256 bytes");
/// assert!(block.len() >= 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Borrowed<'m> {
    start: NonNull<u8>,
    len_bytes: usize,
    /// Whether the buffer is lent out. I1: at most one block of non-zero size is alive.
    lent: Cell<bool>,
    memory: PhantomData<&'m mut [MaybeUninit<u8>]>,
}

// SAFETY: a `Borrowed` is an exclusive borrow of plain bytes, which may move to another thread
// like `&mut [u8]`; it is not `Sync`, since `lent` is a plain cell.
unsafe impl Send for Borrowed<'_> {}

impl<'m> Borrowed<'m> {
    /// Returns a backing over `memory`, which stays borrowed while the backing lives.
    #[must_use]
    pub const fn new(memory: &'m mut [MaybeUninit<u8>]) -> Self {
        let len_bytes = memory.len();
        // A slice is never null, so `NonNull` costs no check.
        let start = NonNull::from_mut(memory).cast();
        Self { start, len_bytes, lent: Cell::new(false), memory: PhantomData }
    }

    /// Returns the length of the buffer in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Returns the part of the buffer from its first suitably aligned byte on, if it is at least
    /// as long as `layout` asks.
    fn block_for(&self, layout: Layout) -> Option<NonNull<[u8]>> {
        let address = self.start.addr().get();
        let skipped = bump::round_up(address, layout.align())? - address;
        let len = self.len_bytes.checked_sub(skipped)?;
        if len < layout.size() {
            return None;
        }
        // SAFETY: `skipped <= len_bytes`, so the result is inside the buffer or one past its end.
        let start = unsafe { self.start.byte_add(skipped) };
        Some(NonNull::slice_from_raw_parts(start, len))
    }

    /// Makes the one block that is alive one of `layout`, with the first `kept` bytes of its
    /// contents: it has the whole buffer already, so it moves only for the sake of alignment.
    ///
    /// # Safety
    ///
    /// 1. `ptr` is that block, and at least `kept` bytes long;
    /// 2. `kept <= layout.size()`.
    unsafe fn resize(
        &self,
        ptr: NonNull<u8>,
        kept: usize,
        layout: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(self.lent.get(), "a block is resized that was never lent");
        let block = self.block_for(layout).ok_or(AllocError)?;
        let start = block.cast::<u8>();
        if start != ptr {
            // SAFETY: clauses 1 and 2: both places have `kept` bytes, in the buffer; they may
            // overlap, which `copy_from` allows.
            unsafe { start.copy_from(ptr, kept) };
        }
        Ok(block)
    }
}

// SAFETY: blocks lie in the buffer, which is borrowed for `'m` and does not move with `self`.
// I1 keeps two live blocks apart; `Borrowed` is not `Clone`.
unsafe impl Allocator for Borrowed<'_> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            let dangling = NonNull::without_provenance(
                core::num::NonZero::new(layout.align()).ok_or(AllocError)?,
            );
            return Ok(NonNull::slice_from_raw_parts(dangling, 0));
        }
        if self.lent.get() && !cfg!(bug = "borrowed-lends-twice") {
            return Err(AllocError);
        }
        let block = self.block_for(layout).ok_or(AllocError)?;
        self.lent.set(true);
        Ok(block)
    }

    unsafe fn deallocate(&self, _ptr: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            debug_assert!(self.lent.get(), "a block is given back that was never lent");
            self.lent.set(false);
        }
    }

    /// In place, up to the end of the buffer: the default would ask for a second block.
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size(), "grow from {old:?} to {new:?}");
        if old.size() == 0 || cfg!(bug = "borrowed-grows-into-a-second-block") {
            return self.allocate(new);
        }
        // SAFETY: 1. the caller's promise, and I1; 2. the new size is not smaller.
        unsafe { self.resize(ptr, old.size(), new) }
    }

    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.grow(ptr, old, new) }?;
        let fresh = block.cast::<u8>().as_ptr().wrapping_add(old.size());
        // SAFETY: `old.size() <= block.len()`: the bytes of the block behind the old ones.
        unsafe { fresh.write_bytes(0, block.len() - old.size()) };
        Ok(block)
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() >= new.size(), "shrink from {old:?} to {new:?}");
        if new.size() == 0 {
            let empty = self.allocate(new)?;
            // SAFETY: the caller's promise, passed on: `ptr` is our block, and given up.
            unsafe { self.deallocate(ptr, old) };
            return Ok(empty);
        }
        // SAFETY: 1. the caller's promise, and I1: a block as long as `old`; 2. that much is kept.
        unsafe { self.resize(ptr, new.size(), new) }
    }
}

impl fmt::Debug for Borrowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrowed")
            .field("len_bytes", &self.len_bytes)
            .field("lent", &self.lent.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_impl_all!(Borrowed<'_>: Send);
    static_assertions::assert_not_impl_any!(Borrowed<'_>: Sync, Clone);

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn one_block_at_a_time() {
        let mut buffer = [MaybeUninit::uninit(); 128];
        let backing = Borrowed::new(&mut buffer);
        let block = backing.allocate(layout(64, 1)).unwrap();
        assert_eq!(block.len(), 128);
        assert!(backing.allocate(layout(1, 1)).is_err(), "the buffer is lent out");
        assert!(backing.allocate(layout(0, 64)).is_ok(), "an empty block takes no memory");
        // SAFETY: `block` was allocated above with this layout and is not used again.
        unsafe { backing.deallocate(block.cast(), layout(64, 1)) };
        assert!(backing.allocate(layout(1, 1)).is_ok());
    }

    #[test]
    fn a_vec_grows_and_shrinks_within_what_is_lent() {
        let mut buffer = [MaybeUninit::uninit(); 256];
        let backing = Borrowed::new(&mut buffer);
        let mut vec = crate::collections::Vec::new_in(&backing);
        vec.extend(0..100u8);
        let first = vec.as_ptr();
        vec.try_reserve_exact(156).expect("the whole buffer is lent");
        vec.extend(100..=255);
        assert!(vec.iter().copied().eq(0..=255));
        assert!(vec.try_reserve(1).is_err(), "there is no more");
        vec.truncate(3);
        vec.shrink_to_fit();
        assert_eq!((vec.as_ptr(), &*vec), (first, &[0, 1, 2][..]));
        vec.clear();
        vec.shrink_to_fit();
        assert!(backing.allocate(layout(256, 1)).is_ok(), "the buffer came back");
    }

    #[test]
    fn boundary_sizes_and_alignments() {
        for (size, align, fits) in [
            (0, 1, true),
            (1, 1, true),
            (255, 1, true),
            (256, 1, true),
            (257, 1, false),
            (1, 4096, false),
        ] {
            #[repr(align(64))]
            struct Buffer([MaybeUninit<u8>; 256]);
            let mut buffer = Buffer([MaybeUninit::uninit(); 256]);
            let backing = Borrowed::new(&mut buffer.0[..]);
            let got = backing.allocate(layout(size, align));
            // An alignment of 4096 fits only if the buffer happens to hold such an address.
            if align <= 64 {
                assert_eq!(got.is_ok(), fits, "{size} bytes aligned to {align}");
            }
            if let Ok(block) = got {
                assert!(block.cast::<u8>().addr().get().is_multiple_of(align));
            }
        }
    }
}
