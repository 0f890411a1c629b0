//! A mutex round a `VecDeque` or a `Vec`: what most programs use, and often rightly.
//!
//! Both get their capacity from the start, so that neither grows while it is timed. Of a batch all
//! values go in, or come out, under one lock.

use std::collections::VecDeque;
use std::sync;

use super::About;
use super::queues::{ByRef, Shared};
use super::stacks::Stack;
use crate::case::Role;

/// A mutex: std's, or parking_lot's.
pub trait Lock<T>: Send + Sync + 'static {
    /// What the tables call it.
    const CONFIG: &'static str;

    /// Where its version stands.
    const PACKAGE: &'static str;

    /// Makes an open one.
    fn new(value: T) -> Self;

    /// Works on what it guards.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R;
}

impl<T: Send + 'static> Lock<T> for sync::Mutex<T> {
    const CONFIG: &'static str = "std";
    const PACKAGE: &'static str = "std";

    fn new(value: T) -> Self {
        Self::new(value)
    }

    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.lock().expect("nobody panics"))
    }
}

impl<T: Send + 'static> Lock<T> for parking_lot::Mutex<T> {
    const CONFIG: &'static str = "parking-lot";
    const PACKAGE: &'static str = "parking_lot";

    fn new(value: T) -> Self {
        Self::new(value)
    }

    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.lock())
    }
}

/// `Mutex<VecDeque<T>>` of std; without `BOUNDED`, it takes whatever comes.
pub type StdDeque<T, const BOUNDED: bool = true> =
    ByRef<Deque<T, sync::Mutex<VecDeque<T>>, BOUNDED>>;

/// `Mutex<VecDeque<T>>` of parking_lot.
pub type ParkingDeque<T, const BOUNDED: bool = true> =
    ByRef<Deque<T, parking_lot::Mutex<VecDeque<T>>, BOUNDED>>;

/// A queue under a lock; with `BOUNDED` it refuses what is above its capacity.
#[derive(Debug)]
pub struct Deque<T, L, const BOUNDED: bool> {
    lock: L,
    capacity: usize,
    values: core::marker::PhantomData<fn(T) -> T>,
}

impl<T, L, const BOUNDED: bool> Shared<T> for Deque<T, L, BOUNDED>
where
    T: Send + 'static,
    L: Lock<VecDeque<T>>,
{
    const ABOUT: About = About {
        name: "mutex-deque",
        config: L::CONFIG,
        package: L::PACKAGE,
        why: "Mutex<VecDeque>, its capacity reserved: how a queue is shared by hand",
        role: Role::Peer,
    };

    fn with_capacity(capacity: usize) -> Self {
        let lock = L::new(VecDeque::with_capacity(capacity));
        Self { lock, capacity, values: core::marker::PhantomData }
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.lock.with(|values| {
            if BOUNDED && values.len() == self.capacity {
                return Err(value);
            }
            values.push_back(value);
            Ok(())
        })
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.lock.with(VecDeque::pop_front)
    }

    fn trim(&mut self) {
        self.lock.with(VecDeque::shrink_to_fit);
    }

    #[inline]
    fn push_batch(&self, batch: &[T]) -> usize
    where
        T: Copy,
    {
        self.lock.with(|values| {
            let room = if BOUNDED { self.capacity - values.len() } else { usize::MAX };
            let len = batch.len().min(room);
            values.extend(&batch[..len]);
            len
        })
    }

    #[inline]
    fn pop_batch(&self, most: usize, each: impl FnMut(T)) -> usize {
        self.lock.with(|values| {
            let len = most.min(values.len());
            values.drain(..len).for_each(each);
            len
        })
    }
}

/// A stack under a lock.
#[derive(Debug)]
pub struct Pile<T, L> {
    lock: L,
    values: core::marker::PhantomData<fn(T) -> T>,
}

/// `Mutex<Vec<T>>` of std.
pub type StdPile<T> = Pile<T, sync::Mutex<Vec<T>>>;

/// `Mutex<Vec<T>>` of parking_lot.
pub type ParkingPile<T> = Pile<T, parking_lot::Mutex<Vec<T>>>;

impl<T: Send + 'static, L: Lock<Vec<T>>> Stack<T> for Pile<T, L> {
    const ABOUT: About = About {
        name: "mutex-vec",
        config: L::CONFIG,
        package: L::PACKAGE,
        why: "Mutex<Vec>, its capacity reserved: how a stack is shared by hand",
        role: Role::Peer,
    };

    fn with_capacity(capacity: usize) -> Self {
        Self { lock: L::new(Vec::with_capacity(capacity)), values: core::marker::PhantomData }
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), T> {
        self.lock.with(|values| values.push(value));
        Ok(())
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.lock.with(Vec::pop)
    }

    #[inline]
    fn push_batch(&self, batch: &[T]) -> usize
    where
        T: Copy,
    {
        self.lock.with(|values| values.extend_from_slice(batch));
        batch.len()
    }

    #[inline]
    fn pop_batch(&self, most: usize, each: impl FnMut(T)) -> usize {
        self.lock.with(|values| {
            let left = values.len().saturating_sub(most);
            let popped = values.len() - left;
            values.drain(left..).rev().for_each(each);
            popped
        })
    }
}
