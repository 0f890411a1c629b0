//! [`DropList`]: the values that an arena, or a frame of it, drops.
//!
//! ```text
//!   head -> [next | drop | value C] -> [next | drop | value B] -> [next | drop | value A]
//! ```
//!
//! An entry stands in front of its value, in one block of the arena. The newest is dropped first.
//!
//! # Invariants
//!
//! * **D1** an entry in the list is followed by the live value that its `drop` function drops.
//! * **D2** an entry leaves the list before its value is dropped, so no value is dropped twice,
//!   whatever a drop does or however it ends.

use core::cell::Cell;
use core::ptr::NonNull;

use alloc_core::Layout;

pub(crate) struct DropList {
    head: Cell<Option<NonNull<Entry>>>,
}

pub(crate) struct Entry {
    next: Option<NonNull<Entry>>,
    /// Drops the value behind the entry.
    drop: unsafe fn(NonNull<Entry>),
}

/// An entry and its value. `repr(C)`: the entry is at the node's address.
#[repr(C)]
struct Node<T> {
    entry: Entry,
    value: T,
}

impl DropList {
    pub(crate) const fn new() -> Self {
        Self { head: Cell::new(None) }
    }

    /// The newest entry.
    pub(crate) fn head(&self) -> Option<NonNull<Entry>> {
        self.head.get()
    }

    /// The block that [`Self::add`] needs for a `T`.
    pub(crate) const fn layout<T>() -> Layout {
        Layout::new::<Node<T>>()
    }

    /// Moves `value` into `block` and returns the reference to it; the list will drop it.
    ///
    /// # Safety
    ///
    /// 1. `block` is valid for [`Self::layout::<T>`](Self::layout), and nobody else's, for as long
    ///    as `'a` and until the list has dropped the value;
    /// 2. `'a` ends before the list is run.
    #[inline]
    pub(crate) unsafe fn add<'a, T>(&self, block: NonNull<u8>, value: T) -> &'a mut T {
        unsafe fn drop_value<T>(entry: NonNull<Entry>) {
            let mut node = entry.cast::<Node<T>>();
            // SAFETY: D1: the entry is the head of a live node of this type.
            let value = unsafe { &raw mut node.as_mut().value };
            // SAFETY: D1: alive; D2: dropped only here, once.
            unsafe { value.drop_in_place() };
        }
        let mut node = block.cast::<Node<T>>();
        let entry = Entry { next: self.head.get(), drop: drop_value::<T> };
        // SAFETY: clause 1.
        unsafe { node.write(Node { entry, value }) };
        self.head.set(Some(block.cast()));
        // SAFETY: clauses 1 and 2; the node was just written. The reference is to the value alone,
        // which the list touches again only when it drops it.
        unsafe { &mut node.as_mut().value }
    }

    /// Drops the values added since `head` was the newest, the newest first; all of them for `None`.
    ///
    /// If a drop panics the others are dropped all the same, and the panic goes on (a second one
    /// aborts, as everywhere).
    ///
    /// # Safety
    ///
    /// 1. the values' memory is still theirs, and what they borrow is alive;
    /// 2. no reference to them is in use.
    #[inline]
    pub(crate) unsafe fn run_down_to(&self, head: Option<NonNull<Entry>>) {
        if self.head.get() != head {
            // SAFETY: the caller's promise, passed on.
            unsafe { self.run(head) };
        }
    }

    #[inline(never)]
    unsafe fn run(&self, head: Option<NonNull<Entry>>) {
        /// Goes on after a panic.
        struct Rest<'a>(&'a DropList, Option<NonNull<Entry>>);
        impl Rest<'_> {
            fn drop_next(&self) -> bool {
                let Some(newest) = self.0.head.get().filter(|_| self.0.head.get() != self.1) else {
                    return false;
                };
                // SAFETY: D1: entries in the list are alive.
                let entry = unsafe { newest.as_ref() };
                let drop = entry.drop;
                self.0.head.set(entry.next); // D2
                // SAFETY: D1 and D2; `run`'s clauses 1 and 2 hold for the value.
                unsafe { drop(newest) };
                true
            }
        }
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                if cfg!(bug = "a-panic-ends-the-drops") {
                    return;
                }
                while self.drop_next() {}
            }
        }
        let rest = Rest(self, head);
        while rest.drop_next() {}
    }
}
