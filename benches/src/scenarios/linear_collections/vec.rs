//! `linear/vec`: numbers pushed into a `Vec` that grows, and its controls.

use core::hint::black_box;

use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec as VecIn;

use super::{CAPACITY_BYTES, ELEMENTS, sum_of};
use crate::engines::Backing;
use crate::scenarios::Round;

/// Pushes the round's numbers; the same loop whatever `push` does.
#[inline(always)]
pub(super) fn push_all(seed: u64, mut push: impl FnMut(u64)) {
    for number in 0..ELEMENTS as u64 {
        push(number ^ seed);
    }
}

pub(super) struct Pushed<R> {
    region: R,
    seed: u64,
}

impl<R: Backing> Pushed<R> {
    #[inline(never)]
    fn grow<A: Allocator>(allocator: A, seed: u64) -> VecIn<u64, A> {
        let mut vec = VecIn::new_in(allocator);
        push_all(seed, |number| vec.push(number));
        vec
    }
}

impl<R: Backing> Round for Pushed<R> {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { region: R::with_capacity(CAPACITY_BYTES), seed: black_box(0x5EED) }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let vec = Self::grow(self.region.handle(), self.seed);
        let sum = if sum { sum_of(&vec) } else { 0 };
        drop(vec);
        self.region.end_collections();
        sum
    }
}

pub(super) struct PlainVec(u64);

impl PlainVec {
    #[inline(never)]
    fn grow(seed: u64) -> Vec<u64> {
        let mut vec = Vec::new();
        push_all(seed, |number| vec.push(number));
        vec
    }
}

impl Round for PlainVec {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self(black_box(0x5EED))
    }

    fn round(&mut self, sum: bool) -> u64 {
        let vec = Self::grow(self.0);
        if sum { sum_of(&vec) } else { 0 }
    }
}

pub(super) struct ReusedVec {
    vec: Vec<u64>,
    seed: u64,
}

impl ReusedVec {
    #[inline(never)]
    fn refill(vec: &mut Vec<u64>, seed: u64) {
        vec.clear();
        push_all(seed, |number| vec.push(number));
    }
}

impl Round for ReusedVec {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { vec: Vec::new(), seed: black_box(0x5EED) }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::refill(&mut self.vec, self.seed);
        if sum { sum_of(&self.vec) } else { 0 }
    }
}

pub(super) struct StoreLoop {
    buffer: Vec<u64>,
    seed: u64,
}

impl StoreLoop {
    #[inline(never)]
    fn store(buffer: &mut [u64], seed: u64) {
        for (number, slot) in (0_u64..).zip(buffer) {
            *slot = one_by_one(number ^ seed);
        }
    }
}

/// Keeps the compiler from storing several numbers by one vector instruction, which no push can.
#[inline(always)]
pub(super) fn one_by_one(mut number: u64) -> u64 {
    // SAFETY: emits nothing.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) number,
            options(nomem, nostack, preserves_flags));
    }
    number
}

impl Round for StoreLoop {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { buffer: vec![1; ELEMENTS], seed: black_box(0x5EED) }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::store(&mut self.buffer, self.seed);
        if sum { sum_of(&self.buffer) } else { 0 }
    }
}
