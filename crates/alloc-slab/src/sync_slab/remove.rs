//! Removing values: alone from a private page, else by compare-exchange.

use alloc_core::{Allocator, TryAllocError};
use primitives::sync::atomic::Ordering::{Acquire, Relaxed};

use super::SyncSlab;
use super::page::PageRef;
use super::part::Part;
use super::slot::{Slot, is_last, removed};
use crate::key::{GENERATION, Key};

impl<T, A: Allocator> SyncSlab<T, A> {
    /// Removes the value under `key`, and returns whether there was one. From now on the key is refused;
    /// of several threads that remove it, one is told `true`.
    ///
    /// If this thread inserted the value (or adopted its page), no other thread has used the page, and
    /// this thread has no guard of the value, it is dropped here. Otherwise it waits in limbo: a thread
    /// looks through its limbo when it holds 2,048 values (or as many as have slots of 128 KiB, but 64 at
    /// least; a sixteenth of the limit, if that is fewer) more than twice what guards kept there the last
    /// time, and drops those without a guard. So fewer than that many
    /// wait for each thread, whether guards of them are left or not; [`flush`](Self::flush) drops them
    /// now. Limbo of a thread that exits passes on with its part.
    ///
    /// # Panics
    ///
    /// If a drop panics: the value counts as dropped, others stay in limbo.
    ///
    /// # Complexity
    ///
    /// O(1), amortised, where guards are no more than values in limbo: a heavy fence and a look at all
    /// guards for each 2,048 of these, or fewer ([`flush`](Self::flush)). The first time that a thread comes to a page
    /// of another: a heavy fence.
    ///
    /// # Concurrency
    ///
    /// Wait-free, drops of values aside, but for the call that looks through limbo, and a thread's first
    /// one, which takes a part: these are lock-free. The first one takes memory for the part, and aborts
    /// if there is none (`handle_alloc_error`); [`try_remove`](Self::try_remove) returns an error instead.
    /// Linearizes when the slot's state changes, or when it is found to have changed.
    #[inline]
    pub fn remove(&self, key: Key<T>) -> bool {
        let Some(page) = self.page_of(key) else { return false };
        // Before the state is loaded: the part may come to us now, from a thread that removed the value.
        self.remove_by(self.part(), page, key)
    }

    /// Removes the value under `key`, and returns whether there was one, or the reason why this thread
    /// cannot remove any.
    ///
    /// # Errors
    ///
    /// If there is no memory for the thread's part: the value stays.
    ///
    /// # Panics
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Concurrency
    ///
    /// As [`remove`](Self::remove).
    #[inline]
    pub fn try_remove(&self, key: Key<T>) -> Result<bool, TryAllocError> {
        let Some(page) = self.page_of(key) else { return Ok(false) };
        // First, as in `remove`.
        let part = self.try_part()?;
        Ok(self.remove_by(part, page, key))
    }

    /// As [`remove`](Self::remove), for this thread's part and a page that may have the key.
    #[inline(always)]
    fn remove_by(&self, part: &Part<T>, page: PageRef<'_, T>, key: Key<T>) -> bool {
        let slot = page.slot(key.slot());
        let bits = key.to_bits();
        // ORD Relaxed: another key is another key for ever (L1). The same one: on a private page it is our
        // own store, or ordered by the edge of `ThreadSlots` along which the part came; else a guess.
        if slot.state.load(Relaxed) != bits {
            return false;
        }
        // Asked once, by the flag of the addition that makes the state.
        let (after, is_last) = bits.overflowing_add(GENERATION);
        if is_last || !page.announce(part, after) {
            return self.remove_slowly(part, page, slot, bits);
        }
        // SAFETY: 1. to 3. as the slot's page is private (G3).
        unsafe { self.remove_private(part, slot, (bits, after), false) };
        true
    }

    /// Removes the value under `bits` from a private page; the slot's state is `after` then.
    ///
    /// # Safety
    ///
    /// 1. The slot is one of a page of `part`, this thread's, has a value under `bits`, and `announce` said
    ///    that nobody else can remove it;
    /// 2. `after` is what [`removed`] makes of `bits`, and `is_last` whether it is out of use.
    #[inline(always)]
    unsafe fn remove_private(
        &self,
        part: &Part<T>,
        slot: &Slot<T>,
        (bits, after): (u64, u64),
        is_last: bool,
    ) {
        // ORD Relaxed: nothing is read through a removed state; `announce` orders it for those who come
        // later.
        slot.state.store(after, Relaxed);
        part.counters.removed.count();
        if part.hazards.hold(bits) && !cfg!(bug = "own-guards-are-not-asked") {
            self.retire(part, slot);
        } else {
            // SAFETY: 1. removed just now; 2. Y1: by the owner of a private page, and no guard.
            unsafe { self.drop_at_once(part, slot, is_last) };
        }
    }

    /// As [`remove`](Self::remove), where another thread may be at the same slot, or it goes out of use.
    #[inline(never)]
    fn remove_slowly(
        &self,
        part: &Part<T>,
        page: PageRef<'_, T>,
        slot: &Slot<T>,
        bits: u64,
    ) -> bool {
        if is_last(bits) && page.announce(part, removed(bits)) {
            // SAFETY: 1. announced just now; 2. by definition.
            unsafe { self.remove_private(part, slot, (bits, removed(bits)), true) };
            return true;
        }
        if !page.is_of(part) {
            page.enter();
            if page.is_removing(bits) && !cfg!(bug = "remove-trusts-the-state") {
                return false;
            }
        }
        #[cfg(bug = "two-remove-one-key")]
        {
            // ORD Relaxed: a fault.
            if slot.state.load(Relaxed) != bits {
                return false;
            }
            // ORD Relaxed: a fault.
            slot.state.store(removed(bits), Relaxed);
        }
        // ORD[value] Acquire ← Release in `fill`: we are going to drop the value. (After `collect`'s heavy
        // fence, which acquires, too, but which ThreadSanitizer does not see.)
        // ORD Relaxed on failure: it is somebody else's.
        #[cfg(not(bug = "two-remove-one-key"))]
        if slot.state.compare_exchange(bits, removed(bits), Acquire, Relaxed).is_err() {
            part.counters.contended.count();
            return false;
        }
        part.counters.removed.count();
        part.counters.shared_removals.count();
        self.retire(part, slot);
        true
    }
}
