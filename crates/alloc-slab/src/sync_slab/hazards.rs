//! [`Hazards`]: the keys of the values that a thread has guards of.
//!
//! ```text
//!   first   [ key | 0 | key | 0 | 0 | 0 | 0 | 0 ]       in the thread's part
//!   more ──▶ [ key | 0 | .. 16 ] ──▶ [ .. 32 ] ──▶ 0    blocks, for threads with many guards at once
//! ```
//!
//! # Invariants
//!
//! * **H1** an entry is 0, or the key of a value that a guard of this part protects, or that is being
//!   looked at. Only the part's thread turns 0 into a key; any thread that has the guard turns it into 0.
//! * **H2** `elsewhere` is not 0 while an entry other than the first may be a key.
//! * **H3** blocks are never unlinked while the part lives.
//!
//! # Ordering edges
//!
//! * `guard-end`: drop of a guard → whoever finds its key gone, and may drop the value.
//! * `hazard-block`: who adds a block → who walks them.

use alloc::alloc::handle_alloc_error;
use alloc::boxed::Box;
use alloc::vec::Vec;

use alloc_core::{ErrorKind, Layout, TryAllocError};

use primitives::sync::MODELLED;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicPtr, AtomicU64, Exclusive};
use primitives::sync::cell::UnsafeCell;

/// Entries in the part itself.
const FIRST: usize = if MODELLED { 1 } else { 8 };

/// The keys of the values that a thread has guards of.
pub(super) struct Hazards {
    first: [AtomicU64; FIRST],
    /// The newest block.
    more: AtomicPtr<Block>,
    /// The owner's (H2).
    elsewhere: UnsafeCell<u64>,
}

struct Block {
    /// The block before it; not written after publication.
    next: *mut Self,
    entries: Vec<AtomicU64>,
}

impl Hazards {
    pub(super) fn new() -> Self {
        Self {
            first: core::array::from_fn(|_| AtomicU64::new(0)),
            more: AtomicPtr::new(core::ptr::null_mut()),
            elsewhere: UnsafeCell::new(0),
        }
    }

    /// Protects the value under `key` from being dropped, if the caller finds it there after a light
    /// fence. By the part's thread.
    #[inline(always)]
    pub(super) fn protect(&self, key: u64) -> &AtomicU64 {
        match claim(&self.first[0], key) {
            Some(entry) => entry,
            None => self.protect_elsewhere(key),
        }
    }

    #[cold]
    #[inline(never)]
    fn protect_elsewhere(&self, key: u64) -> &AtomicU64 {
        // SAFETY: the owner's alone (H2); the reference ends here.
        self.elsewhere.with_mut(|elsewhere| unsafe { *elsewhere = 1 });
        match self.entries().skip(1).find_map(|entry| claim(entry, key)) {
            Some(entry) => entry,
            None => self.grow(key),
        }
    }

    /// Makes sure that the next guard needs no memory. By the part's thread.
    pub(super) fn reserve(&self) -> Result<(), TryAllocError> {
        // ORD Relaxed: nobody else makes a free entry one that is not (H1); `claim` acquires.
        if self.entries().any(|entry| entry.load(Relaxed) == 0) {
            return Ok(());
        }
        match self.try_grow(0) {
            Ok(_) => Ok(()),
            Err(layout) => Err(TryAllocError::new(ErrorKind::Backing, layout, 0)),
        }
    }

    /// [`try_grow`](Self::try_grow), or the end of the process.
    fn grow(&self, key: u64) -> &AtomicU64 {
        match self.try_grow(key) {
            Ok(entry) => entry,
            Err(layout) => handle_alloc_error(layout),
        }
    }

    /// Adds a block as large as all entries so far, whose first is `key`; or returns what there is no
    /// memory for.
    fn try_grow(&self, key: u64) -> Result<&AtomicU64, Layout> {
        let count = self.entries().count().max(2);
        let mut entries = Vec::new();
        if entries.try_reserve_exact(count).is_err() {
            return Err(Layout::array::<AtomicU64>(count).unwrap_or(Layout::new::<Block>()));
        }
        entries.extend((0..count).map(|entry| AtomicU64::new(if entry == 0 { key } else { 0 })));
        // ORD Relaxed: the owner's own store, or none.
        let next = self.more.load(Relaxed);
        // A vector's memory, since a box's cannot be asked for.
        let mut place = Vec::new();
        if place.try_reserve_exact(1).is_err() {
            return Err(Layout::new::<Block>());
        }
        place.push(Block { next, entries });
        let block = Box::into_raw(place.into_boxed_slice()).cast::<Block>();
        // ORD[hazard-block] Release → Acquire in `entries`: the block is written before it is walked.
        self.more.store(block, Release);
        // SAFETY: just made; blocks live as long as the part (H3).
        let block = unsafe { &*block };
        Ok(&block.entries[0])
    }

    /// Every entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = &AtomicU64> {
        // ORD[hazard-block] Acquire ← Release in `try_grow`.
        let mut next = self.more.load(Acquire).cast_const();
        let blocks = core::iter::from_fn(move || {
            // SAFETY: null, or a block, which lives as long as the part (H3).
            let block = unsafe { next.as_ref() }?;
            next = block.next;
            Some(&block.entries)
        });
        self.first.iter().chain(blocks.flatten())
    }

    /// Whether a guard of this part protects the value under `key`. By the part's thread.
    #[inline(always)]
    pub(super) fn hold(&self, key: u64) -> bool {
        // ORD[guard-end] Acquire ← Release in `release`: if the guard is gone, its reads are over.
        let first = self.first[0].load(Acquire);
        // SAFETY: the owner's alone (H2); the reference ends here.
        let elsewhere = self.elsewhere.with(|elsewhere| unsafe { *elsewhere });
        // One test for the thread that has no guard now.
        (first | elsewhere) != 0 && (first == key || self.hold_elsewhere(key))
    }

    #[cold]
    #[inline(never)]
    fn hold_elsewhere(&self, key: u64) -> bool {
        let (mut any, mut found) = (0, false);
        for entry in self.entries().skip(1) {
            // ORD[guard-end] Acquire ← Release in `release`.
            let held = entry.load(Acquire);
            any |= held;
            found |= held == key;
        }
        // SAFETY: the owner's alone (H2); the reference ends here.
        self.elsewhere.with_mut(|elsewhere| unsafe { *elsewhere = any });
        found
    }

    /// Adds the keys that are protected to `keys`, or returns that there is no memory to do so.
    pub(super) fn collect(&self, keys: &mut Vec<u64>) -> Result<(), ()> {
        for entry in self.entries() {
            // ORD[guard-end] Acquire ← Release in `release`: of a guard that is gone the reads are over.
            let key = entry.load(Acquire);
            if key != 0 {
                keys.try_reserve(1).map_err(|_| ())?;
                keys.push(key);
            }
        }
        Ok(())
    }

    /// Forgets all guards.
    ///
    /// # Safety
    ///
    /// 1. The slab is borrowed exclusively: what guards there still are, were forgotten.
    pub(super) unsafe fn clear(&self) {
        for entry in self.entries() {
            // ORD Relaxed: clause 1: ordered by what made the borrow exclusive, and by what ends it.
            entry.store(0, Relaxed);
        }
    }
}

/// Makes a free entry protect `key`.
#[inline(always)]
fn claim(entry: &AtomicU64, key: u64) -> Option<&AtomicU64> {
    // ORD[guard-end] Acquire ← Release in `release`, which may be another thread's: whoever sees our key
    // here instead of the 0 learns of that guard's end, too.
    if entry.load(Acquire) != 0 {
        return None;
    }
    // ORD[guard-end] Release → Acquire in `hold`, `collect`: the guard that had the entry before is gone.
    // What comes after is ordered by the fence that the caller runs.
    entry.store(key, Release);
    Some(entry)
}

/// Ends the protection that an entry gave.
#[inline(always)]
pub(super) fn release(entry: &AtomicU64) {
    // ORD[guard-end] Release → Acquire in `hold`, `collect`, `claim`: the guard's reads come before.
    entry.store(0, Release);
}

impl Drop for Hazards {
    fn drop(&mut self) {
        let mut next = self.more.get();
        while !next.is_null() {
            // SAFETY: made by `try_grow`, of one block, whose layout is that of a slice of one; and of the
            // part that is being dropped.
            let block = unsafe { Box::from_raw(next) };
            next = block.next;
        }
    }
}
