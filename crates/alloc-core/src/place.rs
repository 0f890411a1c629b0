//! From a block to a value: the few steps that every method which places values shares.
//!
//! The allocators of the workspace decide *where* with [`bump`](crate::bump), which knows integers
//! only, and turn the address into a reference with the functions here. They are public for
//! allocators outside the workspace; who only allocates never meets them.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::num::NonZero;
use core::ptr::NonNull;

use crate::TryAllocError;

/// Returns the layout of `len` values of `T`, or the error that names their size.
///
/// # Errors
///
/// [`ErrorKind::CapacityOverflow`](crate::ErrorKind::CapacityOverflow) if their size exceeds
/// `isize::MAX`.
#[inline]
pub fn array_layout<T>(len: usize) -> Result<Layout, TryAllocError> {
    Layout::array::<T>(len).map_err(|_| TryAllocError::overflow::<T>(len))
}

/// Returns an aligned pointer for values without size; `align` is a power of two.
#[inline]
#[must_use]
pub const fn dangling(align: usize) -> NonNull<u8> {
    NonNull::without_provenance(match NonZero::new(align) {
        Some(address) => address,
        None => NonZero::<usize>::MIN,
    })
}

/// Writes `value` to `block` and returns the reference to it.
///
/// # Safety
///
/// 1. `block` is valid for a `T` and aligned for it, for as long as `'a`;
/// 2. nobody else uses it during `'a`.
#[inline(always)]
pub unsafe fn put<'a, T>(block: NonNull<u8>, value: T) -> &'a mut T {
    let mut place = block.cast::<T>();
    // SAFETY: clause 1.
    unsafe { place.write(value) };
    // SAFETY: clauses 1 and 2; the value was just written.
    unsafe { place.as_mut() }
}

/// Returns the `len` unwritten values of `T` at `block`.
///
/// # Safety
///
/// As [`put`], for `len` values.
#[inline(always)]
#[must_use]
pub unsafe fn uninit_slice<'a, T>(block: NonNull<u8>, len: usize) -> &'a mut [MaybeUninit<T>] {
    let mut slice = NonNull::slice_from_raw_parts(block.cast(), len);
    // SAFETY: clauses 1 and 2; `MaybeUninit` needs no initialisation.
    unsafe { slice.as_mut() }
}

/// Copies `source` to `block` and returns the copy.
///
/// # Safety
///
/// As [`put`], for `source.len()` values.
#[inline(always)]
pub unsafe fn put_slice<'a, T: Copy>(block: NonNull<u8>, source: &[T]) -> &'a mut [T] {
    let first = block.cast::<T>();
    let from = NonNull::from_ref(source).cast::<T>();
    // SAFETY: `source` is readable; by clause 1 the block is valid for as many values, and by
    // clause 2 it is not part of `source`.
    unsafe { first.copy_from_nonoverlapping(from, source.len()) };
    // SAFETY: clauses 1 and 2; every value was just written.
    unsafe { NonNull::slice_from_raw_parts(first, source.len()).as_mut() }
}

/// Treats copied bytes as the string that they were.
///
/// # Safety
///
/// 1. `bytes` is valid UTF-8.
#[inline(always)]
#[must_use]
pub unsafe fn as_str(bytes: &mut [u8]) -> &mut str {
    // SAFETY: clause 1.
    unsafe { core::str::from_utf8_unchecked_mut(bytes) }
}
