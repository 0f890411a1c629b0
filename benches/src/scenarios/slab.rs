//! Group `slab`: what `alloc-slab` is for: values of one size that come and go in any order.
//!
//! ```text
//!   churn      values replaced, 8 at a time (separated) or one by one (fused)     slab_churn
//!   lookup     values found by keys in any order                                  slab_churn
//!   iterate    all values, with holes between them                                slab_iterate
//!   growth     the slowest of a million insertions                                slab_growth
//!   memory     what stays after a peak; objects: what stays made                  slab_memory
//!   shared     threads with their own values and each other's                     slab_shared
//! ```
//!
//! Values have 64 bytes, a cache line. What a scenario keeps at a place of its table depends on the
//! place alone, so the checksum is the same after any number of rounds, and wrong as soon as two keys
//! find one slot.

use super::checksum::fold;
use super::{slab_churn, slab_growth, slab_iterate, slab_memory, slab_shared};
use crate::case::{Case, EngineSpec};
use crate::engines::slots::Slots;
use crate::engines::{self, About};

/// The crate that this group is about.
pub(super) const CRATE: &str = "alloc-slab";

/// 64 bytes.
pub(super) type Value = [u64; 8];

/// Returns the cases of the group.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(slab_churn::cases());
    cases.extend(slab_iterate::cases());
    cases.extend(slab_growth::cases());
    cases.extend(slab_memory::cases());
    cases.extend(slab_shared::cases());
    cases
}

/// What stands at a place of a scenario's table: quickly made, so that the loop around the slots is
/// short.
#[inline]
pub(super) fn value_at(place: usize, seed: u64) -> Value {
    [place as u64 ^ seed; 8]
}

/// Reads values through their keys.
///
/// # Safety
///
/// Every key's value is there.
#[expect(single_use_lifetimes, reason = "`impl Iterator<Item = &S::Key>` is unstable")]
pub(super) unsafe fn sum_of<'k, S: Slots<Value>>(
    slots: &S,
    keys: impl Iterator<Item = &'k S::Key>,
) -> u64 {
    keys.fold(1, |sum, &key| {
        // SAFETY: the caller's promise.
        unsafe { slots.get(key) }.iter().copied().fold(sum, fold)
    })
}

/// What [`sum_of`] returns of a whole table.
pub(super) fn sum_of_places(len: usize, seed: u64) -> u64 {
    (0..len).flat_map(|place| value_at(place, seed)).fold(1, fold)
}

/// Numbers that look random: the upper half of a linear congruential generator, whose next state is
/// ready long before it is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `bound`, which is below 2³².
    #[inline]
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 32) * bound as u64) >> 32) as usize
    }
}

/// Describes an engine of `T`-values as it is without being told how many come.
pub(super) fn spec<T: Copy + 'static, S: Slots<T>>(
    build: fn() -> Box<dyn crate::case::Engine>,
) -> EngineSpec {
    engines::spec_of(about::<T, S>(), build)
}

const fn about<T: Copy + 'static, S: Slots<T>>() -> About {
    S::ABOUT
}

/// Names the configuration that is told how many values come at most.
pub(super) fn told(spec: EngineSpec) -> EngineSpec {
    let config = if spec.config == "dense" { "dense-with-capacity" } else { "with-capacity" };
    spec.configured(config, "told how many values come: never grows")
}
