//! Group `stack`: what `alloc-stack` is for, on made-up input.
//!
//! All cases but `recursion` and those about values walk one [`program`]: 1,014 blocks pushed and
//! taken back in a walk that ends where it began. Engines that cannot reclaim all of it on the way
//! are reset after the walk, and have room for a whole walk without reclaiming anything.

use core::alloc::Layout;

use rand::Rng;

use super::linear::numbers;
use super::{
    stack_boxes, stack_depot, stack_dyn, stack_frames, stack_lifo, stack_recursion, stack_scratch,
};
use crate::case::Case;

/// The crate that this group is about.
pub(super) const CRATE: &str = "alloc-stack";

/// Returns the cases of the group.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(stack_lifo::cases());
    cases.extend(stack_recursion::cases());
    cases.extend(stack_frames::cases());
    cases.extend(stack_boxes::cases());
    cases.extend(stack_dyn::cases());
    cases.extend(stack_scratch::cases());
    cases.extend(stack_depot::cases());
    cases
}

/// Blocks that a walk pushes, and takes back.
pub(super) const BLOCKS: usize = 1014;

/// Blocks alive at most.
pub(super) const DEPTH: usize = 36;

/// Room for a walk without reclaiming anything.
pub(super) const CAPACITY_BYTES: usize = 768 * 1024;

/// A step of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Pushes a block.
    Push(Layout),
    /// Takes back the block at this place in the table of those alive; the last moves there.
    Free(usize),
}

/// Blocks pushed one after the other, and how many are then taken back, newest first.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) pushes: Box<[Layout]>,
    pub(super) pops: usize,
}

/// A walk in [`Order::Lifo`] by its runs: a loop over them has no branch that depends on a step.
pub(super) fn runs(ops: &[Op]) -> Vec<Run> {
    ops.chunk_by(|step, next| !matches!((step, next), (Op::Free(_), Op::Push(_))))
        .map(|run| {
            let layout = |op: &Op| match *op {
                Op::Push(layout) => Some(layout),
                Op::Free(_) => None,
            };
            let pushes: Box<[Layout]> = run.iter().map_while(layout).collect();
            Run { pops: run.len() - pushes.len(), pushes }
        })
        .collect()
}

/// Which block dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The newest.
    Lifo,
    /// Any.
    Random,
}

/// Draws a block's layout; what it is given draws a number below another.
pub(super) type Draw = fn(&mut dyn FnMut(usize) -> usize) -> Layout;

/// The walk: to one depth after the other, each at most [`DEPTH`], and down to nothing at last. Runs
/// of pushes and of pops are long enough that guessing wrong at their ends is not what is timed.
pub(super) fn program(order: Order, draw: Draw) -> Vec<Op> {
    let mut numbers = numbers(0x7374_6163);
    let (mut ops, mut pushed, mut depth) = (Vec::new(), 0, 0);
    while pushed < BLOCKS || depth > 0 {
        let left = BLOCKS - pushed;
        let goal = if left == 0 { 0 } else { numbers.random_range(0..=DEPTH).min(depth + left) };
        while depth < goal {
            ops.push(Op::Push(draw(&mut |below| numbers.random_range(0..below))));
            pushed += 1;
            depth += 1;
        }
        while depth > goal {
            depth -= 1;
            let place = if order == Order::Lifo { depth } else { numbers.random_range(0..=depth) };
            ops.push(Op::Free(place));
        }
    }
    ops
}

/// 16 to 1,024 bytes at alignments 1 to 16.
pub(super) fn mixed(below: &mut dyn FnMut(usize) -> usize) -> Layout {
    layout(16 + below(1009), 1 << below(5))
}

/// 16 to 1,024 bytes; one block in eight wants an alignment of 32 to 256.
pub(super) fn over_aligned(below: &mut dyn FnMut(usize) -> usize) -> Layout {
    let log = if below(8) == 0 { 5 + below(4) } else { below(5) };
    layout(16 + below(1009), 1 << log)
}

/// A layout whose parts are known to be right.
pub(super) fn layout(bytes: usize, align: usize) -> Layout {
    Layout::from_size_align(bytes, align).expect("a small size and a power of two")
}

/// The most bytes that are alive at a time.
pub(super) fn true_peak_bytes(ops: &[Op]) -> usize {
    let (mut live, mut bytes, mut peak) = (Vec::new(), 0, 0);
    for op in ops {
        match *op {
            Op::Push(layout) => {
                live.push(layout.size());
                bytes += layout.size();
                peak = peak.max(bytes);
            }
            Op::Free(place) => bytes -= live.swap_remove(place),
        }
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_are_balanced_and_of_the_size_that_the_targets_state() {
        let plans: [(Order, Draw); 3] =
            [(Order::Lifo, mixed), (Order::Random, mixed), (Order::Lifo, over_aligned)];
        for (order, draw) in plans {
            let ops = program(order, draw);
            let (mut depth, mut deepest) = (0_usize, 0);
            for op in &ops {
                match *op {
                    Op::Push(_) => depth += 1,
                    Op::Free(place) => {
                        assert!(place < depth);
                        assert!(order == Order::Random || place == depth - 1);
                        depth -= 1;
                    }
                }
                deepest = deepest.max(depth);
            }
            assert_eq!((depth, ops.len(), deepest), (0, 2 * BLOCKS, DEPTH));
            let runs = runs(&ops);
            assert_eq!(runs.iter().map(|run| run.pushes.len()).sum::<usize>(), BLOCKS);
            assert_eq!(runs.iter().map(|run| run.pops).sum::<usize>(), BLOCKS);
            assert!(runs.iter().all(|run| !run.pushes.is_empty() && run.pops > 0));
            let peak = true_peak_bytes(&ops);
            assert!((12_000..30_000).contains(&peak), "{peak}");
        }
    }
}
