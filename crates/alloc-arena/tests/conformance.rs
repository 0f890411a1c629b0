//! Every allocator of this crate keeps every promise of the trait.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig};
use alloc_core::Global;
use alloc_core::testing::{Checked, conforms};

#[test]
fn an_arena_conforms() {
    conforms(Arena::new);
    conforms(Arena::<16>::with_min_align);
    conforms(|| {
        let config = ArenaConfig::new().first_chunk_bytes(512).max_chunk_bytes(4096);
        Arena::<1, _>::with_config_in(config, Checked::new(Global))
    });
    let arena = Arena::new();
    conforms(|| &arena);
}

#[test]
fn a_frame_conforms() {
    let mut arena = Arena::new();
    let mut outer = arena.frame();
    let mut parent = outer.scope();
    let mut inner = parent.frame();
    let scope = inner.scope();
    conforms(|| &scope);
}

#[test]
#[cfg(feature = "std")]
fn a_shared_arena_conforms() {
    conforms(alloc_arena::SyncArena::<1>::new);
    conforms(alloc_arena::SyncArena::<16>::with_min_align);
}
