//! `linear/typed-24`: values of a type known at compile time, the commonest use of a bump allocator.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use super::Round;
use super::checksum::fold;
use super::linear::{CRATE, synthetic};
use crate::case::{Case, EngineSpec, Model};
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap};
use crate::engines::linear::Linear;
use crate::engines::mimalloc::OwnHeap;
use crate::engines::null::Null;
use crate::engines::{self, Region};
use crate::{bump_peers, heap_peer, heap_peers};

/// 24 bytes: three words, the size of a `Vec` or a small syntax node.
pub(super) type Value = [u64; 3];

/// Values a round.
const VALUES: usize = 1000;

/// Twice what a round needs at most, for allocators that round up or put headers.
const CAPACITY_BYTES: usize = 64 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let case = |id, what, ours: Vec<EngineSpec>| Case {
        id,
        krate: CRATE,
        what,
        model: Model::Latency,
        unit: "allocation",
        input: || synthetic(0, VALUES as u64),
        working_set_bytes: (VALUES * (size_of::<Value>() + size_of::<NonNull<Value>>())) as u64,
        threads: 1,
        engines: {
            let mut engines = ours;
            engines.push(typed::<Null>());
            engines.push(heap_peer!(typed, Glibc).reference());
            engines.extend(heap_peers!(typed));
            engines.push(typed::<OwnHeap>().counted_on(&typed::<Heap<Counted>>()));
            engines.extend(bump_peers!(typed));
            engines
        },
    };
    vec![
        case(
            "linear/typed-24/warm",
            "Writes 1,000 values of 24 bytes, keeps a pointer to each, then resets",
            vec![typed::<Linear<8>>().primary(), typed::<Linear<1>>()],
        ),
        case(
            "linear/typed-24/burst",
            "The same values; ours allocates through its burst guard, peers as in typed-24/warm",
            vec![burst().primary(), typed::<Linear<8>>()],
        ),
    ]
}

fn typed<R: Region>() -> EngineSpec {
    engines::spec::<R>(Typed::<R, Plain>::build)
}

fn burst() -> EngineSpec {
    engines::spec::<Linear<8>>(Typed::<Linear<8>, Burst>::build)
        .configured("burst", "one guard a round keeps the cursor in a register")
}

/// How the values of a round are allocated.
trait Fill<R>: 'static {
    fn fill(region: &R, table: &mut [NonNull<Value>], seed: u64);
}

/// One call of `alloc` after the other.
struct Plain;

impl<R: Region> Fill<R> for Plain {
    #[inline(never)]
    fn fill(region: &R, table: &mut [NonNull<Value>], seed: u64) {
        fill_with(table, seed, |value| NonNull::from(region.alloc(value)));
    }
}

/// Through our burst guard.
struct Burst;

impl Fill<Linear<8>> for Burst {
    #[inline(never)]
    fn fill(region: &Linear<8>, table: &mut [NonNull<Value>], seed: u64) {
        let mut burst = region.burst();
        fill_with(table, seed, |value| NonNull::from(burst.alloc(value)));
    }
}

/// The loop of every engine: three words computed, stored by `alloc`, and the pointer kept.
#[inline(always)]
pub(super) fn fill_with(
    table: &mut [NonNull<Value>],
    seed: u64,
    mut alloc: impl FnMut(Value) -> NonNull<Value>,
) {
    for (index, slot) in (0_u64..).zip(table) {
        *slot = alloc([index, index ^ seed, index.wrapping_add(seed)]);
    }
}

/// Reads every value back through its pointer.
pub(super) fn sum_of(table: &[NonNull<Value>]) -> u64 {
    table.iter().fold(0, |sum, value| {
        // SAFETY: written by `fill_with` in this round; the region is not released yet.
        let words = unsafe { value.read() };
        words.into_iter().fold(sum, fold)
    })
}

/// The blocks of a table, for engines that free them one by one.
pub(super) fn blocks_of(
    table: &[NonNull<Value>],
) -> impl Iterator<Item = (NonNull<u8>, Layout)> + '_ {
    table.iter().map(|value| (value.cast(), Layout::new::<Value>()))
}

struct Typed<R, F> {
    region: R,
    table: Vec<NonNull<Value>>,
    seed: u64,
    fill: core::marker::PhantomData<F>,
}

impl<R: Region, F: Fill<R>> Round for Typed<R, F> {
    const OPS: u64 = VALUES as u64;

    fn new() -> Self {
        Self {
            region: R::with_capacity(CAPACITY_BYTES),
            table: vec![NonNull::dangling(); VALUES],
            seed: black_box(0x5EED),
            fill: core::marker::PhantomData,
        }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        F::fill(&self.region, &mut self.table, self.seed);
        let sum = if sum { sum_of(&self.table) } else { 0 };
        // SAFETY: 1. the table holds this round's blocks, all of `Value`'s layout; 2. the next
        // round overwrites the table.
        unsafe { self.region.release(blocks_of(&self.table)) };
        sum
    }
}
