//! A reset while a thread's reference is in use.
use alloc_arena::SyncArena;

fn main() {
    let mut arena = SyncArena::new();
    let kept = std::thread::scope(|scope| scope.spawn(|| arena.alloc(1)).join().unwrap());
    arena.reset();
    *kept += 1;
}
