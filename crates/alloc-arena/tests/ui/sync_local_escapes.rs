//! A handle to a thread's part that leaves the call, for another thread or a later time.
use alloc_arena::SyncArena;

fn main() {
    let arena = SyncArena::new();
    let mut kept = None;
    arena.with_local(|local| kept = Some(local));
    std::thread::scope(|scope| {
        arena.with_local(|local| {
            scope.spawn(move || local.alloc(1));
        });
    });
}
