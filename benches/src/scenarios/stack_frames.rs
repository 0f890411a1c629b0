//! `stack/frames-of-8`: a few blocks that die together, and again: what a function needs while it
//! runs.

use core::alloc::Layout;
use core::ptr::NonNull;

use rand::Rng;

use super::Round;
use super::checksum::fold;
use super::linear::{numbers, synthetic};
use super::stack::{CRATE, layout};
use crate::case::{Case, EngineSpec, Input, Model};
use crate::engines;
use crate::engines::bump_scope::{Checkpoints, Scoped};
use crate::engines::bumpalo;
use crate::engines::glibc::Glibc;
use crate::engines::lifo::{ByReset, Framed};
use crate::engines::null::Null;
use crate::engines::oxc;
use crate::engines::stack::{Frames, Marks};
use crate::engines::stack_allocator::Inline;
use crate::{heap_peer, heap_peers};

/// Frames a round.
const FRAMES: usize = 128;

/// Blocks a frame.
const BLOCKS: usize = 8;

/// Twice what a frame needs.
const CAPACITY_BYTES: usize = 4096;

pub(super) fn cases() -> Vec<Case> {
    let mut engines = vec![
        frames::<Frames>().primary(),
        frames::<Marks>(),
        frames::<Null>(),
        heap_peer!(frames, Glibc).reference(),
    ];
    engines.extend(heap_peers!(frames));
    engines.extend([
        frames::<Scoped<true>>(),
        frames::<Scoped<false>>(),
        frames::<Checkpoints<true>>(),
        frames::<Checkpoints<false>>(),
        frames::<ByReset<bumpalo::New>>(),
        frames::<ByReset<bumpalo::WithCapacity<1>>>(),
        frames::<ByReset<oxc::WithCapacity>>(),
        frames::<Inline>(),
    ]);
    vec![Case {
        id: "stack/frames-of-8/warm",
        krate: CRATE,
        what: "Opens a frame, takes 8 blocks of 8 to 256 bytes at alignments 1 to 16, writes the \
               first byte of each, and ends the frame",
        model: Model::Churn,
        unit: "allocation",
        input,
        working_set_bytes: (FRAMES * BLOCKS * size_of::<Layout>()) as u64,
        threads: 1,
        engines,
    }]
}

/// What [`frames`] reads.
pub(super) fn input() -> Input {
    synthetic(0, (FRAMES * BLOCKS) as u64)
}

/// Frames of blocks; for the group `origin`, too.
pub(super) fn frames<F: Framed>() -> EngineSpec {
    engines::spec_of(F::ABOUT, InFrames::<F>::build)
}

struct InFrames<F> {
    engine: F,
    layouts: Vec<Layout>,
}

impl<F: Framed> InFrames<F> {
    /// The loop of every engine: layouts read, first bytes written, pointers kept.
    #[inline(never)]
    fn all(engine: &mut F, layouts: &[Layout]) {
        let mut blocks = [NonNull::dangling(); BLOCKS];
        for layouts in layouts.chunks_exact(BLOCKS) {
            engine.frame(layouts, &mut blocks, |frame, layouts, blocks| {
                for (&layout, slot) in layouts.iter().zip(blocks) {
                    let block = F::alloc_layout(frame, layout);
                    // SAFETY: the block is at least 8 bytes long and ours.
                    unsafe { block.write(1) };
                    *slot = block;
                }
            });
        }
    }

    /// The same with every byte of each block written and read back before the frame ends.
    fn sum(engine: &mut F, layouts: &[Layout]) -> u64 {
        let mut blocks = [NonNull::dangling(); BLOCKS];
        let (mut sum, mut tag) = (0, 0_u8);
        for layouts in layouts.chunks_exact(BLOCKS) {
            engine.frame(layouts, &mut blocks, |frame, layouts, blocks| {
                let first_tag = tag;
                for (&layout, slot) in layouts.iter().zip(blocks.iter_mut()) {
                    *slot = F::alloc_layout(frame, layout);
                    tag = tag.wrapping_add(29);
                    // SAFETY: ours, and as long as its layout says.
                    unsafe { slot.write_bytes(tag, layout.size()) };
                }
                sum = fold(sum, u64::from(first_tag));
                for (&layout, &block) in layouts.iter().zip(blocks.iter()) {
                    let bytes = NonNull::slice_from_raw_parts(block, layout.size());
                    // SAFETY: ours, filled just now, alive until the frame ends.
                    let bytes = unsafe { bytes.as_ref() };
                    let misaligned = (block.addr().get() % layout.align()) as u64;
                    let (first, last) = (bytes[0], bytes[bytes.len() - 1]);
                    sum =
                        [misaligned, u64::from(first), u64::from(last)].into_iter().fold(sum, fold);
                }
            });
        }
        sum
    }
}

impl<F: Framed> Round for InFrames<F> {
    const OPS: u64 = (FRAMES * BLOCKS) as u64;

    fn new() -> Self {
        let mut numbers = numbers(0x6672_616D);
        Self {
            engine: F::with_capacity(CAPACITY_BYTES),
            layouts: (0..FRAMES * BLOCKS)
                .map(|_| layout(numbers.random_range(8..=256), 1 << numbers.random_range(0..=4)))
                .collect(),
        }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        if sum {
            return Self::sum(&mut self.engine, &self.layouts);
        }
        Self::all(&mut self.engine, &self.layouts);
        0
    }
}
