//! While a frame is open the arena itself is out of reach.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    arena.alloc(1);
    frame.scope().alloc(2);
}
