//! The node of the tests: a number in a cell that a model watches.
#![allow(dead_code, reason = "each test uses a part")]

use core::ptr::NonNull;
use lockfree::{Link, Linked};
use primitives::sync::cell::UnsafeCell;
use std::boxed::Box;

/// A boxed number. Reading it without an ordering is a race that a model reports, and so is dropping
/// it; dropping it twice, or not at all, changes the caller's count.
pub(crate) struct Node<C: FnMut(u32) = fn(u32)> {
    link: Link,
    number: UnsafeCell<u32>,
    dropped: C,
}

impl<C: FnMut(u32)> Node<C> {
    /// A node that tells `dropped` when it is.
    pub(crate) fn telling(number: u32, dropped: C) -> Box<Self> {
        Box::new(Self { link: Link::new(), number: UnsafeCell::new(number), dropped })
    }

    pub(crate) fn number(&self) -> u32 {
        // SAFETY: written when the node was made, and only read since.
        self.number.with(|number| unsafe { *number })
    }
}

/// A node that tells nobody.
pub(crate) fn node(number: u32) -> Box<Node> {
    Node::telling(number, |_| ())
}

impl<C: FnMut(u32)> Drop for Node<C> {
    fn drop(&mut self) {
        let number = *self.number.get_mut();
        (self.dropped)(number);
    }
}

// SAFETY: 1. and 2. a box is unique, does not move what it owns, and is made of its pointer again; 3.
// the address of the field; 4. none of it can fail.
unsafe impl<C: FnMut(u32)> Linked for Node<C> {
    type Handle = Box<Self>;

    fn into_ptr(node: Box<Self>) -> NonNull<Self> {
        // SAFETY: a box is not null.
        unsafe { NonNull::new_unchecked(Box::into_raw(node)) }
    }

    unsafe fn from_ptr(node: NonNull<Self>) -> Box<Self> {
        // SAFETY: the pointer came from a box, which is made once (the caller's promise).
        unsafe { Box::from_raw(node.as_ptr()) }
    }

    unsafe fn link(node: NonNull<Self>) -> NonNull<Link> {
        // SAFETY: the node is alive; no reference to the whole is made.
        let link = unsafe { &raw mut (*node.as_ptr()).link };
        // SAFETY: a field of something that is not null.
        unsafe { NonNull::new_unchecked(link) }
    }
}
