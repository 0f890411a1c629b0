//! `linear/layouts`: layouts known only at run time, as behind a `dyn` interface, a parser's
//! variable nodes or an `Allocator`.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

use rand::Rng;

use super::Round;
use super::checksum::fold;
use super::linear::{CRATE, numbers, synthetic};
use crate::case::{Case, EngineSpec, Model};
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap};
use crate::engines::linear::Linear;
use crate::engines::mimalloc::OwnHeap;
use crate::engines::null::Null;
use crate::engines::{self, Region};
use crate::{bump_peers, heap_peer, heap_peers};

/// Blocks a round.
pub(super) const BLOCKS: usize = 1000;

/// Longest block.
pub(super) const MAX_BYTES: usize = 256;

/// Twice what a round needs.
const CAPACITY_BYTES: usize = 288 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let mut engines = vec![
        layouts::<Linear<1>>().primary(),
        layouts::<Linear<8>>(),
        burst(),
        layouts::<Null>(),
        heap_peer!(layouts, Glibc).reference(),
    ];
    engines.extend(heap_peers!(layouts));
    engines.push(layouts::<OwnHeap>().counted_on(&layouts::<Heap<Counted>>()));
    engines.extend(bump_peers!(layouts));
    vec![Case {
        id: "linear/layouts/warm",
        krate: CRATE,
        what: "Takes 1,000 blocks of 8 to 256 bytes at alignments 1 to 16, writes the first byte \
               of each, then resets",
        model: Model::Latency,
        unit: "allocation",
        input: || synthetic(0, BLOCKS as u64),
        working_set_bytes: table(BLOCKS, MAX_BYTES).iter().map(|layout| layout.size() as u64).sum(),
        threads: 1,
        engines,
    }]
}

pub(super) fn layouts<R: Region>() -> EngineSpec {
    engines::spec::<R>(Layouts::<R, Plain>::build)
}

fn burst() -> EngineSpec {
    engines::spec::<Linear<1>>(Layouts::<Linear<1>, Burst>::build)
        .configured("burst", "one guard a round keeps the cursor in a register")
}

/// `count` layouts of 8 to `max_bytes` bytes: the same in every process.
pub(super) fn table(count: usize, max_bytes: usize) -> Vec<Layout> {
    let mut numbers = numbers(0x006C_6179);
    (0..count)
        .map(|_| {
            let bytes = numbers.random_range(8..=max_bytes);
            let align = 1 << numbers.random_range(0..=4);
            Layout::from_size_align(bytes, align).expect("a small block, alignment 16 at most")
        })
        .collect()
}

/// How the blocks of a round are allocated.
trait Fill<R>: 'static {
    fn fill(region: &R, layouts: &[Layout], blocks: &mut [NonNull<u8>]);
}

/// One call of `alloc_layout` after the other.
struct Plain;

impl<R: Region> Fill<R> for Plain {
    #[inline(never)]
    fn fill(region: &R, layouts: &[Layout], blocks: &mut [NonNull<u8>]) {
        fill_with(layouts, blocks, |layout| region.alloc_layout(layout));
    }
}

/// Through our burst guard.
struct Burst;

impl Fill<Linear<1>> for Burst {
    #[inline(never)]
    fn fill(region: &Linear<1>, layouts: &[Layout], blocks: &mut [NonNull<u8>]) {
        let mut burst = region.burst();
        fill_with(layouts, blocks, |layout| burst.alloc_layout(layout));
    }
}

/// The loop of every engine: a layout read, the block's first byte written, its pointer kept.
#[inline(always)]
pub(super) fn fill_with(
    layouts: &[Layout],
    blocks: &mut [NonNull<u8>],
    mut alloc: impl FnMut(Layout) -> NonNull<u8>,
) {
    for (&layout, slot) in layouts.iter().zip(blocks) {
        let block = alloc(layout);
        // SAFETY: the block is at least 8 bytes long and ours.
        unsafe { block.write(1) };
        *slot = block;
    }
}

struct Layouts<R, F> {
    region: R,
    layouts: Vec<Layout>,
    blocks: Vec<NonNull<u8>>,
    fill: PhantomData<F>,
}

/// Fills every block to its end, then reads all back: the sum is right only if no block overlaps
/// another, ends early, or is misaligned.
///
/// # Safety
///
/// The blocks are live, each of the layout beside it, and nobody else's.
pub(super) unsafe fn sum_of(blocks: &[NonNull<u8>], layouts: &[Layout]) -> u64 {
    for ((&block, layout), tag) in blocks.iter().zip(layouts).zip(0_u32..) {
        // SAFETY: ours, and as long as its layout says.
        unsafe { block.write_bytes(tag.to_le_bytes()[0] ^ 0xA5, layout.size()) };
    }
    blocks.iter().zip(layouts).fold(0, |sum, (&block, layout)| {
        let misaligned = (block.addr().get() % layout.align()) as u64;
        // SAFETY: ours, as long as its layout says, and filled just now.
        let bytes = unsafe { NonNull::slice_from_raw_parts(block, layout.size()).as_ref() };
        let (first, last) = (bytes[0], bytes[bytes.len() - 1]);
        [misaligned, u64::from(first), u64::from(last)].into_iter().fold(sum, fold)
    })
}

impl<R: Region, F: Fill<R>> Round for Layouts<R, F> {
    const OPS: u64 = BLOCKS as u64;

    fn new() -> Self {
        Self {
            region: R::with_capacity(CAPACITY_BYTES),
            layouts: table(BLOCKS, MAX_BYTES),
            blocks: vec![NonNull::dangling(); BLOCKS],
            fill: PhantomData,
        }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        F::fill(&self.region, &self.layouts, &mut self.blocks);
        let sum = if sum {
            // SAFETY: this round's blocks beside the layouts they were asked with.
            unsafe { sum_of(&self.blocks, &self.layouts) }
        } else {
            0
        };
        let blocks = self.blocks.iter().copied().zip(self.layouts.iter().copied());
        // SAFETY: 1. this round's blocks beside the layouts they were asked with; 2. the next
        // round overwrites the table.
        unsafe { self.region.release(blocks) };
        sum
    }
}
