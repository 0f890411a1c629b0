//! `arena/fresh-1000`, `arena/fresh-8`: an arena is made, filled once and dropped.
//!
//! What a request, a file or a query gets: the arena's own cost is where its first chunk comes from,
//! what happens to it at the end, and whether its pages fault each time. The state of glibc's heap
//! decides much of that and is part of the id ([`heap_top`]); the rows `on-mimalloc` have mimalloc
//! under every arena.
//!
//! Mallocs, which have no arena to make, allocate and free each block. The control `ideal` bumps
//! through one buffer that is there before and after: whatever it costs, a thousand blocks of which
//! each is written to cost everybody.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::Round;
use super::arena::{CRATE, engines_of, on_one_heap};
use super::heap_top::{self, HeapTop};
use super::linear::synthetic;
use super::linear_layouts::{fill_with, sum_of, table};
use crate::case::{Case, EngineSpec, Input, Model, Role};
use crate::engines::ideal::Ideal;
use crate::engines::null::Null;
use crate::engines::{self, Region, mimalloc};

pub(super) fn cases() -> Vec<Case> {
    vec![
        thousand(
            "arena/fresh-1000/heap-top-free",
            "Makes an arena, takes 1,000 blocks of 8 to 256 bytes at alignments 1 to 16, drops it; \
             glibc's heap ends above the chunks and shrinks when they go",
            || on_glibc(HeapTop::Free, Thousand::COUNT),
            on_one_heap,
        ),
        thousand(
            "arena/fresh-1000/heap-top-pinned",
            "The same, with a block above the chunks that keeps glibc's heap from shrinking",
            || on_glibc(HeapTop::Pinned, Thousand::COUNT),
            on_one_heap,
        ),
        thousand(
            "arena/fresh-1000/on-mimalloc",
            "The same in a process whose global allocator is mimalloc, which all chunks come from",
            || {
                assert!(
                    mimalloc::is_global(),
                    "this executable's global allocator is not mimalloc"
                );
                synthetic(0, Thousand::COUNT as u64)
            },
            |everybody| everybody,
        ),
        eight(
            "arena/fresh-8/heap-top-free",
            "Makes an arena, takes 8 blocks of 8 to 64 bytes, drops it; glibc's heap ends above the \
             chunks and shrinks when they go",
            || on_glibc(HeapTop::Free, Eight::COUNT),
        ),
        eight(
            "arena/fresh-8/heap-top-pinned",
            "The same, with a block above the chunks that keeps glibc's heap from shrinking",
            || on_glibc(HeapTop::Pinned, Eight::COUNT),
        ),
    ]
}

fn on_glibc(state: HeapTop, count: usize) -> Input {
    heap_top::arrange(state);
    synthetic(0, count as u64)
}

/// What is asked of an arena in its life.
trait Load: 'static {
    /// Blocks.
    const COUNT: usize;

    /// Longest block.
    const MAX_BYTES: usize;

    /// Holds them all, padding included.
    const CAPACITY_BYTES: usize;
}

struct Thousand;

impl Load for Thousand {
    const COUNT: usize = 1000;
    const MAX_BYTES: usize = 256;
    const CAPACITY_BYTES: usize = 160 * 1024;
}

struct Eight;

impl Load for Eight {
    const COUNT: usize = 8;
    const MAX_BYTES: usize = 64;
    const CAPACITY_BYTES: usize = 512;
}

fn thousand(
    id: &'static str,
    what: &'static str,
    input: fn() -> Input,
    who: fn(Vec<EngineSpec>) -> Vec<EngineSpec>,
) -> Case {
    fn spec<R: Region>() -> EngineSpec {
        fresh::<R, Thousand>()
    }
    case::<Thousand>(id, what, input, who(engines_of!(spec)))
}

fn eight(id: &'static str, what: &'static str, input: fn() -> Input) -> Case {
    fn spec<R: Region>() -> EngineSpec {
        fresh::<R, Eight>()
    }
    case::<Eight>(id, what, input, on_one_heap(engines_of!(spec)))
}

fn case<L: Load>(
    id: &'static str,
    what: &'static str,
    input: fn() -> Input,
    mut engines: Vec<EngineSpec>,
) -> Case {
    engines.push(engines::spec::<Null>(Kept::<Null, L>::build));
    engines.push(
        engines::spec::<Ideal>(Kept::<Ideal, L>::build)
            .configured("kept", "one buffer, one comparison, never made or dropped: the floor"),
    );
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Latency,
        unit: "allocation",
        input,
        working_set_bytes: layouts::<L>().iter().map(|layout| layout.size() as u64).sum(),
        threads: 1,
        engines,
    }
}

fn fresh<R: Region, L: Load>() -> EngineSpec {
    engines::spec::<R>(Fresh::<R, L>::build)
}

fn layouts<L: Load>() -> Vec<Layout> {
    table(L::COUNT, L::MAX_BYTES)
}

#[inline(never)]
fn fill<R: Region>(region: &R, layouts: &[Layout], blocks: &mut [NonNull<u8>]) {
    fill_with(layouts, blocks, |layout| region.alloc_layout(layout));
}

/// A region made and ended in each round.
struct Fresh<R, L> {
    layouts: Vec<Layout>,
    blocks: Vec<NonNull<u8>>,
    region: PhantomData<fn() -> (R, L)>,
}

impl<R: Region, L: Load> Round for Fresh<R, L> {
    const OPS: u64 = L::COUNT as u64;

    fn new() -> Self {
        Self {
            layouts: layouts::<L>(),
            blocks: vec![NonNull::dangling(); L::COUNT],
            region: PhantomData,
        }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        let mut region = R::with_capacity(L::CAPACITY_BYTES);
        fill(&region, &self.layouts, &mut self.blocks);
        let sum = if sum {
            // SAFETY: this round's blocks beside the layouts they were asked with.
            unsafe { sum_of(&self.blocks, &self.layouts) }
        } else {
            0
        };
        let blocks = self.blocks.iter().copied().zip(self.layouts.iter().copied());
        // SAFETY: 1. this round's blocks beside the layouts they were asked with; 2. the next
        // round overwrites the table.
        unsafe { region.end(blocks) };
        sum
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        heap_top::verify();
        Vec::new()
    }
}

/// A region that is there before and after: the loop alone, and what placing blocks costs at the least.
struct Kept<R, L> {
    region: R,
    layouts: Vec<Layout>,
    blocks: Vec<NonNull<u8>>,
    load: PhantomData<L>,
}

impl<R: Region, L: Load> Round for Kept<R, L> {
    const OPS: u64 = L::COUNT as u64;

    fn new() -> Self {
        Self {
            region: R::with_capacity(L::CAPACITY_BYTES),
            layouts: layouts::<L>(),
            blocks: vec![NonNull::dangling(); L::COUNT],
            load: PhantomData,
        }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        fill(&self.region, &self.layouts, &mut self.blocks);
        let sum = if sum && R::ABOUT.role != Role::Null {
            // SAFETY: this round's blocks beside the layouts they were asked with.
            unsafe { sum_of(&self.blocks, &self.layouts) }
        } else {
            0
        };
        let blocks = self.blocks.iter().copied().zip(self.layouts.iter().copied());
        // SAFETY: 1. as above; 2. the next round overwrites the table.
        unsafe { self.region.release(blocks) };
        sum
    }
}
