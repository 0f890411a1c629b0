//! Refuses, at compile time, values whose drop would silently not happen.

pub(crate) struct NoDrop<T>(core::marker::PhantomData<T>);

impl<T> NoDrop<T> {
    pub(crate) const CHECK: () = assert!(
        !core::mem::needs_drop::<T>(),
        "this type needs to be dropped: use `alloc_drop`, or wrap the value in `ManuallyDrop` to say \
         that its drop may be skipped"
    );
}
