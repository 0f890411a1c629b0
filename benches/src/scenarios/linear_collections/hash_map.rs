//! `linear/hashmap`: pairs inserted into a hashbrown map that grows, and its controls.

use core::hash::BuildHasher;
use core::hint::black_box;

use allocator_api2::alloc::Allocator;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rand::Rng;

use super::vec::one_by_one;
use super::{CAPACITY_BYTES, ELEMENTS, sum_of};
use crate::engines::Backing;
use crate::scenarios::Round;
use crate::scenarios::checksum::fold;
use crate::scenarios::linear::numbers;

/// hashbrown's default hash function, seeded the same in every process.
type Hasher = FixedState;

type MapIn<A> = HashMap<u64, u64, Hasher, A>;

fn hasher() -> Hasher {
    FixedState::with_seed(black_box(0x5EED))
}

/// The pairs of a round; keys are all different.
fn pairs() -> Vec<(u64, u64)> {
    let mut numbers = numbers(0x6D61_7073);
    (0..ELEMENTS as u64).map(|index| ((numbers.random::<u64>() << 10) | index, index)).collect()
}

#[inline(always)]
fn insert_all<A: Allocator>(map: &mut MapIn<A>, pairs: &[(u64, u64)]) {
    for &(key, value) in pairs {
        map.insert(key, value);
    }
}

/// Looks every key up, in the order of insertion.
fn sum_of_map<A: Allocator>(map: &MapIn<A>, pairs: &[(u64, u64)]) -> u64 {
    pairs.iter().fold(fold(0, map.len() as u64), |sum, (key, _)| {
        fold(sum, map.get(key).copied().unwrap_or(u64::MAX))
    })
}

pub(super) struct Map<R> {
    region: R,
    pairs: Vec<(u64, u64)>,
    hasher: Hasher,
}

#[inline(never)]
fn grow_map<A: Allocator>(allocator: A, hasher: Hasher, pairs: &[(u64, u64)]) -> MapIn<A> {
    let mut map = HashMap::with_hasher_in(hasher, allocator);
    insert_all(&mut map, pairs);
    map
}

impl<R: Backing> Round for Map<R> {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { region: R::with_capacity(CAPACITY_BYTES), pairs: pairs(), hasher: hasher() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let map = grow_map(self.region.handle(), self.hasher.clone(), &self.pairs);
        let sum = if sum { sum_of_map(&map, &self.pairs) } else { 0 };
        drop(map);
        self.region.end_collections();
        sum
    }
}

pub(super) struct PlainMap {
    pairs: Vec<(u64, u64)>,
    hasher: Hasher,
}

impl Round for PlainMap {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { pairs: pairs(), hasher: hasher() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let map = grow_map(allocator_api2::alloc::Global, self.hasher.clone(), &self.pairs);
        if sum { sum_of_map(&map, &self.pairs) } else { 0 }
    }
}

pub(super) struct ReusedMap {
    map: MapIn<allocator_api2::alloc::Global>,
    pairs: Vec<(u64, u64)>,
}

impl ReusedMap {
    #[inline(never)]
    fn refill(&mut self) {
        self.map.clear();
        insert_all(&mut self.map, &self.pairs);
    }
}

impl Round for ReusedMap {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self {
            map: HashMap::with_hasher_in(hasher(), allocator_api2::alloc::Global),
            pairs: pairs(),
        }
    }

    fn round(&mut self, sum: bool) -> u64 {
        self.refill();
        if sum { sum_of_map(&self.map, &self.pairs) } else { 0 }
    }
}

pub(super) struct HashLoop {
    pairs: Vec<(u64, u64)>,
    hasher: Hasher,
    hashes: Vec<u64>,
}

impl HashLoop {
    /// Stores each hash: a mere sum the compiler would work out once for all rounds.
    #[inline(never)]
    fn hash_all(pairs: &[(u64, u64)], hasher: &Hasher, hashes: &mut [u64]) {
        for ((key, value), hash) in pairs.iter().zip(hashes) {
            *hash = one_by_one(hasher.hash_one(key) ^ value);
        }
    }
}

impl Round for HashLoop {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { pairs: pairs(), hasher: hasher(), hashes: vec![1; ELEMENTS] }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::hash_all(&self.pairs, &self.hasher, &mut self.hashes);
        if sum { sum_of(&self.hashes) } else { 0 }
    }
}
