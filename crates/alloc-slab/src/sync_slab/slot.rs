//! [`Slot`]: a place for one value, the word that says whose it is, and two ways to be linked.
//!
//! ```text
//!   [ state 8 | link 8 | value, or the next free slot ]
//!
//!   state           63 ........ 32  31 ........ 0
//!     with a value  generation odd  own index       = the bits of its key
//!     without       generation even own index       removed (a value may wait in it), or free
//!     out of use    0               own index       retired, or beyond the limit
//! ```
//!
//! # Invariants
//!
//! * **L1** the generation in `state` only rises, until it is 0 for ever.
//! * **L2** of the threads that find a key in `state`, one turns it into what [`removed`] makes of it,
//!   and has the value; see `page.rs` for how.
//! * **L3** a slot without a value and without one that waits holds `next`; it is in its page's owner's
//!   list of free slots, or on its way there.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use lockfree::{Link, Linked};
use primitives::sync::atomic::AtomicU64;
use primitives::sync::cell::UnsafeCell;

use crate::key::{GENERATION, GENERATION_SHIFT};

/// A place for one value.
#[repr(C)]
pub(super) struct Slot<T> {
    /// The bits of the key of its value, if it has one.
    pub(super) state: AtomicU64,
    /// In a chain of removed or of freed slots.
    link: Link,
    content: UnsafeCell<Content<T>>,
}

/// What a slot holds. Reached by pointers to its fields, which all begin where it does.
#[repr(C)]
union Content<T> {
    value: ManuallyDrop<T>,
    next: *mut Slot<T>,
}

/// What the state of a slot becomes when the value under `key` is removed.
#[inline(always)]
pub(super) const fn removed(key: u64) -> u64 {
    // Wraps to a generation of 0: retired.
    key.wrapping_add(GENERATION)
}

/// Whether the slot is out of use when the value under `key` is removed.
#[inline(always)]
pub(super) const fn is_last(key: u64) -> bool {
    key.overflowing_add(GENERATION).1
}

/// The key under which the value was that left `state` behind.
#[inline(always)]
pub(super) const fn key_before(state: u64) -> u64 {
    state.wrapping_sub(GENERATION)
}

/// Whether a state is that of a slot with a value.
#[inline(always)]
pub(super) const fn is_live(state: u64) -> bool {
    state & GENERATION != 0
}

/// Whether a state is that of a slot out of use.
#[inline(always)]
pub(super) const fn is_out_of_use(state: u64) -> bool {
    state >> GENERATION_SHIFT == 0
}

impl<T> Slot<T> {
    /// Makes a slot.
    ///
    /// # Safety
    ///
    /// 1. `place` is memory for a slot, which is nobody else's.
    pub(super) unsafe fn init(place: NonNull<Self>, state: u64) {
        let content = UnsafeCell::new(Content { next: core::ptr::null_mut() });
        let slot = Self { state: AtomicU64::new(state), link: Link::new(), content };
        // SAFETY: clause 1.
        unsafe { place.write(slot) };
    }

    /// Where the value is, to be read.
    #[inline(always)]
    pub(super) fn value(&self) -> *const T {
        self.content.with(|content| content.cast::<T>())
    }

    /// Where the value is, to be written, moved out or dropped: under a model an access that nobody
    /// else may make at the same time.
    #[inline(always)]
    pub(super) fn value_mut(&self) -> *mut T {
        self.content.with_mut(|content| content.cast::<T>())
    }

    /// The next free slot.
    ///
    /// # Safety
    ///
    /// 1. The slot is free, and the caller's.
    #[inline(always)]
    pub(super) unsafe fn next(&self) -> *mut Self {
        // A field of a union begins where the union does.
        // SAFETY: clause 1: L3.
        self.content.with(|content| unsafe { content.cast::<*mut Self>().read() })
    }

    /// Makes this a free slot before `next`.
    ///
    /// # Safety
    ///
    /// 1. The slot has no value, and is the caller's.
    #[inline(always)]
    pub(super) unsafe fn set_next(&self, next: *mut Self) {
        // SAFETY: clause 1.
        self.content.with_mut(|content| unsafe { content.cast::<*mut Self>().write(next) });
    }
}

/// A slot on its way: removed, or free again. Owns nothing that it would drop.
pub(super) struct Unlinked<T>(pub(super) NonNull<Slot<T>>);

// SAFETY: stands for a value on its way to be dropped: `T: Send`.
unsafe impl<T: Send> Send for Unlinked<T> {}

// SAFETY: 1. whoever unlinked the slot has it alone (L2), it stays where it is, as its page does; 2. the
// same pointer; 3. the field, which nothing else uses; 4. none can fail.
unsafe impl<T> Linked for Slot<T> {
    type Handle = Unlinked<T>;

    #[inline(always)]
    fn into_ptr(handle: Unlinked<T>) -> NonNull<Self> {
        handle.0
    }

    #[inline(always)]
    unsafe fn from_ptr(node: NonNull<Self>) -> Unlinked<T> {
        Unlinked(node)
    }

    #[inline(always)]
    unsafe fn link(node: NonNull<Self>) -> NonNull<Link> {
        // SAFETY: the slot lives as long as its page.
        let link = unsafe { &raw mut (*node.as_ptr()).link };
        // SAFETY: a field of something that is not null.
        unsafe { NonNull::new_unchecked(link) }
    }
}
