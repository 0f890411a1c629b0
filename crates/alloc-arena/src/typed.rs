//! [`TypedArena`]: many values of one type, dropped together.
//!
//! Not thread-safe (`Send`, not `Sync`). Allocating is a comparison, the value's own stores, and a
//! store; an index becomes an address by a comparison and a scaled addition.
//!
//! ```text
//!   alloc(&self) -> &mut T          values stay where they are: when the chunk is full, the next
//!                                   one, twice as large, becomes the current one
//!     [ 0 1 2 3 ]  [ 4 5 6 7 8 9 10 11 ]  [ 12 13 .. | free            ]
//!
//!   alloc_index(&mut self) -> Index32<T>      nobody borrows a value: the one chunk grows, and may
//!                                             move, so an index is a place in one piece of memory
//!     [ 0 1 2 3 4 5 6 7 8 9 10 11 12 13 .. | free                      ]
//! ```
//!
//! # Lent values and indexed ones
//!
//! [`alloc`](TypedArena::alloc) lends its value mutably for as long as the arena is borrowed, so
//! [`get`](TypedArena::get), which takes `&self` too, must not reach it. What it reaches are the
//! first [`indexed_len`](TypedArena::indexed_len) values: those that were there when
//! [`alloc_index`](TypedArena::alloc_index) or
//! [`make_contiguous`](TypedArena::make_contiguous) last had the arena exclusively, which ended
//! every loan before.
//!
//! # Invariants
//!
//! T1 to T5 of the store (`src/typed/store.rs`); X1 to X3 of slices under construction
//! (`src/typed/extend.rs`).
//!
//! # Ordering edges
//!
//! None: cells, no atomics.
//!
//! # Cost
//!
//! `alloc`: load, cmp, branch, the value's stores, add, store. `get`: cmp with memory, branch, load,
//! scaled addition. A full chunk costs one call of the backing; `alloc_index` moves each value less
//! than twice on average, and not at all where the system moves pages (`realloc` of a large block).
//!
//! # Source
//!
//! The interface is that of the `typed-arena` crate where it has one. What is ours: indices and
//! references in one arena, `clear`, `drain`, any allocator, and drop check without `#[may_dangle]`.

mod extend;
mod index;
mod iter;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod traits;

use alloc::vec::Vec;
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;

use alloc_core::place::put;
use alloc_core::{AllocStats, Allocator, ErrorKind, Global, Rejected, TryAllocError};

use self::extend::{Building, Extension, evict, room};
pub use self::index::Index32;
use self::index::MAX_INDICES;
pub use self::iter::{Drain, Indices, IntoIter, IterMut};
use self::store::{Store, after, step};

/// An arena of values of one type: they live together, and are dropped together, oldest first.
///
/// Values are reached by reference ([`alloc`](Self::alloc)), by a link of four bytes
/// ([`alloc_index`](Self::alloc_index)), or both. References may form cycles, as in a `Vec`: a value
/// that has a destructor must not reach the others in it, which the compiler checks.
///
/// # Examples
///
/// By reference:
///
/// ```
/// use alloc_arena::TypedArena;
/// use std::cell::Cell;
///
/// struct Person<'a> {
///     name: String,
///     friend: Cell<Option<&'a Person<'a>>>,
/// }
///
/// let people = TypedArena::new();
/// let ann = people.alloc(Person { name: "Ann".into(), friend: Cell::new(None) });
/// let bob = people.alloc(Person { name: "Bob".into(), friend: Cell::new(Some(ann)) });
/// ann.friend.set(Some(bob)); // a cycle
/// assert_eq!(ann.friend.get().unwrap().friend.get().unwrap().name, "Ann");
/// // The names are dropped with the arena.
/// ```
///
/// By index: half the memory for links, and the whole can be moved, cloned into a table, sent.
///
/// ```
/// use alloc_arena::{Index32, TypedArena};
///
/// struct Node { value: u32, next: Option<Index32<Node>> }
///
/// let mut list = TypedArena::new();
/// let mut head = None;
/// for value in 0..100 {
///     head = Some(list.alloc_index(Node { value, next: head }));
/// }
/// let mut sum = 0;
/// while let Some(index) = head {
///     sum += list[index].value;
///     head = list[index].next;
/// }
/// assert_eq!(sum, 4950);
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` where `T` and `A` are, not `Sync`.
// No `Drop` here: see `Store`. The cell makes the arena invariant in `T`, as `alloc(&self)` needs:
// a shorter-lived value must not be put into an arena of longer-lived ones.
pub struct TypedArena<T, A: Allocator = Global> {
    store: Store<A>,
    _owns: PhantomData<Cell<T>>,
}

// SAFETY: the arena owns its chunks and the values in them, which go with it: `T: Send`. While it
// is sent nobody borrows it, so no reference to a value stays behind. `T: Sync` is not needed: no
// two threads reach one value.
unsafe impl<T: Send, A: Allocator + Send> Send for TypedArena<T, A> {}

impl<T> TypedArena<T> {
    /// Returns an empty arena, which takes no memory before its first value.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }

    /// Returns an arena with room for `capacity` values.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity`](Self::try_with_capacity).
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_in(capacity, Global)
    }

    /// Returns an arena with room for `capacity` values, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOverflow`](crate::ErrorKind::CapacityOverflow) if the values exceed
    /// `isize::MAX` bytes, [`ErrorKind::Backing`](crate::ErrorKind::Backing) if the global allocator
    /// refuses.
    pub fn try_with_capacity(capacity: usize) -> Result<Self, TryAllocError> {
        Self::try_with_capacity_in(capacity, Global)
    }

    /// Returns the values, oldest first.
    ///
    /// # Complexity
    ///
    /// O(1) if they stand in one piece, as they do when they came by [`alloc_index`], or there was
    /// room for them from the start, or after a [`clear`] that followed a round as large.
    ///
    /// [`alloc_index`]: Self::alloc_index
    /// [`clear`]: Self::clear
    ///
    /// # Panics
    ///
    /// If they do not, and there is no memory to join them.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<T> {
        if let Err(error) = self.store.consolidate(0) {
            no_room(error);
        }
        let (base, len, capacity) = self.store.release();
        let capacity = if size_of::<T>() == 0 { len } else { capacity };
        // SAFETY: one block of the global allocator (`Global` here) with the layout of an array of
        // `capacity` values (T1), the first `len` of which are there (T3); the store has released it.
        unsafe { Vec::from_raw_parts(base.cast::<T>().as_ptr(), len, capacity) }
    }
}

impl<T, A: Allocator> TypedArena<T, A> {
    /// Returns an empty arena over `backing`, which it asks for nothing before its first value.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self { store: Store::new::<T>(backing), _owns: PhantomData }
    }

    /// Returns an arena with room for `capacity` values from `backing`.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity_in`](Self::try_with_capacity_in).
    #[must_use]
    #[track_caller]
    pub fn with_capacity_in(capacity: usize, backing: A) -> Self {
        match Self::try_with_capacity_in(capacity, backing) {
            Ok(arena) => arena,
            Err(error) => panic!("cannot make an arena of {capacity} values: {error}"),
        }
    }

    /// Returns an arena with room for `capacity` values from `backing`, or the reason why there is
    /// none.
    ///
    /// # Errors
    ///
    /// As [`try_with_capacity`](TypedArena::try_with_capacity); `backing` is dropped.
    pub fn try_with_capacity_in(capacity: usize, backing: A) -> Result<Self, TryAllocError> {
        let mut arena = Self::new_in(backing);
        if capacity != 0 {
            arena.store.consolidate(capacity)?;
        }
        Ok(arena)
    }

    /// Moves `value` into the arena, and lends it for as long as the arena is borrowed.
    ///
    /// # Panics
    ///
    /// If there is no memory. See [`try_alloc`](Self::try_alloc).
    #[inline]
    #[track_caller]
    pub fn alloc(&self, value: T) -> &mut T {
        let cursor = self.store.cursor.get();
        if cursor == self.store.limit.get() {
            return self.alloc_slow(value);
        }
        self.place(cursor, value)
    }

    /// Moves `value` into the arena, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the chunk is full and the backing refuses another.
    #[inline]
    pub fn try_alloc(&self, value: T) -> Result<&mut T, Rejected<T>> {
        if self.store.cursor.get() == self.store.limit.get()
            && let Err(error) = self.make_room(1)
        {
            return Err(Rejected::new(value, error));
        }
        Ok(self.place(self.store.cursor.get(), value))
    }

    /// Moves what `make` returns into the arena.
    ///
    /// `make` may allocate from the same arena: what it allocates is older than its value.
    ///
    /// # Panics
    ///
    /// If there is no memory, or `make` panics.
    #[inline]
    #[track_caller]
    pub fn alloc_with(&self, make: impl FnOnce() -> T) -> &mut T {
        self.alloc(make())
    }

    /// Moves what `make` returns into the arena, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    ///
    /// # Panics
    ///
    /// If `make` panics.
    #[inline]
    pub fn try_alloc_with(&self, make: impl FnOnce() -> T) -> Result<&mut T, Rejected<T>> {
        self.try_alloc(make())
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn alloc_slow(&self, value: T) -> &mut T {
        match self.try_alloc(value) {
            Ok(value) => value,
            Err(rejected) => no_room(rejected.error()),
        }
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "each call fills a place that no other has (T3)")]
    fn place(&self, cursor: NonNull<u8>, value: T) -> &mut T {
        debug_assert!(cursor < self.store.limit.get(), "T2: {cursor:p} has no room");
        self.store.cursor.set(after(cursor, step::<T>()));
        // Values without size stand where all of them do, aligned; their cursor is a count.
        let place = if size_of::<T>() == 0 { NonNull::<T>::dangling().cast() } else { cursor };
        // SAFETY: 1. `cursor` is below the limit and a whole number of values from the base (T2);
        // 2. the place was nobody's (T3), and the arena keeps it until it is next had exclusively.
        unsafe { put(place, value) }
    }

    /// Collects an iterator of any length into a slice in one piece.
    ///
    /// The elements are written to their place directly; where the iterator yields more than it
    /// announced and the chunk ends, they move to a larger one. The iterator may allocate from the
    /// same arena: what it allocates is older than the slice, whose elements wait on the heap then.
    ///
    /// # Panics
    ///
    /// If there is no memory, or the iterator panics: then the elements so far are dropped, and the
    /// arena is as it was.
    #[track_caller]
    pub fn alloc_from_iter(&self, values: impl IntoIterator<Item = T>) -> &mut [T] {
        match self.try_alloc_from_iter(values) {
            Ok(slice) => slice,
            Err(error) => no_room(error),
        }
    }

    /// Collects an iterator into a slice in one piece, or returns the reason why there is no room;
    /// the elements are dropped then.
    ///
    /// # Errors
    ///
    /// If the backing refuses a chunk, or the elements exceed `isize::MAX` bytes, or are announced
    /// to.
    pub fn try_alloc_from_iter(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&mut [T], TryAllocError> {
        let values = values.into_iter();
        let building = Building::new();
        let hint = values.size_hint().0;
        let mut slice = match Extension::begin(&self.store, &building, hint) {
            // A hint that the backing cannot meet may be untrue: the values themselves decide. One
            // that no memory could meet ends here, or an iterator without end would take all there is.
            Err(error)
                if error.kind() == ErrorKind::Backing && !cfg!(bug = "typed-trusts-hints") =>
            {
                Extension::begin(&self.store, &building, 0)?
            }
            begun => begun?,
        };
        for value in values {
            slice.push(value).map_err(|(_, error)| error)?;
        }
        slice.finish()
    }

    /// As [`alloc_from_iter`](Self::alloc_from_iter): the name that `typed-arena` has for it.
    ///
    /// # Panics
    ///
    /// As [`alloc_from_iter`](Self::alloc_from_iter).
    #[track_caller]
    pub fn alloc_extend(&self, values: impl IntoIterator<Item = T>) -> &mut [T] {
        self.alloc_from_iter(values)
    }

    /// Makes sure that the next `additional` values have room in one piece.
    ///
    /// # Panics
    ///
    /// If there is no memory. See [`try_reserve`](Self::try_reserve).
    #[track_caller]
    pub fn reserve(&self, additional: usize) {
        if let Err(error) = self.try_reserve(additional) {
            no_room(error);
        }
    }

    /// Makes sure that the next `additional` values have room in one piece, or says why they have
    /// not.
    ///
    /// # Errors
    ///
    /// If the backing refuses a chunk, or the values exceed `isize::MAX` bytes.
    pub fn try_reserve(&self, additional: usize) -> Result<(), TryAllocError> {
        if room::<T>(self.store.cursor.get(), self.store.limit.get()) >= additional {
            return Ok(());
        }
        self.make_room(additional)
    }

    /// Makes room for `additional` values where there was none: what a slice under construction keeps,
    /// or another chunk.
    fn make_room(&self, additional: usize) -> Result<(), TryAllocError> {
        evict::<T, A>(&self.store)?;
        if room::<T>(self.store.cursor.get(), self.store.limit.get()) >= additional {
            return Ok(());
        }
        self.store.open(additional)
    }

    /// Moves `value` into the arena, and returns its number.
    ///
    /// All values, also those that [`alloc`](Self::alloc) lent before, have an index from then on.
    ///
    /// # Complexity
    ///
    /// O(1) amortised: when the memory is full, it doubles, and the values may move.
    ///
    /// # Panics
    ///
    /// If there is no memory, or `u32::MAX` values have an index already.
    #[inline]
    #[track_caller]
    pub fn alloc_index(&mut self, value: T) -> Index32<T> {
        if self.store.cursor.get().addr().get() >= self.store.index_limit.get() {
            self.make_index_room_or_panic();
        }
        self.place_index(value)
    }

    /// Moves `value` into the arena and returns its number, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the backing refuses the memory,
    /// [`ErrorKind::IndicesExhausted`](crate::ErrorKind::IndicesExhausted) if `u32::MAX` values have
    /// an index already.
    #[inline]
    pub fn try_alloc_index(&mut self, value: T) -> Result<Index32<T>, Rejected<T>> {
        if self.store.cursor.get().addr().get() >= self.store.index_limit.get()
            && let Err(error) = self.make_index_room()
        {
            return Err(Rejected::new(value, error));
        }
        Ok(self.place_index(value))
    }

    #[inline(always)]
    fn place_index(&mut self, value: T) -> Index32<T> {
        let cursor = self.store.cursor.get();
        // All values stand in the current chunk (T5).
        let number = (cursor.addr().get() - self.store.base.get().addr().get()) / step::<T>();
        self.place(cursor, value);
        self.store.indexed.set(number + 1);
        Index32::of(number)
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn make_index_room_or_panic(&mut self) {
        if let Err(error) = self.make_index_room() {
            no_room(error);
        }
    }

    #[cold]
    #[inline(never)]
    fn make_index_room(&mut self) -> Result<(), TryAllocError> {
        if self.store.len() >= MAX_INDICES {
            return Err(TryAllocError::indices_exhausted::<T>(MAX_INDICES));
        }
        self.store.consolidate(1)
    }

    /// Returns the value of that number, if it has an index by now.
    #[inline]
    #[must_use]
    pub fn get(&self, index: Index32<T>) -> Option<&T> {
        let reached = if cfg!(bug = "typed-index-reaches-lent-values") {
            self.store.current_len()
        } else {
            self.store.indexed.get()
        };
        if index.to_usize() < reached {
            // SAFETY: one of the first `indexed` values.
            Some(unsafe { self.get_unchecked(index) })
        } else {
            None
        }
    }

    /// Returns the value of that number, if it has an index by now.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, index: Index32<T>) -> Option<&mut T> {
        if index.to_usize() < self.store.indexed.get() {
            // SAFETY: T4: a value, and `&mut self`: nobody borrows it.
            Some(unsafe { self.indexed_place(index).as_mut() })
        } else {
            None
        }
    }

    /// Returns the value of that number without asking whether there is one.
    ///
    /// # Safety
    ///
    /// 1. The index was returned by [`alloc_index`](Self::alloc_index) of this arena, which was not
    ///    cleared since, or is below [`indexed_len`](Self::indexed_len) otherwise.
    #[inline]
    #[must_use]
    pub unsafe fn get_unchecked(&self, index: Index32<T>) -> &T {
        debug_assert!(
            index.to_usize() < self.indexed_len(),
            "{index:?} of {} indexed values",
            self.indexed_len()
        );
        // SAFETY: clause 1 and T4: a value, which nobody borrows mutably while `self` is borrowed.
        unsafe { self.indexed_place(index).as_ref() }
    }

    #[inline(always)]
    fn indexed_place(&self, index: Index32<T>) -> NonNull<T> {
        let bytes = index.to_usize() * size_of::<T>();
        after(self.store.first.get(), bytes).cast()
    }

    /// Returns the values that have an index, oldest first.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        let first = self.store.first.get().cast::<T>().as_ptr();
        // SAFETY: T4: so many values in one piece (or of no size, at a dangling aligned place), which
        // nobody borrows mutably while `self` is borrowed.
        unsafe { slice::from_raw_parts(first, self.store.indexed.get()) }
    }

    /// Iterates over the values that have an index, oldest first.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.as_slice().iter()
    }

    /// Iterates over the indices of the values that have one, oldest first.
    #[must_use]
    pub fn indices(&self) -> Indices<T> {
        Indices::new(self.indexed_len())
    }

    /// Returns how many values have an index: all that were there when `alloc_index` or
    /// `make_contiguous` was last called.
    #[must_use]
    pub fn indexed_len(&self) -> usize {
        self.store.indexed.get()
    }

    /// Puts all values into one piece of memory, gives each an index, and lends them.
    ///
    /// # Complexity
    ///
    /// O(1) if they stand in one piece already, else O(`len`).
    ///
    /// # Panics
    ///
    /// If there is no memory to join them. See [`try_make_contiguous`](Self::try_make_contiguous).
    #[track_caller]
    pub fn make_contiguous(&mut self) -> &mut [T] {
        match self.try_make_contiguous() {
            Ok(values) => values,
            Err(error) => no_room(error),
        }
    }

    /// Puts all values into one piece of memory, gives each an index, and lends them; or returns the
    /// reason why there is no memory, and leaves everything as it was.
    ///
    /// # Errors
    ///
    /// If the backing refuses the memory. More than `u32::MAX` values are joined all the same; those
    /// beyond have no index.
    pub fn try_make_contiguous(&mut self) -> Result<&mut [T], TryAllocError> {
        self.store.consolidate(0)?;
        let len = self.store.current_len();
        self.store.indexed.set(len.min(MAX_INDICES));
        let first = self.store.base.get().cast::<T>();
        // SAFETY: T3: `len` values in one piece; `&mut self`: nobody borrows them.
        Ok(unsafe { NonNull::slice_from_raw_parts(first, len).as_mut() })
    }

    /// Iterates over all values, oldest first.
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        IterMut::new(&mut self.store)
    }

    /// Takes all values out, oldest first; those that are not taken are dropped with the iterator.
    ///
    /// The arena is empty from the start, and its largest chunk is kept. If the iterator is
    /// forgotten, the values that it still had are never dropped.
    pub fn drain(&mut self) -> Drain<'_, T, A> {
        Drain::new(self)
    }

    /// Drops all values, oldest first, and keeps the largest chunk.
    ///
    /// After a round or two all values of a round stand in one chunk. Indices of the round before
    /// name values of the next.
    ///
    /// # Panics
    ///
    /// If a drop does, after all the others; the arena is empty and usable.
    pub fn clear(&mut self) {
        struct Keep<'a, A: Allocator>(&'a mut Store<A>);
        impl<A: Allocator> Drop for Keep<'_, A> {
            fn drop(&mut self) {
                self.0.keep_largest();
            }
        }
        self.store.count_clear();
        Keep(&mut self.store).0.drop_values();
    }

    /// Gives the memory that the newest chunk does not need back to the backing, and returns how
    /// many bytes; all of it if the arena is empty.
    pub fn trim(&mut self) -> usize {
        self.store.trim()
    }

    /// Returns the number of values.
    ///
    /// # Complexity
    ///
    /// O(chunks).
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Returns whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many values the arena holds before it next asks its backing for memory, those
    /// that it has included.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.store.capacity()
    }

    /// Returns the bytes of the values.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }

    /// Returns the bytes held from the backing, used or not.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.store.reserved_bytes()
    }

    /// Returns whether `ptr` points to a value of the arena, or into one; never for values without
    /// size.
    #[must_use]
    pub fn contains(&self, ptr: *const T) -> bool {
        self.store.contains(ptr.addr())
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.store.backing
    }

    /// Returns what the arena did so far. All figures are exact, in every build.
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        self.store.stats()
    }
}

/// Ends an infallible method that found no room.
#[cold]
#[inline(never)]
#[track_caller]
fn no_room(error: TryAllocError) -> ! {
    panic!("typed arena: {error}")
}

const _: () = assert!(size_of::<Option<Index32<u8>>>() == 4, "links of four bytes");
