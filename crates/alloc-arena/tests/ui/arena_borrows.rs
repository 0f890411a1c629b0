//! What an arena hands out, and builds, while it is had exclusively.
use alloc_arena::{Arena, CollectIn, SliceBuilder, SyncArena};

fn builder_across_a_reset() {
    let mut arena = Arena::new();
    let mut builder = SliceBuilder::new(&arena);
    arena.reset();
    builder.push(1);
}

fn builder_in_the_arena_of_a_frame() {
    let mut arena = Arena::new();
    let frame = arena.frame();
    SliceBuilder::new(&arena).push(1);
    drop(frame);
}

fn slice_seen_among_the_bytes_of_its_chunk() {
    let mut arena = Arena::new();
    let slice = arena.alloc_slice_copy(&[1, 2, 3]);
    for chunk in arena.chunks() {
        slice[0] = chunk.high.len();
    }
}

fn collected_into_an_arena_that_ends<'a>() -> &'a mut [u32] {
    let arena = Arena::new();
    (0..3).collect_in(&arena)
}

fn trimmed_while_borrowed() {
    let mut arena = Arena::new();
    let value = arena.alloc(1);
    arena.trim();
    *value += 1;
}

fn shared_and_dropped() {
    let arena = SyncArena::new();
    let text = arena.with_local(|local| local.alloc_str("gone"));
    drop(arena);
    assert_eq!(text, "gone");
}

fn main() {
    builder_across_a_reset();
    builder_in_the_arena_of_a_frame();
    slice_seen_among_the_bytes_of_its_chunk();
    collected_into_an_arena_that_ends();
    trimmed_while_borrowed();
    shared_and_dropped();
}
