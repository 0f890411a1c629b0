//! [`Places`]: where one thread keeps idle stacks, and any thread may take them.
//!
//! ```text
//!   ThreadSlots:  [ places of A ]   [ places of B (exited) ]   [ places of C ]
//!                   ▲ put: A alone     ▲ take: anybody            ▲ take: anybody
//! ```
//!
//! # Invariants
//!
//! * **P1** a node in a place is whole and is nobody else's: who takes it out by a swap owns it.
//! * **P2** nodes are put into a place by the thread that owns the slot, and by no other; so a place
//!   that its owner saw empty is empty until the owner fills it.
//!
//! # Ordering edges
//!
//! `stack-hand-over`: `put` → `take`. What the last user wrote, in the node and in the stack's
//! memory, happens before what the next one does.

use core::ptr::{self, NonNull};

use primitives::sync::MODELLED;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Exclusive};

/// Idle stacks that a thread keeps: two, so that one lease inside another finds its stack again.
const PLACES: usize = if MODELLED { 1 } else { 2 };

/// One thread's places, and what it counted.
pub(super) struct Places<N> {
    places: [Place<N>; PLACES],
    pub(super) hits: Count,
    pub(super) steals: Count,
    pub(super) misses: Count,
    pub(super) returns: Count,
    pub(super) evictions: Count,
}

struct Place<N> {
    /// An idle stack, or null (P1).
    node: AtomicPtr<N>,
    /// How many bytes it holds.
    bytes: AtomicUsize,
}

/// A number that one thread writes and all may read.
pub(super) struct Count(AtomicU64);

impl Count {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds 1. Called by the owner of the slot alone.
    pub(super) fn bump(&self) {
        // ORD Relaxed: a statistic; no other thread writes it, and a slot passes to its next owner
        // with everything the last one wrote.
        let before = self.0.load(Relaxed);
        // ORD Relaxed: as above.
        self.0.store(before + 1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        // ORD Relaxed: a statistic.
        self.0.load(Relaxed)
    }
}

impl<N> Places<N> {
    pub(super) fn new() -> Self {
        Self {
            places: core::array::from_fn(|_| Place {
                node: AtomicPtr::new(ptr::null_mut()),
                bytes: AtomicUsize::new(0),
            }),
            hits: Count::new(),
            steals: Count::new(),
            misses: Count::new(),
            returns: Count::new(),
            evictions: Count::new(),
        }
    }

    /// Takes an idle node, the caller's from then on. Any thread may.
    #[inline]
    pub(super) fn take(&self) -> Option<NonNull<N>> {
        self.places.iter().find_map(Place::take)
    }

    /// Takes what is in each place now.
    pub(super) fn take_each(&self) -> impl Iterator<Item = NonNull<N>> {
        self.places.iter().filter_map(Place::take)
    }

    /// Keeps `node`, which holds `bytes`, if there is a free place. Called by the owner of the slot
    /// alone (P2). Returns whether it is kept; if not, it stays the caller's.
    #[inline]
    pub(super) fn put(&self, node: NonNull<N>, bytes: usize) -> bool {
        self.places.iter().any(|place| place.put(node, bytes))
    }

    /// Returns how many nodes are here, and their bytes.
    pub(super) fn kept(&self) -> (usize, usize) {
        self.places.iter().fold((0, 0), |(count, bytes), place| {
            // ORD Relaxed: a statistic.
            if place.node.load(Relaxed).is_null() {
                return (count, bytes);
            }
            // ORD Relaxed: a statistic; the node may be another by now.
            (count + 1, bytes + place.bytes.load(Relaxed))
        })
    }

    /// Takes every node, when no other thread can.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = NonNull<N>> {
        self.places.iter_mut().filter_map(|place| {
            place.node.with_mut(|node| NonNull::new(core::mem::replace(node, ptr::null_mut())))
        })
    }
}

impl<N> Place<N> {
    #[inline]
    fn take(&self) -> Option<NonNull<N>> {
        // ORD Relaxed: a look, so that empty places cost no read-modify-write; the swap decides.
        if self.node.load(Relaxed).is_null() {
            return None;
        }
        #[cfg(bug = "depot-takes-without-a-swap")]
        {
            // ORD Relaxed: a fault.
            let node = self.node.load(Relaxed);
            // ORD Relaxed: a fault.
            self.node.store(ptr::null_mut(), Relaxed);
            return NonNull::new(node);
        }
        #[cfg(not(bug = "depot-takes-without-a-swap"))]
        // ORD[stack-hand-over] Acquire ← Release in `put`: what was done with the stack before it was
        // put here happens before what is done with it now.
        NonNull::new(self.node.swap(ptr::null_mut(), Acquire))
    }

    #[inline]
    fn put(&self, node: NonNull<N>, bytes: usize) -> bool {
        // ORD Relaxed: P2: only this thread fills the place, so an empty one stays empty; and a slot
        // that was adopted comes with what its last owner stored.
        if !self.node.load(Relaxed).is_null() && !cfg!(bug = "depot-puts-over-another") {
            return false;
        }
        // ORD Relaxed: a statistic.
        self.bytes.store(bytes, Relaxed);
        // ORD[stack-hand-over] Release → Acquire in `take`.
        self.node.store(node.as_ptr(), Release);
        true
    }
}
