//! A value whose drop could look at another in the same arena, which may be gone by then.
use alloc_arena::TypedArena;
use std::cell::Cell;

struct Node<'a>(Cell<Option<&'a Node<'a>>>, String);

impl Drop for Node<'_> {
    fn drop(&mut self) {
        if let Some(neighbour) = self.0.get() {
            println!("{}", neighbour.1);
        }
    }
}

fn main() {
    let arena = TypedArena::new();
    let first = arena.alloc(Node(Cell::new(None), String::from("first")));
    let second = arena.alloc(Node(Cell::new(Some(first)), String::from("second")));
    first.0.set(Some(second));
}
