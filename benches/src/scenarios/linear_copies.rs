//! `linear/slices` and `linear/strings`: copies of short runs into the region.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use rand::Rng;

use super::Round;
use super::checksum::{fold, fold_bytes};
use super::linear::{CRATE, numbers, synthetic, words};
use crate::case::{Case, EngineSpec, Model};
use crate::engines::glibc::Glibc;
use crate::engines::linear::Linear;
use crate::engines::null::Null;
use crate::engines::{self, Region};
use crate::{bump_peers, heap_peer, heap_peers};

/// Copies a round.
const COPIES: usize = 1000;

/// Twice what a round of slices needs.
const SLICES_CAPACITY_BYTES: usize = 288 * 1024;

/// Four times what a round of words needs.
const WORDS_CAPACITY_BYTES: usize = 64 * 1024;

/// Longest slice, in elements.
const MAX_SLICE_LEN: usize = 64;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            id: "linear/slices/copy",
            krate: CRATE,
            what: "Copies 1,000 slices of 1 to 64 u32 into the region, keeps a pointer to each, \
                   then resets",
            model: Model::Latency,
            unit: "slice",
            input: || {
                let elements: usize = slices().1.iter().map(ExactSizeIterator::len).sum();
                synthetic((elements * size_of::<u32>()) as u64, COPIES as u64)
            },
            working_set_bytes: (COPIES * MAX_SLICE_LEN / 2 * size_of::<u32>()) as u64,
            threads: 1,
            engines: engines_of!(slice),
        },
        Case {
            id: "linear/strings/words",
            krate: CRATE,
            what: "Copies 1,000 words of 1 to 14 letters into the region, keeps each, then resets",
            model: Model::Latency,
            unit: "word",
            input: || synthetic(words(COPIES).0.len() as u64, COPIES as u64),
            working_set_bytes: (COPIES * (8 + size_of::<NonNull<str>>())) as u64,
            threads: 1,
            engines: engines_of!(string),
        },
    ]
}

macro_rules! engines_of {
    ($spec:ident) => {{
        let mut engines = vec![
            $spec::<Linear<1>>().primary(),
            $spec::<Linear<8>>(),
            $spec::<Null>(),
            heap_peer!($spec, Glibc).reference(),
        ];
        engines.extend(heap_peers!($spec));
        engines.extend(bump_peers!($spec));
        engines
    }};
}
use engines_of;

fn slice<R: Region>() -> EngineSpec {
    engines::spec::<R>(Slices::<R>::build)
}

fn string<R: Region>() -> EngineSpec {
    engines::spec::<R>(Strings::<R>::build)
}

/// The elements that slices are copied from, and the place of each slice among them.
fn slices() -> (Vec<u32>, Vec<Range<usize>>) {
    let mut numbers = numbers(0x736C_6963);
    let source: Vec<u32> = (0..4096).map(|_| numbers.random()).collect();
    let places = (0..COPIES)
        .map(|_| {
            let len = numbers.random_range(1..=MAX_SLICE_LEN);
            let start = numbers.random_range(0..=source.len() - len);
            start..start + len
        })
        .collect();
    (source, places)
}

struct Slices<R> {
    region: R,
    source: Vec<u32>,
    places: Vec<Range<usize>>,
    copies: Vec<NonNull<[u32]>>,
}

impl<R: Region> Slices<R> {
    #[inline(never)]
    fn fill(region: &R, source: &[u32], places: &[Range<usize>], copies: &mut [NonNull<[u32]>]) {
        for (place, slot) in places.iter().zip(copies) {
            *slot = NonNull::from(region.alloc_slice_copy(&source[place.clone()]));
        }
    }
}

impl<R: Region> Round for Slices<R> {
    const OPS: u64 = COPIES as u64;

    fn new() -> Self {
        let (source, places) = slices();
        let copies = vec![NonNull::slice_from_raw_parts(NonNull::dangling(), 0); COPIES];
        Self { region: R::with_capacity(SLICES_CAPACITY_BYTES), source, places, copies }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        Self::fill(&self.region, &self.source, &self.places, &mut self.copies);
        let sum = if sum {
            self.copies.iter().fold(0, |sum, copy| {
                // SAFETY: copied in this round; the region is not released yet.
                let copy = unsafe { copy.as_ref() };
                copy.iter().fold(fold(sum, copy.len() as u64), |sum, &x| fold(sum, u64::from(x)))
            })
        } else {
            0
        };
        let blocks = self.copies.iter().map(|copy| {
            let layout = Layout::array::<u32>(copy.len()).expect("at most 64 elements");
            (copy.cast(), layout)
        });
        // SAFETY: 1. this round's blocks, with the layout of that many elements; 2. the next round
        // overwrites the table.
        unsafe { self.region.release(blocks) };
        sum
    }
}

struct Strings<R> {
    region: R,
    text: String,
    places: Vec<Range<usize>>,
    copies: Vec<NonNull<str>>,
}

impl<R: Region> Strings<R> {
    #[inline(never)]
    fn fill(region: &R, text: &str, places: &[Range<usize>], copies: &mut [NonNull<str>]) {
        for (place, slot) in places.iter().zip(copies) {
            *slot = NonNull::from(region.alloc_str(&text[place.clone()]));
        }
    }
}

impl<R: Region> Round for Strings<R> {
    const OPS: u64 = COPIES as u64;

    fn new() -> Self {
        let (text, places) = words(COPIES);
        let region = R::with_capacity(WORDS_CAPACITY_BYTES);
        Self { region, text, places, copies: vec![NonNull::from(""); COPIES] }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        Self::fill(&self.region, &self.text, &self.places, &mut self.copies);
        let sum = if sum {
            self.copies.iter().fold(0, |sum, copy| {
                // SAFETY: copied in this round; the region is not released yet.
                fold_bytes(sum, unsafe { copy.as_ref() }.as_bytes())
            })
        } else {
            0
        };
        let blocks = self.copies.iter().map(|copy| {
            // SAFETY: copied in this round, not released yet.
            (copy.cast(), Layout::for_value(unsafe { copy.as_ref() }))
        });
        // SAFETY: 1. this round's blocks, with the layout of that many bytes; 2. the next round
        // overwrites the table.
        unsafe { self.region.release(blocks) };
        sum
    }
}
