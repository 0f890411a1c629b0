//! A value that the arena would drop after what it borrows.
use alloc_arena::SyncArena;

fn main() {
    let arena = SyncArena::new();
    let text = String::from("gone first");
    arena.alloc_drop(vec![&text]);
    drop(text);
}
