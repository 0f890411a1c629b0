//! Looking at values: by a guard, or only whether there is one.

use alloc_core::{Allocator, TryAllocError};
use primitives::asymmetric;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed};

use super::SyncSlab;
use super::guard::Ref;
use super::hazards;
use super::page::PageRef;
use super::part::Part;
use super::slot::Slot;
use crate::key::Key;

impl<T, A: Allocator> SyncSlab<T, A> {
    /// Returns a guard of the value under `key`, if it is there.
    ///
    /// # Complexity
    ///
    /// O(1). The first time that a thread comes to a page of another: a heavy fence (a system call).
    /// A thread's ninth guard at a time, and more: a search through its guards.
    ///
    /// # Concurrency
    ///
    /// Wait-free, but for a thread's first call, which takes a part and is lock-free. That takes memory, and
    /// so does a thread that has many guards at once; it aborts if there is none (`handle_alloc_error`):
    /// [`try_get`](Self::try_get) returns an error instead. Linearizes when it looks at the slot. Retains
    /// the value until the guard goes.
    #[inline]
    pub fn get(&self, key: Key<T>) -> Option<Ref<'_, T>> {
        let page = self.page_of(key)?;
        self.get_by(self.part(), page, key)
    }

    /// Returns a guard of the value under `key`, if it is there, or the reason why there can be none.
    ///
    /// # Errors
    ///
    /// If there is no memory for the thread's part, or for one more guard beside those that it has.
    ///
    /// # Complexity
    ///
    /// As [`get`](Self::get), and a search through the places for guards of this thread.
    ///
    /// # Concurrency
    ///
    /// As [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// let slab = alloc_slab::SyncSlab::new();
    /// let key = slab.insert(7);
    /// assert_eq!(slab.try_get(key)?.as_deref(), Some(&7));
    /// assert!(slab.try_remove(key)? && slab.try_get(key)?.is_none());
    /// # Ok::<(), alloc_slab::TryAllocError>(())
    /// ```
    pub fn try_get(&self, key: Key<T>) -> Result<Option<Ref<'_, T>>, TryAllocError> {
        let Some(page) = self.page_of(key) else { return Ok(None) };
        let part = self.try_part()?;
        part.hazards.reserve()?;
        Ok(self.get_by(part, page, key))
    }

    /// As [`get`](Self::get), for this thread's part and a page that may have the key.
    #[inline(always)]
    fn get_by<'a>(
        &'a self,
        part: &'a Part<T>,
        page: PageRef<'a, T>,
        key: Key<T>,
    ) -> Option<Ref<'a, T>> {
        let slot = page.slot(key.slot());
        if !page.is_quick_for(part) {
            return self.get_shared(part, page, slot, key.to_bits());
        }
        let hazard = part.hazards.protect(key.to_bits());
        if !cfg!(bug = "guard-without-a-fence") {
            // G4.
            asymmetric::light_expedited();
        }
        // ORD Relaxed: the value was written by this thread, or by one whose part came to us after it
        // exited, along the edge of `ThreadSlots`.
        if slot.state.load(Relaxed) != key.to_bits() {
            hazards::release(hazard);
            return None;
        }
        // SAFETY: Y2, on an own page.
        Some(unsafe { Ref::new(slot, hazard) })
    }

    /// As [`get`](Self::get), in another's page, or where fences are not asymmetric.
    #[inline(never)]
    fn get_shared<'a>(
        &'a self,
        part: &'a Part<T>,
        page: PageRef<'a, T>,
        slot: &'a Slot<T>,
        bits: u64,
    ) -> Option<Ref<'a, T>> {
        // ORD Relaxed: as in `remove`; spares a page that it is opened for a stale key.
        if slot.state.load(Relaxed) != bits {
            return None;
        }
        let is_own = page.is_of(part);
        if !is_own {
            page.enter();
        }
        let hazard = part.hazards.protect(bits);
        if !cfg!(bug = "guard-without-a-fence") {
            asymmetric::light();
        }
        // Before the state is loaded (G2).
        let is_gone = !is_own && page.is_removing(bits) && !cfg!(bug = "get-trusts-the-state");
        // ORD[value] Acquire ← Release in `fill`.
        if is_gone || slot.state.load(Acquire) != bits {
            hazards::release(hazard);
            return None;
        }
        // SAFETY: Y2.
        Some(unsafe { Ref::new(slot, hazard) })
    }

    /// Returns whether there is a value under `key`.
    ///
    /// # Complexity
    ///
    /// O(1).
    ///
    /// # Concurrency
    ///
    /// Wait-free, takes no memory, and leaves private pages private. Linearizes when it looks at the slot.
    #[inline]
    #[must_use]
    pub fn contains(&self, key: Key<T>) -> bool {
        let Some(page) = self.page_of(key) else { return false };
        // ORD Relaxed: nothing is read through it; who learned of a removal sees it.
        !page.is_removing(key.to_bits())
            && page.slot(key.slot()).state.load(Relaxed) == key.to_bits()
    }
}
