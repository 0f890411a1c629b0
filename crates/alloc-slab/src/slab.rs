//! [`Slab`]: values of one type that come and go, under keys that notice.
//!
//! Not shared by threads while it changes (`Send` and `Sync` where its values are); every operation but
//! growth, and what goes through all values, is a few instructions.
//!
//! ```text
//!   key 7:3      state   [ 7:0 | 7:1 | 6:5 | 7:3 | 8:2 | 6:NONE | .. ]    equal: the value is there
//!                live    [  FF    FF    00    FF    00     00     .. ]
//!                values  [  v     v     .     v     .      .      .. ]
//!                                       ^-- head -----> 5
//! ```
//!
//! # Invariants
//!
//! S1 to S5 of the table (`src/slots.rs`), P1 and P2 of pages (`src/pages.rs`), R1 to R3 of reserved
//! address space (`src/reserved.rs`), K1 of keys (`src/key.rs`). And:
//!
//! * **V1** the values of the table are `T`s, and references to them borrow the slab.
//!
//! # Ordering edges
//!
//! None: no atomics but the counter of slabs, which orders nothing.
//!
//! # Cost
//!
//! See `DESIGN.md`.
//!
//! # Source
//!
//! Slabs of one size are J. Bonwick's ("The Slab Allocator", 1994), keys with generations S. Barrett's
//! and C. West's ("Using Rust for Game Development", 2018); the interface is that of the `slab` and
//! `slotmap` crates where they have one. What is ours: one word as state, key and link; liveness beside
//! the values; pages that are released without forgetting generations.

use core::marker::PhantomData;

use alloc_core::{Allocator, Global, Rejected, TryAllocError};

use crate::drain::{Drain, drop_rest};
use crate::entry::VacantEntry;
use crate::iter::{Cursor, Iter, IterMut, Keys, Values, ValuesMut};
use crate::key::Key;
use crate::pages::Pages;
use crate::slots::Table;
use crate::stats::{self, SlabStats};
use crate::store::Store;

/// Values of one type, each under a [`Key`] of its own.
///
/// Values stay at their addresses from insertion to removal ([`compact`](Self::compact) alone moves
/// them, and says so); growing copies none; keys of removed values are refused, for ever; iteration
/// skips holes. `S` is where the slots stand: [`Pages`] of any allocator, or one range of reserved
/// address space (feature `reserve`, `try_reserved`), which is faster and has a bound.
///
/// # Examples
///
/// ```
/// use alloc_slab::{Key, Slab};
///
/// struct Node { name: &'static str, next: Option<Key<Node>> }
///
/// let mut nodes = Slab::new();
/// let a = nodes.insert(Node { name: "a", next: None });
/// let b = nodes.insert(Node { name: "b", next: Some(a) });
/// assert_eq!(nodes[nodes[b].next.unwrap()].name, "a");
///
/// nodes.remove(a);
/// nodes.insert(Node { name: "c", next: None }); // in the slot that `a` had
/// assert!(nodes.get(a).is_none(), "the key is stale");
/// ```
///
/// # Concurrency
///
/// One thread at a time may change it; any number may look (`Sync` where `T` and the backing are).
// No `Drop` here: see `Table`.
pub struct Slab<T, S: Store = Pages> {
    table: Table<S>,
    _owns: PhantomData<T>,
}

impl<T> Slab<T> {
    /// Returns an empty slab, which takes no memory before its first value.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }

    /// Returns a slab with room for `capacity` values.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity`](Self::try_with_capacity).
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_in(capacity, Global)
    }

    /// Returns a slab with room for `capacity` values, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve).
    pub fn try_with_capacity(capacity: usize) -> Result<Self, TryAllocError> {
        Self::try_with_capacity_in(capacity, Global)
    }
}

impl<T, A: Allocator> Slab<T, Pages<A>> {
    /// Returns an empty slab over `backing`, which it asks for nothing before its first value.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self::over(Pages::new_in(backing), usize::MAX)
    }

    /// Returns a slab with room for `capacity` values from `backing`.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had. See [`try_with_capacity_in`](Self::try_with_capacity_in).
    #[must_use]
    #[track_caller]
    pub fn with_capacity_in(capacity: usize, backing: A) -> Self {
        match Self::try_with_capacity_in(capacity, backing) {
            Ok(slab) => slab,
            Err(error) => panic!("cannot make a slab of {capacity} values: {error}"),
        }
    }

    /// Returns a slab with room for `capacity` values from `backing`, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve); `backing` is dropped.
    pub fn try_with_capacity_in(capacity: usize, backing: A) -> Result<Self, TryAllocError> {
        let mut slab = Self::new_in(backing);
        slab.try_reserve(capacity)?;
        Ok(slab)
    }

    /// Returns the backing allocator.
    #[must_use]
    pub const fn backing(&self) -> &A {
        self.table.store.backing()
    }
}

impl<T, S: Store> Slab<T, S> {
    /// A slab over `store`, which has room for `most` slots.
    pub(crate) const fn over(store: S, most: usize) -> Self {
        Self { table: Table::new::<T>(store, most), _owns: PhantomData }
    }

    #[inline(always)]
    pub(crate) const fn table(&self) -> &Table<S> {
        &self.table
    }

    #[inline(always)]
    pub(crate) const fn table_mut(&mut self) -> &mut Table<S> {
        &mut self.table
    }

    pub(crate) fn into_table(self) -> Table<S> {
        self.table
    }

    /// Sets the most slots that the slab may have, and so the most values; further values are refused.
    ///
    /// Slots that it has already stay. A limit of 0 refuses every value. In reserved address space the
    /// limit is never above what was reserved.
    ///
    /// ```
    /// let mut slab = alloc_slab::Slab::new().with_limit(2);
    /// slab.extend([1, 2]);
    /// assert_eq!(slab.try_insert(3).unwrap_err().into_value(), 3);
    /// ```
    #[must_use]
    pub const fn with_limit(mut self, slots: usize) -> Self {
        self.table.set_limit(slots);
        self
    }

    /// Moves `value` into the slab, and returns its key.
    ///
    /// # Complexity
    ///
    /// O(1); a new page of slots costs one call of the backing, and copies nothing.
    ///
    /// # Panics
    ///
    /// If there is no memory, or the limit or the last index is reached. See
    /// [`try_insert`](Self::try_insert).
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, value: T) -> Key<T> {
        // The cold call does not know the value, which so need not be in memory for it.
        let index = match self.table.first_free() {
            Some(index) => index,
            None => self.grow_or_panic(),
        };
        // SAFETY: the first slot of the free list.
        unsafe { self.table.fill(index, value) }.0
    }

    /// Adds a page where no slot is free; returns the first slot of the free list.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn grow_or_panic(&mut self) -> u32 {
        match self.table.grow::<T>(None) {
            Ok(_) => self.table.first_or_none(),
            Err(error) => no_room(self.len(), error),
        }
    }

    /// Moves `value` into the slab and returns its key, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`](crate::ErrorKind::Full) at the limit,
    /// [`ErrorKind::IndicesExhausted`](crate::ErrorKind::IndicesExhausted) if every index names a slot,
    /// [`ErrorKind::Backing`](crate::ErrorKind::Backing) if the backing refuses a page,
    /// [`ErrorKind::CapacityOverflow`](crate::ErrorKind::CapacityOverflow) if 64 values of `T` exceed
    /// `isize::MAX` bytes.
    #[inline]
    pub fn try_insert(&mut self, value: T) -> Result<Key<T>, Rejected<T>> {
        if self.table.first_free().is_none()
            && let Err(error) = self.table.grow::<T>(None)
        {
            return Err(Rejected::new(value, error));
        }
        Ok(self.insert(value))
    }

    /// Moves into the slab what `make` returns for the key that it will have.
    ///
    /// If `make` panics, the slab is as it was, but for a page it may have taken; a later value has the
    /// key.
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert), and if `make` panics.
    #[inline]
    #[track_caller]
    pub fn insert_with(&mut self, make: impl FnOnce(Key<T>) -> T) -> Key<T> {
        let entry = self.vacant_entry();
        let key = entry.key();
        let value = make(key);
        entry.insert(value);
        key
    }

    /// Moves into the slab what `make` returns for the key that it will have, or says why there is no
    /// room; then `make` is not called.
    ///
    /// # Errors
    ///
    /// As [`try_insert`](Self::try_insert).
    #[inline]
    pub fn try_insert_with(
        &mut self,
        make: impl FnOnce(Key<T>) -> T,
    ) -> Result<Key<T>, TryAllocError> {
        let entry = self.try_vacant_entry()?;
        let key = entry.key();
        let value = make(key);
        entry.insert(value);
        Ok(key)
    }

    /// Returns the slot of the next value, whose key is known already.
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert).
    #[inline]
    #[track_caller]
    pub fn vacant_entry(&mut self) -> VacantEntry<'_, T, S> {
        if self.table.first_free().is_none() {
            self.grow_or_panic();
        }
        match VacantEntry::new(&mut self.table) {
            Some(entry) => entry,
            None => unreachable!("S2: growing makes a slot free"),
        }
    }

    /// Returns the slot of the next value, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_insert`](Self::try_insert).
    #[inline]
    pub fn try_vacant_entry(&mut self) -> Result<VacantEntry<'_, T, S>, TryAllocError> {
        if self.table.first_free().is_none() {
            self.table.grow::<T>(None)?;
        }
        match VacantEntry::new(&mut self.table) {
            Some(entry) => Ok(entry),
            None => unreachable!("S2: growing makes a slot free"),
        }
    }

    /// Takes the value out that `key` names; `None` if it names none.
    #[inline]
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let place = self.table.find(key)?;
        // SAFETY: the slot of `key`, which holds a value under it.
        Some(unsafe { self.table.take(key, &place) })
    }

    /// Returns whether `key` names a value.
    #[inline]
    #[must_use]
    pub fn contains(&self, key: Key<T>) -> bool {
        self.table.find(key).is_some()
    }

    /// Returns the value that `key` names, if it names one.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        let place = self.table.find(key)?;
        // SAFETY: V1: a value, and the slab is borrowed.
        Some(unsafe { &*place.value })
    }

    /// Returns the value that `key` names, if it names one, to change.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let place = self.table.find(key)?;
        // SAFETY: V1: a value, and the slab is borrowed exclusively.
        Some(unsafe { &mut *place.value })
    }

    /// Returns the value that `key` names, without asking whether it does.
    ///
    /// # Safety
    ///
    /// 1. [`contains(key)`](Self::contains).
    #[inline]
    #[must_use]
    pub unsafe fn get_unchecked(&self, key: Key<T>) -> &T {
        debug_assert!(self.contains(key), "get_unchecked: {key:?} names no value");
        // SAFETY: clause 1: a slot of a page.
        let place = unsafe { self.table.store.place::<T>(key.slot()) };
        // SAFETY: clause 1, V1.
        unsafe { &*place.value }
    }

    /// Returns the value that `key` names, to change, without asking whether it does.
    ///
    /// # Safety
    ///
    /// 1. [`contains(key)`](Self::contains).
    #[inline]
    #[must_use]
    pub unsafe fn get_unchecked_mut(&mut self, key: Key<T>) -> &mut T {
        debug_assert!(self.contains(key), "get_unchecked_mut: {key:?} names no value");
        // SAFETY: clause 1: a slot of a page.
        let place = unsafe { self.table.store.place::<T>(key.slot()) };
        // SAFETY: clause 1, V1.
        unsafe { &mut *place.value }
    }

    /// Returns the values with their keys, in the order of slots.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T, S> {
        Iter::new(&self.table)
    }

    /// Returns the values with their keys, to change, in the order of slots.
    pub fn iter_mut(&mut self) -> IterMut<'_, T, S> {
        IterMut::new(&mut self.table)
    }

    /// Returns the keys, in the order of slots.
    #[must_use]
    pub fn keys(&self) -> Keys<'_, T, S> {
        Keys(self.iter())
    }

    /// Returns the values, in the order of slots.
    #[must_use]
    pub fn values(&self) -> Values<'_, T, S> {
        Values(self.iter())
    }

    /// Returns the values, to change, in the order of slots.
    pub fn values_mut(&mut self) -> ValuesMut<'_, T, S> {
        ValuesMut(self.iter_mut())
    }

    /// Takes all values out, each when it is asked for.
    ///
    /// What is not taken is dropped with the iterator. Pages are kept.
    pub fn drain(&mut self) -> Drain<'_, T, S> {
        self.table.counters.reset(self.table.len());
        Drain::new(&mut self.table)
    }

    /// Drops all values; their keys are stale from then on. Pages are kept: see [`trim`](Self::trim).
    ///
    /// # Complexity
    ///
    /// Linear in the number of values, and in that of slots at 1/64 of it.
    ///
    /// # Panics
    ///
    /// If a drop panics; the other values are dropped all the same.
    pub fn clear(&mut self) {
        self.table.counters.reset(self.table.len());
        drop_rest::<T, S>(&mut self.table, &mut Cursor::new());
    }

    /// Makes sure that `additional` values can be inserted without asking for memory.
    ///
    /// # Panics
    ///
    /// If there is no memory. See [`try_reserve`](Self::try_reserve).
    #[track_caller]
    pub fn reserve(&mut self, additional: usize) {
        if let Err(error) = self.try_reserve(additional) {
            no_room(self.len(), error);
        }
    }

    /// Makes sure that `additional` values can be inserted without asking for memory, or says why they
    /// cannot.
    ///
    /// # Errors
    ///
    /// As [`try_insert`](Self::try_insert); pages that could be had are kept.
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), TryAllocError> {
        self.table.reserve::<T>(additional)
    }

    /// Returns the number of values.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns whether there are no values.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of values for which there are slots.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Returns the most slots that the slab may have; if nobody set a limit, what was reserved, or
    /// `usize::MAX`.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.table.limit()
    }

    /// Returns the bytes of the values.
    #[must_use]
    pub const fn used_bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }

    /// Returns the bytes held, used or not, those of states and directory included.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.table.store.reserved_bytes()
    }

    /// Returns what the slab holds and did so far.
    #[must_use]
    pub fn stats(&self) -> SlabStats {
        stats::of::<T, S>(&self.table)
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn no_room(len: usize, error: TryAllocError) -> ! {
    panic!("slab of {len} values: {error}")
}
