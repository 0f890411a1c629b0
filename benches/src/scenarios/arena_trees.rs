//! `arena/trees`: binary trees, the classic of many small nodes that die together.
//!
//! ```text
//!   build          2,047 or 262,143 nodes of two references, bottom up; then all die at once
//!   walk-index32   a search tree that was filled in random order, visited in the order of its keys
//!                  node by reference: 24 bytes  [ left ][ right ][key|  ]
//!                  node by 32-bit index: 12     [ l ][ r ][key]
//! ```
//!
//! Arenas are warm and reset, the way to build one tree after the other; typed-arena, which has no
//! reset, is made anew, and those that keep one chunk of several take the others again: from a heap in
//! which something lives above them ([`heap_top`]), so that their pages do not fault each time. Mallocs
//! free node by node, reading the tree for it. The `ideal` control is a bump loop over one buffer.
//!
//! A walk allocates nothing. In what order the nodes lie in memory is decided by insertion, so each
//! step goes to a place that the last one says nothing of: what counts is how many nodes a cache
//! holds. The checked index pays for itself where the tree exceeds the L2 cache and not before, which
//! is why the tree of 2,047 nodes stands beside.

use core::alloc::Layout;
use core::arch::asm;
use core::hint::black_box;
use core::ptr::NonNull;

use alloc_arena::TypedArena;

use super::Round;
use super::arena::{CRATE, engines_of};
use super::checksum::fold;
use super::heap_top::{self, HeapTop};
use super::linear::synthetic;
use crate::case::{Case, Engine, EngineSpec, Model, Role};
use crate::engines::ideal::Ideal;
use crate::engines::null::Null;
use crate::engines::{self, About, Region, typed_arena};

mod walk;

/// Levels below the root of the small tree: it fits the L1 cache.
pub(super) const SMALL: usize = 10;

/// Levels below the root of the large one: 4 MiB of nodes.
const LARGE: usize = 17;

/// Rounds before the large trees are timed: chunks have settled after three.
const WARM_ROUNDS: u64 = 4;

/// What all engines hold together while the large trees are built: thirty of them, of which those
/// that double their chunks hold twice the tree, and those that keep one take the next beside it.
const HOLE_BYTES: usize = 512 << 20;

/// Nodes of a full tree.
pub(super) const fn nodes(depth: usize) -> usize {
    (1 << (depth + 1)) - 1
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case::<SMALL>(
            "arena/trees-2k/build",
            "Builds a binary tree of 2,047 nodes that refer to each other, then all die; a block above \
             the chunks pins glibc's heap",
            {
                fn spec<R: Region>() -> EngineSpec {
                    tree::<R, SMALL>()
                }
                of_eight_byte_nodes(engines_of!(spec))
            },
        ),
        case::<LARGE>(
            "arena/trees-262k/build",
            "Builds a binary tree of 262,143 nodes that refer to each other, then all die; a block \
             above the chunks pins glibc's heap",
            {
                fn spec<R: Region>() -> EngineSpec {
                    tree::<R, LARGE>()
                }
                of_eight_byte_nodes(engines_of!(spec))
            },
        ),
    ];
    cases.extend(walk::cases());
    cases
}

/// Nodes are aligned to 8, and the arena that knows it is the one to compare.
fn of_eight_byte_nodes(mut engines: Vec<EngineSpec>) -> Vec<EngineSpec> {
    for engine in engines.iter_mut().filter(|engine| engine.role == Role::Ours) {
        engine.primary = engine.config == "min-align-8";
    }
    engines
}

fn case<const DEPTH: usize>(
    id: &'static str,
    what: &'static str,
    mut engines: Vec<EngineSpec>,
) -> Case {
    engines.extend([
        engines::spec::<Null>(build::<Loop<DEPTH>>),
        tree::<Ideal, DEPTH>(),
        engines::spec_of(TYPED, build::<OursTyped<DEPTH>>),
        engines::spec_of(typed_arena::ABOUT, build::<Typed<DEPTH, false>>),
        engines::spec_of(typed_arena::ABOUT_WITH_CAPACITY, build::<Typed<DEPTH, true>>),
    ]);
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Latency,
        unit: "node",
        input: || {
            if DEPTH == LARGE {
                heap_top::arrange_pinned_above(HOLE_BYTES);
            } else {
                heap_top::arrange(HeapTop::Pinned);
            }
            synthetic(0, nodes(DEPTH) as u64)
        },
        working_set_bytes: (nodes(DEPTH) * size_of::<Node>()) as u64,
        threads: 1,
        engines,
    }
}

fn tree<R: Region, const DEPTH: usize>() -> EngineSpec {
    engines::spec::<R>(build::<Tree<R, DEPTH>>)
}

/// The small tree in a region: for other groups, whose null engine is [`idle`].
pub(super) fn small<R: Region>() -> EngineSpec {
    tree::<R, SMALL>()
}

/// The small tree in arenas of one type: ours, and typed-arena, told how many nodes will come.
pub(super) fn small_typed() -> [EngineSpec; 2] {
    [
        engines::spec_of(TYPED, build::<OursTyped<SMALL>>),
        engines::spec_of(typed_arena::ABOUT_WITH_CAPACITY, build::<Typed<SMALL, true>>),
    ]
}

/// The small tree without an allocation.
pub(super) fn idle() -> EngineSpec {
    engines::spec::<Null>(build::<Loop<SMALL>>)
}

/// As [`Round::build`], with fewer rounds: a hundredth of a second each, on some engines.
fn build<W: Round>() -> Box<dyn Engine> {
    let mut engine = super::Repeat(W::new());
    engine.run(WARM_ROUNDS);
    Box::new(engine)
}

type Link = Option<NonNull<Node>>;

/// 16 bytes.
#[derive(Clone, Copy)]
struct Node {
    left: Link,
    right: Link,
}

/// Builds a full tree, children before their parent: after the `n`-th leaf every subtree that ends
/// there, as many as `n` has zeros at its low end, gets its root. (A recursion would be inlined into
/// itself for some engines and not for others.)
///
/// A leaf has a thread in place of children, to the tree built just before it. Were its words both
/// empty, the compiler would keep them in a register, which is lost across the slow call of an
/// allocator, and make them anew for some engines and not for others.
///
/// `alloc` makes a node of its two links.
#[inline(always)]
pub(super) fn grow<L: Copy>(depth: usize, mut alloc: impl FnMut(Option<L>, Option<L>) -> L) -> L {
    let mut open: [Option<L>; LARGE + 1] = [None; LARGE + 1];
    let mut root = alloc(None, None);
    for leaf in 1..=1_usize << depth {
        for left in open.iter_mut().take(leaf.trailing_zeros() as usize) {
            root = alloc(left.take(), Some(root));
        }
        if leaf < 1 << depth {
            open[leaf.trailing_zeros() as usize] = Some(root);
            root = alloc(None, Some(root));
        }
    }
    root
}

impl Node {
    /// Its children, unless it is a leaf.
    #[inline]
    fn children(self) -> Option<[NonNull<Self>; 2]> {
        self.left.zip(self.right).map(|(left, right)| [left, right])
    }
}

fn sum_of(root: NonNull<Node>) -> u64 {
    // SAFETY: a node of this round's tree, which is alive.
    sum_by(root, &|node| unsafe { node.read() }.children())
}

/// Counts the nodes by walking, and folds the shape: a lost or doubled link changes it. `children`
/// says what a node leads to, unless it is a leaf.
pub(super) fn sum_by<L>(node: L, children: &impl Fn(L) -> Option<[L; 2]>) -> u64 {
    match children(node) {
        Some([left, right]) => fold(sum_by(left, children), sum_by(right, children)),
        None => fold(1, 1),
    }
}

/// The nodes of a tree, each before its children; a node may be freed once it was returned.
struct Nodes {
    stack: [NonNull<Node>; LARGE + 2],
    len: usize,
}

impl Nodes {
    fn of(root: NonNull<Node>) -> Self {
        Self { stack: [root; LARGE + 2], len: 1 }
    }
}

impl Iterator for Nodes {
    type Item = (NonNull<u8>, Layout);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.len = self.len.checked_sub(1)?;
        let node = self.stack[self.len];
        // SAFETY: a node of a tree that is alive: its parent's links were read before it was freed.
        if let Some([left, right]) = unsafe { node.read() }.children() {
            self.stack[self.len] = right;
            self.stack[self.len + 1] = left;
            self.len += 2;
        }
        Some((node.cast(), Layout::new::<Node>()))
    }
}

struct Tree<R, const DEPTH: usize>(R);

impl<R: Region, const DEPTH: usize> Tree<R, DEPTH> {
    #[inline(never)]
    fn fill(region: &R) -> NonNull<Node> {
        grow(DEPTH, |left, right| NonNull::from(region.alloc(Node { left, right })))
    }
}

impl<R: Region, const DEPTH: usize> Round for Tree<R, DEPTH> {
    const OPS: u64 = nodes(DEPTH) as u64;

    fn new() -> Self {
        Self(R::with_capacity(nodes(DEPTH) * size_of::<Node>() + 4096))
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        let root = Self::fill(&self.0);
        let sum = if sum { sum_of(root) } else { 0 };
        // SAFETY: 1. the tree is all that was allocated; 2. its root is forgotten.
        unsafe { self.0.release(Nodes::of(root)) };
        sum
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        heap_top::verify();
        Vec::new()
    }
}

/// The loop and its stores: every node is the same block, and nobody tells the compiler so.
///
/// Where an address is a constant, so is every link, and the null engine would do less than the loop
/// of an allocator does. The address goes from node to node in its register, through an empty
/// `asm!` that might have changed it: no instruction is added.
struct Loop<const DEPTH: usize>(Null);

impl<const DEPTH: usize> Loop<DEPTH> {
    #[inline(never)]
    fn fill(mut block: NonNull<Node>) -> NonNull<Node> {
        grow(DEPTH, |left, right| {
            let address: *mut Node;
            // SAFETY: emits nothing.
            unsafe {
                asm!("/* {0} */", inout(reg) block.as_ptr() => address,
                    options(nostack, preserves_flags));
            }
            // SAFETY: the address that went in.
            block = unsafe { NonNull::new_unchecked(address) };
            // SAFETY: a block of the null engine's is long enough for any value, aligned, and ours.
            unsafe { block.write(Node { left, right }) };
            block
        })
    }
}

impl<const DEPTH: usize> Round for Loop<DEPTH> {
    const OPS: u64 = nodes(DEPTH) as u64;

    fn new() -> Self {
        Self(Null::with_capacity(0))
    }

    fn round(&mut self, _: bool) -> u64 {
        let block = self.0.alloc(Node { left: None, right: None });
        black_box(Self::fill(NonNull::from(block)));
        0
    }
}

/// What the tables say of our typed arena.
const TYPED: About = About {
    name: "arena",
    config: "typed",
    package: "alloc-arena",
    why: "TypedArena, cleared: its values are dropped, which these do not need",
    role: Role::Ours,
};

struct OursTyped<const DEPTH: usize>(TypedArena<Node>);

impl<const DEPTH: usize> OursTyped<DEPTH> {
    #[inline(never)]
    fn fill(arena: &TypedArena<Node>) -> NonNull<Node> {
        grow(DEPTH, |left, right| NonNull::from(arena.alloc(Node { left, right })))
    }
}

impl<const DEPTH: usize> Round for OursTyped<DEPTH> {
    const OPS: u64 = nodes(DEPTH) as u64;

    fn new() -> Self {
        Self(TypedArena::new())
    }

    fn round(&mut self, sum: bool) -> u64 {
        let root = Self::fill(&self.0);
        let sum = if sum { sum_of(root) } else { 0 };
        self.0.clear();
        sum
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        heap_top::verify();
        Vec::new()
    }
}

/// typed-arena, made for each tree; `TOLD` says whether it is told how many nodes will come.
struct Typed<const DEPTH: usize, const TOLD: bool>;

impl<const DEPTH: usize, const TOLD: bool> Typed<DEPTH, TOLD> {
    #[inline(never)]
    fn fill(arena: &::typed_arena::Arena<Node>) -> NonNull<Node> {
        grow(DEPTH, &|left, right| NonNull::from(arena.alloc(Node { left, right })))
    }
}

impl<const DEPTH: usize, const TOLD: bool> Round for Typed<DEPTH, TOLD> {
    const OPS: u64 = nodes(DEPTH) as u64;

    fn new() -> Self {
        Self
    }

    fn round(&mut self, sum: bool) -> u64 {
        let arena = typed_arena::make::<Node, TOLD>(nodes(DEPTH));
        let root = Self::fill(&arena);
        if sum { sum_of(root) } else { 0 }
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        heap_top::verify();
        Vec::new()
    }
}
