//! A vector in a scope must not outlive the frame.
use alloc_arena::Arena;
use alloc_core::collections::Vec;

fn main() {
    let mut arena = Arena::new();
    let mut list = {
        let mut frame = arena.frame();
        Vec::new_in(frame.scope())
    };
    list.push(1);
}
