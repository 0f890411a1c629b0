//! Keeping some values, and giving memory back: `retain`, `trim`, `compact`.
//!
//! ```text
//!   live a page     500   12   0   480   40        len 1032: three pages of 512 are enough
//!   compact         keep  out  -   keep  keep      the emptiest go: 12 values move
//!   trim            .     free free .    .
//! ```

use core::marker::PhantomData;

use crate::iter::Cursor;
use crate::key::Key;
use crate::shape::{GROUP, Shape};
use crate::slab::Slab;
use crate::slots::Table;
use crate::store::{Slots, Store};

impl<T, S: Store> Slab<T, S> {
    /// Keeps the values for which `keep` says so, and drops the others.
    ///
    /// # Complexity
    ///
    /// Linear in the number of values, and in that of slots at 1/64 of it.
    ///
    /// # Panics
    ///
    /// If `keep` or a drop panics: the values for which `keep` was not yet called, or did not return,
    /// stay.
    pub fn retain(&mut self, mut keep: impl FnMut(Key<T>, &mut T) -> bool) {
        let table = self.table_mut();
        let mut cursor = Cursor::new();
        while let Some(index) = cursor.next::<T, S>(table) {
            // SAFETY: the cursor found a value there, and none but those looked at has left.
            let (key, place) = unsafe { table.live::<T>(index) };
            // SAFETY: a value of the slab (V1), which is borrowed exclusively.
            if !keep(key, unsafe { &mut *place.value }) {
                // SAFETY: the value is there: `keep` cannot reach the slab.
                let value = unsafe { table.vacate_at::<T>(index) };
                // SAFETY: it was a value, and its slot is vacant now: nobody drops it again, and nobody
                // fills the slot while the slab is borrowed.
                unsafe { value.drop_in_place() };
            }
        }
    }

    /// Gives the pages without values back to the backing, and returns how many bytes that were.
    ///
    /// Their keys stay refused: each page leaves behind the highest generation that it had. A page
    /// with a retired slot is kept. See also [`compact`](Self::compact).
    ///
    /// # Complexity
    ///
    /// Linear in the number of slots, if there is a page to give back; else in 1/64 of it.
    ///
    /// # Panics
    ///
    /// If the backing does when it is given a page: that page counts as given back, and pages behind
    /// it stay.
    pub fn trim(&mut self) -> usize {
        trim::<T, S>(self.table_mut())
    }

    /// Moves values out of the emptiest pages into the fullest ones, so that no more of these are in use
    /// than have room for all, and gives the others back. Returns how many bytes that were.
    ///
    /// No other pages would be fewer if all have the same number of slots. A page that was cut short by
    /// a limit, which was raised later, has less room and may stay in place of one that has more; one
    /// with a retired slot is emptied like others, but kept.
    ///
    /// `rekey` is told of each value before it moves: the value, the key it had and the one that it
    /// will have. This is the one method that moves values; nothing may rely on their addresses.
    ///
    /// # Complexity
    ///
    /// Linear in the number of slots. Moves the fewest values that make so many pages free, where they
    /// have slots alike.
    ///
    /// # Panics
    ///
    /// If `rekey` panics: the value that it was told of, and those it was not yet told of, stay where
    /// they are under the keys they had; a later value has the key that it was told last. If the
    /// backing panics, as for [`trim`](Self::trim).
    ///
    /// # Examples
    ///
    /// ```
    /// use alloc_slab::Slab;
    ///
    /// let mut slab = Slab::new();
    /// let mut keys: Vec<_> = (0..10_000).map(|n| slab.insert([n; 8])).collect();
    /// slab.retain(|_, value| value[0] % 10 == 0);
    /// keys.retain(|&key| slab.contains(key));
    ///
    /// let mut moved = std::collections::HashMap::new();
    /// let freed = slab.compact(|_, old, new| { moved.insert(old, new); });
    /// assert!(freed > 500_000);
    /// for (n, key) in keys.iter().enumerate() {
    ///     assert_eq!(slab[*moved.get(key).unwrap_or(key)][0], 10 * n as u64);
    /// }
    /// ```
    pub fn compact(&mut self, mut rekey: impl FnMut(&mut T, Key<T>, Key<T>)) -> usize {
        let table = self.table_mut();
        let plan = Plan::of::<T, S>(table);
        {
            let relink = Relink::<T, S> { table, released: None, _values: PhantomData };
            move_values(relink.table, &plan, &mut rekey);
        }
        trim::<T, S>(self.table_mut())
    }
}

fn trim<T, S: Slots>(table: &mut Table<S>) -> usize {
    // Not asked of the bytes: the system may refuse to take back what it is given.
    let released = Some(table.released());
    let relink = Relink::<T, S> { table, released, _values: PhantomData };
    let mut bytes = 0;
    for page in 0..relink.table.store.pages() {
        if count_live::<T, S>(relink.table, page) == 0 {
            bytes += relink.table.release_page::<T>(page);
        }
    }
    if cfg!(bug = "trim-links-if-nothing-panics") {
        relink.table.relink_all::<T>();
    }
    bytes
}

/// Makes the free list anew, also when `rekey` or the backing panics: slots are filled, and pages go,
/// behind its back.
struct Relink<'a, T, S: Slots> {
    table: &'a mut Table<S>,
    /// How many pages were released before, if that is all that may change.
    released: Option<usize>,
    _values: PhantomData<T>,
}

impl<T, S: Slots> Drop for Relink<'_, T, S> {
    fn drop(&mut self) {
        if match self.released {
            None => cfg!(bug = "compact-leaves-the-list"),
            Some(released) => {
                self.table.released() == released || cfg!(bug = "trim-links-if-nothing-panics")
            }
        } {
            return;
        }
        self.table.relink_all::<T>();
    }
}

/// The values of a page; 0 if it was released.
fn count_live<T, S: Slots>(table: &Table<S>, page: usize) -> usize {
    let Some((first, _)) = table.first_of::<T>(page) else { return 0 };
    let groups = (first..).step_by(GROUP).take(Shape::<T>::SLOTS / GROUP);
    // SAFETY: the groups of a page that was not released.
    groups.map(|index| unsafe { table.group::<T>(index) }.count_ones() as usize).sum()
}

/// Which pages stay in use: those with more than `least` values, and of those with just as many the
/// ones up to page `last`.
struct Plan {
    least: usize,
    last: usize,
}

impl Plan {
    /// As many of the fullest pages as can hold all values: the fewest, if they have slots alike. (By room
    /// first, they would be fewest in any case; but a page with more room and no values would be filled
    /// from one that holds them all.)
    fn of<T, S: Slots>(table: &Table<S>) -> Self {
        let (mut low, mut high) = (0, Shape::<T>::SLOTS);
        // The pages with `high` values or fewer are not all needed, or there are no others.
        while low < high {
            let middle = low.midpoint(high);
            if Self::room::<T, S>(table, middle) >= table.len() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let least = low;
        let mut room = Self::room::<T, S>(table, least);
        let mut last = 0;
        for page in 0..table.store.pages() {
            if room >= table.len() {
                break;
            }
            if count_live::<T, S>(table, page) == least {
                room += table.usable::<T>(page);
            }
            last = page + 1;
        }
        Self { least, last }
    }

    /// Slots of the pages with more than `live` values.
    fn room<T, S: Slots>(table: &Table<S>, live: usize) -> usize {
        let pages = 0..table.store.pages();
        let fuller = pages.filter(|&page| count_live::<T, S>(table, page) > live);
        fuller.map(|page| table.usable::<T>(page)).sum()
    }

    /// Whether a page stays in use. Pages that stay only gain values, and the others only lose some,
    /// so the answer does not change on the way.
    fn keeps<T, S: Slots>(&self, table: &Table<S>, page: usize) -> bool {
        let live = count_live::<T, S>(table, page);
        live > self.least || (live == self.least && page < self.last)
    }
}

/// Moves the values of all pages that do not stay into free slots of those that do.
fn move_values<T, S: Slots>(
    table: &mut Table<S>,
    plan: &Plan,
    rekey: &mut impl FnMut(&mut T, Key<T>, Key<T>),
) {
    let mut free = FreeSlots { page: 0, slot: 0, usable: 0 };
    for page in 0..table.store.pages() {
        let Some((first, _)) = table.first_of::<T>(page) else { continue };
        if plan.keeps::<T, S>(table, page) {
            continue;
        }
        for group in (first..).step_by(GROUP).take(Shape::<T>::SLOTS / GROUP) {
            // SAFETY: the groups of a page that was not released.
            let mut mask = unsafe { table.group::<T>(group) };
            while mask != 0 {
                let index = group + mask.trailing_zeros();
                mask &= mask - 1;
                let Some(target) = free.next::<T, S>(table, plan) else {
                    debug_assert!(false, "the pages that stay have room for all values");
                    return;
                };
                // SAFETY: a slot with a value.
                let (old, from) = unsafe { table.live::<T>(index) };
                // SAFETY: a free slot.
                let new = unsafe { table.next_key::<T>(target) };
                // SAFETY: a value of the slab (V1), which is borrowed exclusively.
                rekey(unsafe { &mut *from.value }, old, new);
                // SAFETY: `old` is the key of `from`, and `target` is free: `rekey` cannot reach the
                // slab. The caller makes the free list anew.
                unsafe { table.relocate(old, &from, new) };
            }
        }
    }
}

/// The free slots of the pages that stay, lowest first.
struct FreeSlots {
    page: usize,
    slot: u32,
    usable: u32,
}

impl FreeSlots {
    fn next<T, S: Slots>(&mut self, table: &Table<S>, plan: &Plan) -> Option<u32> {
        loop {
            while self.slot == self.usable {
                if self.page == table.store.pages() {
                    return None;
                }
                if plan.keeps::<T, S>(table, self.page) {
                    (self.slot, self.usable) = (0, table.store.info(self.page).usable);
                }
                self.page += 1;
            }
            let (first, _) = table.first_of::<T>(self.page - 1)?;
            self.slot += 1;
            // SAFETY: a slot of a page that was not released.
            if unsafe { table.is_free::<T>(first + self.slot - 1) } {
                return Some(first + self.slot - 1);
            }
        }
    }
}
