//! A box whose memory is used again.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let boxed = arena.alloc_box(String::from("a"));
    arena.reset();
    drop(boxed);
}
