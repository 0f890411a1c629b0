//! Pitfall, premature optimisation: the profile says that allocation is one per cent.
//!
//! Documents are hashed, many rounds each, as for a password; each has a list of its blocks. However
//! fast an allocator is, it saves no more than malloc takes: that is measured first, and then what
//! came of it.

use alloc_arena::Arena;
use alloc_core::collections::Vec as VecIn;
use core::hint::black_box;
use guide::fact;
use std::time::Instant;

const BLOCKS: usize = 64;
const DOCUMENTS: usize = 8;

/// One block of a document, after many rounds.
fn block(document: usize, block: usize) -> u64 {
    let mut hash = (document * BLOCKS + block) as u64 | 1;
    for _ in 0..500 {
        hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    hash
}

fn plain(document: usize) -> u64 {
    let mut blocks = Vec::new();
    (0..BLOCKS).for_each(|at| blocks.push(block(document, at)));
    blocks.iter().fold(0, |all, block| all ^ block.rotate_left(7))
}

fn in_arena(document: usize, arena: &Arena) -> u64 {
    let mut blocks = VecIn::new_in(arena);
    (0..BLOCKS).for_each(|at| blocks.push(block(document, at)));
    blocks.iter().fold(0, |all, block| all ^ block.rotate_left(7))
}

/// The list alone, as `plain` has it.
fn list() -> usize {
    let mut blocks = Vec::new();
    (0..BLOCKS as u64).for_each(|at| blocks.push(black_box(at)));
    blocks.len()
}

/// The fastest of some runs, in nanoseconds.
fn fastest<R>(mut work: impl FnMut() -> R) -> f64 {
    let one = |_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed().as_nanos() as f64
    };
    (0..if guide::quick() { 2 } else { 200 }).map(one).fold(f64::INFINITY, f64::min)
}

fn main() {
    let share = fastest(list) / fastest(|| plain(1));
    fact("share of the list, at the most", format!("{:.1} % of the time", 100.0 * share));
    fact("so no allocator gains more than", format!("{:.3}", 1.0 / (1.0 - share)));
    let measured = guide::measure("document", DOCUMENTS)
        .way("Vec", || || (0..DOCUMENTS).map(plain).fold(0, |all, one| all ^ one))
        .way("Vec on an Arena, reset", || {
            let mut arena = Arena::new();
            move || {
                let one = |document| {
                    arena.reset();
                    in_arena(document, &arena)
                };
                (0..DOCUMENTS).map(one).fold(0, |all, one| all ^ one)
            }
        })
        .run();
    assert!(measured[0].allocs > 0 && measured[1].allocs == 0, "no allocation is left");
}
