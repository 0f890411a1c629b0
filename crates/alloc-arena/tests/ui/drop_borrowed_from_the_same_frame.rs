//! Values of one frame are dropped one after the other: none may borrow from another of them.
use alloc_arena::Arena;

struct Prints<'a>(&'a str);

impl Drop for Prints<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn main() {
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    let scope = frame.scope();
    let text = scope.alloc_str("freed with the frame");
    scope.alloc_drop(Prints(text));
}
