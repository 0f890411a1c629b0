//! crossbeam-queue: `ArrayQueue` and `SegQueue`. Neither has batches.

use ::crossbeam_queue::{ArrayQueue, SegQueue};

use super::About;
use super::queues::{ByRef, Shared};
use crate::case::Role;

/// `ArrayQueue`.
pub type Array<T> = ByRef<ArrayQueue<T>>;

/// `SegQueue`.
pub type Seg<T> = ByRef<SegQueue<T>>;

impl<T: Send + 'static> Shared<T> for ArrayQueue<T> {
    const ABOUT: About = About {
        name: "crossbeam-array",
        config: "default",
        package: "crossbeam-queue",
        why: "ArrayQueue: it has no other configuration",
        role: Role::Peer,
    };

    fn with_capacity(capacity: usize) -> Self {
        Self::new(capacity)
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.push(value)
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.pop()
    }
}

impl<T: Send + 'static> Shared<T> for SegQueue<T> {
    const ABOUT: About = About {
        name: "crossbeam-seg",
        config: "default",
        package: "crossbeam-queue",
        why: "SegQueue: it has no other configuration",
        role: Role::Peer,
    };

    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.push(value);
        Ok(())
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.pop()
    }
}
