//! Free slots for a thread that has none: those that others freed, or a page.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use alloc::vec::Vec;

use alloc_core::{Allocator, ErrorKind, TryAllocError};

use super::SyncSlab;
use super::page::Page;
use super::part::Part;
use super::slot::Slot;
use crate::seed;

/// The largest number of slots that all indices could name; few in the tests of this crate.
pub(super) const INDICES: usize = if cfg!(test) { 1 << 14 } else { u32::MAX as usize };

/// What is changed under a lock when the slab grows.
pub(super) struct Growth {
    /// Numbers that were given to pages.
    pub(super) numbers: usize,
    /// Slots in use or free, of all pages; those of a page that is being taken count.
    pub(super) slots: usize,
    /// Numbers of pages that were released, and the even generation at which their slots start again.
    pub(super) released: Vec<(usize, u32)>,
    /// The even generation at which new pages start; 0 as long as there is none.
    pub(super) first_generation: u32,
}

impl Growth {
    pub(super) const fn new() -> Self {
        Self { numbers: 0, slots: 0, released: Vec::new(), first_generation: 0 }
    }
}

impl<T, A: Allocator> SyncSlab<T, A> {
    /// Runs `f` under the lock of growth. `f` runs no user code.
    pub(super) fn growing<R>(&self, f: impl FnOnce(&mut Growth) -> R) -> R {
        match self.growth.lock() {
            Ok(mut growth) => f(&mut growth),
            // Nothing under the lock panics half-way.
            Err(poisoned) => f(&mut poisoned.into_inner()),
        }
    }

    /// A free slot for a part that has none in its list.
    #[cold]
    #[inline(never)]
    pub(super) fn refill(&self, part: &Part<T>) -> Result<NonNull<Slot<T>>, TryAllocError> {
        part.counters.slow_calls.count();
        // SAFETY: this thread's part.
        if unsafe { part.take_freed() } {
            // SAFETY: as above.
            if let Some(slot) = unsafe { part.pop() } {
                return Ok(slot);
            }
        }
        let refused = match self.add_page(part) {
            Ok(()) => None,
            Err(error) => {
                // Perhaps what was removed makes room.
                self.collect(part);
                Some(error)
            }
        };
        // SAFETY: as above.
        match (unsafe { part.pop() }, refused) {
            (Some(slot), _) => Ok(slot),
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("a page has slots"),
        }
    }

    /// Adds a page to the part, which has no free slots unless the backing leaves some.
    fn add_page(&self, part: &Part<T>) -> Result<(), TryAllocError> {
        let layout = const { Page::<T>::layout() }?;
        let usable = self.growing(|growth| {
            let room = self.limit.saturating_sub(growth.slots).min(Page::<T>::SLOTS);
            growth.slots += room;
            room
        });
        if usable == 0 && !cfg!(bug = "shared-limit-is-not-looked-at") {
            return Err(TryAllocError::limit_reached::<T>(self.limit));
        }
        let usable = usable.max(1);
        let room = Room { slab: self, slots: usable };
        // Not under the lock: the backing may be anything, panic, and use this slab.
        let Ok(block) = self.backing.allocate(layout) else {
            return Err(TryAllocError::new(ErrorKind::Backing, layout, 0));
        };
        // SAFETY: 1. just allocated with this layout; 2. reserved above.
        let added = unsafe { self.publish(part, block.cast::<Page<T>>(), usable) };
        match added {
            Ok(()) => {
                let _ = ManuallyDrop::new(room);
            }
            // SAFETY: a block of the backing, which nobody has seen.
            Err(_) => unsafe { self.backing.deallocate(block.cast(), layout) },
        }
        added
    }

    /// Makes a page of a block, and gives its slots to the part.
    ///
    /// # Safety
    ///
    /// 1. `page` is a block of a page's layout, which is nobody else's;
    /// 2. `usable` is in `1..=SLOTS`.
    unsafe fn publish(
        &self,
        part: &Part<T>,
        page: NonNull<Page<T>>,
        usable: usize,
    ) -> Result<(), TryAllocError> {
        let made = self.growing(|growth| {
            if growth.first_generation == 0 {
                growth.first_generation = seed::first_generation() - 1;
            }
            let (number, generation) = match growth.released.pop() {
                Some(again) => again,
                None => {
                    let most = INDICES >> Page::<T>::SHIFT;
                    if growth.numbers == most {
                        let most = most << Page::<T>::SHIFT;
                        return Err(TryAllocError::indices_exhausted::<T>(most));
                    }
                    // SAFETY: 1. under the lock.
                    unsafe { self.directory.reserve(growth.numbers) }?;
                    growth.numbers += 1;
                    (growth.numbers - 1, growth.first_generation)
                }
            };
            // SAFETY: 1. and 2. the caller's promise, and generations of free slots are even; 3. tested
            // against the number of indices.
            let made =
                unsafe { Page::init(page, NonNull::from_ref(part), number, usable, generation) };
            // SAFETY: 1. under the lock, and `reserve` made room, now or when the number was new; 2. just
            // made; pages are released by `&mut` alone.
            unsafe { self.directory.set(number, page) };
            Ok(made)
        })?;
        let (first, last) = made;
        if cfg!(bug = "a-new-page-is-all-that-is-free") {
            // SAFETY: 1. this thread's part.
            unsafe { part.forget_free() };
        }
        // SAFETY: 1. this thread's part; 2. the slots of its new page. It may have others by now: those that
        // the backing left when it used this slab.
        unsafe { part.push_all(first, last) };
        Ok(())
    }
}

/// Gives back the room for a page that was not made, also while the backing unwinds.
struct Room<'a, T, A: Allocator> {
    slab: &'a SyncSlab<T, A>,
    slots: usize,
}

impl<T, A: Allocator> Drop for Room<'_, T, A> {
    fn drop(&mut self) {
        if !cfg!(bug = "a-panicking-backing-keeps-its-room") {
            self.slab.growing(|growth| growth.slots -= self.slots);
        }
    }
}
