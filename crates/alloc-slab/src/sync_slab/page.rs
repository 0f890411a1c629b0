//! [`Page`]: slots of one owner, private to it until another thread comes.
//!
//! ```text
//!   [ owner | quick | private to | announced | shared | usable ][ slot | slot | slot | .. ]
//!
//!   private to   owner ──▶ nobody            first access by another thread, once a page:
//!   shared         0   ───────────▶ 1        a heavy fence lies between the two
//!   announced      0   ─────▶ key            what the owner had announced by then
//! ```
//!
//! The owner announces the key that it is about to remove in its part, from which whoever opens the page
//! takes it: so an owner writes nothing to a page that others read.
//!
//! The owner removes from its private page by plain stores, and drops the value at once. Another thread
//! that comes opens the page first; from then on everybody removes by compare-exchange, and values
//! are dropped after the last guard. Only `&mut SyncSlab` makes a page private again. Where the
//! platform has no asymmetric fences, pages are shared from the beginning.
//!
//! # Invariants
//!
//! * **G1** while the slab is shared, `private_to` only turns to null, and `shared` only to 1.
//! * **G2** who is not the owner looks at a slot's value, or removes it, only after it saw `shared`, and
//!   then read another key than the slot's in `announced`.
//! * **G3** the owner removes without compare-exchange only after it wrote the key to `removing` of its
//!   part, and then found the page private. It writes none that it did not find in its slot.
//! * **G4** a page is private, and its `quick` not null, only if fences are asymmetric for good
//!   (`asymmetric::is_expedited`).
//!
//! G2 and G3 exclude each other for one key. Owner, for each of its removals in turn: store `removing`,
//! light fence, load `private_to`; if private, store the slot's state, and then the next one. Opener:
//! store `private_to`, heavy fence, load `removing`, make it `announced`. Each light fence is before the
//! heavy one or after it.
//!
//! * After: the owner sees that the page is not private, and removes by compare-exchange.
//! * Before: the opener sees that removal's key in `removing`, or one that the owner wrote later, be it for
//!   another page. If the same, it is `announced`. If a later one, that was stored after the state, so
//!   the opener and whom it lets in find the key no more. So of the keys that the owner removes alone,
//!   those who were let in can find one at most in its slot, and that is `announced`.
//! * Of two that open the page at once, the one whose compare-exchange on `announced` is first decides. The
//!   second reads what the first one stored, with all that the first one had seen; what the second
//!   found in `removing` itself does not matter. If the first one found nothing announced, its
//!   compare-exchange leaves nothing there, and the second one's may succeed: then no removal of the
//!   owner's was before the first fence, none is made alone, and whatever is announced is right. Who did
//!   not open the page has read `shared`, stored after one or the other.
//!
//! Without the heavy fence there is neither before nor after: the opener's store may wait in its processor
//! while it reads an old `removing`, the owner still finds the page private, and a value is dropped
//! that the other has a guard of, or by both. Nothing else in `open` keeps the two apart: the
//! compare-exchange comes after the load.
//!
//! A key once seen in `announced` is taken for removed by all others: its owner is about to, or lost
//! against a third thread that already has.
//!
//! # Ordering edges
//!
//! * `page-open`: opener → who finds the page open. Its heavy fence is before their loads.
//! * `private-removal`: the owner's removals from a private page → others. The state that it stored is
//!   before its next `removing`, and so before the `announced` that an opener makes of that, and
//!   before what another opener does that finds it.

use core::ptr::NonNull;

use alloc_core::{Layout, TryAllocError};
use primitives::asymmetric;
use primitives::sync::MODELLED;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64};

use super::part::Part;
use super::slot::{Slot, removed};
use crate::key::GENERATION;

/// Bytes that a page has about, unless its values are large.
const PAGE_BYTES: usize = 64 << 10;

/// Fewest and most slots of a page.
const FEWEST: usize = if MODELLED { 2 } else { 64 };
const MOST: usize = if MODELLED { 2 } else { 4096 };

/// What is in the place of a removed key's state as long as nothing was announced: no removed slot's.
pub(super) const NOTHING_REMOVED: u64 = GENERATION;

/// Zeros, in memory that costs nothing before it is read.
#[repr(C, align(64))]
pub(super) struct Void(core::cell::UnsafeCell<[u8; PAGE_BYTES + 64]>);

// SAFETY: never written. (In a cell, so that it is not stored in the executable, and lies in memory that can
// be written: atomic loads that acquire are promised to work only there.)
unsafe impl Sync for Void {}

pub(super) static VOID: Void = Void(core::cell::UnsafeCell::new([0; PAGE_BYTES + 64]));

/// The head of a page; its slots follow.
#[repr(C, align(64))]
pub(super) struct Page<T> {
    /// Whose slots these are. Lives as long as the slab.
    owner: *mut Part<T>,
    /// The owner, if its light fences cost nothing (G4); else null. For as long as the page is there.
    quick: *mut Part<T>,
    /// The owner, as long as no other thread has come; then null.
    private_to: AtomicPtr<Part<T>>,
    /// What the owner had announced when the page was opened (G2), or [`NOTHING_REMOVED`].
    announced: AtomicU64,
    /// Whether any thread may access the page.
    shared: AtomicBool,
    /// Slots in use; fewer than there are where a limit says so.
    usable: u32,
    /// Where the slots begin.
    slots: [Slot<T>; 0],
}

impl<T> Page<T> {
    /// Slots of a page: a power of two.
    pub(super) const SLOTS: usize = {
        let fit = PAGE_BYTES / size_of::<Slot<T>>();
        if fit <= FEWEST {
            FEWEST
        } else if fit >= MOST {
            MOST
        } else {
            1 << fit.ilog2()
        }
    };

    /// `index >> SHIFT` is the page of a slot.
    pub(super) const SHIFT: u32 = Self::SLOTS.ilog2();

    /// Whether a page of nothing but zeros, which nobody writes, stands for each that is not there: a key
    /// finds no state there that equals it, and need not be asked whether there is a page. A model's
    /// atomics are not zeros, and the page of very large values is not worth it.
    pub(super) const HAS_VOID: bool = !MODELLED
        && size_of::<Self>() + Self::SLOTS * size_of::<Slot<T>>() <= size_of::<Void>()
        && align_of::<Self>() <= align_of::<Void>();

    /// The first slot of the void page; null where there is none.
    pub(super) const VOID: *mut Slot<T> = if Self::HAS_VOID {
        (&raw const VOID).cast::<Self>().wrapping_add(1).cast::<Slot<T>>().cast_mut()
    } else {
        core::ptr::null_mut()
    };

    /// The layout of a page, or the error that names the size of its values.
    pub(super) const fn layout() -> Result<Layout, TryAllocError> {
        let overflow = TryAllocError::overflow::<T>(Self::SLOTS);
        let Some(slots) = size_of::<Slot<T>>().checked_mul(Self::SLOTS) else {
            return Err(overflow);
        };
        let Some(bytes) = slots.checked_add(size_of::<Self>()) else { return Err(overflow) };
        match Layout::from_size_align(bytes, align_of::<Self>()) {
            Ok(layout) => Ok(layout),
            Err(_) => Err(overflow),
        }
    }

    /// Makes a page, private to `owner`, of which `usable` slots are free, at `generation`, and linked
    /// to each other. Returns the first and the last.
    ///
    /// # Safety
    ///
    /// 1. `place` is a block of [`layout`](Self::layout), which is nobody else's;
    /// 2. `usable` is in `1..=SLOTS`, and `generation` even and not 0;
    /// 3. `number << SHIFT` and all slots behind it are indices.
    pub(super) unsafe fn init(
        place: NonNull<Self>,
        owner: NonNull<Part<T>>,
        number: usize,
        usable: usize,
        generation: u32,
    ) -> (NonNull<Slot<T>>, NonNull<Slot<T>>) {
        debug_assert!(usable - 1 < Self::SLOTS && generation != 0 && generation.is_multiple_of(2));
        let quick = if asymmetric::is_expedited() { owner.as_ptr() } else { core::ptr::null_mut() };
        let head = Self {
            owner: owner.as_ptr(),
            quick,
            private_to: AtomicPtr::new(quick),
            announced: AtomicU64::new(NOTHING_REMOVED),
            shared: AtomicBool::new(quick.is_null()),
            #[expect(clippy::cast_possible_truncation, reason = "clause 2")]
            usable: usable as u32,
            slots: [],
        };
        // SAFETY: clause 1.
        unsafe { place.write(head) };
        let mut next = core::ptr::null_mut();
        for slot in (0..Self::SLOTS).rev() {
            let index = ((number << Self::SHIFT) + slot) as u64;
            let at = Self::slot_of(place, slot);
            let used = slot < usable;
            let state = if used { u64::from(generation) << 32 | index } else { index };
            // SAFETY: clause 1: memory of the block that belongs to this slot.
            unsafe { Slot::init(at, state) };
            if used {
                // SAFETY: just written.
                let slot = unsafe { at.as_ref() };
                // SAFETY: it has no value, and is not published.
                unsafe { slot.set_next(next) };
                next = at.as_ptr();
            }
        }
        (Self::slot_of(place, 0), Self::slot_of(place, usable - 1))
    }

    /// Unmakes a page: from here on it is memory.
    ///
    /// # Safety
    ///
    /// 1. The page was made by [`init`](Self::init), holds no value, and nobody uses it any more.
    pub(super) unsafe fn uninit(page: NonNull<Self>) {
        let slots = NonNull::slice_from_raw_parts(Self::slot_of(page, 0), Self::SLOTS);
        // SAFETY: clause 1. Runs nothing but what a model wants to see: accesses are over.
        unsafe { slots.drop_in_place() };
        // SAFETY: as above.
        unsafe { page.drop_in_place() };
    }

    /// The address of a slot of the page.
    #[inline(always)]
    pub(super) fn slot_of(page: NonNull<Self>, slot: usize) -> NonNull<Slot<T>> {
        debug_assert!(slot < Self::SLOTS, "slot {slot} of {}", Self::SLOTS);
        // The pointer is of the whole block.
        let first = page.as_ptr().wrapping_byte_add(size_of::<Self>()).cast::<Slot<T>>();
        // SAFETY: within the block, so not null.
        unsafe { NonNull::new_unchecked(first.wrapping_add(slot)) }
    }
}

/// A page that lives as long as `'a`, with the whole block's provenance.
pub(super) struct PageRef<'a, T> {
    /// Where its slots begin, before which its head is: so a slot is one addition away.
    slots: NonNull<Slot<T>>,
    _borrow: core::marker::PhantomData<&'a Page<T>>,
}

impl<T> Clone for PageRef<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PageRef<'_, T> {}

impl<'a, T> PageRef<'a, T> {
    /// # Safety
    ///
    /// 1. `slots` are the first of a page's that was made by [`Page::init`] and lives as long as `'a`, or
    ///    [`Page::VOID`].
    #[inline(always)]
    pub(super) unsafe fn new(slots: NonNull<Slot<T>>) -> Self {
        Self { slots, _borrow: core::marker::PhantomData }
    }

    #[inline(always)]
    fn head(self) -> &'a Page<T> {
        // SAFETY: clause 1 of `new`: the head is before the slots.
        let head = unsafe { self.slots.cast::<Page<T>>().sub(1) };
        // SAFETY: clause 1 of `new`.
        unsafe { head.as_ref() }
    }

    /// The first slot.
    pub(super) fn first(self) -> NonNull<Slot<T>> {
        self.slots
    }

    /// Whether this stands for a page that is not there.
    pub(super) fn is_void(self) -> bool {
        core::ptr::eq(self.slots.as_ptr(), Page::VOID)
    }

    /// The block of the backing.
    pub(super) fn as_ptr(self) -> NonNull<Page<T>> {
        // SAFETY: clause 1 of `new`: the head is before the slots.
        unsafe { self.slots.cast::<Page<T>>().sub(1) }
    }

    /// The slot with this index.
    #[inline(always)]
    pub(super) fn slot(self, index: u32) -> &'a Slot<T> {
        // SAFETY: clause 1 of `new`: a page has `SLOTS`.
        let slot = unsafe { self.slots.add(index as usize & (Page::<T>::SLOTS - 1)) };
        // SAFETY: written by `init`; lives as long as the page.
        unsafe { slot.as_ref() }
    }

    /// Whose slots these are.
    #[inline(always)]
    pub(super) fn owner(self) -> &'a Part<T> {
        // SAFETY: a part lives as long as the slab, as the page does.
        unsafe { &*self.head().owner }
    }

    /// Whether `part` is the owner.
    #[inline(always)]
    pub(super) fn is_of(self, part: &Part<T>) -> bool {
        core::ptr::eq(self.head().owner, part)
    }

    /// Slots in use.
    pub(super) fn usable(self) -> u32 {
        self.head().usable
    }

    /// Whether `part` is the owner, and its light fences cost nothing (G4).
    #[inline(always)]
    pub(super) fn is_quick_for(self, part: &Part<T>) -> bool {
        core::ptr::eq(self.head().quick, part)
    }

    /// Says that `part`, this thread's, is about to remove the key that it found in its slot, and what the
    /// state becomes by that, which tells the key and is at hand; returns
    /// whether it may do so without compare-exchange, and drop the value at once (G3).
    #[inline(always)]
    pub(super) fn announce(self, part: &Part<T>, after: u64) -> bool {
        // ORD[private-removal] Release → Acquire in `open`: the state stored by the removal before this one
        // is seen by whoever sees this key.
        part.removing.store(after, Release);
        if cfg!(debug_assertions) && !asymmetric::is_expedited() {
            // No page is private, and nothing to be ordered.
            return false;
        }
        if MODELLED && !self.is_of(part) {
            // A stranger is told so below. In a model it would have run a fence by then, which is none
            // elsewhere, and must not help it in `open`.
            return false;
        }
        if !cfg!(bug = "announced-without-a-fence") {
            // If it is private, fences are asymmetric (G4).
            asymmetric::light_expedited();
        }
        if cfg!(bug = "removal-trusts-the-owner") {
            return self.is_quick_for(part);
        }
        // ORD Relaxed: ordered by the fence.
        core::ptr::eq(self.head().private_to.load(Relaxed), part)
    }

    /// Lets the calling thread, which is not the owner, access the page (G2).
    #[inline(always)]
    pub(super) fn enter(self) {
        // ORD[page-open] Acquire ← Release in `open`: its heavy fence is before what we load next.
        if !self.head().shared.load(Acquire) {
            self.open();
        }
    }

    #[cold]
    #[inline(never)]
    fn open(self) {
        // ORD Relaxed: ordered by the fence below (G3).
        self.head().private_to.store(core::ptr::null_mut(), Relaxed);
        if !cfg!(bug = "page-opens-without-a-fence") {
            asymmetric::heavy();
        }
        // ORD[private-removal] Acquire ← Release in `announce`: we see the states that the owner stored
        // before it announced this key.
        let announced = self.owner().removing.load(Acquire);
        // ORD[private-removal] Release → Acquire on failure: of two that open the page at once, the second
        // takes what the first one found, and sees the states that the first one saw.
        let _ =
            self.head().announced.compare_exchange(NOTHING_REMOVED, announced, Release, Acquire);
        // ORD[page-open] Release → Acquire in `enter`.
        self.head().shared.store(true, Release);
    }

    /// Whether the owner took `key` out while the page was private, or is about to. Asked before the
    /// state is loaded, after [`enter`](Self::enter).
    #[inline(always)]
    pub(super) fn is_removing(self, key: u64) -> bool {
        // ORD Relaxed: who let us in, be it ourselves, knows the one that is there, and what was removed
        // before it.
        self.head().announced.load(Relaxed) == removed(key)
    }

    /// Whether other threads have come.
    pub(super) fn is_shared(self) -> bool {
        // ORD Relaxed: a statistic.
        self.head().shared.load(Relaxed)
    }

    /// Makes the page private to its owner again.
    ///
    /// # Safety
    ///
    /// 1. The slab is borrowed exclusively.
    pub(super) unsafe fn close(self) {
        let quick = self.head().quick;
        // ORD Relaxed: clause 1: ordered by what made the borrow exclusive, and by what ends it.
        self.head().private_to.store(quick, Relaxed);
        // ORD Relaxed: as above.
        self.head().shared.store(quick.is_null(), Relaxed);
        // ORD Relaxed: as above.
        self.head().announced.store(NOTHING_REMOVED, Relaxed);
    }
}
