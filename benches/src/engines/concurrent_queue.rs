//! concurrent-queue, bounded and unbounded. What it offers for many values, `try_iter`, pops them one
//! by one.

use ::concurrent_queue::{ConcurrentQueue, PushError};

use super::About;
use super::queues::{ByRef, Shared};
use crate::case::Role;

/// `ConcurrentQueue::bounded`, or `unbounded`.
pub type Concurrent<T, const BOUNDED: bool> = ByRef<Inner<T, BOUNDED>>;

/// What is behind it.
#[derive(Debug)]
pub struct Inner<T, const BOUNDED: bool>(ConcurrentQueue<T>);

impl<T: Send + 'static, const BOUNDED: bool> Shared<T> for Inner<T, BOUNDED> {
    const ABOUT: About = About {
        name: "concurrent-queue",
        config: "default",
        package: "concurrent-queue",
        why: if BOUNDED { "ConcurrentQueue::bounded" } else { "ConcurrentQueue::unbounded" },
        role: Role::Peer,
    };

    fn with_capacity(capacity: usize) -> Self {
        Self(if BOUNDED {
            ConcurrentQueue::bounded(capacity)
        } else {
            ConcurrentQueue::unbounded()
        })
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.0.push(value).map_err(PushError::into_inner)
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.0.pop().ok()
    }
}
