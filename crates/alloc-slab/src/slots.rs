//! [`Table`]: the slots of a slab, which of them are free, and under which generation. Knows the type of
//! its values only where a method says so.
//!
//! ```text
//!   state of a slot   63 ........ 32  31 ........ 0
//!     with a value    generation odd  its own index       = the bits of its key
//!     free            generation even index of the next free slot, or NONE
//!     out of use      0               0                   retired, or beyond a limit
//!
//!   free list         head -> slot -> slot -> NONE         last in, first out, through all pages
//! ```
//!
//! One word serves three purposes: a key is right if and only if it equals the state of its slot, so
//! looking up is a load and a comparison; removing stores the key's next generation and the old head;
//! inserting reads the link and the generation by one load.
//!
//! # Invariants
//!
//! * **S1** a slot whose state is odd in its upper half holds a value, its state is the bits of the
//!   value's key, and its liveness byte is [`LIVE`]; every other slot has a liveness byte of 0.
//! * **S2** the free list holds each free slot of each page that was not released, once, and no other;
//!   `head` is its first or [`NONE`].
//! * **S3** the generations of a slot only rise, through releases of its page as well (`floor`), until it
//!   is retired: when its generation would become 0 again, its state becomes 0, for ever.
//! * **S4** `len()` slots hold values.
//! * **S5** no user code runs while one of these is broken, but in `compact` and `trim`: there a guard
//!   makes S2 true again, also when that code panics, before anybody can reach the slab.
//!
//! # Why no type
//!
//! As in the typed arena: on stable Rust a type with a parameter `T` that implements `Drop` makes the
//! compiler refuse values that borrow what dies at the same time. So `Slab<T, S>` does not implement
//! `Drop`: this table does, and drops the values through a function pointer; the slab has a
//! `PhantomData` that owns a `T`.

mod grow;

use crate::key::{GENERATION, GENERATION_SHIFT, Key};
use crate::shape::{GROUP, LIVE, Shape, live_mask};
use crate::stats::Counters;
use crate::store::{Place, Slots};

/// The end of the free list; no slot has this index.
pub(crate) const NONE: u32 = u32::MAX;

/// The lower half of a state.
const LOW: u64 = GENERATION - 1;

// The order of the fields: what the fast paths touch comes first.
#[repr(C)]
pub(crate) struct Table<S: Slots> {
    /// The first slot of the free list; the number of values above it where `S::ONE_WORD` says so.
    /// As wide as the states, which it becomes part of.
    head: u64,
    /// The number of values, unless that is part of `head`.
    len: usize,
    pub(crate) store: S,
    /// Drops all values.
    drop_values: Option<unsafe fn(&mut Self)>,
    /// The generation at which new pages start, odd; 0 as long as there is none.
    first_generation: u32,
    /// Slots retired so far.
    retired: u32,
    /// Pages that were released and not taken again.
    released: usize,
    /// No page before this one is released.
    maybe_released: usize,
    /// Slots in use or free, of the pages that are held.
    slots: usize,
    limit: usize,
    /// The most slots that the store has room for.
    most: usize,
    pub(crate) counters: Counters,
}

impl<S: Slots> Table<S> {
    /// A table over `store`, which has room for `most` slots.
    pub(crate) const fn new<T>(store: S, most: usize) -> Self {
        let drop_values: Option<unsafe fn(&mut Self)> =
            if core::mem::needs_drop::<T>() { Some(drop_values::<T, S>) } else { None };
        Self {
            head: NONE as u64,
            len: 0,
            store,
            drop_values,
            first_generation: 0,
            retired: 0,
            released: 0,
            maybe_released: 0,
            slots: 0,
            limit: most,
            most,
            counters: Counters::new(),
        }
    }

    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        if S::ONE_WORD { (self.head >> GENERATION_SHIFT) as usize } else { self.len }
    }

    /// The first free slot or [`NONE`], to become part of a state.
    #[inline(always)]
    const fn link(&self) -> u64 {
        if S::ONE_WORD { self.head & LOW } else { self.head }
    }

    /// Makes `link` the first free slot.
    #[inline(always)]
    const fn set_link(&mut self, link: u64) {
        self.head = if S::ONE_WORD { self.head & !LOW | link } else { link };
    }

    /// There is a value more, and `link` is the first free slot.
    #[inline(always)]
    const fn filled(&mut self, link: u64) {
        if S::ONE_WORD {
            self.head = ((self.head & !LOW) + GENERATION) | link;
        } else {
            self.head = link;
            self.len += 1;
        }
    }

    /// There is a value less, and `index` is the first free slot.
    #[inline(always)]
    const fn vacated(&mut self, index: u32) {
        if S::ONE_WORD {
            self.head = ((self.head & !LOW) - GENERATION) | index as u64;
        } else {
            self.head = index as u64;
            self.len -= 1;
        }
    }

    /// Slots that hold a value or can: retired ones do not count.
    pub(crate) const fn capacity(&self) -> usize {
        self.slots - self.retired as usize
    }

    pub(crate) const fn retired(&self) -> usize {
        self.retired as usize
    }

    pub(crate) const fn released(&self) -> usize {
        self.released
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) const fn set_limit(&mut self, slots: usize) {
        self.limit = if slots < self.most { slots } else { self.most };
    }

    #[cfg(test)]
    pub(crate) fn set_first_generation(&mut self, generation: u32) {
        assert!(generation % 2 == 1 && self.store.pages() == 0);
        self.first_generation = generation;
    }

    /// The first free slot.
    #[inline(always)]
    pub(crate) const fn first_free(&self) -> Option<u32> {
        if self.first_or_none() == NONE { None } else { Some(self.first_or_none()) }
    }

    /// The first free slot or [`NONE`].
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an index or `NONE`")]
    pub(crate) const fn first_or_none(&self) -> u32 {
        self.head as u32
    }

    /// The slot that `key` names, if it names one.
    #[inline(always)]
    pub(crate) fn find<T>(&self, key: Key<T>) -> Option<Place<T>> {
        if !self.store.holds::<T>(key.slot()) {
            return None;
        }
        // SAFETY: just tested.
        let place = unsafe { self.store.place::<T>(key.slot()) };
        // SAFETY: clause 1 of `Slots`.
        let state = unsafe { *place.state };
        let matches = if cfg!(bug = "generation-not-compared") {
            state & (GENERATION | LOW) == key.to_bits() & (GENERATION | LOW)
        } else {
            state == key.to_bits()
        };
        matches.then_some(place)
    }

    /// Returns the key that the next value in the free slot `index` has.
    ///
    /// # Safety
    ///
    /// 1. `index` is a slot of the free list.
    #[inline(always)]
    pub(crate) unsafe fn next_key<T>(&self, index: u32) -> Key<T> {
        // SAFETY: clause 1, S2: a slot of a page.
        let place = unsafe { self.store.place::<T>(index) };
        // SAFETY: clause 1 of `Slots`.
        let state = unsafe { *place.state };
        // SAFETY: S2: a free slot: its generation is even, and the next one odd.
        unsafe { Key::of(occupied(state, index)) }
    }

    /// Puts `value` into the first free slot.
    ///
    /// # Safety
    ///
    /// 1. `index` is the first slot of the free list.
    #[inline(always)]
    pub(crate) unsafe fn fill<T>(&mut self, index: u32, value: T) -> (Key<T>, *mut T) {
        debug_assert_eq!(index, self.first_or_none(), "S2: not the first free slot");
        // SAFETY: clause 1, S2: a slot of a page.
        let place = unsafe { self.store.place::<T>(index) };
        // SAFETY: a slot of a page that was not released (S2).
        let state = unsafe { *place.state };
        debug_assert!(state & GENERATION == 0 && state > LOW, "S2: slot {index} is {state:#x}");
        let bits = occupied(state, index);
        // SAFETY: as above.
        unsafe { *place.state = bits };
        // SAFETY: as above.
        unsafe { *place.live = LIVE };
        // SAFETY: as above: aligned, and no value is there.
        unsafe { place.value.write(value) };
        self.filled(state & LOW);
        self.counters.inserted(self.len());
        // SAFETY: S2: the generation was even and is now odd.
        (unsafe { Key::of(bits) }, place.value)
    }

    /// Takes the value out of a slot.
    ///
    /// # Safety
    ///
    /// 1. `place` is the slot of `key`, which holds a value under it.
    #[inline(always)]
    pub(crate) unsafe fn take<T>(&mut self, key: Key<T>, place: &Place<T>) -> T {
        // SAFETY: clause 1, S1: a value, which nobody reads again: the slot is vacated now.
        let value = unsafe { place.value.read() };
        // SAFETY: clause 1.
        unsafe { self.vacate(key, place) };
        value
    }

    /// The key in a slot with a value, and its parts.
    ///
    /// # Safety
    ///
    /// 1. Slot `index` holds a value.
    #[inline(always)]
    pub(crate) unsafe fn live<T>(&self, index: u32) -> (Key<T>, Place<T>) {
        // SAFETY: clause 1: a slot of a page.
        let place = unsafe { self.store.place::<T>(index) };
        // SAFETY: as above.
        let bits = unsafe { *place.state };
        // SAFETY: clause 1, S1: odd.
        let key = unsafe { Key::of(bits) };
        debug_assert_eq!(key.slot(), index, "S1: slot {index} holds no value");
        (key, place)
    }

    /// Takes the value out of a slot.
    ///
    /// # Safety
    ///
    /// 1. Slot `index` holds a value.
    #[inline(always)]
    pub(crate) unsafe fn take_at<T>(&mut self, index: u32) -> (Key<T>, T) {
        // SAFETY: clause 1.
        let (key, place) = unsafe { self.live::<T>(index) };
        // SAFETY: clause 1, S1.
        (key, unsafe { self.take(key, &place) })
    }

    /// Counts the value of a slot as gone, and its slot as free; returns where it stands, for the caller
    /// to drop.
    ///
    /// # Safety
    ///
    /// 1. Slot `index` holds a value.
    #[inline(always)]
    pub(crate) unsafe fn vacate_at<T>(&mut self, index: u32) -> *mut T {
        // SAFETY: clause 1.
        let (key, place) = unsafe { self.live::<T>(index) };
        // SAFETY: clause 1.
        unsafe { self.vacate(key, &place) };
        place.value
    }

    /// Counts the value of a slot as gone, and its slot as free.
    ///
    /// # Safety
    ///
    /// 1. `place` is the slot of `key`, which holds a value under it; the caller moves or drops that.
    #[inline(always)]
    pub(crate) unsafe fn vacate<T>(&mut self, key: Key<T>, place: &Place<T>) {
        if !cfg!(bug = "vacant-slots-are-visited") {
            // SAFETY: clause 1: a slot of a page that was not released.
            unsafe { *place.live = 0 };
        }
        self.counters.removed();
        let next = if cfg!(bug = "remove-keeps-the-generation") {
            (key.to_bits() & !LOW).wrapping_sub(GENERATION)
        } else {
            (key.to_bits() | LOW).wrapping_add(1)
        };
        if next == 0 && !cfg!(bug = "generation-wraps") {
            return if S::ONE_WORD {
                // SAFETY: clause 1.
                unsafe { self.retire(place.state) }
            } else {
                // SAFETY: clause 1.
                unsafe { self.retire_apart(place.state) }
            };
        }
        // SAFETY: as above.
        unsafe { *place.state = next | self.link() };
        self.vacated(key.slot());
    }

    /// Whether a slot is free: neither holds a value nor is out of use.
    ///
    /// # Safety
    ///
    /// 1. `index` is a slot of a page that was not released.
    pub(crate) unsafe fn is_free<T>(&self, index: u32) -> bool {
        // SAFETY: clause 1.
        let place = unsafe { self.store.place::<T>(index) };
        // SAFETY: clause 1.
        let state = unsafe { *place.state };
        state & GENERATION == 0 && state > LOW
    }

    /// Slots of a page that hold a value or can.
    pub(crate) fn usable<T>(&self, page: usize) -> usize {
        let Some((first, _)) = self.first_of::<T>(page) else { return 0 };
        let usable = self.store.info(page).usable;
        if self.retired == 0 {
            return usable as usize;
        }
        let retired = (first..first + usable).filter(|&index| {
            // SAFETY: a slot of a page that was not released.
            let place = unsafe { self.store.place::<T>(index) };
            // SAFETY: as above.
            unsafe { *place.state == 0 }
        });
        usable as usize - retired.count()
    }

    /// Moves a value from its slot to a free one. The free list must be made anew.
    ///
    /// # Safety
    ///
    /// 1. `from` is the slot of `old`, which holds a value under it;
    /// 2. the slot of `new` is free, and `new` is the next key there.
    pub(crate) unsafe fn relocate<T>(&mut self, old: Key<T>, from: &Place<T>, new: Key<T>) {
        // SAFETY: clause 2: a slot of a page.
        let to = unsafe { self.store.place::<T>(new.slot()) };
        // SAFETY: clauses 1 and 2: a value, and aligned room for one in another slot.
        unsafe { to.value.copy_from_nonoverlapping(from.value, 1) };
        // SAFETY: clause 2.
        unsafe { *to.state = new.to_bits() };
        // SAFETY: clause 2.
        unsafe { *to.live = LIVE };
        // SAFETY: clause 1.
        unsafe { *from.live = 0 };
        let next = (old.to_bits() | LOW).wrapping_add(1);
        // SAFETY: clause 1.
        unsafe { *from.state = next };
        self.retired += u32::from(next == 0);
    }

    /// Takes a slot out of use that had a value and whose generations are used up (S3).
    ///
    /// # Safety
    ///
    /// 1. `state` is that of a slot that is not in the free list.
    #[cold]
    unsafe fn retire(&mut self, state: *mut u64) {
        // SAFETY: clause 1.
        unsafe { *state = 0 };
        self.retired += 1;
        if S::ONE_WORD {
            self.head -= GENERATION;
        } else {
            self.len -= 1;
        }
    }

    /// [`retire`](Self::retire), called: the loop around a removal then has registers for what slots in
    /// pages are found by, instead of for what this counts.
    ///
    /// # Safety
    ///
    /// As [`retire`](Self::retire).
    #[cold]
    #[inline(never)]
    unsafe fn retire_apart(&mut self, state: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe { self.retire(state) };
    }

    /// The first slot of a page, if the page was not released.
    pub(crate) fn first_of<T>(&self, page: usize) -> Option<(u32, Place<T>)> {
        if page >= self.store.pages() || !self.store.is_held(page) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "clause 4 of `Slots`: it is an index")]
        let index = (page << Shape::<T>::SHIFT) as u32;
        // SAFETY: a page below `pages()`.
        Some((index, unsafe { self.store.place::<T>(index) }))
    }

    /// Which of the 64 slots from `index` on hold a value.
    ///
    /// # Safety
    ///
    /// 1. `index` is the first of a group, in a page that was not released.
    #[inline(always)]
    pub(crate) unsafe fn group<T>(&self, index: u32) -> u64 {
        debug_assert!((index as usize).is_multiple_of(GROUP), "not the first of a group: {index}");
        // SAFETY: clause 1.
        let place = unsafe { self.store.place::<T>(index) };
        // SAFETY: clause 1; 3 of `Slots`; a page consists of whole groups.
        unsafe { live_mask(place.live) }
    }
}

/// The state of a slot when it has its next value: the generation one further, and its own index.
#[inline(always)]
const fn occupied(free: u64, index: u32) -> u64 {
    ((free | LOW) + 1) | index as u64
}

/// Drops all values.
///
/// # Safety
///
/// 1. The values of `table` are `T`s.
unsafe fn drop_values<T, S: Slots>(table: &mut Table<S>) {
    crate::drain::drop_rest::<T, S>(table, &mut crate::iter::Cursor::new());
}

impl<S: Slots> Drop for Table<S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(drop_values) = self.drop_values
            && self.len() != 0
        {
            // SAFETY: set by `new::<T>`, whose values these are.
            unsafe { drop_values(self) };
        }
    }
}
