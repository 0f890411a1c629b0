//! A value that only its thread may drop, and one that the arena may outlive.
use alloc_arena::SyncArena;
use std::rc::Rc;

fn main() {
    let arena = SyncArena::new();
    arena.alloc_drop(Rc::new(1));
    let text = String::from("gone first");
    arena.alloc_drop(vec![&text]);
    drop(text);
}
