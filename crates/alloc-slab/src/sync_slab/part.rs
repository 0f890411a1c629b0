//! [`Part`]: what one thread has of a slab; passed on when it exits.
//!
//! ```text
//!   own       free ─▶ slot ─▶ slot ─▶ 0        its pages' free slots, last in first out
//!             limbo [ slot | slot | .. ]       removed by this thread, values not dropped yet, of any page
//!   removing  key                              what this thread is about to remove; who opens a page looks
//!   hazards   [ key | 0 | .. ]                 values that this thread has guards of
//!   freed ◀── other threads                    its pages' slots, empty again; taken all at once
//! ```
//!
//! # Invariants
//!
//! * **O1** `own` is touched by the part's thread alone (`ThreadSlots`), or under `&mut SyncSlab`; no
//!   user code runs while it is.
//! * **O2** a slot of limbo was removed by who put it there (L2), and its value is there.
//! * **O3** slots of `free` and `freed` are of pages of this part, and empty.

use core::ptr::{self, NonNull};

use alloc::vec::Vec;

use lockfree::{Chain, IntrusiveStack};
use primitives::CachePadded;
use primitives::sync::MODELLED;
use primitives::sync::atomic::AtomicU64;
use primitives::sync::cell::UnsafeCell;

use super::hazards::Hazards;
use super::page::NOTHING_REMOVED;
use super::slot::{Slot, Unlinked};
use super::stats::Counters;

/// The most values that wait for a look at all guards, without guards of their own. A look begins with a
/// heavy fence: a system call of one microsecond, or of fifteen in a virtual machine, and an interrupt for
/// each thread that runs.
const MOST_WAITING: usize = 2048;

/// Slots that wait are no larger than this together, unless they are as few as [`FEWEST_WAITING`].
const WAITING_BYTES: usize = 128 << 10;

const FEWEST_WAITING: usize = 64;

/// What one thread has of a slab.
#[repr(C)]
pub(super) struct Part<T> {
    own: UnsafeCell<Own<T>>,
    /// What the thread removed last, or is about to, from whatever page (G3): the state that it leaves.
    pub(super) removing: AtomicU64,
    pub(super) counters: Counters,
    pub(super) hazards: Hazards,
    /// On lines of its own: other threads write here.
    pub(super) freed: CachePadded<IntrusiveStack<Slot<T>>>,
}

/// What the part's thread alone touches.
#[repr(C)]
pub(super) struct Own<T> {
    free: *mut Slot<T>,
    /// Removed slots whose values wait for guards.
    pub(super) limbo: Chain<Slot<T>>,
    pub(super) limbo_len: usize,
    /// The length of limbo at which it is looked through.
    pub(super) collect_at: usize,
    /// Limbo is being looked through further up the stack.
    pub(super) collecting: bool,
    /// Room for the keys that guards protect.
    pub(super) guarded: Vec<u64>,
}

// SAFETY: stands for slots of `T`, which move to another thread with it. The slab that holds the part
// says what that asks of `T`; nobody else can reach it.
unsafe impl<T> Send for Part<T> {}
// SAFETY: as above; what is not atomic is touched by one thread at a time (O1).
unsafe impl<T> Sync for Part<T> {}

impl<T> Part<T> {
    /// Removed values that a thread collects before it looks which of them may be dropped.
    pub(super) const BATCH: usize = {
        let fit = WAITING_BYTES / size_of::<Slot<T>>();
        if MODELLED {
            1
        } else if fit < FEWEST_WAITING {
            FEWEST_WAITING
        } else if fit > MOST_WAITING {
            MOST_WAITING
        } else {
            fit
        }
    };

    pub(super) fn new(batch: usize) -> Self {
        Self {
            own: UnsafeCell::new(Own {
                free: ptr::null_mut(),
                limbo: Chain::new(),
                limbo_len: 0,
                collect_at: batch,
                collecting: false,
                guarded: Vec::new(),
            }),
            removing: AtomicU64::new(NOTHING_REMOVED),
            counters: Counters::default(),
            hazards: Hazards::new(),
            freed: CachePadded::new(IntrusiveStack::new()),
        }
    }

    /// Runs `f` on what is the thread's own.
    ///
    /// # Safety
    ///
    /// 1. This is the part's thread, or the slab is borrowed exclusively;
    /// 2. `f` runs no user code, and does not come here again.
    #[inline(always)]
    pub(super) unsafe fn own<R>(&self, f: impl FnOnce(&mut Own<T>) -> R) -> R {
        // SAFETY: clauses 1 and 2: nobody else is here (O1).
        self.own.with_mut(|own| f(unsafe { &mut *own }))
    }

    /// Takes a free slot.
    ///
    /// # Safety
    ///
    /// 1. As clause 1 of [`own`](Self::own).
    #[inline(always)]
    pub(super) unsafe fn pop(&self) -> Option<NonNull<Slot<T>>> {
        let pop = |own: &mut Own<T>| {
            let slot = NonNull::new(own.free)?;
            // SAFETY: O3: a slot, which lives as long as the slab.
            let free = unsafe { slot.as_ref() };
            // SAFETY: O3: free, and ours.
            own.free = unsafe { free.next() };
            Some(slot)
        };
        // SAFETY: 1. the caller's promise; 2. none.
        unsafe { self.own(pop) }
    }

    /// Adds a free slot.
    ///
    /// # Safety
    ///
    /// 1. As clause 1 of [`own`](Self::own);
    /// 2. the slot is of a page of this part, empty, not out of use, and the caller's.
    #[inline(always)]
    pub(super) unsafe fn push(&self, slot: &Slot<T>) {
        let push = |own: &mut Own<T>| {
            // SAFETY: clause 2.
            unsafe { slot.set_next(own.free) };
            own.free = ptr::from_ref(slot).cast_mut();
        };
        // SAFETY: 1. clause 1; 2. none.
        unsafe { self.own(push) }
    }

    /// Adds the free slots from `first` to `last`, which are linked to each other.
    ///
    /// # Safety
    ///
    /// 1. As clause 1 of [`own`](Self::own);
    /// 2. as clause 2 of [`push`](Self::push) for each of them.
    pub(super) unsafe fn push_all(&self, first: NonNull<Slot<T>>, last: NonNull<Slot<T>>) {
        // SAFETY: a slot lives as long as the slab.
        let last = unsafe { last.as_ref() };
        let push_all = |own: &mut Own<T>| {
            // SAFETY: clause 2.
            unsafe { last.set_next(own.free) };
            own.free = first.as_ptr();
        };
        // SAFETY: 1. clause 1; 2. none.
        unsafe { self.own(push_all) }
    }

    /// Forgets the free slots.
    ///
    /// # Safety
    ///
    /// 1. As clause 1 of [`own`](Self::own).
    pub(super) unsafe fn forget_free(&self) {
        // SAFETY: 1. clause 1; 2. none.
        unsafe { self.own(|own| own.free = ptr::null_mut()) }
    }

    /// Takes the slots that other threads freed; returns whether there were any.
    ///
    /// # Safety
    ///
    /// 1. As clause 1 of [`own`](Self::own).
    #[cold]
    pub(super) unsafe fn take_freed(&self) -> bool {
        let mut any = false;
        for Unlinked(slot) in self.freed.pop_all() {
            // SAFETY: a slot lives as long as the slab.
            let slot = unsafe { slot.as_ref() };
            // SAFETY: 1. the caller's promise; 2. O3, and the stack gave it to us.
            unsafe { self.push(slot) };
            any = true;
        }
        any
    }
}
