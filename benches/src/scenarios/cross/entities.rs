//! `cross/entities/churn`: values of one type that come and go, as entities of a game or connections
//! of a server do.
//!
//! Of 1,000 live values of 64 bytes eight are removed, found by pointer or key, and then eight others
//! are inserted; which ones is drawn once. Removing and inserting are apart, since a free list whose
//! head is taken at once would be optimised away.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use alloc_slab::{ReservedPages, Slab};
use rand::seq::SliceRandom;

use super::CRATE;
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines::lifo::Lifo;
use crate::engines::null::Null;
use crate::engines::slab_alloc::Blocks;
use crate::engines::{About, glibc, jemalloc, mimalloc, spec_of};
use crate::heap_peer;
use crate::scenarios::Round;
use crate::scenarios::checksum::fold;
use crate::scenarios::linear::{numbers, synthetic};

/// Values alive.
const LIVE: usize = 1000;

/// Values that are removed, and then replaced.
const BATCH: usize = 8;

/// Batches a round.
const BATCHES: usize = 128;

/// 64 bytes.
type Entity = [u64; 8];

/// The engines of this workload, one of ours for each form: for the group `origin`, too.
pub(in crate::scenarios) fn churn() -> Vec<EngineSpec> {
    vec![
        engine::<Boxes<Null>>(),
        engine::<Ours>().primary(),
        engine::<OursReserved>(),
        engine::<Boxes<Blocks<64>>>(),
        heap_peer!(boxed, glibc::Glibc).reference(),
        heap_peer!(boxed, mimalloc::Mimalloc),
        heap_peer!(boxed, jemalloc::SizedFree),
    ]
}

pub(super) fn case() -> Case {
    let mut engines = churn();
    engines.extend([engine::<ByIndex>(), engine::<ByGeneration>()]);
    Case {
        id: "cross/entities/churn",
        krate: CRATE,
        what: "Keeps 1,000 values of 64 bytes alive: eight are removed, then eight others inserted",
        model: Model::Churn,
        unit: "pair",
        input,
        working_set_bytes: (LIVE * size_of::<Entity>()) as u64,
        threads: 1,
        engines,
    }
}

/// What all engines read.
pub(in crate::scenarios) fn input() -> crate::case::Input {
    synthetic(0, (BATCH * BATCHES) as u64)
}

fn engine<T: Table>() -> EngineSpec {
    spec_of(T::ABOUT, Churn::<T>::build)
}

fn boxed<S: Lifo>() -> EngineSpec {
    engine::<Boxes<S>>()
}

/// Where the values live.
trait Table: Sized + 'static {
    const ABOUT: About;

    /// What finds a value again.
    type Key: Copy + 'static;

    fn make() -> Self;

    fn insert(&mut self, value: Entity) -> Self::Key;

    /// Takes out a value that is there.
    fn remove(&mut self, key: Self::Key) -> Entity;
}

struct Churn<T: Table> {
    table: T,
    /// The key of each live value, by its place.
    keys: Box<[T::Key; LIVE]>,
    /// The places that are removed, and then filled again.
    places: Vec<[u16; BATCH]>,
    seed: u64,
}

/// The value of a place: the same whenever it was inserted.
#[inline(always)]
fn entity(place: u16, seed: u64) -> Entity {
    let place = u64::from(place);
    [place, place ^ seed, seed, place, seed, place, seed, place.wrapping_add(seed)]
}

impl<T: Table> Churn<T> {
    /// The loop of every engine.
    #[inline(never)]
    fn batches(
        table: &mut T,
        keys: &mut [T::Key; LIVE],
        places: &[[u16; BATCH]],
        seed: u64,
    ) -> u64 {
        let mut sum = 1;
        for batch in places {
            for &place in batch {
                let value = table.remove(keys[usize::from(place)]);
                sum = fold(sum, value[1] ^ value[7]);
            }
            for &place in batch {
                keys[usize::from(place)] = table.insert(entity(place, seed));
            }
        }
        sum
    }

    /// Every value alive, each taken out and put back.
    fn all(&mut self, sum: u64) -> u64 {
        (0_u16..).zip(self.keys.iter_mut()).fold(sum, |sum, (place, key)| {
            let value = self.table.remove(*key);
            *key = self.table.insert(entity(place, self.seed));
            value.into_iter().fold(sum, fold)
        })
    }
}

impl<T: Table> Round for Churn<T> {
    const OPS: u64 = (BATCH * BATCHES) as u64;

    fn new() -> Self {
        let mut table = T::make();
        let seed = black_box(0x5EED);
        let mut place = 0;
        let keys = Box::new(core::array::from_fn(|_| {
            place += 1;
            table.insert(entity(place - 1, seed))
        }));
        let mut numbers = numbers(0x656E_7469);
        let mut all: Vec<u16> = (0_u16..).take(LIVE).collect();
        let places = (0..BATCHES)
            .map(|_| {
                let drawn = all.partial_shuffle(&mut numbers, BATCH).0;
                core::array::from_fn(|at| drawn[at])
            })
            .collect();
        Self { table, keys, places, seed }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let total = Self::batches(&mut self.table, &mut self.keys, &self.places, self.seed);
        if sum { self.all(total) } else { 0 }
    }
}

// ---- blocks behind pointers -----------------------------------------------------------------------

/// A block for each value, of memory that takes them back in any order.
struct Boxes<S>(S);

impl<S: Lifo> Table for Boxes<S> {
    const ABOUT: About = S::ABOUT;

    type Key = (NonNull<Entity>, S::Mark);

    fn make() -> Self {
        Self(S::with_capacity(2 * LIVE * size_of::<Entity>()))
    }

    #[inline]
    fn insert(&mut self, value: Entity) -> Self::Key {
        let (block, mark) = self.0.push(Layout::new::<Entity>());
        let block = block.cast::<Entity>();
        // SAFETY: a fresh block of its layout.
        unsafe { block.write(value) };
        (block, mark)
    }

    #[inline]
    fn remove(&mut self, (block, mark): Self::Key) -> Entity {
        // SAFETY: alive: the table of keys holds each until it is removed.
        let value = unsafe { block.read() };
        // SAFETY: 1. and 2. its key is overwritten before it is used again; 3. mallocs, classes of
        // blocks and the null engine take any order.
        unsafe { self.0.pop(block.cast(), Layout::new::<Entity>(), mark) };
        value
    }
}

// ---- values behind keys ---------------------------------------------------------------------------

const OURS: About = About {
    name: "alloc-slab",
    config: "default",
    package: "alloc-slab",
    why: "Slab on pages of the global allocator: keys that notice reuse",
    role: Role::Ours,
};

struct Ours(Slab<Entity>);

struct OursReserved(Slab<Entity, ReservedPages>);

macro_rules! keyed {
    ($engine:ident, $about:expr, $key:ty, $make:expr, $remove:ident $(, $unwrap:ident)?) => {
        impl Table for $engine {
            const ABOUT: About = $about;

            type Key = $key;

            fn make() -> Self {
                Self($make)
            }

            #[inline]
            fn insert(&mut self, value: Entity) -> $key {
                self.0.insert(value)
            }

            #[inline]
            fn remove(&mut self, key: $key) -> Entity {
                self.0.$remove(key)$(.$unwrap("a live key"))?
            }
        }
    };
}

keyed!(Ours, OURS, alloc_slab::Key<Entity>, Slab::new(), remove, expect);
keyed!(
    OursReserved,
    About {
        config: "reserved",
        why: "Slab in reserved address space, where it does not move",
        ..OURS
    },
    alloc_slab::Key<Entity>,
    Slab::reserved(1 << 20),
    remove,
    expect
);

struct ByIndex(slab::Slab<Entity>);

keyed!(
    ByIndex,
    About {
        name: "slab",
        config: "default",
        package: "slab",
        why: "Slab::with_capacity: indices without generations",
        role: Role::Peer,
    },
    usize,
    slab::Slab::with_capacity(LIVE),
    remove
);

struct ByGeneration(slotmap::SlotMap<slotmap::DefaultKey, Entity>);

keyed!(
    ByGeneration,
    About {
        name: "slotmap",
        config: "default",
        package: "slotmap",
        why: "SlotMap::with_capacity: keys with generations",
        role: Role::Peer,
    },
    slotmap::DefaultKey,
    slotmap::SlotMap::with_capacity(LIVE),
    remove,
    expect
);
