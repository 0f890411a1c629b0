//! A reference from before a reset must not be used after it.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let value = arena.alloc(1);
    arena.reset();
    *value += 1;
}
