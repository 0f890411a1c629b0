//! While a child frame is open nothing can be allocated through its parent.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    let mut scope = frame.scope();
    let child = scope.frame();
    scope.alloc(1);
    drop(child);
}
