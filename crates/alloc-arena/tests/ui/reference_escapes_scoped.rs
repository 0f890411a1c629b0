//! Nothing of a frame leaves its closure.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let value = arena.scoped(|scope| scope.alloc(1));
    *value += 1;
}
