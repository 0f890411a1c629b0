//! From a block to a value: the few `unsafe` steps that every method which places values shares.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use alloc_core::{Layout, TryAllocError};

/// Refuses, at compile time, values whose drop would silently not happen.
pub(crate) struct NoDrop<T>(core::marker::PhantomData<T>);

impl<T> NoDrop<T> {
    pub(crate) const CHECK: () = assert!(
        !core::mem::needs_drop::<T>(),
        "this type needs to be dropped, and a linear region drops nothing: wrap the value in \
         `ManuallyDrop` to say that its drop may be skipped, or keep it where it is dropped"
    );
}

/// Returns the layout of `len` values of `T`, or the error that names their size.
#[inline]
pub(crate) fn array_layout<T>(len: usize) -> Result<Layout, TryAllocError> {
    Layout::array::<T>(len).map_err(|_| TryAllocError::overflow::<T>(len))
}

/// Writes `value` to `block` and returns the reference to it.
///
/// # Safety
///
/// 1. `block` is valid for a `T` and aligned for it, for as long as `'a`;
/// 2. nobody else uses it during `'a`.
#[inline(always)]
pub(crate) unsafe fn put<'a, T>(block: NonNull<u8>, value: T) -> &'a mut T {
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
pub(crate) unsafe fn uninit_slice<'a, T>(
    block: NonNull<u8>,
    len: usize,
) -> &'a mut [MaybeUninit<T>] {
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
pub(crate) unsafe fn put_slice<'a, T: Copy>(block: NonNull<u8>, source: &[T]) -> &'a mut [T] {
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
pub(crate) unsafe fn as_str(bytes: &mut [u8]) -> &mut str {
    // SAFETY: clause 1.
    unsafe { core::str::from_utf8_unchecked_mut(bytes) }
}

/// Ends an infallible method that found no room.
#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn no_room(error: TryAllocError) -> ! {
    panic!("linear region: {error}")
}
