//! An arena is used by one thread at a time.
use alloc_arena::Arena;

fn main() {
    let arena = Arena::new();
    std::thread::scope(|scope| {
        scope.spawn(|| *arena.alloc(1));
    });
}
