//! What needs the slab alone: iteration, `take`, `clear`, `drain`, `retain`, `trim`, and its end.
//!
//! No thread uses the slab then, and every guard is gone or was forgotten: the parts' own fields, the
//! pages of all threads and the values in limbo are at hand.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ptr::NonNull;

use alloc_core::{Allocator, Global};
use primitives::sync::atomic::Ordering::Relaxed;

use super::SyncSlab;
use super::page::{Page, PageRef};
use super::slot::{Slot, Unlinked, is_live, is_out_of_use, removed};
use crate::key::{GENERATION_SHIFT, Key};

/// Goes through all slots.
struct Walk {
    number: usize,
    slot: u32,
}

impl Walk {
    const fn new() -> Self {
        Self { number: 0, slot: 0 }
    }

    /// The next slot with a value.
    fn next_live<'a, T, A: Allocator>(
        &mut self,
        slab: &'a SyncSlab<T, A>,
    ) -> Option<(Key<T>, PageRef<'a, T>, &'a Slot<T>)> {
        while self.number < slab.directory.numbers() {
            if let Some(page) = slab.directory.page(self.number) {
                while self.slot < page.usable() {
                    let slot = page.slot(self.slot);
                    self.slot += 1;
                    // ORD Relaxed: the slab is borrowed exclusively.
                    let state = slot.state.load(Relaxed);
                    if is_live(state) {
                        // SAFETY: odd.
                        return Some((unsafe { Key::of(state) }, page, slot));
                    }
                }
            }
            self.number += 1;
            self.slot = 0;
        }
        None
    }
}

impl<T, A: Allocator> SyncSlab<T, A> {
    /// The slot of a key, if it has a value.
    fn find(&mut self, key: Key<T>) -> Option<(PageRef<'_, T>, &Slot<T>)> {
        let page = self.page_of(key)?;
        let slot = page.slot(key.slot());
        // ORD Relaxed: the slab is borrowed exclusively.
        (slot.state.load(Relaxed) == key.to_bits()).then_some((page, slot))
    }

    /// Returns the value under `key`, to be changed.
    ///
    /// # Complexity
    ///
    /// O(1).
    #[must_use]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let (_, slot) = self.find(key)?;
        // SAFETY: a value, and the slab is borrowed exclusively while the reference lives.
        Some(unsafe { &mut *slot.value_mut() })
    }

    /// Takes the value under `key` out, and returns it.
    ///
    /// By exclusive access: a value that other threads may be looking at cannot be moved.
    ///
    /// # Complexity
    ///
    /// O(1).
    pub fn take(&mut self, key: Key<T>) -> Option<T> {
        let (page, slot) = self.find(key)?;
        // SAFETY: 1. to 3. just found, by exclusive access.
        Some(unsafe { vacate(page, slot, key) })
    }

    /// Lends every value with its key, to be changed; in no order.
    ///
    /// # Complexity
    ///
    /// O(slots).
    pub fn iter_mut(&mut self) -> SyncIterMut<'_, T, A> {
        SyncIterMut { slab: self, walk: Walk::new(), _lends: PhantomData }
    }

    /// Takes all values out, with their keys; those that are not asked for are dropped at the end.
    ///
    /// A forgotten iterator leaves the values that it did not return where they were.
    ///
    /// # Complexity
    ///
    /// O(slots).
    pub fn drain(&mut self) -> SyncDrain<'_, T, A> {
        self.count_reset();
        SyncDrain::new(self)
    }

    /// The slab is about to be emptied.
    fn count_reset(&mut self) {
        self.peak_len = self.peak_len.max(self.len());
        self.resets += 1;
    }

    /// Keeps the values for which `keep` says so, and drops the others.
    ///
    /// # Panics
    ///
    /// If `keep` or a drop panics: values not yet looked at stay.
    ///
    /// # Complexity
    ///
    /// O(slots).
    pub fn retain(&mut self, mut keep: impl FnMut(Key<T>, &mut T) -> bool) {
        let mut walk = Walk::new();
        while let Some((key, page, slot)) = walk.next_live(self) {
            // SAFETY: a value, and the slab is borrowed exclusively.
            if !keep(key, unsafe { &mut *slot.value_mut() }) {
                // SAFETY: 1. to 3. just found, by exclusive access; `keep` cannot reach the slab.
                drop(unsafe { vacate(page, slot, key) });
            }
        }
    }

    /// Drops all values, those in limbo as well. Keys stay refused; pages are kept.
    ///
    /// # Panics
    ///
    /// If a drop panics: all others are dropped nevertheless.
    ///
    /// # Complexity
    ///
    /// O(slots).
    pub fn clear(&mut self) {
        /// What comes after limbo, also if a drop panicked there.
        struct Rest<'a, T, A: Allocator>(&'a mut SyncSlab<T, A>);
        impl<T, A: Allocator> Drop for Rest<'_, T, A> {
            fn drop(&mut self) {
                self.0.drop_limbo();
                SyncDrain::new(self.0).for_each(drop);
            }
        }
        self.count_reset();
        let rest = Rest(self);
        rest.0.drop_limbo();
    }

    /// Gives the pages without values back to the backing, drops what is in limbo, and makes pages
    /// private to their threads again. Returns how many bytes the pages had.
    ///
    /// Keys stay refused: a released page leaves behind the highest generation that it had. A page with a
    /// retired slot is kept. What guards that were forgotten kept is dropped, too.
    ///
    /// There is no such thing for a slab that is shared: threads look at slots that they have no guard of.
    ///
    /// # Panics
    ///
    /// If a drop panics: no page is given back then, and what is behind it stays in limbo. If the backing
    /// does when it is given a page: that page counts as given back, and pages behind it stay.
    ///
    /// # Complexity
    ///
    /// O(slots).
    pub fn trim(&mut self) -> usize {
        /// Makes the lists anew, also when the backing panics.
        struct Relink<'a, T, A: Allocator>(&'a mut SyncSlab<T, A>);
        impl<T, A: Allocator> Drop for Relink<'_, T, A> {
            fn drop(&mut self) {
                if !cfg!(bug = "shared-trim-links-if-nothing-panics") {
                    self.0.relink();
                }
            }
        }
        self.drop_limbo();
        // Before pages go: lists lead through their slots.
        self.parts.for_each_shared(|part| {
            drop(part.freed.pop_all());
            // SAFETY: 1. the slab is borrowed exclusively; 2. none.
            unsafe { part.forget_free() };
        });
        if cfg!(bug = "shared-trim-links-before-pages-go") {
            self.relink();
            return self.release_pages();
        }
        let relink = Relink(self);
        let bytes = relink.0.release_pages();
        if cfg!(bug = "shared-trim-links-if-nothing-panics") {
            relink.0.relink();
        }
        bytes
    }

    /// Drops the values in the limbo of every part. Guards that are left were forgotten.
    pub(super) fn drop_limbo(&mut self) {
        // SAFETY: the slab is borrowed exclusively.
        self.parts.for_each_shared(|part| unsafe { part.hazards.clear() });
        self.parts.for_each_shared(|part| {
            let next = || {
                let pop = |own: &mut super::part::Own<T>| {
                    let slot = own.limbo.pop_front();
                    own.limbo_len -= usize::from(slot.is_some());
                    // Left set by a drop that panicked while another unwound.
                    own.collecting = false;
                    slot
                };
                // SAFETY: 1. the slab is borrowed exclusively; 2. none.
                unsafe { part.own(pop) }
            };
            while let Some(Unlinked(slot)) = next() {
                // SAFETY: a slot lives as long as the slab.
                let slot = unsafe { slot.as_ref() };
                part.counters.dropped_late.count();
                // ORD Relaxed: the slab is borrowed exclusively.
                let state = slot.state.load(Relaxed);
                #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
                let number = (state as u32 >> Page::<T>::SHIFT) as usize;
                let Some(page) = self.directory.page(number) else {
                    unreachable!("a slot's page is there")
                };
                // SAFETY: O2, and no guard is in use.
                let value = unsafe { slot.value_mut().read() };
                // SAFETY: 1. to 3. by exclusive access, and the value was just moved out.
                unsafe { free(page, slot, state) };
                drop(value);
            }
        });
    }

    /// Gives back the pages without values.
    fn release_pages(&mut self) -> usize {
        let Ok(layout) = Page::<T>::layout() else { return 0 };
        let mut bytes = 0;
        for number in 0..self.directory.numbers() {
            let Some(page) = self.directory.page(number) else { continue };
            let states = || {
                // ORD Relaxed: the slab is borrowed exclusively.
                (0..page.usable()).map(|slot| page.slot(slot).state.load(Relaxed))
            };
            if states().any(|state| is_live(state) || is_out_of_use(state)) {
                continue;
            }
            let floor = states().map(|state| (state >> GENERATION_SHIFT) as u32).max().unwrap_or(0);
            let floor = if cfg!(bug = "shared-release-forgets") {
                self.growing(|growth| growth.first_generation)
            } else {
                floor
            };
            let usable = page.usable() as usize;
            let remembered = self.growing(|growth| {
                growth.released.try_reserve(1).ok()?;
                growth.released.push((number, floor));
                growth.slots -= usable;
                Some(())
            });
            if remembered.is_none() {
                continue;
            }
            let block = page.as_ptr();
            // SAFETY: 1. the slab is borrowed exclusively; just found.
            unsafe { self.directory.unset(number) };
            // SAFETY: 1. made by `init`; no value, no limbo; lists are made anew by the caller.
            unsafe { Page::uninit(block) };
            // SAFETY: a block of the backing with this layout, and out of the directory.
            unsafe { self.backing.deallocate(block.cast(), layout) };
            bytes += layout.size();
        }
        bytes
    }

    /// Makes the lists of free slots, which are empty, anew, and pages private.
    fn relink(&mut self) {
        for page in self.directory.pages() {
            // SAFETY: 1. as above.
            unsafe { page.close() };
            for slot in (0..page.usable()).rev().map(|slot| page.slot(slot)) {
                // ORD Relaxed: the slab is borrowed exclusively.
                let state = slot.state.load(Relaxed);
                if !is_live(state) && !is_out_of_use(state) {
                    // SAFETY: 1. as above; 2. of its page, empty, and in no list any more.
                    unsafe { page.owner().push(slot) };
                }
            }
        }
    }
}

/// Moves a value out of its slot, and frees that.
///
/// # Safety
///
/// 1. The slab is borrowed exclusively;
/// 2. the slot is one of `page`;
/// 3. it has a value under `key`.
unsafe fn vacate<T>(page: PageRef<'_, T>, slot: &Slot<T>, key: Key<T>) -> T {
    // SAFETY: clauses 1 and 3.
    let value = unsafe { slot.value_mut().read() };
    let state = removed(key.to_bits());
    // ORD Relaxed: clause 1: ordered by what made the borrow exclusive, and by what ends it.
    slot.state.store(state, Relaxed);
    page.owner().counters.removed.count();
    // SAFETY: 1. and 2. clauses 1 and 2; 3. just moved out.
    unsafe { free(page, slot, state) };
    value
}

/// Frees a slot.
///
/// # Safety
///
/// 1. The slab is borrowed exclusively;
/// 2. the slot is one of `page`, and `state` is what it has;
/// 3. its value is gone, and it is in no list.
unsafe fn free<T>(page: PageRef<'_, T>, slot: &Slot<T>, state: u64) {
    let owner = page.owner();
    if is_out_of_use(state) {
        owner.counters.retired.count();
    } else {
        // SAFETY: 1. clause 1; 2. clauses 2 and 3.
        unsafe { owner.push(slot) };
    }
}

impl<T, A: Allocator> Drop for SyncSlab<T, A> {
    fn drop(&mut self) {
        /// Gives the pages back also if a value's drop panics.
        struct Pages<'a, T, A: Allocator>(&'a mut SyncSlab<T, A>);
        impl<T, A: Allocator> Drop for Pages<'_, T, A> {
            fn drop(&mut self) {
                let slab = &mut *self.0;
                let Ok(layout) = Page::<T>::layout() else { return };
                slab.parts.for_each_shared(|part| drop(part.freed.pop_all()));
                for number in 0..slab.directory.numbers() {
                    let Some(page) = slab.directory.page(number) else { continue };
                    let block: NonNull<Page<T>> = page.as_ptr();
                    // SAFETY: 1. the slab is being dropped.
                    unsafe { slab.directory.unset(number) };
                    // SAFETY: 1. as above; values were dropped before.
                    unsafe { Page::uninit(block) };
                    // SAFETY: a block of the backing with this layout.
                    unsafe { slab.backing.deallocate(block.cast(), layout) };
                }
            }
        }
        let pages = Pages(self);
        if core::mem::needs_drop::<T>() {
            pages.0.clear();
        } else {
            // SAFETY: 1. the slab is being dropped; 2. none.
            let empty = |part: &super::part::Part<T>| unsafe {
                part.own(|own| drop(core::mem::take(&mut own.limbo)));
            };
            pages.0.parts.for_each_shared(empty);
        }
    }
}

/// Lends every value of a [`SyncSlab`]; made by [`SyncSlab::iter_mut`].
pub struct SyncIterMut<'a, T, A: Allocator = Global> {
    slab: &'a SyncSlab<T, A>,
    walk: Walk,
    _lends: PhantomData<&'a mut T>,
}

impl<'a, T, A: Allocator> Iterator for SyncIterMut<'a, T, A> {
    type Item = (Key<T>, &'a mut T);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, _, slot) = self.walk.next_live(self.slab)?;
        // SAFETY: a value; the slab is borrowed exclusively for `'a`, and each slot is lent once.
        Some((key, unsafe { &mut *slot.value_mut() }))
    }
}

impl<T, A: Allocator> FusedIterator for SyncIterMut<'_, T, A> {}

impl<T, A: Allocator> fmt::Debug for SyncIterMut<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncIterMut").finish_non_exhaustive()
    }
}

/// Takes all values out of a [`SyncSlab`]; made by [`SyncSlab::drain`].
pub struct SyncDrain<'a, T, A: Allocator = Global> {
    slab: &'a SyncSlab<T, A>,
    walk: Walk,
    _takes: PhantomData<&'a mut T>,
}

impl<'a, T, A: Allocator> SyncDrain<'a, T, A> {
    const fn new(slab: &'a mut SyncSlab<T, A>) -> Self {
        Self { slab, walk: Walk::new(), _takes: PhantomData }
    }
}

impl<T, A: Allocator> Iterator for SyncDrain<'_, T, A> {
    type Item = (Key<T>, T);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, page, slot) = self.walk.next_live(self.slab)?;
        // SAFETY: 1. to 3. just found; the slab is borrowed exclusively.
        Some((key, unsafe { vacate(page, slot, key) }))
    }
}

impl<T, A: Allocator> FusedIterator for SyncDrain<'_, T, A> {}

impl<T, A: Allocator> Drop for SyncDrain<'_, T, A> {
    fn drop(&mut self) {
        /// Goes on where a drop panicked.
        struct Rest<'a, 'b, T, A: Allocator>(&'b mut SyncDrain<'a, T, A>);
        impl<T, A: Allocator> Drop for Rest<'_, '_, T, A> {
            fn drop(&mut self) {
                self.0.for_each(drop);
            }
        }
        let rest = Rest(self);
        rest.0.for_each(drop);
    }
}

impl<T, A: Allocator> fmt::Debug for SyncDrain<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncDrain").finish_non_exhaustive()
    }
}
