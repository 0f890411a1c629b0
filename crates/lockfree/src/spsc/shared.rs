//! [`Shared`]: what both ends of a ring see, and how they leave it.

use core::marker::PhantomData;
use core::ptr::NonNull;

use primitives::CachePadded;
use primitives::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicBool, AtomicUsize};
use primitives::sync::const_fn;

use super::slots::Slots;

/// The published positions, each on cache lines of its own, and whether an end has left.
///
/// Each is written by one end, and only ever stored: the other's line is not needed to move one's own.
#[derive(Debug)]
pub(super) struct Shared {
    /// The producer's position.
    tail: CachePadded<AtomicUsize>,
    /// The consumer's position.
    head: CachePadded<AtomicUsize>,
    /// One end has left; the other one tells by being there that it was not itself.
    one_left: CachePadded<AtomicBool>,
}

impl Shared {
    const_fn! {
        /// Positions that belong to no slot yet: see [`begin`](Self::begin).
        pub(super) const fn new() -> Self {
            Self {
                tail: CachePadded::new(AtomicUsize::new(0)),
                head: CachePadded::new(AtomicUsize::new(0)),
                one_left: CachePadded::new(AtomicBool::new(false)),
            }
        }
    }

    /// Makes the ring empty, at the position `first`, with both ends there.
    pub(super) fn begin(&self, first: usize) {
        // ORD Relaxed: before there are handles; what brings one to another thread orders it.
        self.tail.store(first, Relaxed);
        // ORD Relaxed: as above.
        self.head.store(first, Relaxed);
        // ORD Relaxed: as above.
        self.one_left.store(false, Relaxed);
    }

    /// Hands all slots before `tail` to the consumer.
    #[inline]
    pub(super) fn publish_tail(&self, tail: usize) {
        // ORD[slot-filled] Release → Acquire in `tail`: the values before it are written first.
        self.tail.store(tail, Release);
    }

    /// The producer's position, for the consumer to read up to.
    #[inline]
    pub(super) fn tail(&self) -> usize {
        // ORD[slot-filled] Acquire ← Release in `publish_tail`.
        self.tail.load(Acquire)
    }

    /// The producer's position: a number, or ordered by something else.
    #[inline]
    pub(super) fn tail_hint(&self) -> usize {
        // ORD Relaxed: for counts, or after the other end left (`last-leaves`).
        self.tail.load(Relaxed)
    }

    /// Hands all slots before `head` to the producer.
    #[inline]
    pub(super) fn publish_head(&self, head: usize) {
        // ORD[slot-vacant] Release → Acquire in `head`: their values are taken first.
        self.head.store(head, Release);
    }

    /// The consumer's position, for the producer to write up to.
    #[inline]
    pub(super) fn head(&self) -> usize {
        // ORD[slot-vacant] Acquire ← Release in `publish_head`.
        self.head.load(Acquire)
    }

    /// The consumer's position: a number, or ordered by something else.
    #[inline]
    pub(super) fn head_hint(&self) -> usize {
        // ORD Relaxed: for counts, or after the other end left (`last-leaves`).
        self.head.load(Relaxed)
    }

    /// Whether the other end has left; then everything it did is visible.
    #[inline]
    pub(super) fn is_other_gone(&self) -> bool {
        // ORD[last-leaves] Acquire ← Release in `leave`: its last values, above all.
        self.one_left.load(Acquire)
    }

    /// Leaves the ring; returns whether the other end had left before.
    pub(super) fn leave(&self) -> bool {
        // ORD[last-leaves] Release → Acquire here and in `is_other_gone`: who leaves first is done
        // with slots and positions. Acquire: who leaves last drops what the first one pushed, and
        // frees what it used.
        self.one_left.swap(true, AcqRel)
    }
}

/// Where a ring's memory comes from: [`Heap`](super::Heap) or [`Borrowed`](super::Borrowed).
///
/// Sealed: there are no others.
pub trait Storage: sealed::Sealed {}

pub(super) mod sealed {
    use super::NonNull;

    #[expect(unnameable_types, reason = "it seals `Storage`")]
    pub trait Sealed {
        /// Gives the memory of a ring back, whose values are dropped.
        ///
        /// # Safety
        ///
        /// 1. Both ends have left, in such an order that what either did happens before.
        /// 2. `shared` is the `Shared` that this storage made, with `slots` slots of `T`.
        unsafe fn release<T>(shared: NonNull<()>, slots: usize);
    }
}

/// Drops what is in the ring and gives its memory back: called by the end that leaves last (I4).
///
/// Takes the slots apart on the way, so that no handle's address is passed to code out of line: a
/// handle that never leaves a function then stays in registers.
///
/// # Safety
///
/// 1. Both ends have left, and the caller saw it. 2. `shared` and `slots` are those of one ring of `S`.
#[inline]
pub(super) unsafe fn finish<T, S: Storage>(shared: NonNull<Shared>, slots: Slots<T>) {
    let [first, end, watch] = slots.into_parts();
    // SAFETY: 1. and 2. the caller promises them.
    unsafe { finish_parts::<T, S>(shared, first, end, watch) };
}

/// [`finish`], out of line.
///
/// # Safety
///
/// 1. and 2. as there; the parts are those of the slots.
#[cold]
#[inline(never)]
unsafe fn finish_parts<T, S: Storage>(
    shared: NonNull<Shared>,
    first: NonNull<()>,
    end: NonNull<()>,
    watch: NonNull<()>,
) {
    /// Gives the memory back when it is dropped, also if a value's drop panicked.
    struct GiveBack<T, S: Storage>(NonNull<Shared>, Slots<T>, PhantomData<S>);
    impl<T, S: Storage> Drop for GiveBack<T, S> {
        fn drop(&mut self) {
            let count = self.1.count();
            // SAFETY: the caller of `finish` is the last to use them.
            unsafe { self.1.unwatch() };
            // SAFETY: 1. and 2. the caller of `finish` promises it.
            unsafe { S::release::<T>(self.0.cast(), count) }
        }
    }
    // SAFETY: taken apart by `finish`.
    let slots = unsafe { Slots::<T>::from_parts([first, end, watch]) };
    let _give_back = GiveBack::<T, S>(shared, slots, PhantomData);
    // SAFETY: not given back before the end of this function.
    let ends = unsafe { shared.as_ref() };
    let (head, tail) = (ends.head_hint(), ends.tail_hint());
    let at = slots.first().with_addr(head);
    // SAFETY: 1. I1; 2. I2, and both ends have left.
    unsafe { slots.drop_values(at, slots.between(head, tail)) };
}
