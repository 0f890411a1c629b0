//! Values that need dropping are refused where nothing would drop them.
use alloc_arena::Arena;

fn main() {
    let arena = Arena::new();
    arena.alloc(String::from("leaked"));
}
