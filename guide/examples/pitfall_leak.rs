//! Pitfall, leaks: an arena frees its memory, not what its values own elsewhere.
//!
//! Three ways to keep nodes that own a buffer each and know each other. The arena's own memory comes
//! back every time; what is counted is what is left on the heap when all are gone.

use alloc_arena::{Arena, SyncArena};
use core::cell::Cell;
use core::mem::ManuallyDrop;
use guide::{bytes, counted, fact};
use std::sync::{Arc, Mutex};

const NODES: usize = 100;
const BUFFER: usize = 256;

/// Values that need dropping, in an arena that drops nothing. The compiler refuses them; this is how
/// one talks it round.
fn not_dropped() {
    let arena = Arena::new();
    for _ in 0..NODES {
        arena.alloc(ManuallyDrop::new(vec![1_u8; BUFFER]));
    }
}

/// Dropped by the arena, once each: handles to nodes in a circle, whose counts never come to zero.
fn in_circles() {
    struct Node {
        _buffer: Vec<u8>,
        next: Mutex<Option<Arc<Node>>>,
    }
    let arena = SyncArena::new();
    let node = |_| Arc::new(Node { _buffer: vec![1; BUFFER], next: Mutex::new(None) });
    let nodes: Vec<Arc<Node>> = (0..NODES).map(node).collect();
    for (at, node) in nodes.iter().enumerate() {
        let next = Arc::clone(&nodes[(at + 1) % NODES]);
        *node.next.lock().expect("nobody panicked") = Some(next);
    }
    for node in nodes {
        arena.alloc_drop(node);
    }
}

/// The nodes and their buffers in the arena, the circle of references: nothing is counted, nothing is
/// left.
fn references() {
    struct Node<'a> {
        _buffer: &'a [u8],
        next: Cell<Option<&'a Node<'a>>>,
    }
    let arena = Arena::new();
    let node = |_| Node { _buffer: arena.alloc_slice_fill_copy(BUFFER, 1), next: Cell::new(None) };
    let nodes = &*arena.alloc_from_iter((0..NODES).map(node));
    for (at, node) in nodes.iter().enumerate() {
        node.next.set(Some(&nodes[(at + 1) % NODES]));
    }
}

fn main() {
    let left = |work: fn()| {
        let work = || {
            work();
            // What the thread keeps for its next arena is no leak.
            alloc_arena::ThreadCache::trim();
        };
        work(); // what a thread sets up once
        counted(work).1.left_bytes
    };
    let buffers = (NODES * BUFFER) as u64;
    let [manual, circle, inside] = [not_dropped, in_circles, references].map(left);
    fact("Vecs in ManuallyDrop, in an Arena: left", bytes(manual));
    fact("Arcs in a circle, dropped by a SyncArena: left", bytes(circle));
    fact("references inside an Arena: left", bytes(inside));
    assert!(manual >= buffers && circle > buffers && inside == 0, "{manual} {circle} {inside}");
}
