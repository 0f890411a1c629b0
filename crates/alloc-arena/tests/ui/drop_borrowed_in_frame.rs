//! What a frame drops must not borrow from what ends before the frame does.
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
    {
        let text = String::from("gone");
        frame.scope().alloc_drop(Prints(&text));
    }
    drop(frame);
}
