//! [`Extension`]: a slice under construction, at the end of a typed arena's values.
//!
//! ```text
//!   base [ values ... | built ... | free ........ ]      the arena has cursor == limit meanwhile:
//!                     ^ cursor    ^ start + len    end   the rest of the chunk is the slice's
//!                       start
//! ```
//!
//! The iterator that feeds it is the user's, and may allocate from the same arena. The arena, which
//! finds no room, then *evicts* the slice: its values, which nobody borrows yet, move to a list on the
//! heap, and the rest of the chunk is the arena's again. When the slice is complete it comes back, in
//! one piece. So memory follows the values, whatever the iterator allocates, and what it allocates is
//! older than the slice. (If each took what was left of a chunk, a thousand small slices whose
//! iterators allocate would double the chunks a thousand times.)
//!
//! # Invariants
//!
//! * **X1** a slice that is not evicted is the one that the store names, and `start..end` is its alone:
//!   `start` is the store's cursor and its limit. Whoever needs room evicts it first, so the chunk
//!   stays the current one. (Values without size are counted and take no place: there the limit
//!   stays, and nothing is named.)
//! * **X2** the first `len` places, or the elements of the list, are values of the slice's, until it
//!   finishes.
//! * **X3** what the store names is a local of the call that collects, which takes the name back before
//!   it returns or unwinds; at most one is named, since a slice that begins evicts the one before.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::mem::ManuallyDrop;
use core::ptr::{NonNull, slice_from_raw_parts_mut};

use alloc_core::place::array_layout;
use alloc_core::{Allocator, ErrorKind, Layout, TryAllocError};

use super::store::{Store, after, step};

/// Where the values of a slice are.
pub(super) struct Building<T> {
    start: Cell<NonNull<u8>>,
    end: Cell<NonNull<u8>>,
    len: Cell<usize>,
    capacity: Cell<usize>,
    is_evicted: Cell<bool>,
    list: RefCell<Vec<T>>,
}

impl<T> Building<T> {
    pub(super) const fn new() -> Self {
        Self {
            start: Cell::new(NonNull::dangling()),
            end: Cell::new(NonNull::dangling()),
            len: Cell::new(0),
            capacity: Cell::new(0),
            is_evicted: Cell::new(false),
            list: RefCell::new(Vec::new()),
        }
    }

    /// The place of value `index`.
    fn place(&self, index: usize) -> NonNull<T> {
        if size_of::<T>() == 0 {
            return NonNull::dangling(); // `start` is a count then, and not aligned
        }
        after(self.start.get(), index * step::<T>()).cast()
    }

    /// Takes what is left of the current chunk.
    fn occupy<A: Allocator>(&self, store: &Store<A>) {
        let (start, end) = (store.cursor.get(), store.limit.get());
        self.start.set(start);
        self.end.set(end);
        self.capacity.set(room::<T>(start, end));
        if size_of::<T>() != 0 {
            store.limit.set(start); // values without size take no place that another could take
            store.building.set(Some(NonNull::from_ref(self).cast()));
        }
    }
}

/// Makes the rest of the current chunk the arena's again, if a slice under construction has it.
///
/// `store` is one of `T`s.
#[cold]
#[inline(never)]
pub(super) fn evict<T, A: Allocator>(store: &Store<A>) -> Result<(), TryAllocError> {
    let Some(named) = store.building.get().filter(|_| !cfg!(bug = "typed-slice-is-not-evicted"))
    else {
        return Ok(());
    };
    // SAFETY: X3: a local of a call that collects `T`s, shared.
    let building = unsafe { named.cast::<Building<T>>().as_ref() };
    debug_assert_eq!(store.cursor.get(), building.start.get(), "X1: nobody else moved it");
    let len = building.len.get();
    let mut list = building.list.borrow_mut();
    if list.try_reserve(len + 1).is_err() {
        return Err(refused::<T>(len + 1));
    }
    // SAFETY: X2: `len` values; the list is empty and has room for more.
    unsafe { building.place(0).as_ptr().copy_to_nonoverlapping(list.as_mut_ptr(), len) };
    building.len.set(0);
    // SAFETY: just moved there.
    unsafe { list.set_len(len) };
    building.capacity.set(0);
    building.is_evicted.set(true);
    store.building.set(None);
    store.limit.set(building.end.get());
    Ok(())
}

/// The heap has no room for a list of `count` values.
fn refused<T>(count: usize) -> TryAllocError {
    let refused = |layout: Layout| TryAllocError::new(ErrorKind::Backing, layout, 0);
    array_layout::<T>(count).map_or_else(|overflow| overflow, refused)
}

pub(super) struct Extension<'a, 'b, T, A: Allocator> {
    store: &'a Store<A>,
    building: &'b Building<T>,
}

impl<'a, 'b, T, A: Allocator> Extension<'a, 'b, T, A> {
    /// Begins a slice of at least `least` values, for which there is room at once.
    ///
    /// `store` is one of `T`s, `building` is new.
    pub(super) fn begin(
        store: &'a Store<A>,
        building: &'b Building<T>,
        least: usize,
    ) -> Result<Self, TryAllocError> {
        evict::<T, A>(store)?;
        if room::<T>(store.cursor.get(), store.limit.get()) < least {
            store.open(least)?;
        }
        building.occupy(store);
        Ok(Self { store, building })
    }

    #[inline]
    pub(super) fn push(&mut self, value: T) -> Result<(), (T, TryAllocError)> {
        let len = self.building.len.get();
        // One that is evicted has no room here.
        if len == self.building.capacity.get() {
            return self.push_slow(value);
        }
        // SAFETY: `len < capacity`: inside `start..end`, which is ours (X1).
        unsafe { self.building.place(len).write(value) };
        self.building.len.set(len + 1);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&mut self, value: T) -> Result<(), (T, TryAllocError)> {
        if let Err(error) = self.grow() {
            return Err((value, error));
        }
        if !self.building.is_evicted.get() {
            return self.push(value);
        }
        self.building.list.borrow_mut().push(value); // `grow` made room
        Ok(())
    }

    /// Makes room for one more value: in the list, or by moving what there is to a larger chunk.
    fn grow(&self) -> Result<(), TryAllocError> {
        let building = self.building;
        if !building.is_evicted.get() {
            let (before, len) = (building.place(0), building.len.get());
            // Not for one more at once, where twice as many are refused: the next value would be
            // followed by another chunk, and all of them moved again.
            self.store.open_for(len.saturating_mul(2).max(4), len + 1, 3)?;
            // A backing that allocated from here meanwhile has evicted the slice.
            if !building.is_evicted.get() {
                building.occupy(self.store);
                // SAFETY: X2: `len` values of ours; the other place has room for more (X1), in another
                // chunk.
                unsafe { building.place(0).copy_from_nonoverlapping(before, len) };
                return Ok(());
            }
        }
        let mut list = building.list.borrow_mut();
        let len = list.len();
        list.try_reserve(1).map_err(|_| refused::<T>(len + 1))
    }

    /// Makes the values the arena's, and returns them.
    pub(super) fn finish(self) -> Result<&'a mut [T], TryAllocError> {
        let (place, len) = self.settle()?;
        let _ = ManuallyDrop::new(self); // it has nothing any more
        // SAFETY: X2: `len` values, from here on the arena's, which lends each part of it once.
        Ok(unsafe { NonNull::slice_from_raw_parts(place, len).as_mut() })
    }

    /// Gives the arena the values, and the rest of the chunk.
    fn settle(&self) -> Result<(NonNull<T>, usize), TryAllocError> {
        let (store, building) = (self.store, self.building);
        if !building.is_evicted.get() {
            let (place, len) = (building.place(0), building.len.take());
            if size_of::<T>() == 0 {
                store.cursor.set(after(store.cursor.get(), len));
            } else {
                debug_assert_eq!(store.cursor.get(), building.start.get(), "X1: nobody moved it");
                store.building.set(None);
                store.cursor.set(after(building.start.get(), len * step::<T>()));
                store.limit.set(building.end.get());
            }
            return Ok((place, len));
        }
        let len = building.list.borrow().len();
        if room::<T>(store.cursor.get(), store.limit.get()) < len {
            store.open(len)?;
        }
        let mut list = building.list.borrow_mut();
        let place = store.cursor.get();
        // SAFETY: the list's values; the chunk has room for them, which is nobody's (T3).
        unsafe {
            place.cast::<T>().copy_from_nonoverlapping(NonNull::from_mut(&mut **list).cast(), len)
        };
        // SAFETY: they were moved.
        unsafe { list.set_len(0) };
        store.cursor.set(after(place, len * step::<T>()));
        Ok((place.cast(), len))
    }
}

/// The iterator panicked, or there was no room: nothing of the slice stays.
impl<T, A: Allocator> Drop for Extension<'_, '_, T, A> {
    fn drop(&mut self) {
        /// Gives the places back. After the drops, which are the user's and may allocate from the arena
        /// too: then there is another chunk, and the rest of this one is lost.
        struct HandBack<'s, A: Allocator>(&'s Store<A>, NonNull<u8>, NonNull<u8>);
        impl<A: Allocator> Drop for HandBack<'_, A> {
            fn drop(&mut self) {
                if self.0.base.get() == self.1 {
                    self.0.limit.set(self.2);
                }
            }
        }
        let building = self.building;
        if building.is_evicted.get() {
            drop(building.list.take());
            return;
        }
        let built = slice_from_raw_parts_mut(building.place(0).as_ptr(), building.len.take());
        let is_named = size_of::<T>() != 0;
        // No longer named: a drop that allocates finds the chunk full, and evicts nothing.
        let hand_back = is_named.then(|| {
            self.store.building.set(None);
            HandBack(self.store, self.store.base.get(), building.end.get())
        });
        // SAFETY: X2: `len` values of ours, which are forgotten already.
        unsafe { built.drop_in_place() };
        drop(hand_back);
    }
}

/// Values of `T` that fit between two places.
pub(super) fn room<T>(start: NonNull<u8>, end: NonNull<u8>) -> usize {
    (end.addr().get() - start.addr().get()) / step::<T>()
}
