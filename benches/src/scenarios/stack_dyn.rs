//! `stack/dyn-trait`: values of different types behind one trait: pending actions, states of a
//! parser, handlers of a scope.

use core::cell::Cell;
use core::hint::black_box;

use super::Round;
use super::checksum::fold;
use super::linear::synthetic;
use super::stack::CRATE;
use crate::case::{Case, EngineSpec, Model};
use crate::engines;
use crate::engines::boxes::Boxes;
use crate::engines::bump_scope::Scope;
use crate::engines::bumpalo::WithCapacity;
use crate::engines::dynstack::DynStack;
use crate::engines::heap::Counted;
use crate::engines::jemalloc;
use crate::engines::lifo::{DynLifo, Step};
use crate::engines::mimalloc::Mimalloc;
use crate::engines::snmalloc::Snmalloc;
use crate::engines::stack::Dyn;

/// Values a round.
const VALUES: usize = 1000;

/// Values pushed before each is called and dropped.
const BATCH: usize = 8;

pub(super) fn cases() -> Vec<Case> {
    let on_malloc = |spec: EngineSpec| spec.counted_on(&values::<Boxes<Counted>>());
    let engines = vec![
        values::<Dyn>().primary(),
        values::<engines::boxes::Slots>(),
        values::<engines::boxes::StdBoxes>().reference(),
        on_malloc(values::<Boxes<Mimalloc>>()),
        on_malloc(values::<Boxes<jemalloc::SizedFree>>()),
        on_malloc(values::<Boxes<Snmalloc>>()),
        values::<DynStack>(),
        values::<engines::boxes::InBump<WithCapacity<8>>>(),
        values::<engines::boxes::InBump<Scope<8, false>>>(),
    ];
    vec![Case {
        id: "stack/dyn-trait/push-call-pop",
        krate: CRATE,
        what: "Pushes 8 values of six types of 8 to 64 bytes behind one trait, then calls and drops \
               each from the top, 125 times",
        model: Model::Churn,
        unit: "value",
        input: || synthetic(0, VALUES as u64),
        working_set_bytes: (BATCH * 32) as u64,
        threads: 1,
        engines,
    }]
}

fn values<S: DynLifo>() -> EngineSpec {
    engines::spec_of(S::ABOUT, Values::<S>::build)
}

thread_local! {
    /// Values that were dropped, of the type that says so.
    static DROPPED: Cell<u64> = const { Cell::new(0) };
}

struct Add(u64);

struct Affine([u64; 2]);

struct Mix([u64; 3]);

struct Poly([u64; 4]);

struct Table([u64; 8]);

/// 16 bytes, and the only one with something to drop.
struct Noted {
    number: u64,
    weight: u64,
}

impl Step for Add {
    fn step(&mut self, input: u64) -> u64 {
        self.0 = self.0.wrapping_add(input);
        self.0
    }
}

impl Step for Affine {
    fn step(&mut self, input: u64) -> u64 {
        self.0[0].wrapping_mul(input).wrapping_add(self.0[1])
    }
}

impl Step for Mix {
    fn step(&mut self, input: u64) -> u64 {
        (self.0[0] ^ input).wrapping_add(self.0[1]) ^ self.0[2]
    }
}

impl Step for Poly {
    fn step(&mut self, input: u64) -> u64 {
        self.0.iter().fold(0, |sum: u64, &c| sum.wrapping_mul(input).wrapping_add(c))
    }
}

impl Step for Table {
    fn step(&mut self, input: u64) -> u64 {
        self.0[(input % 8) as usize]
    }
}

impl Step for Noted {
    fn step(&mut self, input: u64) -> u64 {
        (self.number ^ input).wrapping_mul(self.weight)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        DROPPED.with(|dropped| dropped.set(dropped.get().wrapping_add(self.number)));
    }
}

struct Values<S> {
    stack: S,
    seed: u64,
}

impl<S: DynLifo> Values<S> {
    /// The loop of every engine. What the values answer is the checksum.
    #[inline(never)]
    fn all(stack: &mut S, seed: u64) -> u64 {
        let mut answer = 0_u64;
        for batch in 0..(VALUES / BATCH) as u64 {
            let n = batch ^ seed;
            stack.push(Add(n));
            stack.push(Affine([n, 5]));
            stack.push(Noted { number: n, weight: 3 });
            stack.push(Mix([n, 7, 11]));
            stack.push(Add(batch));
            stack.push(Poly([n, 13, 17, 19]));
            stack.push(Table([n, 1, 2, 3, 4, 5, 6, batch]));
            stack.push(Affine([batch, n]));
            for _ in 0..BATCH {
                answer = answer.rotate_left(5) ^ stack.step_and_pop(n);
            }
        }
        answer
    }
}

impl<S: DynLifo> Round for Values<S> {
    const OPS: u64 = VALUES as u64;

    fn new() -> Self {
        Self { stack: S::with_capacity(BATCH, BATCH * 64), seed: black_box(0x5EED) }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        DROPPED.set(0);
        let answer = Self::all(&mut self.stack, self.seed);
        self.stack.settle();
        if sum { fold(answer, DROPPED.get()) } else { 0 }
    }
}
