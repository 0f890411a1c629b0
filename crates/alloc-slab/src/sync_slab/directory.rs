//! [`Directory`]: finds a page by its number, and grows without stopping those who look.
//!
//! ```text
//!   current ─▶ [ older | capacity 8 | page 0 | page 1 | void | .. ]   twice as large each time
//!                 └──▶ [ older 0 | capacity 4 | page 0 | .. ]         kept: somebody may be reading
//! ```
//!
//! # Invariants
//!
//! * **D1** blocks live as long as the directory, and have room for `capacity` entries, all written.
//! * **D2** an entry is the void page (null where a type has none), or a page that lives until
//!   `&mut SyncSlab` releases it; each points to the first slot.
//! * **D3** entries are written by who holds the lock of growth, into the current block.
//! * **D4** a key that is looked for finds, by its masked number, the page of that number if there is one
//!   in the block; else the void page or one of another number. No slot of those has the key's bits for
//!   its state: the void page's states are 0, which no key is, and a slot's state holds the slot's own
//!   index. Every caller compares the two before it does anything else with the page that could be
//!   seen: in `get` of a page that is the thread's own, a hazard is set before, and taken back.
//!
//! D4 is what stands for a model of the void page, which there is none of: a model's atomics are not
//! zeros. Neither the void page nor `NOTHING` is ever written, so there is no order to be had, and the
//! loads of entries are the same with it and without.
//!
//! # Ordering edges
//!
//! * `page-publish`: who adds a page → who finds it. The page, and the block with its entry, are
//!   written before.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;

use alloc_core::{ErrorKind, Layout, TryAllocError};
use primitives::sync::alloc as memory;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicPtr, Exclusive};
use primitives::sync::{MODELLED, const_fn};

use super::page::{Page, PageRef};
use super::slot::Slot;

/// Entries of the first block.
const FIRST_CAPACITY: usize = if MODELLED { 2 } else { 8 };
const _: () = assert!(FIRST_CAPACITY.is_power_of_two(), "capacity - 1 is a mask");

/// The head of a block; its entries follow.
#[repr(C)]
struct Block {
    /// Capacity - 1, by which any number becomes that of an entry.
    mask: usize,
    capacity: usize,
    /// The block before it, or null.
    older: *mut Block,
}

/// Where a directory without pages points to: has no capacity, and one entry nevertheless, which is read
/// where types have a void page. (That entry in a cell, so that it lies in memory that can be written:
/// an atomic load that acquires is promised to work only there.)
#[repr(C)]
struct Nothing(Block, UnsafeCell<*const u8>);

// SAFETY: never written.
unsafe impl Sync for Nothing {}

static NOTHING: Nothing = Nothing(
    Block { mask: 0, capacity: 0, older: core::ptr::null_mut() },
    UnsafeCell::new(Page::<u8>::VOID.cast()),
);

/// Whichever the type, slots of the void page begin behind a head of this size.
const _: () = assert!(MODELLED || size_of::<Page<u8>>() == 64, "one entry serves all types");

/// Finds a page by its number.
pub(super) struct Directory<T> {
    current: AtomicPtr<Block>,
    _pages: PhantomData<*mut Page<T>>,
}

impl<T> Directory<T> {
    const_fn! {
        pub(super) const fn new() -> Self {
            let nothing = (&raw const NOTHING).cast::<Block>().cast_mut();
            Self { current: AtomicPtr::new(nothing), _pages: PhantomData }
        }
    }

    /// The current block.
    #[inline(always)]
    fn block(&self) -> NonNull<Block> {
        // ORD[page-publish] Acquire ← Release in `reserve`: the block's entries are written.
        let block = self.current.load(Acquire);
        // SAFETY: D1: a block, or `NOTHING`.
        unsafe { NonNull::new_unchecked(block) }
    }

    fn capacity(block: NonNull<Block>) -> usize {
        // SAFETY: D1.
        unsafe { block.as_ref() }.capacity
    }

    /// An entry of a block.
    ///
    /// # Safety
    ///
    /// 1. `number` is below the capacity of `block`, which is one of this directory; or 0 where `T` has a
    ///    void page.
    #[inline(always)]
    unsafe fn entry<'a>(block: NonNull<Block>, number: usize) -> &'a AtomicPtr<Slot<T>> {
        let entries = block.as_ptr().wrapping_add(1).cast::<AtomicPtr<Slot<T>>>();
        // SAFETY: clause 1, D1: within the block, and written.
        unsafe { &*entries.wrapping_add(number) }
    }

    /// The page of this number, if there is one.
    pub(super) fn page(&self, number: usize) -> Option<PageRef<'_, T>> {
        if number >= Self::capacity(self.block()) {
            return None;
        }
        let is_there =
            |page: &PageRef<'_, T>| !page.is_void() || cfg!(bug = "pages-that-are-not-there-count");
        self.look_for(number).filter(is_there)
    }

    /// The page of this number; if there is none, perhaps the void page, or another: to compare a key with
    /// the state of its slot there, which tells them apart.
    #[inline(always)]
    pub(super) fn look_for(&self, number: usize) -> Option<PageRef<'_, T>> {
        let block = self.block();
        // SAFETY: D1.
        let &Block { mask, capacity, .. } = unsafe { block.as_ref() };
        if !Page::<T>::HAS_VOID && number >= capacity {
            return None;
        }
        let number = if cfg!(bug = "the-directory-masks-a-bit-too-much") {
            number & (mask >> 1)
        } else {
            number & mask
        };
        // SAFETY: just tested, or masked; `NOTHING` has the entry 0.
        let entry = unsafe { Self::entry(block, number) };
        // ORD[page-publish] Acquire ← Release in `set`: the page is written.
        let slots = entry.load(Acquire);
        let slots = if Page::<T>::HAS_VOID {
            // SAFETY: D2: a page, or the void one.
            unsafe { NonNull::new_unchecked(slots) }
        } else {
            NonNull::new(slots)?
        };
        // SAFETY: D2: lives while `self` is borrowed: releasing it takes `&mut`.
        Some(unsafe { PageRef::new(slots) })
    }

    /// All pages.
    pub(super) fn pages(&self) -> impl Iterator<Item = PageRef<'_, T>> {
        (0..Self::capacity(self.block())).filter_map(|number| self.page(number))
    }

    /// Numbers that may have a page.
    pub(super) fn numbers(&self) -> usize {
        Self::capacity(self.block())
    }

    /// Bytes of all blocks.
    pub(super) fn bytes(&self) -> usize {
        let mut bytes = 0;
        let mut block = self.block();
        while Self::capacity(block) != 0 {
            bytes += Self::layout(Self::capacity(block)).map_or(0, |layout| layout.size());
            // SAFETY: D1.
            match NonNull::new(unsafe { block.as_ref() }.older) {
                Some(older) => block = older,
                None => break,
            }
        }
        bytes
    }

    fn layout(capacity: usize) -> Result<Layout, TryAllocError> {
        let overflow = TryAllocError::overflow::<usize>(capacity);
        let entries = Layout::array::<AtomicPtr<Slot<T>>>(capacity).map_err(|_| overflow)?;
        let (layout, offset) = Layout::new::<Block>().extend(entries).map_err(|_| overflow)?;
        debug_assert_eq!(offset, size_of::<Block>(), "entries follow the head");
        Ok(layout)
    }

    /// Makes room for a page of this number.
    ///
    /// # Safety
    ///
    /// 1. The caller holds the lock of growth (D3).
    pub(super) unsafe fn reserve(&self, number: usize) -> Result<(), TryAllocError> {
        let old = self.block();
        let held = Self::capacity(old);
        if number < held {
            return Ok(());
        }
        let capacity = (held * 2).max(FIRST_CAPACITY);
        debug_assert!(number < capacity, "numbers are given in turn");
        let layout = Self::layout(capacity)?;
        // SAFETY: a head at least, so not without a size.
        let new = unsafe { memory::alloc(layout) };
        #[expect(clippy::cast_ptr_alignment, reason = "allocated with the alignment of a block")]
        let new = new.cast::<Block>();
        let Some(new) = NonNull::new(new) else {
            return Err(TryAllocError::new(ErrorKind::Backing, layout, 0));
        };
        let older = if held == 0 { core::ptr::null_mut() } else { old.as_ptr() };
        // SAFETY: a new block with room for a head.
        unsafe { new.write(Block { mask: capacity - 1, capacity, older }) };
        let entries = new.as_ptr().wrapping_add(1).cast::<AtomicPtr<Slot<T>>>();
        for number in 0..capacity {
            let page = match self.page(number) {
                Some(page) => page.first().as_ptr(),
                None => Page::VOID,
            };
            // SAFETY: within the new block.
            unsafe { entries.wrapping_add(number).write(AtomicPtr::new(page)) };
        }
        // ORD[page-publish] Release → Acquire in `block`.
        self.current.store(new.as_ptr(), Release);
        Ok(())
    }

    /// Publishes a page under a number.
    ///
    /// # Safety
    ///
    /// 1. The caller holds the lock of growth (D3), and has made room;
    /// 2. `page` was made by `Page::init` with this number, and lives until it is taken out.
    pub(super) unsafe fn set(&self, number: usize, page: NonNull<Page<T>>) {
        // SAFETY: clause 1.
        let entry = unsafe { Self::entry(self.block(), number) };
        // ORD[page-publish] Release → Acquire in `page`: the page is written before it is found.
        entry.store(Page::slot_of(page, 0).as_ptr(), Release);
    }

    /// Takes a page out.
    ///
    /// # Safety
    ///
    /// 1. The slab is borrowed exclusively, and has a page of this number.
    pub(super) unsafe fn unset(&self, number: usize) {
        // SAFETY: clause 1.
        let entry = unsafe { Self::entry(self.block(), number) };
        // ORD Relaxed: clause 1: ordered by what made the borrow exclusive, and by what ends it. Blocks
        // before the current one are read by nobody any more.
        entry.store(Page::VOID, Relaxed);
    }
}

impl<T> Drop for Directory<T> {
    fn drop(&mut self) {
        let mut next = self.current.get();
        // SAFETY: D1; the last one is null, or `NOTHING`, which alone has no capacity.
        while let Some(&Block { capacity, older, .. }) = unsafe { next.as_ref() }
            && capacity != 0
        {
            let Ok(layout) = Self::layout(capacity) else { unreachable!("the block exists") };
            let entries = next.wrapping_add(1).cast::<AtomicPtr<Slot<T>>>();
            let entries = core::ptr::slice_from_raw_parts_mut(entries, capacity);
            // SAFETY: D1; runs nothing but what a model wants to see: accesses are over.
            unsafe { entries.drop_in_place() };
            // SAFETY: allocated by `reserve` with this layout.
            unsafe { memory::dealloc(next.cast(), layout) };
            next = older;
        }
    }
}
