//! A shorter-lived value in an arena of longer-lived ones.
use alloc_arena::TypedArena;

fn put<'a>(arena: &TypedArena<&'a str>, text: &'a str) {
    arena.alloc(text);
}

fn main() {
    let mut arena: TypedArena<&'static str> = TypedArena::new();
    {
        let text = String::from("short");
        put(&arena, &text);
    }
    for text in arena.iter_mut() {
        println!("{text}");
    }
}
