//! A value whose drop allocates in the arena that is being dropped.
use alloc_arena::TypedArena;

struct Greedy<'a>(&'a TypedArena<Greedy<'a>>);

impl Drop for Greedy<'_> {
    fn drop(&mut self) {
        self.0.alloc(Greedy(self.0));
    }
}

fn main() {
    let arena = TypedArena::new();
    arena.alloc(Greedy(&arena));
}
