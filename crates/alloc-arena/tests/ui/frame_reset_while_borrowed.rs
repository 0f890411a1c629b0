//! Resetting a frame ends every reference from it.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    let value = frame.scope().alloc(1);
    frame.reset();
    *value += 1;
}
