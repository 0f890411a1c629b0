//! `arena/trees-…/walk-index32`: search trees whose nodes are linked by reference or by index.

use core::hint::black_box;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::sync::OnceLock;

use alloc_arena::{Index32, TypedArena};
use rand::seq::SliceRandom;

use super::{CRATE, LARGE, SMALL, build, fold, nodes, synthetic};
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines::arena;
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::mimalloc::Mimalloc;
use crate::engines::{self, About, Region, bumpalo};
use crate::scenarios::Round;
use crate::scenarios::linear::numbers;

/// No child.
const NONE: u32 = u32::MAX;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<SMALL>(
            "arena/trees-2k/walk-index32",
            "Visits the 2,047 nodes of a search tree in the order of their keys: 32-bit indices \
             against references, in cache",
        ),
        case::<LARGE>(
            "arena/trees-262k/walk-index32",
            "Visits the 262,143 nodes of a search tree in the order of their keys: 32-bit indices \
             against references, past the L2 cache",
        ),
    ]
}

fn case<const DEPTH: usize>(id: &'static str, what: &'static str) -> Case {
    let control =
        |name, config, why| About { name, config, package: "benches", why, role: Role::Control };
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Latency,
        unit: "node",
        input: || synthetic(0, nodes(DEPTH) as u64),
        working_set_bytes: (nodes(DEPTH) * size_of::<Node>()) as u64,
        threads: 1,
        engines: vec![
            engines::spec_of(INDEX32, build::<ByIndex<TypedArena<Indexed>, DEPTH>>).primary(),
            by_reference::<arena::New<8>, DEPTH>()
                .configured("references", "its nodes by reference, to see the index alone"),
            on_heap::<Glibc, DEPTH>().reference(),
            on_heap::<Mimalloc, DEPTH>(),
            by_reference::<bumpalo::New, DEPTH>(),
            by_reference::<bumpalo::WithCapacity<8>, DEPTH>(),
            engines::spec_of(
                control("vec", "index32", "a Vec of nodes and 32-bit indices, by hand"),
                build::<ByIndex<Vec<ByHand>, DEPTH>>,
            ),
            engines::spec_of(
                About {
                    role: Role::Null,
                    ..control("null", "loop", "the keys visited in a slice")
                },
                build::<Keys<DEPTH>>,
            ),
        ],
    }
}

fn by_reference<R: Region, const DEPTH: usize>() -> EngineSpec {
    engines::spec::<R>(build::<ByReference<R, DEPTH>>)
}

fn on_heap<M: Malloc, const DEPTH: usize>() -> EngineSpec {
    by_reference::<Heap<M>, DEPTH>().counted_on(&by_reference::<Heap<Counted>, DEPTH>())
}

/// A search tree as it comes out of inserting shuffled keys: node `i` was inserted `i`-th.
struct Shape {
    keys: Vec<u32>,
    left: Vec<u32>,
    right: Vec<u32>,
}

/// The shape of so many nodes, made once for all engines of a process.
fn shape<const DEPTH: usize>() -> &'static Shape {
    static SHAPES: [OnceLock<Shape>; 2] = [OnceLock::new(), OnceLock::new()];
    SHAPES[usize::from(DEPTH == LARGE)].get_or_init(|| shape_of(nodes(DEPTH)))
}

/// Inserts the keys below `count` in shuffled order: the tree over them in which nobody was inserted
/// before an ancestor of his, found in one pass over the keys.
fn shape_of(count: usize) -> Shape {
    let count_u32 = u32::try_from(count).expect("trees of 32-bit indices");
    let mut keys: Vec<u32> = (0..count_u32).collect();
    keys.shuffle(&mut numbers(0x7472_6565));
    let mut node_of = vec![0; count];
    for (node, &key) in (0_u32..).zip(&keys) {
        node_of[key as usize] = node;
    }
    let (mut left, mut right) = (vec![NONE; count], vec![NONE; count]);
    // The path from the root to the node of the greatest key so far.
    let mut path: Vec<u32> = Vec::new();
    for &node in &node_of {
        let mut below = NONE;
        while let Some(last) = path.pop_if(|last| *last > node) {
            below = last;
        }
        left[node as usize] = below;
        if let Some(&parent) = path.last() {
            right[parent as usize] = node;
        }
        path.push(node);
    }
    Shape { keys, left, right }
}

/// 24 bytes.
#[derive(Clone, Copy)]
struct Node {
    left: Option<NonNull<Self>>,
    right: Option<NonNull<Self>>,
    key: u32,
}

struct ByReference<R, const DEPTH: usize> {
    root: NonNull<Node>,
    /// Keeps the nodes alive. Mallocs' are never freed: engines live as long as their process.
    region: PhantomData<R>,
}

impl<R: Region, const DEPTH: usize> ByReference<R, DEPTH> {
    #[inline(never)]
    fn walk(node: NonNull<Node>, sum: u64) -> u64 {
        // SAFETY: a node of a tree that is never freed.
        let Node { left, right, key } = unsafe { node.read() };
        let sum = left.map_or(sum, |left| Self::walk(left, sum));
        let sum = fold(sum, u64::from(key));
        right.map_or(sum, |right| Self::walk(right, sum))
    }
}

impl<R: Region, const DEPTH: usize> Round for ByReference<R, DEPTH> {
    const OPS: u64 = nodes(DEPTH) as u64;

    fn new() -> Self {
        let shape = shape::<DEPTH>();
        let region: &'static R =
            Box::leak(Box::new(R::with_capacity(nodes(DEPTH) * size_of::<Node>() + 4096)));
        let blocks: Vec<NonNull<Node>> = shape
            .keys
            .iter()
            .map(|&key| NonNull::from(region.alloc(Node { left: None, right: None, key })))
            .collect();
        let link = |child: u32| (child != NONE).then(|| blocks[child as usize]);
        for ((mut node, &left), &right) in blocks.iter().copied().zip(&shape.left).zip(&shape.right)
        {
            // SAFETY: allocated above; no other reference to it is in use.
            let node = unsafe { node.as_mut() };
            (node.left, node.right) = (link(left), link(right));
        }
        Self { root: blocks[0], region: PhantomData }
    }

    fn round(&mut self, _: bool) -> u64 {
        Self::walk(black_box(self.root), 0)
    }
}

/// What the tables say of ours by index.
const INDEX32: About = About {
    name: "arena",
    config: "index32",
    package: "alloc-arena",
    why: "TypedArena::alloc_index: links of four bytes, each checked when it is followed",
    role: Role::Ours,
};

/// Nodes by 32-bit index.
trait Indices: Sized + 'static {
    type Link: Copy;

    /// Places the nodes of a shape; node `i` has the `i`-th index.
    fn new(shape: &Shape) -> Self;

    fn root(&self) -> Self::Link;

    /// A node's children and key.
    fn node(&self, link: Self::Link) -> (Option<Self::Link>, Option<Self::Link>, u32);
}

/// 12 bytes.
#[derive(Clone, Copy)]
struct Indexed {
    left: Option<Index32<Self>>,
    right: Option<Index32<Self>>,
    key: u32,
}

impl Indices for TypedArena<Indexed> {
    type Link = Index32<Indexed>;

    fn new(shape: &Shape) -> Self {
        let mut arena = Self::new();
        let link = |node: u32| Index32::from_usize(node as usize).filter(|_| node != NONE);
        for ((&key, &left), &right) in shape.keys.iter().zip(&shape.left).zip(&shape.right) {
            arena.alloc_index(Indexed { left: link(left), right: link(right), key });
        }
        arena
    }

    fn root(&self) -> Self::Link {
        Index32::from_usize(0).expect("a first index")
    }

    #[inline(always)]
    fn node(&self, link: Self::Link) -> (Option<Self::Link>, Option<Self::Link>, u32) {
        let &Indexed { left, right, key } = &self[link];
        (left, right, key)
    }
}

/// 12 bytes, with an index that means no child.
#[derive(Clone, Copy)]
struct ByHand {
    left: u32,
    right: u32,
    key: u32,
}

impl Indices for Vec<ByHand> {
    type Link = u32;

    fn new(shape: &Shape) -> Self {
        let links = shape.left.iter().zip(&shape.right);
        let node = |(&key, (&left, &right))| ByHand { left, right, key };
        shape.keys.iter().zip(links).map(node).collect()
    }

    fn root(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn node(&self, link: u32) -> (Option<u32>, Option<u32>, u32) {
        let ByHand { left, right, key } = self[link as usize];
        ((left != NONE).then_some(left), (right != NONE).then_some(right), key)
    }
}

struct ByIndex<I, const DEPTH: usize>(I);

impl<I: Indices, const DEPTH: usize> ByIndex<I, DEPTH> {
    #[inline(never)]
    fn walk(nodes: &I, node: I::Link, sum: u64) -> u64 {
        let (left, right, key) = nodes.node(node);
        let sum = left.map_or(sum, |left| Self::walk(nodes, left, sum));
        let sum = fold(sum, u64::from(key));
        right.map_or(sum, |right| Self::walk(nodes, right, sum))
    }
}

impl<I: Indices, const DEPTH: usize> Round for ByIndex<I, DEPTH> {
    const OPS: u64 = nodes(DEPTH) as u64;

    fn new() -> Self {
        Self(I::new(shape::<DEPTH>()))
    }

    fn round(&mut self, _: bool) -> u64 {
        Self::walk(black_box(&self.0), self.0.root(), 0)
    }
}

/// The keys in order, without a tree.
struct Keys<const DEPTH: usize>(Vec<u32>);

impl<const DEPTH: usize> Round for Keys<DEPTH> {
    const OPS: u64 = nodes(DEPTH) as u64;

    fn new() -> Self {
        let count = u32::try_from(nodes(DEPTH)).expect("trees of 32-bit indices");
        Self((0..count).collect())
    }

    fn round(&mut self, _: bool) -> u64 {
        black_box(&self.0).iter().fold(0, |sum, &key| fold(sum, u64::from(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_is_that_of_inserting_one_by_one() {
        let shape = shape_of(1000);
        let (mut left, mut right) = (vec![NONE; 1000], vec![NONE; 1000]);
        for (node, &key) in (0_u32..).zip(&shape.keys).skip(1) {
            let mut at = 0;
            loop {
                let above = if key < shape.keys[at] { &mut left[at] } else { &mut right[at] };
                if *above == NONE {
                    *above = node;
                    break;
                }
                at = *above as usize;
            }
        }
        assert_eq!((shape.left, shape.right), (left, right));
    }
}
