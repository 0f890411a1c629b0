//! From a block to a value: [`alloc_core::place`], and what is said here when it cannot be.

pub(crate) use alloc_core::place::{array_layout, as_str, put, put_slice, uninit_slice};

use alloc_core::TryAllocError;

/// Refuses, at compile time, values whose drop would silently not happen.
pub(crate) struct NoDrop<T>(core::marker::PhantomData<T>);

impl<T> NoDrop<T> {
    pub(crate) const CHECK: () = assert!(
        !core::mem::needs_drop::<T>(),
        "this type needs to be dropped, and a linear region drops nothing: wrap the value in \
         `ManuallyDrop` to say that its drop may be skipped, or keep it where it is dropped"
    );
}

/// Ends an infallible method that found no room.
#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn no_room(error: TryAllocError) -> ! {
    panic!("region: {error}")
}
