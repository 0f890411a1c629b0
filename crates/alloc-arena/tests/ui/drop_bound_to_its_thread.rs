//! An arena may be dropped on another thread, so its values must be `Send`.
use alloc_arena::Arena;
use std::rc::Rc;

fn main() {
    let arena = Arena::new();
    arena.alloc_drop(Rc::new(1));
}
