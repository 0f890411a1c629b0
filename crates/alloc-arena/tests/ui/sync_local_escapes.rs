//! A handle to a thread's part that leaves the call, when the part may be another thread's.
use alloc_arena::SyncArena;

fn main() {
    let arena = SyncArena::new();
    let mut kept = None;
    arena.with_local(|local| kept = Some(local));
    if let Some(local) = kept {
        local.alloc(1);
    }
}
