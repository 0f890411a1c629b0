//! [`Extension`]: a slice under construction, at the end of a typed arena's values.
//!
//! ```text
//!   base [ values ... | built ... | free ........ ]      the arena has cursor == limit meanwhile:
//!                     ^ cursor    ^ start + len    end   the rest of the chunk is the extension's
//! ```
//!
//! The iterator that feeds it is the user's, and may allocate from the same arena. It finds no room
//! in this chunk, so it gets another one, and the extension goes on in the rest of the old.
//!
//! # Invariants
//!
//! * **X1** `start..end` is the extension's alone: the arena's limit was moved to its cursor, which
//!   stays at `start` as long as the chunk is the current one. (Values without size are counted
//!   and take no place: there the limit stays.)
//! * **X2** the first `len` places hold values, which are the extension's until it finishes.
//! * **X3** `base` is that of the chunk that `start` lies in, which is the current one as long as it
//!   is the store's too; `number` is the one it has when it is full. (An extension that began before
//!   there was a chunk has none, and no place: `len` and `capacity` are 0.)

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::{NonNull, slice_from_raw_parts_mut};

use alloc_core::{Allocator, TryAllocError};

use super::store::{Store, after, step};

pub(super) struct Extension<'a, T, A: Allocator> {
    store: &'a Store<A>,
    start: NonNull<u8>,
    end: NonNull<u8>,
    len: usize,
    capacity: usize,
    base: NonNull<u8>,
    number: usize,
    _builds: PhantomData<T>,
}

impl<'a, T, A: Allocator> Extension<'a, T, A> {
    /// Begins a slice of at least `least` values, for which there is room at once.
    ///
    /// `store` is one of `T`s.
    pub(super) fn begin(store: &'a Store<A>, least: usize) -> Result<Self, TryAllocError> {
        if room::<T>(store.cursor.get(), store.limit.get()) < least {
            store.open(least)?;
        }
        let (start, end) = (store.cursor.get(), store.limit.get());
        if size_of::<T>() != 0 {
            store.limit.set(start); // values without size take no place that another could take
        }
        Ok(Self {
            store,
            start,
            end,
            len: 0,
            capacity: room::<T>(start, end),
            base: store.base.get(),
            number: store.full_count(),
            _builds: PhantomData,
        })
    }

    #[inline]
    pub(super) fn push(&mut self, value: T) -> Result<(), (T, TryAllocError)> {
        if self.len == self.capacity
            && let Err(error) = self.grow()
        {
            return Err((value, error));
        }
        // SAFETY: `len < capacity`: inside `start..end`, which is ours (X1).
        unsafe { self.place(self.len).write(value) };
        self.len += 1;
        Ok(())
    }

    /// The place of value `index`.
    fn place(&self, index: usize) -> NonNull<T> {
        if size_of::<T>() == 0 {
            return NonNull::dangling(); // `start` is a count then, and not aligned
        }
        after(self.start, index * step::<T>()).cast()
    }

    /// Moves what there is to a larger chunk.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Result<(), TryAllocError> {
        let mut larger = Self::begin(self.store, self.len.saturating_mul(2).max(4))?;
        // SAFETY: X2: `len` values of ours; the other place has room for more (X1), and is another.
        unsafe { larger.place(0).copy_from_nonoverlapping(self.place(0), self.len) };
        larger.len = core::mem::take(&mut self.len);
        // What is left of `self` gives the old place back, empty.
        *self = larger;
        Ok(())
    }

    /// Makes the values the arena's, and returns them.
    pub(super) fn finish(self) -> &'a mut [T] {
        let this = ManuallyDrop::new(self);
        this.hand_back(this.len);
        // SAFETY: X2: `len` values, from here on the arena's, which lends each part of it once.
        unsafe { NonNull::slice_from_raw_parts(this.place(0), this.len).as_mut() }
    }

    /// Gives the rest of the chunk back to the arena, behind `len` values that are now its own.
    fn hand_back(&self, len: usize) {
        if size_of::<T>() == 0 {
            self.store.cursor.set(after(self.store.cursor.get(), len));
        } else if self.store.base.get() == self.base {
            debug_assert_eq!(self.store.cursor.get(), self.start, "X1: nobody else moved it");
            self.store.cursor.set(after(self.start, len * step::<T>()));
            self.store.limit.set(self.end);
        } else if !cfg!(bug = "typed-extension-forgets-its-chunk") {
            self.store.add_to_full(self.number, len);
        }
    }
}

/// The iterator panicked, or there was no room: nothing of the slice stays.
impl<T, A: Allocator> Drop for Extension<'_, T, A> {
    fn drop(&mut self) {
        struct HandBack<'e, 'a, T, A: Allocator>(&'e Extension<'a, T, A>);
        impl<T, A: Allocator> Drop for HandBack<'_, '_, T, A> {
            fn drop(&mut self) {
                self.0.hand_back(0);
            }
        }
        let len = core::mem::take(&mut self.len);
        // After the drops, which are the user's: they may allocate from the arena too.
        let this = HandBack(self);
        let built = slice_from_raw_parts_mut(this.0.place(0).as_ptr(), len);
        // SAFETY: X2: `len` values of ours, which are forgotten already.
        unsafe { built.drop_in_place() };
    }
}

/// Values of `T` that fit between two places.
fn room<T>(start: NonNull<u8>, end: NonNull<u8>) -> usize {
    (end.addr().get() - start.addr().get()) / step::<T>()
}
