//! A reference must not outlive its arena.
use alloc_arena::Arena;

fn main() {
    let value = {
        let arena = Arena::new();
        arena.alloc(1)
    };
    *value += 1;
}
