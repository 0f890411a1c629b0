//! `arena/reset`: an arena that is filled and reset over and over, as by frames, batches, queries.
//!
//! ```text
//!   steady    1,000 blocks, reset, 1,000 blocks, reset …
//!   uneven    50, 200, 3,000, 20, 800 … blocks, a reset after each
//! ```
//!
//! After some rounds every arena has memory for its largest load. The steady rows show what a warm
//! arena costs, the uneven ones what it pays for keeping, or not keeping, what the small loads did
//! not need.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Round;
use super::arena::{CRATE, engines_of};
use super::linear::synthetic;
use super::linear_layouts::{BLOCKS, MAX_BYTES, fill_with, layouts, sum_of, table};
use crate::case::{Case, EngineSpec, Model};
use crate::engines::ideal::Ideal;
use crate::engines::null::Null;
use crate::engines::{self, Region};

/// Blocks of each load; a round is all of them.
const LOADS: [usize; 10] = [50, 200, 3000, 20, 800, 20, 20, 2500, 100, 30];

/// Blocks of the largest load.
const MOST: usize = 3000;

/// Holds the largest load, padding included.
const CAPACITY_BYTES: usize = MOST * (MAX_BYTES / 2 + 32);

const fn blocks_a_round() -> usize {
    let (mut sum, mut load) = (0, 0);
    while load < LOADS.len() {
        assert!(LOADS[load] <= MOST, "the table of blocks is as long as the largest load");
        sum += LOADS[load];
        load += 1;
    }
    sum
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            id: "arena/reset/steady",
            krate: CRATE,
            what: "Takes 1,000 blocks of 8 to 256 bytes at alignments 1 to 16, then resets: the \
                   same again and again",
            model: Model::Churn,
            unit: "allocation",
            input: || synthetic(0, BLOCKS as u64),
            working_set_bytes: (BLOCKS * MAX_BYTES / 2) as u64,
            threads: 1,
            engines: with_controls(engines_of!(layouts), layouts::<Null>(), layouts::<Ideal>()),
        },
        Case {
            id: "arena/reset/uneven",
            krate: CRATE,
            what: "Takes 20 to 3,000 blocks of 8 to 256 bytes and resets, ten loads of different \
                   size in turn",
            model: Model::Churn,
            unit: "allocation",
            input: || synthetic(0, blocks_a_round() as u64),
            working_set_bytes: (MOST * MAX_BYTES / 2) as u64,
            threads: 1,
            engines: with_controls(engines_of!(uneven), uneven::<Null>(), uneven::<Ideal>()),
        },
    ]
}

fn with_controls(
    mut engines: Vec<EngineSpec>,
    null: EngineSpec,
    ideal: EngineSpec,
) -> Vec<EngineSpec> {
    engines.extend([null, ideal]);
    engines
}

fn uneven<R: Region>() -> EngineSpec {
    engines::spec::<R>(Uneven::<R>::build)
}

struct Uneven<R> {
    region: R,
    layouts: Vec<Layout>,
    blocks: Vec<NonNull<u8>>,
}

impl<R: Region> Uneven<R> {
    #[inline(never)]
    fn fill(region: &R, layouts: &[Layout], blocks: &mut [NonNull<u8>]) {
        fill_with(layouts, blocks, |layout| region.alloc_layout(layout));
    }
}

impl<R: Region> Round for Uneven<R> {
    const OPS: u64 = blocks_a_round() as u64;

    fn new() -> Self {
        Self {
            region: R::with_capacity(CAPACITY_BYTES),
            layouts: table(MOST, MAX_BYTES),
            blocks: vec![NonNull::dangling(); MOST],
        }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let mut total = 0;
        for load in LOADS {
            let (layouts, blocks) = (&self.layouts[..load], &mut self.blocks[..load]);
            Self::fill(&self.region, layouts, blocks);
            if sum {
                // SAFETY: this load's blocks beside the layouts they were asked with.
                total ^= unsafe { sum_of(blocks, layouts) };
            }
            let blocks = blocks.iter().copied().zip(layouts.iter().copied());
            // SAFETY: 1. as above; 2. the next load overwrites the table.
            unsafe { self.region.release(blocks) };
        }
        total
    }
}
