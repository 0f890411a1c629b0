//! A value that only its thread may drop.
use alloc_arena::SyncArena;
use std::rc::Rc;

fn main() {
    let arena = SyncArena::new();
    arena.alloc_drop(Rc::new(1));
}
