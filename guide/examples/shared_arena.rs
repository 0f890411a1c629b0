//! Threads that build one structure which outlives them: a scene of many parts.
//!
//! Two threads each build half of a tree of named nodes. Plain, a node has a `String` and a `Vec`, and
//! whoever drops the tree frees what other threads allocated. In a `SyncArena` each thread takes from
//! chunks of its own, and the nodes live as long as the arena.

use alloc_arena::{Local, SyncArena};
use alloc_core::Global;
use std::thread;

const PARTS: usize = 4;
const DEPTH: u32 = 5;

struct Plain {
    name: String,
    parts: Vec<Plain>,
}

struct Node<'a> {
    name: &'a str,
    parts: &'a [Node<'a>],
}

/// How many parts a node has, if any.
fn parts(depth: u32) -> core::ops::Range<usize> {
    0..if depth == 0 { 0 } else { PARTS }
}

fn plain(number: usize, depth: u32) -> Plain {
    let parts = parts(depth).map(|part| plain(number * PARTS + part, depth - 1)).collect();
    Plain { name: format!("part {number}"), parts }
}

fn in_arena<'a>(number: usize, depth: u32, arena: &Local<'a, '_, 1, Global>) -> Node<'a> {
    let below = |part| in_arena(number * PARTS + part, depth - 1, arena);
    let parts = arena.alloc_from_iter(parts(depth).map(below));
    Node { name: arena.alloc_fmt(format_args!("part {number}")), parts }
}

/// Both halves at the same time.
fn halves<T: Send>(half: impl Fn(usize) -> T + Sync) -> [T; 2] {
    thread::scope(|scope| {
        let left = scope.spawn(|| half(1));
        let right = half(2);
        [left.join().expect("no panic"), right]
    })
}

fn plain_sum(node: &Plain) -> usize {
    node.name.len() + node.parts.iter().map(plain_sum).sum::<usize>()
}

fn sum(node: &Node<'_>) -> usize {
    node.name.len() + node.parts.iter().map(sum).sum::<usize>()
}

fn main() {
    let nodes = 2 * (0..=DEPTH).map(|depth| PARTS.pow(depth)).sum::<usize>();
    let measured = guide::measure("node", nodes)
        .way("String and Vec", || {
            || halves(|half| plain(half, DEPTH)).iter().map(plain_sum).sum::<usize>()
        })
        .way("SyncArena, reset", || {
            let mut arena = SyncArena::new();
            move || {
                let half = |half| arena.with_local(|local| in_arena(half, DEPTH, local));
                let sum = halves(half).iter().map(sum).sum();
                arena.reset();
                sum
            }
        })
        .run();
    assert!(measured[0].allocs > nodes as u64 && measured[1].allocs < 50, "{measured:?}");
}
