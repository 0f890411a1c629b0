//! Blocks of slots. A block is never freed while the queue is shared, and every word of it that a
//! thread may read too late says what it belongs to; so threads hold on to blocks without a count.
//!
//! ```text
//!   Block: │ link │ below │ unread │ … │ slot 0 │ slot 1 │ … │ slot 63 │
//!   Slot:  │ stamp │ value │         position p of block p / 64 is slot p % 64
//!
//!   stamp      says
//!   p + 1      value p is here                  only `push` of p writes it
//!   !p         value p was here, and is out     only `pop` of p writes it
//!   p + 1 + H  nothing is here, nor will be     only `push_batch` of p writes it; H is `HOLE`
//!   anything else, 0 included: nothing about position p
//! ```

use core::mem::MaybeUninit;

use primitives::CachePadded;
use primitives::sync::MODELLED;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicU32, AtomicU64};
use primitives::sync::cell::UnsafeCell;

use super::name::{self, Link};

/// Values in a block: enough to make changing blocks cheap, few enough for models to change often.
pub(super) const SLOTS: usize = if MODELLED { 2 } else { 64 };
/// Position to block number.
pub(super) const SHIFT: u32 = SLOTS.trailing_zeros();
const INDEX_MASK: u64 = SLOTS as u64 - 1;

const _: () = assert!(SLOTS.is_power_of_two(), "positions are split by shift and mask");

/// Marks a stamp of a position that no value came for.
const HOLE: u64 = 1 << 62;

/// Returns the first position of block `number`.
pub(super) const fn first_position(number: u64) -> u64 {
    number << SHIFT
}

/// Returns the number of slots in its block from that of `position` on.
pub(super) const fn slots_from(position: u64) -> usize {
    SLOTS - (position & INDEX_MASK) as usize
}

/// A place for one value, see the module.
#[repr(C)]
pub(super) struct Slot<T> {
    stamp: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    /// Says whether value `position` is here; if so, it may be read by who claims it.
    #[inline(always)]
    pub(super) fn is_full(&self, position: u64) -> bool {
        // ORD[value-publish] Acquire ← Release in `put`: the value is written before it is read.
        self.stamp.load(Acquire) == position + 1
    }

    /// Puts value `position` here, for which the caller claimed the slot.
    ///
    /// # Safety
    ///
    /// 1. The caller claimed `position`, and this is its slot in the active block of its number.
    #[inline(always)]
    pub(super) unsafe fn put(&self, position: u64, value: T) {
        // SAFETY: 1: whoever had the slot in an earlier use of the block marked it as read, which
        // happened before the block became active (edges value-taken, block-active); nobody reads
        // position's value before it is published below. So this thread alone is here.
        self.value.with_mut(|slot| unsafe { (*slot).write(value) });
        // ORD[value-publish] Release → Acquire in `is_full`: the value is written before it is read.
        self.stamp.store(position + 1, Release);
    }

    /// Takes value `position`, which the caller claimed.
    ///
    /// # Safety
    ///
    /// 1. The caller saw the slot full with `position`, and claimed that position.
    #[inline(always)]
    pub(super) unsafe fn take(&self, position: u64) -> T {
        let value = self.value.with(|slot| {
            // SAFETY: 1: one thread claims a position, and the slot is not used again before the mark
            // below: nobody writes here.
            let value = unsafe { &*slot };
            // SAFETY: 1: it was written before the caller saw it (edge value-publish), and is read
            // this once.
            unsafe { value.assume_init_read() }
        });
        // ORD[value-taken] Release → Acquire in `Block::is_read`: the value is out before the slot is
        // used again.
        self.stamp.store(!position, Release);
        value
    }

    /// Says for all time that no value comes to `position`, which the caller claimed by pushing.
    pub(super) fn leave_hole(&self, position: u64) {
        // ORD Relaxed: there is nothing to publish; who sees it passes on.
        self.stamp.store((position + 1) | HOLE, Relaxed);
    }

    /// Says whether a pop has to pass over `position`.
    pub(super) fn is_hole(&self, position: u64) -> bool {
        // ORD Relaxed: there is no value to read.
        self.stamp.load(Relaxed) == (position + 1) | HOLE
    }

    /// Marks a hole as passed, which the caller claimed by popping.
    pub(super) fn pass(&self, position: u64) {
        // ORD Relaxed: no value was read.
        self.stamp.store(!position, Relaxed);
    }

    /// Takes the value by exclusive access to the queue, unless there is a hole.
    pub(super) fn take_exclusive(&self, position: u64) -> Option<T> {
        debug_assert!(
            self.is_full(position) || self.is_hole(position),
            "position {position} was claimed and neither filled nor left"
        );
        // SAFETY: full, and who has the queue alone has claimed every position.
        self.is_full(position).then(|| unsafe { self.take(position) })
    }
}

/// What changes once in the life of a block, apart from its slots.
#[repr(C)]
struct Header {
    /// Number and successor: `name`.
    link: AtomicU64,
    /// The block below in the stack of free ones.
    below: AtomicU32,
    /// The number under which it was retired before all of its values were out; its owner's.
    unread: UnsafeCell<Option<u64>>,
    /// Nothing: written when the block is made, and read by who finds it, so that a model sees whether
    /// one happens before the other.
    made: UnsafeCell<()>,
}

#[repr(C)]
pub(super) struct Block<T> {
    header: CachePadded<Header>,
    slots: [Slot<T>; SLOTS],
}

impl<T> Block<T> {
    /// Makes a block of bare memory, in place: a block may be larger than a stack.
    ///
    /// # Safety
    ///
    /// 1. `block` points to memory for a block that the caller has alone.
    pub(super) unsafe fn init(block: *mut Self) {
        let header = Header {
            link: AtomicU64::new(name::candidate(0)),
            below: AtomicU32::new(0),
            unread: UnsafeCell::new(None),
            made: UnsafeCell::new(()),
        };
        header.made.with_mut(|_| ());
        // SAFETY: 1.
        let at = unsafe { &raw mut (*block).header };
        // SAFETY: 1.
        unsafe { at.write(CachePadded::new(header)) };
        for index in 0..SLOTS {
            // SAFETY: 1; in bounds.
            let slot = unsafe { &raw mut (*block).slots[index] };
            // SAFETY: 1.
            let at = unsafe { &raw mut (*slot).stamp };
            // SAFETY: 1. Position 0 is never used, so 0 says nothing about any.
            unsafe { at.write(AtomicU64::new(0)) };
            if MODELLED {
                // Elsewhere a cell is its value, and this one has none yet.
                // SAFETY: 1.
                let at = unsafe { &raw mut (*slot).value };
                // SAFETY: 1.
                unsafe { at.write(UnsafeCell::new(MaybeUninit::uninit())) };
            }
        }
    }

    /// Says to a model that the caller found the block, and reads it.
    #[inline(always)]
    pub(super) fn found(&self) -> &Self {
        self.header.made.with(|_| ());
        self
    }

    #[inline(always)]
    pub(super) fn slot(&self, position: u64) -> &Slot<T> {
        &self.slots[(position & INDEX_MASK) as usize]
    }

    /// Returns how many values are here from `start` on, without a gap, and at most `most`, of which
    /// the first is known to be.
    pub(super) fn full_from(&self, start: u64, most: usize) -> usize {
        let full = |position: &u64| self.slot(*position).is_full(*position);
        1 + (start + 1..start + most as u64).take_while(full).count()
    }

    /// Says whether this is block `number`, the last of the chain, ready for values.
    #[inline(always)]
    pub(super) fn is_active(&self, number: u64) -> bool {
        // ORD[block-active] Acquire ← Release in `prepare`: values of its last use are out, and the
        // slots are made, before new values come in.
        self.header.link.load(Acquire) == name::active(number)
    }

    pub(super) fn link(&self) -> &AtomicU64 {
        &self.header.link
    }

    pub(super) fn below(&self) -> &AtomicU32 {
        &self.header.below
    }

    /// Makes the caller's own block ready to become block `number`.
    pub(super) fn prepare(&self, number: u64) {
        // Not open yet: another block may be linked as this number, and who still has this one from an
        // earlier use would put its value in the wrong one.
        let link = if cfg!(bug = "queue-candidate-is-open") {
            name::active(number)
        } else {
            name::candidate(number)
        };
        // ORD[block-active] Release → Acquire in `is_active`, which reads what compare-exchanges made of
        // this: the block's last use is over.
        self.header.link.store(link, Release);
    }

    /// Opens a block that was linked as block `number` to pushes, unless another thread did.
    pub(super) fn activate(&self, number: u64) {
        // ORD Relaxed: a read-modify-write, so who reads what it wrote acquires what `prepare` released
        // (edge block-active).
        // ORD Relaxed on failure: it is active, or no longer that block.
        let _ = self.header.link.compare_exchange(
            name::candidate(number),
            name::active(number),
            Relaxed,
            Relaxed,
        );
    }

    /// Says whether every value of block `number` is out; if so, its slots may be used again.
    fn is_read(&self, number: u64) -> bool {
        let first = first_position(number);
        let read = |(slot, position): (&Slot<T>, u64)| {
            // ORD[value-taken] Acquire ← Release in `Slot::take`: values are out before slots are used
            // again. No fence after all of them, which ThreadSanitizer would not see.
            slot.stamp.load(Acquire) == !position
        };
        self.slots.iter().zip(first..).all(read) || cfg!(bug = "queue-recycles-unread-blocks")
    }

    /// Notes whether block `number`, which the caller took from the chain, still has values in it
    /// that were claimed and are not out.
    pub(super) fn retire(&self, number: u64) {
        let unread = (!self.is_read(number)).then_some(number);
        // SAFETY: the caller's own, until it gives it to the free list.
        self.header.unread.with_mut(|at| unsafe { *at = unread });
    }

    /// Notes that nothing is left in the caller's own block, whatever was noted before.
    pub(super) fn forget(&self) {
        // SAFETY: the caller's own.
        self.header.unread.with_mut(|at| unsafe { *at = None });
    }

    /// Says whether the caller's own block may be used again.
    pub(super) fn is_ready(&self) -> bool {
        // SAFETY: the caller's own, since it came from the free list.
        let Some(number) = self.header.unread.with(|at| unsafe { *at }) else { return true };
        let ready = self.is_read(number);
        if ready {
            // SAFETY: as above.
            self.header.unread.with_mut(|at| unsafe { *at = None });
        }
        ready
    }
}

/// Reads a link, of a block or of the queue's root, for one who takes it for number `number`.
pub(super) fn follow(link: &AtomicU64, number: u64) -> Link {
    // ORD[block-linked] Acquire ← Release in `install`: the block is prepared before it is found.
    name::read(link.load(Acquire), number)
}
