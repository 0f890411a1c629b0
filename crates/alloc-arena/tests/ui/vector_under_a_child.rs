//! A vector on a scope keeps its child frames closed: it could grow into them.
use alloc_arena::Arena;
use alloc_core::collections::Vec;

fn main() {
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    let mut scope = frame.scope();
    let mut list = Vec::new_in(&scope);
    let child = scope.frame();
    list.push(1);
    drop(child);
}
