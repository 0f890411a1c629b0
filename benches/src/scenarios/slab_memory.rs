//! `slab/memory`: what stays behind after a peak; and `slab/objects`: what is kept on purpose.
//!
//! A table of 5,000 values of 64 bytes grows to 100,000 and shrinks again: of the first ones all stay,
//! of the others one in fifty, anywhere. Then each engine gives back what it can, and the resident
//! memory above the beginning is `bytes_kept`; what lives is 440 KB.
//!
//! Everybody's freed memory is asked back from the system the same way (`malloc_trim`, `mi_collect`,
//! jemalloc's purge of all arenas), so that what counts is whether it was free, not when the allocator
//! below returns it. snmalloc has no call for that, and returns what it returns.

use core::hint::black_box;

use alloc_slab::ObjectCache;

use super::checksum::fold;
use super::linear::synthetic;
use super::slab::{CRATE, Value, spec, value_at};
use super::{Round, slab};
use crate::case::{Case, Engine, EngineSpec, Model, Role};
use crate::engines::alloc_slab::{Blocks, Compacted, Paged, Reserved, ours};
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::mimalloc::Mimalloc;
use crate::engines::null::Null;
use crate::engines::slots::Slots;
use crate::engines::{
    self, About, generational_arena, jemalloc, slab as slab_peer, slotmap, snmalloc, thunderdome,
};
use crate::runner::rusage::resident_bytes;

/// Values at the peak.
const MOST: usize = 100_000;

/// The first ones, which all stay.
const FIRST: usize = 5000;

/// Of the others, one in so many stays.
const STAYS: usize = 50;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            id: "slab/memory/after-peak",
            krate: CRATE,
            what: "Fills a table of 64-byte values from 5,000 to 100,000, removes 98 % of the new \
                   ones, anywhere, and gives back what it can: bytes_kept is what stays resident",
            model: Model::Footprint,
            unit: "insertion",
            input: || synthetic(0, MOST as u64),
            working_set_bytes: (MOST * (size_of::<Value>() + size_of::<u64>())) as u64,
            threads: 1,
            engines: vec![
                row::<Compacted<Value>>().primary(),
                row::<Paged<Value>>()
                    .configured("trim", "trim(): pages that are empty as they are"),
                row::<Reserved<Value>>(),
                row::<Blocks>(),
                row::<Null>(),
                heap::<Glibc>().reference(),
                heap::<Mimalloc>(),
                heap::<jemalloc::Plain>(),
                heap::<snmalloc::Snmalloc>(),
                row::<slab_peer::Plain<Value>>().configured("shrink", "shrink_to_fit()"),
                row::<slab_peer::Compacted<Value>>(),
                row::<slotmap::Basic<Value>>(),
                row::<slotmap::Dense<Value>>(),
                row::<thunderdome::Plain<Value>>(),
                row::<generational_arena::Plain<Value>>(),
            ],
        },
        objects(),
    ]
}

fn row<S: Slots<Value>>() -> EngineSpec {
    spec::<Value, S>(|| {
        let mut peak = Peak::<S> {
            seed: black_box(0x5EED),
            kept_bytes: None,
            slots: core::marker::PhantomData,
        };
        peak.run(1);
        peak.measure();
        Box::new(peak)
    })
}

fn heap<M: Malloc>() -> EngineSpec {
    row::<Heap<M>>().counted_on(&row::<Heap<Counted>>())
}

struct Peak<S> {
    seed: u64,
    /// If the system says what is resident.
    kept_bytes: Option<f64>,
    slots: core::marker::PhantomData<fn() -> S>,
}

impl<S: Slots<Value>> Peak<S> {
    /// Grows and shrinks, and returns what is left with its keys.
    #[inline(never)]
    fn peak(seed: u64) -> (S, Vec<S::Key>) {
        let mut slots = S::new(MOST, false);
        let keys: Vec<S::Key> = (0..MOST).map(|n| slots.insert(value_at(n, seed))).collect();
        let mut random = slab::Random::new(3);
        let mut left = Vec::with_capacity(FIRST + MOST / STAYS * 2);
        left.extend_from_slice(&keys[..FIRST]);
        for &key in &keys[FIRST..] {
            if random.below(STAYS) == 0 {
                left.push(key);
            } else {
                // SAFETY: of a value that is there, once.
                unsafe { slots.remove(key) };
            }
        }
        drop(keys);
        slots.shrink(&mut left);
        (slots, left)
    }

    fn remove_all(mut slots: S, keys: Vec<S::Key>) {
        for key in keys {
            // SAFETY: of a value that is there, once.
            unsafe { slots.remove(key) };
        }
    }

    fn measure(&mut self) {
        give_back();
        let before = resident_bytes();
        let (slots, left) = Self::peak(self.seed);
        give_back();
        self.kept_bytes =
            resident_bytes().zip(before).map(|(after, before)| (after - before).max(0.0));
        Self::remove_all(slots, left);
    }
}

impl<S: Slots<Value>> Engine for Peak<S> {
    fn run(&mut self, rounds: u64) -> u64 {
        let mut sum = 0;
        for _ in 0..rounds {
            let (slots, left) = Self::peak(self.seed);
            sum = left.iter().fold(1, |sum, &key| {
                // SAFETY: of a value that is there.
                unsafe { slots.get(key) }.iter().copied().fold(sum, fold)
            });
            Self::remove_all(slots, left);
        }
        sum
    }

    fn ops_per_round(&self) -> u64 {
        MOST as u64
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.kept_bytes.map(|bytes| ("bytes_kept", bytes)).into_iter().collect()
    }
}

/// Asks allocators to return to the system what is free in them.
pub(super) fn give_back() {
    // SAFETY: takes a plain value; allocators may be called at any time.
    unsafe { libc::malloc_trim(0) };
    // SAFETY: as above.
    unsafe { libmimalloc_sys::mi_collect(true) };
    jemalloc::give_back();
}

// ---- objects that stay constructed ----------------------------------------------------------------

/// Objects taken before as many are given back.
const TAKEN: usize = 8;

/// Batches a round.
const BATCHES: usize = 64;

/// What is dear to make: a table and a buffer.
struct Object {
    table: Vec<u64>,
    text: Vec<u8>,
}

impl Object {
    fn new() -> Self {
        Self { table: vec![u64::MAX; 32], text: Vec::with_capacity(512) }
    }

    /// What a job does with it; the object is as new afterwards.
    #[inline]
    fn serve(&mut self, number: u64) -> u64 {
        self.text.extend_from_slice(&number.to_le_bytes());
        let place = (number % 32) as usize;
        self.table[place] = number;
        let sum = fold(self.text.len() as u64, self.table[place]);
        self.table[place] = u64::MAX;
        self.text.clear();
        sum
    }
}

fn objects() -> Case {
    let by_hand =
        |config, why, role| About { name: "by-hand", config, package: "benches", why, role };
    Case {
        id: "slab/objects/constructed",
        krate: CRATE,
        what: "Takes 8 objects that own a table of 256 bytes and a buffer of 512, uses each, gives \
               them back",
        model: Model::Churn,
        unit: "object",
        input: || synthetic(0, (TAKEN * BATCHES) as u64),
        working_set_bytes: (TAKEN * 1024) as u64,
        threads: 1,
        engines: vec![
            objects_of::<Cached>(ours(
                "object-cache",
                "ObjectCache: what is given back stays made",
            ))
            .primary(),
            objects_of::<One>(About {
                name: "null",
                config: "loop",
                package: "benches",
                why: "one object for all",
                role: Role::Null,
            }),
            objects_of::<Fresh>(by_hand(
                "fresh",
                "a Box made and dropped each time",
                Role::Control,
            ))
            .reference(),
            objects_of::<Kept>(by_hand(
                "vec-of-boxes",
                "a Vec<Box<Object>>, popped and pushed: without a bound, and nothing comes back by itself",
                Role::Peer,
            )),
        ],
    }
}

fn objects_of<O: Objects>(about: About) -> EngineSpec {
    engines::spec_of(about, Using::<O>::build)
}

/// Who has objects.
trait Objects: Sized + 'static {
    fn new() -> Self;

    /// Takes some, has each used, gives them back.
    fn batch(&mut self, serve: impl FnMut(&mut Object));
}

struct Cached(ObjectCache<Object, fn() -> Object>);

impl Objects for Cached {
    fn new() -> Self {
        Self(ObjectCache::new(Object::new))
    }

    #[inline]
    fn batch(&mut self, mut serve: impl FnMut(&mut Object)) {
        let mut objects: [_; TAKEN] = core::array::from_fn(|_| self.0.take());
        objects.iter_mut().for_each(|object| serve(object));
    }
}

struct One(Object);

impl Objects for One {
    fn new() -> Self {
        Self(Object::new())
    }

    #[inline]
    fn batch(&mut self, mut serve: impl FnMut(&mut Object)) {
        (0..TAKEN).for_each(|_| serve(&mut self.0));
    }
}

struct Fresh;

impl Objects for Fresh {
    fn new() -> Self {
        Self
    }

    #[inline]
    fn batch(&mut self, mut serve: impl FnMut(&mut Object)) {
        let mut objects: [_; TAKEN] = core::array::from_fn(|_| Box::new(Object::new()));
        objects.iter_mut().for_each(|object| serve(object));
    }
}

#[expect(clippy::vec_box, reason = "objects do not move, as in the cache")]
struct Kept(Vec<Box<Object>>);

impl Objects for Kept {
    fn new() -> Self {
        Self(Vec::new())
    }

    #[inline]
    fn batch(&mut self, mut serve: impl FnMut(&mut Object)) {
        let mut objects: [_; TAKEN] =
            core::array::from_fn(|_| self.0.pop().unwrap_or_else(|| Box::new(Object::new())));
        objects.iter_mut().for_each(|object| serve(object));
        self.0.extend(objects);
    }
}

struct Using<O> {
    objects: O,
    seed: u64,
}

impl<O: Objects> Using<O> {
    #[inline(never)]
    fn all(objects: &mut O, seed: u64) -> u64 {
        let (mut number, mut sum) = (seed, 1_u64);
        for _ in 0..BATCHES {
            objects.batch(|object| {
                number += 1;
                sum = sum.rotate_left(5) ^ object.serve(number);
            });
        }
        sum
    }
}

impl<O: Objects> Round for Using<O> {
    const OPS: u64 = (TAKEN * BATCHES) as u64;

    fn new() -> Self {
        Self { objects: O::new(), seed: black_box(0x5EED) }
    }

    fn round(&mut self, _: bool) -> u64 {
        Self::all(&mut self.objects, self.seed)
    }
}
