//! Objects of one type that point at each other, in circles, and go together: a graph.
//!
//! Plain: `Rc` and `Weak` in `RefCell`s. In an arena a neighbour is a reference, or an index of four
//! bytes. Where nothing is removed, a `Vec` and its indices do the same, and are the simplest.

use alloc_arena::{Index32, TypedArena};
use core::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

const NODES: usize = 1000;
const LINKS: usize = 3;

/// Where the links of each node lead.
fn links() -> Vec<[usize; LINKS]> {
    let mut random = guide::Random::new(11);
    (0..NODES).map(|_| core::array::from_fn(|_| random.below(NODES))).collect()
}

/// Which link is followed next.
fn turn(step: usize, value: usize) -> usize {
    (step + value) % LINKS
}

struct Counted {
    value: usize,
    links: RefCell<[Weak<Counted>; LINKS]>,
}

fn counted(links: &[[usize; LINKS]]) -> usize {
    let node = |value| Rc::new(Counted { value, links: RefCell::default() });
    let nodes: Vec<_> = (0..NODES).map(node).collect();
    for (node, links) in nodes.iter().zip(links) {
        *node.links.borrow_mut() = links.map(|link| Rc::downgrade(&nodes[link]));
    }
    let (mut at, mut sum) = (Rc::clone(&nodes[0]), 0);
    for step in 0..NODES {
        let next = at.links.borrow()[turn(step, at.value)].upgrade();
        at = next.unwrap_or_else(|| unreachable!("`nodes` holds all"));
        sum += at.value;
    }
    sum
}

struct Linked<'a> {
    value: usize,
    links: Cell<[Option<&'a Linked<'a>>; LINKS]>,
}

fn linked(links: &[[usize; LINKS]]) -> usize {
    let arena = TypedArena::with_capacity(NODES);
    let new = |value| Linked { value, links: Cell::new([None; LINKS]) };
    let nodes = &*arena.alloc_from_iter((0..NODES).map(new));
    for (node, links) in nodes.iter().zip(links) {
        node.links.set(links.map(|link| Some(&nodes[link])));
    }
    let (mut at, mut sum) = (&nodes[0], 0);
    for step in 0..NODES {
        at = at.links.get()[turn(step, at.value)].unwrap_or(at);
        sum += at.value;
    }
    sum
}

struct Small {
    value: usize,
    links: [Index32<Small>; LINKS],
}

fn in_arena(links: &[[usize; LINKS]]) -> usize {
    let mut arena = TypedArena::with_capacity(NODES);
    for (value, links) in (0..).zip(links) {
        // Numbered from 0 in their order, so a link may be written before its node is there.
        let links = links.map(|link| Index32::from_usize(link).expect("below 2^32"));
        arena.alloc_index(Small { value, links });
    }
    let (mut at, mut sum) = (&arena.as_slice()[0], 0);
    for step in 0..NODES {
        at = &arena[at.links[turn(step, at.value)]];
        sum += at.value;
    }
    sum
}

struct Indexed {
    value: usize,
    links: [usize; LINKS],
}

fn in_vec(links: &[[usize; LINKS]]) -> usize {
    let new = |(value, &links)| Indexed { value, links };
    let nodes: Vec<Indexed> = (0..).zip(links).map(new).collect();
    let (mut at, mut sum) = (&nodes[0], 0);
    for step in 0..NODES {
        at = &nodes[at.links[turn(step, at.value)]];
        sum += at.value;
    }
    sum
}

fn main() {
    let links = &links();
    let measured = guide::measure("node", NODES)
        .way("Rc and Weak", || || counted(links))
        .way("TypedArena, references", || || linked(links))
        .way("TypedArena, Index32", || || in_arena(links))
        .way("a Vec and indices", || || in_vec(links))
        .run();
    assert!(measured[0].allocs > NODES as u64 && measured[1].allocs < 5);
}
