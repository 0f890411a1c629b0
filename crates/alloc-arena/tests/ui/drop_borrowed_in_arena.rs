//! The arena may drop its values after what they borrow is gone.
use alloc_arena::Arena;

struct Prints<'a>(&'a str);

impl Drop for Prints<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn main() {
    let arena = Arena::new();
    {
        let text = String::from("gone");
        arena.alloc_drop(Prints(&text));
    }
    drop(arena);
}
