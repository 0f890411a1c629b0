//! A reference from a scope must not outlive the frame's guard.
use alloc_arena::Arena;

fn main() {
    let mut arena = Arena::new();
    let value = {
        let mut frame = arena.frame();
        let scope = frame.scope();
        scope.alloc(1)
    };
    *value += 1;
}
