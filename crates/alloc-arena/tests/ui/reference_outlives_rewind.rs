//! Going back to a checkpoint ends every reference.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let before = arena.checkpoint();
    let value = arena.alloc(1);
    arena.rewind(before);
    *value += 1;
}
