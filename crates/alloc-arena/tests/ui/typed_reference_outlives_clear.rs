//! A reference to a value that was cleared, or that an index may move.
use alloc_arena::TypedArena;

fn main() {
    let mut arena = TypedArena::new();
    let one = arena.alloc(1);
    arena.clear();
    *one += 1;
    let two = arena.alloc(2);
    arena.alloc_index(3);
    *two += 1;
}
