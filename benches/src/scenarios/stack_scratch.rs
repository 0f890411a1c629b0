//! `stack/scratch`: a function that needs memory while it runs, and calls another that does and
//! returns some.

use rand::Rng;

use super::Round;
use super::checksum::fold;
use super::linear::{numbers, synthetic};
use super::stack::CRATE;
use crate::case::{Case, EngineSpec, Model};
use crate::engines;
use crate::engines::bump_scope::Scope;
use crate::engines::bumpalo;
use crate::engines::glibc::Glibc;
use crate::engines::scratch::{Fixed, MOST_WORDS, Pads, ThreadLocal, Word};
use crate::engines::stack::Pair;
use crate::{heap_peer, heap_peers};

/// Outer calls a round.
const CALLS: usize = 500;

pub(super) fn cases() -> Vec<Case> {
    let mut engines =
        vec![calls::<Pair>().primary(), calls::<Fixed>(), heap_peer!(on, Glibc).reference()];
    engines.extend(heap_peers!(on));
    engines.extend([
        calls::<ThreadLocal<bumpalo::New>>(),
        calls::<ThreadLocal<bumpalo::WithCapacity<8>>>(),
        calls::<ThreadLocal<Scope<8, false>>>(),
    ]);
    vec![Case {
        id: "stack/scratch/calls",
        krate: CRATE,
        what: "500 calls of a function that copies 4 to 32 words, and calls another that copies them \
               too and returns half of them in its caller's memory",
        model: Model::Churn,
        unit: "call",
        input: || synthetic(0, CALLS as u64),
        working_set_bytes: (CALLS * MOST_WORDS * size_of::<Word>() / 2) as u64,
        threads: 1,
        engines,
    }]
}

fn calls<P: Pads>() -> EngineSpec {
    engines::spec_of(P::ABOUT, Calls::<P>::build)
}

fn on<H: Pads>() -> EngineSpec {
    calls::<H>()
}

struct Calls<P> {
    inputs: Vec<Box<[Word]>>,
    pads: core::marker::PhantomData<P>,
}

impl<P: Pads> Calls<P> {
    #[inline(never)]
    fn outer(words: &[Word], sum: u64) -> u64 {
        P::with(None, |pad| {
            let mut own = P::copy(pad, 0, words);
            let last = own.len() - 1;
            own[last] ^= 0x5EED;
            let half = Self::inner(&own, pad);
            // Both slices are read after the inner call: neither may have been overwritten.
            let ends = [own[0], own[last], half[0], half[half.len() - 1]];
            ends.into_iter().fold(sum, |sum, word| fold(sum, u64::from(word)))
        })
    }

    #[inline(never)]
    fn inner<'s>(words: &[Word], out: &P::Pad<'s>) -> P::Slice<'s> {
        P::with(Some(out), |pad| {
            let mut tmp = P::copy(pad, 1, words);
            let (first, last) = (0, tmp.len() - 1);
            tmp.swap(first, last);
            P::copy(out, 2, &tmp[..words.len() / 2])
        })
    }

    #[inline(never)]
    fn all(inputs: &[Box<[Word]>]) -> u64 {
        inputs.iter().fold(1, |sum, words| Self::outer(words, sum))
    }
}

impl<P: Pads> Round for Calls<P> {
    const OPS: u64 = CALLS as u64;

    fn new() -> Self {
        let mut numbers = numbers(0x7363_7261);
        let inputs = (0..CALLS)
            .map(|_| {
                let len = numbers.random_range(4..=MOST_WORDS);
                (0..len).map(|_| numbers.random()).collect()
            })
            .collect();
        Self { inputs, pads: core::marker::PhantomData }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        let answer = Self::all(&self.inputs);
        if sum { answer } else { 0 }
    }
}
