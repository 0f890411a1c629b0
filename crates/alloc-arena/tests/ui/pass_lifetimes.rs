//! What must compile: references live as long as arena or guard, across children and closures.
use alloc_arena::{Arena, Scope};

fn longest<'g>(scope: &mut Scope<'g, '_>, text: &str) -> &'g str {
    let mut longest = scope.alloc_str("");
    for word in text.split(' ') {
        let is_longer = scope.scoped(|inner| inner.alloc_str(word).len() > longest.len());
        if is_longer {
            longest = scope.alloc_str(word);
        }
    }
    longest
}

fn main() {
    let mut arena = Arena::new();
    let kept = {
        let list = arena.alloc_from_iter([1, 2, 3]);
        list[0]
    };
    let outside = std::cell::Cell::new(0);
    arena.scoped(|scope| {
        let word = longest(scope, "a bb ccc");
        outside.set(word.len() + kept);
    });
    assert_eq!(outside.get(), 4);
}
