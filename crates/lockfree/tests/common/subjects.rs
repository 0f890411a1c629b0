//! The structures, as subjects of the suites.

use super::{Order, Subject};
use core::ptr::NonNull;
use lockfree::mpmc::GrowError;
use lockfree::{
    IndexStack, IntrusiveStack, Link, Linked, MpmcQueue, MpmcRing, PushError, SpscRing, spsc,
};
use primitives::sync::Arc;

/// [`IntrusiveStack`], of boxes.
pub(crate) struct Intrusive;

/// A value in a box, with its link.
pub(crate) struct Parcel<T> {
    link: Link,
    pub(crate) value: T,
}

// SAFETY: 1. and 2. a box is unique, does not move what it owns, and is made of its pointer again; 3.
// the address of the field; 4. none of it can fail.
unsafe impl<T> Linked for Parcel<T> {
    type Handle = Box<Self>;

    fn into_ptr(parcel: Box<Self>) -> NonNull<Self> {
        // SAFETY: a box is not null.
        unsafe { NonNull::new_unchecked(Box::into_raw(parcel)) }
    }

    unsafe fn from_ptr(parcel: NonNull<Self>) -> Box<Self> {
        // SAFETY: the pointer came from a box, which is made once (the caller's promise).
        unsafe { Box::from_raw(parcel.as_ptr()) }
    }

    unsafe fn link(parcel: NonNull<Self>) -> NonNull<Link> {
        // SAFETY: the node is alive; no reference to the whole is made.
        let link = unsafe { &raw mut (*parcel.as_ptr()).link };
        // SAFETY: a field of something that is not null.
        unsafe { NonNull::new_unchecked(link) }
    }
}

pub(crate) fn parcel<T>(value: T) -> Box<Parcel<T>> {
    Box::new(Parcel { link: Link::new(), value })
}

impl<T: Send + 'static> Subject<T> for Intrusive {
    type Sender = Arc<IntrusiveStack<Parcel<T>>>;
    type Receiver = Self::Sender;

    const ORDER: Order = Order::Lifo;
    const BOUNDED: bool = false;
    const TAKES_ALL: bool = true;

    fn open(
        _: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>) {
        shared(IntrusiveStack::new(), senders, receivers)
    }

    fn push(into: &mut Self::Sender, value: T) -> Result<(), T> {
        into.push(parcel(value));
        Ok(())
    }

    fn take(from: &mut Self::Receiver) -> Vec<T> {
        from.pop_all().map(|parcel| parcel.value).collect()
    }

    fn push_all(into: &mut Self::Sender, values: &mut dyn Iterator<Item = T>) {
        let mut chain = lockfree::Chain::new();
        // Front to back is top to bottom: the last one that was yielded is the next to come out.
        values.for_each(|value| chain.push_front(parcel(value)));
        into.push_chain(chain);
    }

    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(from.pop_all().map(|parcel| parcel.value))
    }
}

/// [`IndexStack`].
pub(crate) struct Indexed;

impl<T: Send + 'static> Subject<T> for Indexed {
    type Sender = Arc<IndexStack<T>>;
    type Receiver = Self::Sender;

    const ORDER: Order = Order::Lifo;
    const BOUNDED: bool = true;
    // A node that another call is at work with is nobody's meanwhile.
    const REFUSES_EXACTLY: bool = false;
    const TAKES_ALL: bool = false;

    fn open(
        capacity: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>) {
        shared(IndexStack::new(capacity), senders, receivers)
    }

    fn push(into: &mut Self::Sender, value: T) -> Result<(), T> {
        into.push(value).map_err(PushError::into_inner)
    }

    fn take(from: &mut Self::Receiver) -> Vec<T> {
        from.pop().into_iter().collect()
    }

    fn push_all(into: &mut Self::Sender, mut values: &mut dyn Iterator<Item = T>) {
        let _ = into.push_batch(&mut values);
    }

    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(from.pop_all())
    }
}

/// [`EpochStack`](lockfree::EpochStack).
#[cfg(feature = "epoch")]
pub(crate) struct Epoch;

#[cfg(feature = "epoch")]
impl<T: Send + 'static> Subject<T> for Epoch {
    type Sender = Arc<lockfree::EpochStack<T>>;
    type Receiver = Self::Sender;

    const ORDER: Order = Order::Lifo;
    const BOUNDED: bool = false;
    const TAKES_ALL: bool = false;

    fn open(
        _: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>) {
        if !primitives::sync::MODELLED {
            // The collector is made before there are threads: how std guards that, ThreadSanitizer
            // does not see.
            let first = lockfree::EpochStack::new();
            first.push(0);
            assert_eq!(first.pop(), Some(0));
        }
        shared(lockfree::EpochStack::new(), senders, receivers)
    }

    fn push(into: &mut Self::Sender, value: T) -> Result<(), T> {
        into.push(value);
        Ok(())
    }

    fn take(from: &mut Self::Receiver) -> Vec<T> {
        from.pop().into_iter().collect()
    }

    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(from.pop_all())
    }
}

/// [`SpscRing`].
pub(crate) struct Spsc;

impl<T: Send + 'static> Subject<T> for Spsc {
    type Sender = spsc::Producer<T>;
    type Receiver = spsc::Consumer<T>;

    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = true;
    // A refusal may be older than the other end's: see `loom_linear_spsc_ring_may_refuse_both`.
    const REFUSES_EXACTLY: bool = false;
    const TAKES_ALL: bool = false;
    const MOST: (usize, usize) = (1, 1);

    fn open(
        capacity: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>) {
        assert_eq!((senders, receivers), (1, 1));
        let (producer, consumer) = SpscRing::new(capacity);
        (vec![producer], vec![consumer])
    }

    fn push(into: &mut Self::Sender, value: T) -> Result<(), T> {
        into.push(value).map_err(PushError::into_inner)
    }

    fn take(from: &mut Self::Receiver) -> Vec<T> {
        from.pop().ok().into_iter().collect()
    }

    fn push_all(into: &mut Self::Sender, mut values: &mut dyn Iterator<Item = T>) {
        let _ = into.push_batch(&mut values);
    }

    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(from.read_chunk(usize::MAX).into_iter())
    }
}

/// [`MpmcRing`].
pub(crate) struct Ring;

impl<T: Send + 'static> Subject<T> for Ring {
    type Sender = Arc<MpmcRing<T>>;
    type Receiver = Self::Sender;

    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = true;
    const TAKES_ALL: bool = false;

    fn open(
        capacity: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>) {
        shared(MpmcRing::new(capacity), senders, receivers)
    }

    fn push(into: &mut Self::Sender, value: T) -> Result<(), T> {
        into.push(value).map_err(PushError::into_inner)
    }

    fn take(from: &mut Self::Receiver) -> Vec<T> {
        from.pop().ok().into_iter().collect()
    }

    fn push_all(into: &mut Self::Sender, values: &mut dyn Iterator<Item = T>) {
        let mut values = Exactly(values);
        while values.len() > 0 && into.push_batch(&mut values).is_ok_and(|pushed| pushed > 0) {}
    }

    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(MpmcRing::drain(from))
    }
}

/// [`MpmcQueue`].
pub(crate) struct Queue;

impl<T: Send + 'static> Subject<T> for Queue {
    type Sender = Arc<MpmcQueue<T>>;
    type Receiver = Self::Sender;

    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = false;
    const TAKES_ALL: bool = false;

    fn open(
        _: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>) {
        shared(MpmcQueue::new(), senders, receivers)
    }

    fn push(into: &mut Self::Sender, value: T) -> Result<(), T> {
        into.push(value).map_err(PushError::into_inner)
    }

    fn take(from: &mut Self::Receiver) -> Vec<T> {
        from.pop().ok().into_iter().collect()
    }

    fn push_all(into: &mut Self::Sender, values: &mut dyn Iterator<Item = T>) {
        let mut values = Exactly(values);
        while values.len() > 0 && into.push_batch(&mut values).is_ok_and(|pushed| pushed > 0) {}
    }

    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(MpmcQueue::drain(from))
    }
}

/// [`MpmcQueue`], by the pushes that a soft capacity bounds.
pub(crate) struct SoftQueue;

impl<T: Send + 'static> Subject<T> for SoftQueue {
    type Sender = Arc<MpmcQueue<T>>;
    type Receiver = Self::Sender;

    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = true;
    const TAKES_ALL: bool = false;

    fn open(
        capacity: usize,
        senders: usize,
        receivers: usize,
    ) -> (Vec<Self::Sender>, Vec<Self::Receiver>) {
        shared(MpmcQueue::with_soft_capacity(capacity), senders, receivers)
    }

    fn push(into: &mut Self::Sender, value: T) -> Result<(), T> {
        into.try_push(value).map_err(GrowError::into_inner)
    }

    fn take(from: &mut Self::Receiver) -> Vec<T> {
        from.pop().ok().into_iter().collect()
    }

    fn drain(from: &mut Self::Receiver) -> Box<dyn Iterator<Item = T> + '_> {
        Box::new(MpmcQueue::drain(from))
    }
}

/// An iterator that is as long as it says at least.
struct Exactly<'v, T>(&'v mut dyn Iterator<Item = T>);

impl<T> Iterator for Exactly<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let length = self.0.size_hint().0;
        (length, Some(length))
    }
}

impl<T> ExactSizeIterator for Exactly<'_, T> {}

/// Senders and receivers of what all may use at once.
pub(crate) fn shared<S>(
    structure: S,
    senders: usize,
    receivers: usize,
) -> (Vec<Arc<S>>, Vec<Arc<S>>) {
    let structure = Arc::new(structure);
    let handles = |count| (0..count).map(|_| Arc::clone(&structure)).collect();
    (handles(senders), handles(receivers))
}
