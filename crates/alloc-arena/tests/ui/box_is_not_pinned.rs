//! A value that must not vanish without its drop, in a box that may be forgotten and overwritten.
use alloc_arena::Arena;
use std::marker::PhantomPinned;
use std::pin::Pin;

fn main() {
    let arena = Arena::new();
    let pinned = Pin::new(arena.alloc_box(PhantomPinned));
    drop(pinned);
}
