//! From a block to a value: what the methods that place values share.

use core::mem;
use core::ptr::NonNull;

/// Refuses, at compile time, values whose drop would silently not happen.
pub(crate) struct NoDrop<T>(core::marker::PhantomData<T>);

impl<T> NoDrop<T> {
    pub(crate) const CHECK: () = assert!(
        !mem::needs_drop::<T>(),
        "this type needs to be dropped, and a frame drops nothing: wrap the value in `ManuallyDrop` \
         to say that its drop may be skipped, or keep it in a box or a vector, which drop it"
    );
}

/// The first values of a slice that is being made: dropped if it is not finished.
pub(crate) struct Written<T> {
    first: NonNull<T>,
    len: usize,
    capacity: usize,
}

impl<T> Written<T> {
    /// # Safety
    ///
    /// 1. `first` is valid for `capacity` values of `T` and aligned for them, as long as this is
    ///    used;
    /// 2. nobody else uses them meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn new(first: NonNull<T>, capacity: usize) -> Self {
        Self { first, len: 0, capacity }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, value: T) {
        assert!(self.len < self.capacity, "room for {} values", self.capacity);
        let place = self.first.as_ptr().wrapping_add(self.len);
        // SAFETY: clauses 1 and 2 of `new`: `len < capacity`.
        unsafe { place.write(value) };
        self.len += 1;
    }

    /// The slice that was made, whose values are the caller's now.
    #[inline(always)]
    pub(crate) fn finish(self) -> NonNull<[T]> {
        let slice = NonNull::slice_from_raw_parts(self.first, self.len);
        #[expect(clippy::mem_forget, reason = "the values are the caller's now")]
        mem::forget(self);
        slice
    }
}

impl<T> Drop for Written<T> {
    fn drop(&mut self) {
        let slice = NonNull::slice_from_raw_parts(self.first, self.len);
        // SAFETY: clause 2: ours; the first `len` values were written and not moved out.
        unsafe { slice.drop_in_place() };
    }
}
