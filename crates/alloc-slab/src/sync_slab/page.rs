//! [`Page`]: slots of one owner, private to it until another thread comes.
//!
//! ```text
//!   [ owner | private to | removing | shared | usable ][ slot | slot | slot | .. ]   one block of the backing
//!
//!   private to   owner ──▶ nobody            first access by another thread, once a page:
//!   shared         0   ───────────▶ 1        a heavy fence lies between the two
//! ```
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
//!   then read another key than the slot's in `removing`.
//! * **G3** the owner removes without compare-exchange only after it wrote the key to `removing`, and
//!   then still found the page private.
//! * **G4** a page is private only if fences are asymmetric for good (`asymmetric::is_expedited`).
//!
//! G2 and G3 exclude each other for one key. Owner: store `removing`, light fence, load `private_to`. Other:
//! store `private_to`, heavy fence, load `removing`. If the owner's fence is first, the other sees the
//! key, or a later one, and then also the state that the owner stored in between. If the other's is
//! first, the owner sees that the page is not private. A thread that did not open the page itself has
//! read `shared`, which was stored after a heavy fence.
//!
//! A key once seen in `removing` is taken for removed by all others: its owner is about to, or lost
//! against a third thread that already has.
//!
//! # Ordering edges
//!
//! * `page-open`: opener → who finds the page open. Its heavy fence is before their loads.
//! * `private-removal`: the owner's removals from a private page → others. The state that it stored is
//!   before its next `removing`.

use core::ptr::NonNull;

use alloc_core::{Layout, TryAllocError};
use primitives::asymmetric;
use primitives::sync::MODELLED;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64};

use super::part::Part;
use super::slot::Slot;

/// Bytes that a page has about, unless its values are large.
const PAGE_BYTES: usize = 64 << 10;

/// Fewest and most slots of a page.
const FEWEST: usize = if MODELLED { 2 } else { 64 };
const MOST: usize = if MODELLED { 2 } else { 4096 };

/// The head of a page; its slots follow.
#[repr(C, align(64))]
pub(super) struct Page<T> {
    /// Whose slots these are. Lives as long as the slab.
    owner: NonNull<Part<T>>,
    /// The key that the owner removed last from the page, or is about to (G3).
    removing: AtomicU64,
    /// The owner, as long as no other thread has come; then null.
    private_to: AtomicPtr<Part<T>>,
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
        let (private_to, shared) = Self::closed(owner);
        let head = Self {
            owner,
            removing: AtomicU64::new(0),
            private_to: AtomicPtr::new(private_to),
            shared: AtomicBool::new(shared),
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

    /// What `private_to` and `shared` are at first (G4).
    fn closed(owner: NonNull<Part<T>>) -> (*mut Part<T>, bool) {
        if asymmetric::is_expedited() {
            (owner.as_ptr(), false)
        } else {
            (core::ptr::null_mut(), true)
        }
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
    fn slot_of(page: NonNull<Self>, slot: usize) -> NonNull<Slot<T>> {
        debug_assert!(slot < Self::SLOTS, "slot {slot} of {}", Self::SLOTS);
        // The pointer is of the whole block.
        let first = page.as_ptr().wrapping_byte_add(size_of::<Self>()).cast::<Slot<T>>();
        // SAFETY: within the block, so not null.
        unsafe { NonNull::new_unchecked(first.wrapping_add(slot)) }
    }
}

/// A page that lives as long as `'a`, with the whole block's provenance.
pub(super) struct PageRef<'a, T> {
    page: NonNull<Page<T>>,
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
    /// 1. `page` was made by [`Page::init`] and lives as long as `'a`.
    #[inline(always)]
    pub(super) unsafe fn new(page: NonNull<Page<T>>) -> Self {
        Self { page, _borrow: core::marker::PhantomData }
    }

    #[inline(always)]
    fn head(self) -> &'a Page<T> {
        // SAFETY: clause 1 of `new`.
        unsafe { self.page.as_ref() }
    }

    pub(super) fn as_ptr(self) -> NonNull<Page<T>> {
        self.page
    }

    /// The slot with this index.
    #[inline(always)]
    pub(super) fn slot(self, index: u32) -> &'a Slot<T> {
        let slot = Page::slot_of(self.page, index as usize & (Page::<T>::SLOTS - 1));
        // SAFETY: written by `init`; lives as long as the page.
        unsafe { slot.as_ref() }
    }

    /// Whose slots these are.
    #[inline(always)]
    pub(super) fn owner(self) -> &'a Part<T> {
        // SAFETY: a part lives as long as the slab, as the page does.
        unsafe { self.head().owner.as_ref() }
    }

    /// Whether `part` is the owner.
    #[inline(always)]
    pub(super) fn is_of(self, part: &Part<T>) -> bool {
        core::ptr::eq(self.head().owner.as_ptr(), part)
    }

    /// Slots in use.
    pub(super) fn usable(self) -> u32 {
        self.head().usable
    }

    /// Whether `part` is the owner, and no other thread has come: a guess unless a fence is before it.
    #[inline(always)]
    pub(super) fn is_private_to(self, part: &Part<T>) -> bool {
        // ORD Relaxed: a guess, but in `announce`, where the fence orders it.
        core::ptr::eq(self.head().private_to.load(Relaxed), part)
    }

    /// Says that `part`, to which the page was private a moment ago, is about to remove `key`; returns
    /// whether it may do so without compare-exchange, and drop the value at once (G3).
    #[inline(always)]
    pub(super) fn announce(self, part: &Part<T>, key: u64) -> bool {
        // ORD[private-removal] Release → Acquire in `is_removing`: the state stored by the removal before
        // this one is seen by whoever sees this key.
        self.head().removing.store(key, Release);
        if !cfg!(bug = "announced-without-a-fence") {
            // It was private, so fences are asymmetric (G4).
            asymmetric::light_expedited();
        }
        cfg!(bug = "removal-trusts-its-first-look") || self.is_private_to(part)
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
        // ORD[page-open] Release → Acquire in `enter`.
        self.head().shared.store(true, Release);
    }

    /// Whether the owner took `key` out while the page was private, or is about to. Asked before the
    /// state is loaded, after [`enter`](Self::enter).
    #[inline(always)]
    pub(super) fn is_removing(self, key: u64) -> bool {
        // ORD[private-removal] Acquire ← Release in `announce`: if this is a later key, the state load
        // that follows sees what the removal of ours stored.
        self.head().removing.load(Acquire) == key
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
        let (private_to, shared) = Page::closed(self.head().owner);
        // ORD Relaxed: clause 1: ordered by what made the borrow exclusive, and by what ends it.
        self.head().private_to.store(private_to, Relaxed);
        // ORD Relaxed: as above.
        self.head().shared.store(shared, Relaxed);
        // ORD Relaxed: as above.
        self.head().removing.store(0, Relaxed);
    }
}
