//! Growing and linking: pages that come, slots that come first in the list or last, pages that go.

use alloc_core::TryAllocError;

use super::{LOW, NONE, Table};
use crate::key::{GENERATION, GENERATION_SHIFT};
use crate::seed;
use crate::shape::Shape;
use crate::store::{PageInfo, Slots};

impl<S: Slots> Table<S> {
    /// Makes sure that `count` slots are free.
    pub(crate) fn reserve<T>(&mut self, count: usize) -> Result<(), TryAllocError> {
        // What cannot be had is refused before anything is taken.
        let needed = count.saturating_sub(self.capacity() - self.len());
        let most = Shape::<T>::MAX_PAGES << Shape::<T>::SHIFT;
        if needed > most.saturating_sub(self.slots) {
            return Err(TryAllocError::indices_exhausted::<T>(most));
        }
        if needed > self.limit.saturating_sub(self.slots) {
            return Err(TryAllocError::limit_reached::<T>(self.limit));
        }
        let mut last = None;
        while self.capacity() - self.len() < count {
            last = Some(self.grow::<T>(last)?);
        }
        Ok(())
    }

    /// Adds a page. Its slots come first in the free list, or after the slot `after`, which is in it;
    /// returns the last of them.
    #[cold]
    #[inline(never)]
    pub(crate) fn grow<T>(&mut self, after: Option<u32>) -> Result<u32, TryAllocError> {
        self.counters.slow(self.len());
        let mut room = self.limit.saturating_sub(self.slots);
        if cfg!(bug = "limit-is-not-looked-at") {
            room = Shape::<T>::SLOTS;
        }
        if room == 0 {
            return Err(TryAllocError::limit_reached::<T>(self.limit));
        }
        if self.first_generation == 0 {
            self.first_generation = seed::first_generation();
        }
        let page = if self.released == 0 {
            self.store.append::<T>()?;
            let floor = self.first_generation - 1;
            let page = self.store.pages() - 1;
            self.store.set_info(page, PageInfo { floor, usable: 0 });
            page
        } else {
            let mut page = self.maybe_released;
            while self.store.info(page).usable != 0 {
                page += 1;
            }
            self.maybe_released = page;
            self.store.restore::<T>(page)?;
            self.released -= 1;
            page
        };
        let usable = room.min(Shape::<T>::SLOTS);
        Ok(self.link_page::<T>(page, usable, after))
    }

    /// Links the first `usable` slots of a page that has just been taken.
    fn link_page<T>(&mut self, page: usize, usable: usize, after: Option<u32>) -> u32 {
        let floor = self.store.info(page).floor;
        #[expect(clippy::cast_possible_truncation, reason = "at most the slots of a page")]
        let count = usable as u32;
        self.store.set_info(page, PageInfo { floor, usable: count });
        self.slots += usable;
        let Some((first, place)) = self.first_of::<T>(page) else { unreachable!("just taken") };
        let generation = u64::from(floor) << GENERATION_SHIFT;
        for slot in 0..count {
            // SAFETY: a state of the page, which is ours (clauses 1 and 3 of `Slots`).
            unsafe {
                *place.state.wrapping_add(slot as usize) = generation | u64::from(first + slot + 1);
            }
        }
        let rest = match after {
            None => {
                let old = self.link();
                self.set_link(u64::from(first));
                old
            }
            Some(after) => {
                // SAFETY: the caller's slot, free and in the list.
                unsafe { self.relink::<T>(after, u64::from(first)) }
            }
        };
        // SAFETY: a slot of this page.
        unsafe { self.relink::<T>(first + count - 1, rest) };
        first + count - 1
    }

    /// Changes the link of a free slot; returns what it was.
    ///
    /// # Safety
    ///
    /// 1. `index` is a slot of a page that was not released, and free.
    unsafe fn relink<T>(&mut self, index: u32, next: u64) -> u64 {
        // SAFETY: clause 1.
        let place = unsafe { self.store.place::<T>(index) };
        // SAFETY: clause 1.
        let state = unsafe { *place.state };
        // SAFETY: clause 1.
        unsafe { *place.state = state & !LOW | next };
        state & LOW
    }

    /// Makes the free list anew, lowest slot first, after slots were filled or pages released behind
    /// its back.
    pub(crate) fn relink_all<T>(&mut self) {
        self.set_link(u64::from(NONE));
        for page in (0..self.store.pages()).rev() {
            let Some((first, place)) = self.first_of::<T>(page) else { continue };
            for slot in (0..self.store.info(page).usable).rev() {
                let state = place.state.wrapping_add(slot as usize);
                // SAFETY: a state of a page that was not released (clauses 1 and 3 of `Slots`).
                let now = unsafe { *state };
                if now & GENERATION == 0 && now > LOW {
                    // SAFETY: as above; a free slot.
                    unsafe { *state = now & !LOW | self.link() };
                    self.set_link(u64::from(first + slot));
                }
            }
        }
    }

    /// Gives back the memory of a page without values, if none of its slots is retired; returns how
    /// many bytes that were. The free list must be made anew, also if the backing panics.
    pub(crate) fn release_page<T>(&mut self, page: usize) -> usize {
        let Some((_, place)) = self.first_of::<T>(page) else { return 0 };
        let info = self.store.info(page);
        let mut floor = info.floor;
        for slot in 0..info.usable {
            // SAFETY: a state of a page that was not released.
            let state = unsafe { *place.state.wrapping_add(slot as usize) };
            if state <= LOW || state & GENERATION != 0 {
                return 0; // retired: that must not be forgotten; or a value
            }
            floor = floor.max((state >> GENERATION_SHIFT) as u32);
        }
        if cfg!(bug = "release-forgets-generations") {
            floor = info.floor;
        }
        self.store.set_info(page, PageInfo { floor, usable: 0 });
        self.slots -= info.usable as usize;
        self.released += 1;
        self.maybe_released = self.maybe_released.min(page);
        // Last, since the backing may panic.
        // SAFETY: not released (`first_of`), and no slot of it has a value; the caller makes the free
        // list anew, also then.
        unsafe { self.store.release::<T>(page) }
    }
}
