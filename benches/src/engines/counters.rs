//! Counters that several threads add to.

use core::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::Mutex;

use crossbeam_utils::CachePadded;

use super::About;
use super::queues::Nowhere;
use crate::case::Role;

/// A number that threads add to, and whose sum can be read when nobody does.
pub trait Count: Send + Sync + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What a thread keeps of its own.
    type Own: 'static;

    /// Makes one at 0.
    fn new() -> Self;

    /// Makes what the calling thread, number `index`, keeps.
    fn join(&self, index: usize) -> Self::Own;

    /// Adds.
    fn add(&self, own: &mut Self::Own, more: u64);

    /// Adds 1 so many times, one by one.
    #[inline]
    fn count_to(&self, own: &mut Self::Own, times: u64) {
        (0..times).for_each(|_| self.add(own, 1));
    }

    /// Ends a thread's round: what it kept to itself is added.
    fn leave(&self, own: &mut Self::Own) {
        let _ = own;
    }

    /// Returns what was added since it was made; nobody adds meanwhile.
    fn sum(&self) -> u64;
}

const fn about(name: &'static str, config: &'static str, why: &'static str) -> About {
    About { name, config, package: "std", why, role: Role::Peer }
}

impl Count for AtomicU64 {
    const ABOUT: About = about("atomic-u64", "default", "one AtomicU64, fetch_add");

    type Own = ();

    fn new() -> Self {
        Self::new(0)
    }

    fn join(&self, _: usize) {}

    #[inline]
    fn add(&self, (): &mut (), more: u64) {
        // ORD Relaxed: a count; the scenario's meeting orders it before the sum.
        self.fetch_add(more, Relaxed);
    }

    fn sum(&self) -> u64 {
        // ORD Relaxed: as above.
        self.load(Relaxed)
    }
}

impl Count for CachePadded<AtomicU64> {
    const ABOUT: About = About {
        package: "crossbeam-utils",
        ..about("atomic-u64", "padded", "one AtomicU64 on a line of its own, fetch_add")
    };

    type Own = ();

    fn new() -> Self {
        Self::default()
    }

    fn join(&self, _: usize) {}

    #[inline]
    fn add(&self, (): &mut (), more: u64) {
        // ORD Relaxed: as above.
        self.fetch_add(more, Relaxed);
    }

    fn sum(&self) -> u64 {
        // ORD Relaxed: as above.
        self.load(Relaxed)
    }
}

/// An `AtomicU64` for each thread, on a line of its own.
#[derive(Debug)]
pub struct Shards([CachePadded<AtomicU64>; SHARDS]);

const SHARDS: usize = 16;

impl Count for Shards {
    const ABOUT: About = About {
        package: "crossbeam-utils",
        ..about(
            "padded-shards",
            "default",
            "16 CachePadded<AtomicU64>, fetch_add; a thread knows its own and need not look it up",
        )
    };

    type Own = usize;

    fn new() -> Self {
        Self(Default::default())
    }

    fn join(&self, index: usize) -> usize {
        index % SHARDS
    }

    #[inline]
    fn add(&self, own: &mut usize, more: u64) {
        // ORD Relaxed: as for one word.
        self.0[*own].fetch_add(more, Relaxed);
    }

    fn sum(&self) -> u64 {
        // ORD Relaxed: as above.
        self.0.iter().fold(0, |sum, shard| sum.wrapping_add(shard.load(Relaxed)))
    }
}

impl Count for Mutex<u64> {
    const ABOUT: About = about("mutex-u64", "default", "Mutex<u64>");

    type Own = ();

    fn new() -> Self {
        Self::new(0)
    }

    fn join(&self, _: usize) {}

    #[inline]
    fn add(&self, (): &mut (), more: u64) {
        *self.lock().expect("nobody panics") += more;
    }

    fn sum(&self) -> u64 {
        *self.lock().expect("nobody panics")
    }
}

/// A plain number for each thread, added up when its round ends: what counting could cost at least,
/// and nobody can read it meanwhile.
#[derive(Debug)]
pub struct Private(AtomicU64);

impl Count for Private {
    const ABOUT: About = About {
        role: Role::Control,
        ..about("share-nothing", "default", "a plain u64 in each thread, added up after its round")
    };

    type Own = u64;

    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn join(&self, _: usize) -> u64 {
        0
    }

    #[inline]
    fn add(&self, own: &mut u64, more: u64) {
        // Each addition is one, as where somebody else may look.
        *own = core::hint::black_box(own.wrapping_add(more));
    }

    fn leave(&self, own: &mut u64) {
        // ORD Relaxed: as above.
        self.0.fetch_add(core::mem::take(own), Relaxed);
    }

    fn sum(&self) -> u64 {
        // ORD Relaxed: as above.
        self.0.load(Relaxed)
    }
}

impl Count for Nowhere {
    const ABOUT: About = About {
        why: "the loop alone: nothing is counted",
        ..<Self as super::queues::Queue<u64>>::ABOUT
    };

    type Own = ();

    fn new() -> Self {
        Self
    }

    fn join(&self, _: usize) {}

    #[inline]
    fn add(&self, (): &mut (), more: u64) {
        let _ = super::queues::Producer::push(&mut Self, more);
    }

    fn sum(&self) -> u64 {
        0
    }
}

/// Two counters in one object, a thread each: on one line, or on two.
pub trait Neighbours: Send + Sync + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// Makes them, at 0.
    fn new() -> Self;

    /// Adds to the one of thread `index`.
    fn add(&self, index: usize);

    /// Returns what both hold; nobody adds meanwhile.
    fn sum(&self) -> u64;
}

/// Side by side on one line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Adjacent([AtomicU64; 2]);

/// Each on a line of its own, by one of the two crates.
#[derive(Debug, Default)]
pub struct Padded<P>([P; 2]);

impl Neighbours for Adjacent {
    const ABOUT: About = About {
        role: Role::Peer,
        ..about("adjacent", "default", "[AtomicU64; 2]: two threads, two words, one line")
    };

    fn new() -> Self {
        Self::default()
    }

    #[inline]
    fn add(&self, index: usize) {
        // ORD Relaxed: a count; the scenario's meeting orders it before the sum.
        self.0[index].fetch_add(1, Relaxed);
    }

    fn sum(&self) -> u64 {
        // ORD Relaxed: as above.
        self.0.iter().map(|word| word.load(Relaxed)).sum()
    }
}

impl Neighbours for Padded<CachePadded<AtomicU64>> {
    const ABOUT: About = About {
        package: "crossbeam-utils",
        ..about("crossbeam-utils", "default", "its CachePadded round each word")
    };

    fn new() -> Self {
        Self::default()
    }

    #[inline]
    fn add(&self, index: usize) {
        // ORD Relaxed: a count; the scenario's meeting orders it before the sum.
        self.0[index].fetch_add(1, Relaxed);
    }

    fn sum(&self) -> u64 {
        // ORD Relaxed: as above.
        self.0.iter().map(|word| word.load(Relaxed)).sum()
    }
}

impl Neighbours for Padded<primitives::CachePadded<AtomicU64>> {
    const ABOUT: About = About {
        name: "primitives",
        config: "default",
        package: "primitives",
        why: "CachePadded round each word",
        role: Role::Ours,
    };

    fn new() -> Self {
        Self([0, 0].map(|zero| primitives::CachePadded::new(AtomicU64::new(zero))))
    }

    #[inline]
    fn add(&self, index: usize) {
        // ORD Relaxed: a count; the scenario's meeting orders it before the sum.
        self.0[index].fetch_add(1, Relaxed);
    }

    fn sum(&self) -> u64 {
        // ORD Relaxed: as above.
        self.0.iter().map(|word| word.load(Relaxed)).sum()
    }
}

impl Neighbours for Nowhere {
    const ABOUT: About = <Self as Count>::ABOUT;

    fn new() -> Self {
        Self
    }

    #[inline]
    fn add(&self, _: usize) {
        Count::add(self, &mut (), 1);
    }

    fn sum(&self) -> u64 {
        0
    }
}
