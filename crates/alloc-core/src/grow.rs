//! Backings that can extend a block without moving it.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::{AllocError, Allocator};

/// Which end of a block moves when the block grows or shrinks in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The block gains or loses bytes below its first one: for regions that are filled downwards.
    Low,
    /// The block gains or loses bytes above its last one: for growing buffers.
    High,
}

/// An allocator that can resize a block where it stands.
///
/// ```text
///   End::Low     [ new bytes | old block ]      the end stays
///   End::High    [ old block | new bytes ]      the start stays
/// ```
///
/// The old bytes keep their addresses in both cases, so pointers into the block stay valid.
///
/// # Safety
///
/// An implementation upholds, besides the contract of [`Allocator`]:
///
/// 1. the slice returned by a successful call contains the old block (growing) or is contained in
///    it (shrinking), shares with it the end that does not move, and is at least `new.size()`
///    bytes long;
/// 2. the bytes kept have the values they had;
/// 3. the block is from then on the returned slice: it may be resized again or deallocated with a
///    layout whose size lies between `new.size()` and the length of the slice;
/// 4. after an error the old block is as it was;
/// 5. no call uses the structure that the block backs. (It may panic: then the old block is as it
///    was.)
pub unsafe trait GrowInPlace: Allocator {
    /// Extends a block at `end`, and returns the block as it is now.
    ///
    /// # Errors
    ///
    /// When the memory beyond that end cannot be had, or this backing does not grow there.
    ///
    /// # Safety
    ///
    /// 1. `ptr` denotes a block currently allocated by this allocator, and `old` fits it;
    /// 2. `new.size() >= old.size()`, and `new.align() == old.align()`.
    unsafe fn grow_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError>;

    /// Gives back bytes at `end` of a block, and returns the block as it is now.
    ///
    /// # Errors
    ///
    /// When this backing does not shrink at that end. The default never does.
    ///
    /// # Safety
    ///
    /// 1. `ptr` denotes a block currently allocated by this allocator, and `old` fits it;
    /// 2. `new.size() <= old.size()`, and `new.align() == old.align()`.
    unsafe fn shrink_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let _ = (ptr, old, new, end);
        Err(AllocError)
    }
}
