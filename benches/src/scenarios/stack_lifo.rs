//! `stack/mixed-align`, `stack/layouts`: blocks of layouts known at run time, pushed and taken back
//! one by one.
//!
//! The caller keeps a table of the blocks alive: pointer, layout, and the mark of engines that have
//! one. `mixed-align` asks what is left when every block was taken back, `layouts` what a push and
//! a pop cost; both walk the same program.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::Round;
use super::checksum::fold;
use super::linear::synthetic;
use super::stack::{
    BLOCKS, CAPACITY_BYTES, CRATE, DEPTH, Draw, Op, Order, Run, mixed, over_aligned, program, runs,
    true_peak_bytes,
};
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines;
use crate::engines::bump_scope::Checkpoints;
use crate::engines::glibc::Glibc;
use crate::engines::lifo::Lifo;
use crate::engines::null::Null;
use crate::engines::stack::{AnyOrder, AnyOrderMarks, InAllocator, Marks};
use crate::{heap_peer, heap_peers, lifo_peers};

/// Everybody but ours who takes blocks back in any order, and reclaims what they can.
macro_rules! peers {
    ($spec:ident) => {{
        let mut peers = vec![$spec::<Null>(), heap_peer!($spec, Glibc).reference()];
        peers.extend(heap_peers!($spec));
        peers.extend(lifo_peers!($spec));
        peers
    }};
}

pub(super) fn cases() -> Vec<Case> {
    let newest_first = |mut engines: Vec<EngineSpec>| {
        engines.extend([lifo::<Checkpoints<true>>(), lifo::<Checkpoints<false>>()]);
        engines
    };
    let with = |mut engines: Vec<EngineSpec>, ours: &[fn() -> EngineSpec]| {
        engines.extend(ours.iter().map(|spec| spec()));
        engines
    };
    vec![
        case::<LifoMixed>(
            "stack/mixed-align/lifo",
            "Pushes 1,014 blocks of 16 to 1,024 bytes at alignments 1 to 16 and takes each back, \
             newest first: bytes_left is what is not free after that, peak_over_true_peak the most \
             bytes held over the most alive",
            Model::Footprint,
            with(
                newest_first(peers!(lifo)),
                &[|| lifo::<Marks>().primary(), lifo::<AnyOrder>, lifo::<InAllocator>],
            ),
        ),
        case::<LifoOverAligned>(
            "stack/mixed-align/over-aligned",
            "The same with one block in eight at alignments 32 to 256",
            Model::Footprint,
            with(
                peers!(aligned),
                &[|| aligned::<Marks>().primary(), aligned::<AnyOrder>, aligned::<InAllocator>],
            ),
        ),
        case::<RandomMixed>(
            "stack/mixed-align/random-free",
            "The blocks of mixed-align/lifo, but any of those alive is taken back, not the newest",
            Model::Footprint,
            with(
                peers!(random),
                &[
                    || random::<AnyOrder>().primary(),
                    random::<AnyOrderMarks>,
                    random::<InAllocator>,
                ],
            ),
        ),
        case::<LifoMixed>(
            "stack/layouts/pairs",
            "A push and a pop of 16 to 1,024 bytes at alignments 1 to 16, newest first; ours in \
             order by promise, with a mark kept beside each block",
            Model::Churn,
            with(newest_first(peers!(lifo)), &[|| lifo::<Marks>().primary()]),
        ),
        case::<LifoMixed>(
            "stack/layouts/pairs-any-order",
            "The same; ours through blocks that may go in any order, which boxes are made of",
            Model::Churn,
            with(peers!(lifo), &[|| lifo::<AnyOrder>().primary(), lifo::<AnyOrderMarks>]),
        ),
        case::<LifoMixed>(
            "stack/layouts/pairs-allocator",
            "The same; ours through the Allocator trait",
            Model::Churn,
            with(peers!(lifo), &[|| lifo::<InAllocator>().primary()]),
        ),
    ]
}

fn case<P: Plan>(
    id: &'static str,
    what: &'static str,
    model: Model,
    engines: Vec<EngineSpec>,
) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model,
        unit: "pair",
        input: || synthetic(0, BLOCKS as u64),
        working_set_bytes: true_peak_bytes(&program(P::ORDER, P::DRAW)) as u64,
        threads: 1,
        engines,
    }
}

/// Blocks of mixed layouts, newest first; for the group `cross`, too.
pub(super) fn lifo<S: Lifo>() -> EngineSpec {
    engines::spec_of(S::ABOUT, Walk::<LifoMixed, S>::build)
}

fn aligned<S: Lifo>() -> EngineSpec {
    engines::spec_of(S::ABOUT, Walk::<LifoOverAligned, S>::build)
}

fn random<S: Lifo>() -> EngineSpec {
    engines::spec_of(S::ABOUT, Walk::<RandomMixed, S>::build)
}

/// A walk's order and layouts.
trait Plan: 'static {
    const ORDER: Order;
    const DRAW: Draw;
}

struct LifoMixed;

impl Plan for LifoMixed {
    const ORDER: Order = Order::Lifo;
    const DRAW: Draw = mixed;
}

struct LifoOverAligned;

impl Plan for LifoOverAligned {
    const ORDER: Order = Order::Lifo;
    const DRAW: Draw = over_aligned;
}

struct RandomMixed;

impl Plan for RandomMixed {
    const ORDER: Order = Order::Random;
    const DRAW: Draw = mixed;
}

/// What the caller keeps of a block alive.
#[derive(Clone, Copy)]
struct Entry<M: Copy> {
    layout: Layout,
    block: NonNull<u8>,
    /// Initialised below the depth.
    mark: MaybeUninit<M>,
}

/// The blocks alive.
type Table<M> = [Entry<M>; DEPTH];

struct Walk<P, S: Lifo> {
    engine: S,
    ops: Vec<Op>,
    runs: Vec<Run>,
    table: Box<Table<S::Mark>>,
    /// What was not free after the last round that was looked at.
    bytes_left: usize,
    peak_over_true_peak: f64,
    plan: PhantomData<P>,
}

impl<P: Plan, S: Lifo> Walk<P, S> {
    /// The loop of every engine, newest first. With `SUM` it also writes the last byte of each block
    /// and returns the checksum: wrong if blocks overlap there, or one is misaligned.
    #[inline(never)]
    fn newest_first<const SUM: bool>(
        engine: &mut S,
        runs: &[Run],
        table: &mut Table<S::Mark>,
    ) -> u64 {
        let mut top = table.as_mut_ptr();
        let mut sum = 1;
        for run in runs {
            for &layout in &run.pushes {
                // SAFETY: a walk is at most as deep as the table is long.
                push::<SUM, S>(engine, layout, unsafe { &mut *top });
                // SAFETY: at most one past the table's end.
                top = unsafe { top.add(1) };
            }
            for _ in 0..run.pops {
                // SAFETY: a walk frees no more than it pushed.
                top = unsafe { top.sub(1) };
                // SAFETY: in the table.
                let entry = unsafe { top.read() };
                if SUM {
                    sum = entry.add_to(sum);
                }
                // SAFETY: below the depth, so written when this block was pushed.
                let mark = unsafe { entry.mark.assume_init() };
                // SAFETY: 1. and 2. its entry leaves the table here; 3. the newest one.
                unsafe { engine.pop(entry.block, entry.layout, mark) };
            }
        }
        sum
    }

    /// The loop of every engine, in any order.
    #[inline(never)]
    fn any_order<const SUM: bool>(engine: &mut S, ops: &[Op], table: &mut Table<S::Mark>) -> u64 {
        let start = table.as_mut_ptr();
        let (mut top, mut sum) = (start, 1);
        for op in ops {
            match *op {
                Op::Push(layout) => {
                    // SAFETY: a walk is at most as deep as the table is long.
                    push::<SUM, S>(engine, layout, unsafe { &mut *top });
                    // SAFETY: at most one past the table's end.
                    top = unsafe { top.add(1) };
                }
                Op::Free(place) => {
                    // SAFETY: a walk frees no more than it pushed.
                    top = unsafe { top.sub(1) };
                    // SAFETY: a place below the depth, which is at most the table's length.
                    let hole = unsafe { start.add(place) };
                    // SAFETY: in the table.
                    let entry = unsafe { hole.read() };
                    // SAFETY: both in the table; the last one moves into the hole.
                    unsafe { hole.copy_from(top, 1) };
                    if SUM {
                        sum = entry.add_to(sum);
                    }
                    // SAFETY: below the depth, so written when this block was pushed.
                    let mark = unsafe { entry.mark.assume_init() };
                    // SAFETY: 1. and 2. its entry left the table; 3. an engine for any order.
                    unsafe { engine.pop(entry.block, entry.layout, mark) };
                }
            }
        }
        sum
    }

    /// One walk that fills each block, checks it when it dies, and finds the peak.
    fn look(&mut self, true_peak_bytes: usize) {
        let (mut peak, mut tag) = (0, 0_u8);
        let (mut live, mut entries) = (Vec::with_capacity(DEPTH), Vec::with_capacity(DEPTH));
        for op in &self.ops {
            match *op {
                Op::Push(layout) => {
                    let (block, mark) = self.engine.push(layout);
                    assert_eq!(block.addr().get() % layout.align(), 0, "{block:p} for {layout:?}");
                    tag = tag.wrapping_add(29);
                    // SAFETY: ours, and as long as its layout says.
                    unsafe { block.write_bytes(tag, layout.size()) };
                    live.push((block, layout));
                    entries.push((tag, mark));
                    peak = peak.max(self.engine.held_bytes(&live));
                }
                Op::Free(place) => {
                    let (block, layout) = live.swap_remove(place);
                    let (tag, mark) = entries.swap_remove(place);
                    let bytes = NonNull::slice_from_raw_parts(block, layout.size());
                    // SAFETY: alive, and filled when it was pushed.
                    let bytes = unsafe { bytes.as_ref() };
                    assert!(bytes.iter().all(|&byte| byte == tag), "{layout:?} was overwritten");
                    // SAFETY: 1. and 2. its entry left both tables; 3. the newest unless the order
                    // is random, and then the engine is one for any order.
                    unsafe { self.engine.pop(block, layout, mark) };
                }
            }
        }
        self.engine.settle();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand bytes at most")]
        let ratio = peak as f64 / true_peak_bytes as f64;
        self.peak_over_true_peak = ratio;
    }
}

/// Pushes a block, writes its first byte, and keeps it in `entry`.
#[inline(always)]
fn push<const SUM: bool, S: Lifo>(engine: &mut S, layout: Layout, entry: &mut Entry<S::Mark>) {
    // Before the push, so that the layout need not outlive it.
    entry.layout = layout;
    let (block, mark) = engine.push(layout);
    // SAFETY: the block is at least 16 bytes long and ours.
    unsafe { block.write(1) };
    if SUM {
        // SAFETY: its last byte.
        let last = unsafe { block.add(layout.size() - 1) };
        // SAFETY: as above.
        unsafe { last.write(tag(layout)) };
    }
    entry.block = block;
    entry.mark = MaybeUninit::new(mark);
}

/// What the last byte of a block is.
fn tag(layout: Layout) -> u8 {
    layout.size().to_le_bytes()[0] | 2
}

impl<M: Copy> Entry<M> {
    /// Reads both ends of a block alive.
    #[inline(always)]
    fn add_to(&self, sum: u64) -> u64 {
        let misaligned = self.block.addr().get() & (self.layout.align() - 1);
        // SAFETY: alive, and its first byte was written when it was pushed.
        let first = unsafe { self.block.read() };
        // SAFETY: its last byte.
        let last = unsafe { self.block.add(self.layout.size() - 1) };
        // SAFETY: written too.
        let last = unsafe { last.read() };
        fold(sum, misaligned as u64 ^ (u64::from(first) << 8) ^ (u64::from(last) << 16))
    }
}

impl<P: Plan, S: Lifo> Round for Walk<P, S> {
    const OPS: u64 = BLOCKS as u64;

    fn new() -> Self {
        let ops = program(P::ORDER, P::DRAW);
        let true_peak_bytes = true_peak_bytes(&ops);
        let mut walk = Self {
            engine: S::with_capacity(CAPACITY_BYTES),
            runs: runs(&ops),
            ops,
            table: Box::new(
                [Entry {
                    layout: Layout::new::<()>(),
                    block: NonNull::dangling(),
                    mark: MaybeUninit::uninit(),
                }; DEPTH],
            ),
            bytes_left: 0,
            peak_over_true_peak: 0.0,
            plan: PhantomData,
        };
        if S::ABOUT.role != Role::Null {
            walk.look(true_peak_bytes);
        }
        walk
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        let Self { engine, ops, runs, table, .. } = self;
        let looked_at = sum;
        let sum = match (P::ORDER, sum) {
            (Order::Lifo, false) => Self::newest_first::<false>(engine, runs, table),
            (Order::Lifo, true) => Self::newest_first::<true>(engine, runs, table),
            (Order::Random, false) => Self::any_order::<false>(engine, ops, table),
            (Order::Random, true) => Self::any_order::<true>(engine, ops, table),
        };
        if looked_at {
            self.bytes_left = self.engine.held_bytes(&[]);
        }
        self.engine.settle();
        sum
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        if S::ABOUT.role == Role::Null {
            return Vec::new();
        }
        #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand bytes at most")]
        let left = self.bytes_left as f64;
        vec![("bytes_left", left), ("peak_over_true_peak", self.peak_over_true_peak)]
    }
}
