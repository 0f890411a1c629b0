//! `slab/iterate`: all values, one after the other, where 0, 50 or 90 % of the slots are empty.
//!
//! 32,768 values come, then some of them go, anywhere; what is left is read in the order in which the
//! engine has it. Boxes have no order of their own: their owner goes through its table of them, whose
//! gaps it has closed, in the order in which they came.

use core::hint::black_box;

use super::linear::synthetic;
use super::slab::{CRATE, Random, Value, spec, told, value_at};
use crate::case::{Case, Engine, EngineSpec, Model};
use crate::engines::alloc_slab::{Blocks, Paged, Reserved};
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::null::Null;
use crate::engines::slots::Slots;
use crate::engines::{
    generational_arena, jemalloc, mimalloc, slab, slotmap, snmalloc, thunderdome,
};

/// Values that come.
const VALUES: usize = 32 * 1024;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<0>("slab/iterate/holes-0", "Reads 32,768 values of 64 bytes; no slot is empty"),
        case::<50>("slab/iterate/holes-50", "The same slots; half of them, anywhere, are empty"),
        case::<90>("slab/iterate/holes-90", "The same slots; nine of ten, anywhere, are empty"),
    ]
}

fn case<const HOLES: usize>(id: &'static str, what: &'static str) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Throughput,
        unit: "value",
        input: || synthetic(0, left::<HOLES>() as u64),
        working_set_bytes: (left::<HOLES>() * size_of::<Value>()) as u64,
        threads: 1,
        engines: vec![
            row::<Paged<Value>, HOLES>().primary(),
            row::<Reserved<Value>, HOLES>(),
            row::<Blocks, HOLES>(),
            row::<Null, HOLES>(),
            heap::<Glibc, HOLES>().reference(),
            heap::<mimalloc::Mimalloc, HOLES>(),
            heap::<jemalloc::Plain, HOLES>(),
            heap::<snmalloc::Snmalloc, HOLES>(),
            row::<slab::Plain<Value>, HOLES>(),
            told(spec::<Value, slab::Plain<Value>>(|| {
                Walk::<slab::Plain<Value>>::build(HOLES, true)
            })),
            row::<slotmap::Basic<Value>, HOLES>(),
            row::<slotmap::Dense<Value>, HOLES>(),
            row::<thunderdome::Plain<Value>, HOLES>(),
            row::<generational_arena::Plain<Value>, HOLES>(),
        ],
    }
}

const fn left<const HOLES: usize>() -> usize {
    VALUES - VALUES * HOLES / 100
}

fn row<S: Slots<Value>, const HOLES: usize>() -> EngineSpec {
    spec::<Value, S>(|| Walk::<S>::build(HOLES, false))
}

fn heap<M: Malloc, const HOLES: usize>() -> EngineSpec {
    row::<Heap<M>, HOLES>().counted_on(&row::<Heap<Counted>, HOLES>())
}

struct Walk<S: Slots<Value>> {
    slots: S,
    keys: Vec<S::Key>,
}

impl<S: Slots<Value>> Walk<S> {
    fn build(holes: usize, told: bool) -> Box<dyn Engine> {
        let seed = black_box(0x5EED);
        let mut slots = S::new(VALUES, told);
        let mut keys: Vec<Option<S::Key>> =
            (0..VALUES).map(|place| Some(slots.insert(value_at(place, seed)))).collect();
        let mut random = Random::new(7);
        let mut remove = VALUES * holes / 100;
        while remove > 0 {
            if let Some(key) = keys[random.below(VALUES)].take() {
                // SAFETY: of a value that is there, and not known any more.
                unsafe { slots.remove(key) };
                remove -= 1;
            }
        }
        Box::new(Self { slots, keys: keys.into_iter().flatten().collect() })
    }

    #[inline(never)]
    fn walk(slots: &S, keys: &[S::Key]) -> u64 {
        // What is first in memory is everybody's own affair, so the order does not count.
        let mut sum = 1_u64;
        // SAFETY: the keys of all values that are there.
        unsafe { slots.each(keys, |value| sum = sum.wrapping_add(value[0])) };
        sum
    }
}

impl<S: Slots<Value>> Engine for Walk<S> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| black_box(Self::walk(&self.slots, &self.keys)))
    }

    fn ops_per_round(&self) -> u64 {
        self.keys.len() as u64
    }
}
