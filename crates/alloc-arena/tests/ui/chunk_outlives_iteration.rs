//! The bytes of a chunk are borrowed from the arena exclusively.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let chunk = arena.chunks().next();
    arena.alloc(1);
    assert!(chunk.is_none());
}
