//! A value whose drop would see what is gone when the arena is dropped.
use alloc_arena::TypedArena;

struct Shows<'a>(&'a String);

impl Drop for Shows<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn main() {
    let arena = TypedArena::new();
    let text = String::from("gone first");
    arena.alloc(Shows(&text));
}
