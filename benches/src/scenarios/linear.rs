//! Group `linear`: what `alloc-linear` is for, on made-up input.
//!
//! Engines of one case get the same capacity, above what a round needs, and are run until their
//! chunks have settled: these are warm figures. Fresh regions are the subject of group `arena`.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{
    linear_collections, linear_copies, linear_frames, linear_layouts, linear_programs,
    linear_shared, linear_typed,
};
use crate::case::{Case, Input};

/// The crate that this group is about.
pub(super) const CRATE: &str = "alloc-linear";

/// Returns the cases of the group.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(linear_typed::cases());
    cases.extend(linear_layouts::cases());
    cases.extend(linear_copies::cases());
    cases.extend(linear_collections::cases());
    cases.extend(linear_frames::cases());
    cases.extend(linear_shared::cases());
    cases.extend(linear_programs::cases());
    cases
}

/// Describes made-up input.
pub(super) fn synthetic(bytes: u64, count: u64) -> Input {
    Input { kind: "synthetic", bytes, count }
}

/// The generator of a scenario's input: the same numbers in every process.
pub(super) fn numbers(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

/// Returns `count` words of 1 to 14 letters, in one text, and each word's place in it.
pub(super) fn words(count: usize) -> (String, Vec<core::ops::Range<usize>>) {
    let mut numbers = numbers(0x776F_7264);
    let mut text = String::new();
    let places = (0..count)
        .map(|_| {
            let start = text.len();
            for _ in 0..numbers.random_range(1..=14) {
                text.push(char::from(numbers.random_range(b'a'..=b'z')));
            }
            start..text.len()
        })
        .collect();
    (text, places)
}
