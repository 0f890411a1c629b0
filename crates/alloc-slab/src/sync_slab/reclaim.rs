//! Limbo: removed values, until no guard is left.
//!
//! ```text
//!   remove ─▶ limbo [ a | b | c ]     heavy fence      hazards of all parts: { b }
//!                     │   │   └─▶ dropped; the slot to its owner's `freed`, chained with others
//!                     │   └─▶ back into limbo
//!                     └─▶ dropped; the slot to the own list, if the page is our own
//! ```

use lockfree::Chain;

use alloc_core::Allocator;
use primitives::asymmetric;
use primitives::sync::atomic::Ordering::Relaxed;

use super::SyncSlab;
use super::page::Page;
use super::part::Part;
use super::slot::{Slot, Unlinked, is_out_of_use, key_before};

impl<T, A: Allocator> SyncSlab<T, A> {
    /// Drops the value of a slot that the owner removed from its private page, and frees the slot.
    ///
    /// # Safety
    ///
    /// 1. The slot was removed by this thread, and its page is of `part`, this thread's;
    /// 2. nobody has a guard of the value, or can get one;
    ///
    /// and `is_last` says whether the slot is out of use now.
    #[inline(always)]
    pub(super) unsafe fn drop_at_once(&self, part: &Part<T>, slot: &Slot<T>, is_last: bool) {
        // Also while a drop unwinds. Not before it: it may insert.
        let _free = FreeOwn { part, slot, is_last };
        // SAFETY: clauses 1 and 2: the value is there (L2), and ours alone.
        unsafe { slot.value_mut().drop_in_place() };
    }

    /// Puts a slot that this thread removed into limbo.
    pub(super) fn retire(&self, part: &Part<T>, slot: &Slot<T>) {
        part.counters.delayed.count();
        // SAFETY: 1. this thread's part; 2. none.
        let is_full = unsafe {
            part.own(|own| {
                own.limbo.push_back(Unlinked(core::ptr::NonNull::from_ref(slot)));
                own.limbo_len += 1;
                own.limbo_len >= own.collect_at
            })
        };
        if is_full {
            self.collect(part);
        }
    }

    /// Drops the removed values of which there is no guard: those that this thread removed, and did not
    /// drop at once.
    ///
    /// # Panics
    ///
    /// If a drop panics: the value counts as dropped, those behind it stay in limbo.
    ///
    /// # Complexity
    ///
    /// O(p + (g + v) log g): p places for guards in all threads, eight each and as many as had guards at
    /// one time, g guards, which are sorted, v values in limbo. And one heavy fence: a system call.
    ///
    /// # Concurrency
    ///
    /// Lock-free, drops of values aside: slots go back to their owners by a compare-exchange on a stack,
    /// which is tried again when another thread was quicker. The rest is wait-free.
    pub fn flush(&self) {
        if let Some(part) = self.parts.get() {
            self.collect(part);
        }
    }

    /// Looks through the limbo of this thread's part.
    #[cold]
    #[inline(never)]
    pub(super) fn collect(&self, part: &Part<T>) {
        // SAFETY: 1. this thread's part; 2. none.
        let begun = unsafe {
            part.own(|own| {
                // A drop that comes here again leaves the work to who is at it.
                if own.collecting || own.limbo.is_empty() {
                    return None;
                }
                own.collecting = true;
                Some((core::mem::take(&mut own.limbo), core::mem::take(&mut own.guarded)))
            })
        };
        let Some((rest, guarded)) = begun else { return };
        part.counters.collections.count();
        let mut batch = Batch {
            slab: self,
            part,
            rest,
            kept: Chain::new(),
            kept_len: 0,
            guarded,
            freed: Freed { slab: self, part, owner: None, slots: Chain::new() },
        };
        if batch.look_for_guards() {
            batch.drop_unguarded();
        }
    }
}

/// Frees a slot of an own page, also while its value's drop unwinds.
struct FreeOwn<'a, T> {
    part: &'a Part<T>,
    slot: &'a Slot<T>,
    is_last: bool,
}

impl<T> Drop for FreeOwn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_last && !cfg!(bug = "shared-generation-wraps") {
            self.part.counters.retired.count();
        } else {
            // SAFETY: 1. this thread's part; 2. of its page, and the value is gone.
            unsafe { self.part.push(self.slot) };
        }
    }
}

/// The slots of a limbo that is looked through. What is left of them goes back to limbo when it is
/// dropped, also while a value's drop unwinds.
struct Batch<'a, T, A: Allocator> {
    slab: &'a SyncSlab<T, A>,
    part: &'a Part<T>,
    rest: Chain<Slot<T>>,
    /// Those of which there are guards.
    kept: Chain<Slot<T>>,
    kept_len: usize,
    /// The keys that guards protect, sorted.
    guarded: alloc::vec::Vec<u64>,
    freed: Freed<'a, T, A>,
}

impl<T, A: Allocator> Batch<'_, T, A> {
    /// Finds out which keys are protected; returns whether there was memory to do so.
    fn look_for_guards(&mut self) -> bool {
        if !cfg!(bug = "collects-without-a-fence") {
            asymmetric::heavy();
        }
        self.guarded.clear();
        let mut noted = Ok(());
        self.slab.parts.for_each_shared(|part| {
            let part_ignored =
                cfg!(bug = "only-own-guards-count") && !core::ptr::eq(part, self.part);
            if !part_ignored && noted.is_ok() {
                noted = part.hazards.collect(&mut self.guarded);
            }
        });
        self.guarded.sort_unstable();
        noted.is_ok()
    }

    fn drop_unguarded(&mut self) {
        while let Some(Unlinked(slot)) = self.rest.pop_front() {
            // SAFETY: a slot lives as long as the slab.
            let slot = unsafe { slot.as_ref() };
            // ORD Relaxed: removed by this part, so nobody else writes it.
            let key = key_before(slot.state.load(Relaxed));
            if self.guarded.binary_search(&key).is_ok() {
                self.kept.push_back(Unlinked(core::ptr::NonNull::from_ref(slot)));
                self.kept_len += 1;
                continue;
            }
            self.part.counters.dropped_late.count();
            let freed = Empty { freed: &mut self.freed, slot };
            // SAFETY: O2: the value is there. Y1: no hazard names it, after the fence.
            unsafe { slot.value_mut().drop_in_place() };
            drop(freed);
        }
    }
}

impl<T, A: Allocator> Drop for Batch<'_, T, A> {
    fn drop(&mut self) {
        // Not counted one by one unless a panic, or missing memory, left some.
        let mut left = Chain::new();
        let mut left_len = 0;
        while let Some(slot) = self.rest.pop_front() {
            left.push_back(slot);
            left_len += 1;
        }
        self.freed.send();
        let (kept_len, batch) = (self.kept_len + left_len, self.slab.batch());
        // SAFETY: 1. this thread's part: the batch was made by it; 2. none.
        unsafe {
            self.part.own(|own| {
                // What drops removed meanwhile.
                let mut newer = core::mem::take(&mut own.limbo);
                let mut newer_len = 0;
                while let Some(slot) = newer.pop_front() {
                    left.push_back(slot);
                    newer_len += 1;
                }
                own.limbo = core::mem::take(&mut self.kept);
                own.limbo.append(&mut left);
                own.limbo_len = kept_len + newer_len;
                own.collect_at = 2 * kept_len + batch;
                own.guarded = core::mem::take(&mut self.guarded);
                own.collecting = false;
            });
        }
    }
}

/// Frees the slot of a value that was in limbo, also while its drop unwinds.
struct Empty<'b, 'a, T, A: Allocator> {
    freed: &'b mut Freed<'a, T, A>,
    slot: &'b Slot<T>,
}

impl<T, A: Allocator> Drop for Empty<'_, '_, T, A> {
    fn drop(&mut self) {
        self.freed.push(self.slot);
    }
}

/// Empty slots on their way to their owners: chained as long as they have the same one.
struct Freed<'a, T, A: Allocator> {
    slab: &'a SyncSlab<T, A>,
    part: &'a Part<T>,
    owner: Option<&'a Part<T>>,
    slots: Chain<Slot<T>>,
}

impl<T, A: Allocator> Freed<'_, T, A> {
    fn push(&mut self, slot: &Slot<T>) {
        // ORD Relaxed: removed by this part, so nobody else writes it.
        let state = slot.state.load(Relaxed);
        if is_out_of_use(state) {
            self.part.counters.retired.count();
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let number = (state as u32 >> Page::<T>::SHIFT) as usize;
        let Some(page) = self.slab.directory.page(number) else {
            unreachable!("a slot's page is there")
        };
        if page.is_of(self.part) {
            // SAFETY: 1. this thread's part; 2. of its page, and the value is gone.
            unsafe { self.part.push(slot) };
            return;
        }
        let owner = page.owner();
        if !self.owner.is_some_and(|before| core::ptr::eq(before, owner)) {
            self.send();
            self.owner = Some(owner);
        }
        self.slots.push_back(Unlinked(core::ptr::NonNull::from_ref(slot)));
    }

    /// Sends what is chained to its owner.
    fn send(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.freed.push_chain(core::mem::take(&mut self.slots));
        }
    }
}
