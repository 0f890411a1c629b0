//! Blocks that have a chunk of their own, and memory that is given back.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig};
use alloc_core::collections::Vec;
use alloc_core::{Allocator, Layout};

const MIB: usize = 1 << 20;

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).unwrap()
}

fn uncached() -> Arena {
    Arena::with_config(ArenaConfig::new().thread_cache(false))
}

#[test]
fn a_large_block_shrinks_and_grows_again_where_it_is() {
    let arena = uncached();
    let mut list = Vec::new_in(&arena);
    list.resize(3 * MIB, 7u8);
    let place = list.as_ptr();
    list.truncate(MIB);
    list.shrink_to_fit();
    list.reserve_exact(MIB);
    list.resize(2 * MIB, 9);
    assert_eq!(list.as_ptr(), place);
    assert!(list[..MIB].iter().all(|&byte| byte == 7));
    drop(list);
    assert_eq!((arena.used_bytes(), arena.stats().spare_chunks), (0, 1));
}

/// Every reset keeps the first chunk, so a block beyond the ladder must not be in it.
#[test]
fn a_large_block_is_let_go_even_if_it_came_first_or_into_a_full_chunk() {
    for full in [false, true] {
        let mut arena = uncached();
        if full {
            arena.alloc(1u8);
            arena.alloc_uninit_slice::<u8>(arena.remaining_bytes());
        }
        arena.alloc_uninit_slice::<u8>(64 * MIB);
        assert_eq!((arena.stats().chunks, arena.stats().large_chunks), (usize::from(full), 1));
        for _ in 0..16 {
            arena.reset();
            arena.alloc(1u8);
        }
        assert!(arena.reserved_bytes() < MIB, "{full}: {:?}", arena.stats());
    }
}

#[test]
fn an_empty_arena_gives_all_its_memory_back_when_asked() {
    let mut arena = uncached();
    assert_eq!(arena.trim(), 0);
    arena.reserve(100);
    arena.reserve(MIB);
    assert_eq!(arena.stats().chunks, 2);
    let reserved = arena.reserved_bytes();
    assert_eq!((arena.trim(), arena.reserved_bytes()), (reserved, 0), "reserved, never used");
    let before = arena.checkpoint();
    let reserved = arena.reserved_bytes();
    arena.alloc_uninit_slice::<u8>(MIB);
    arena.rewind(before);
    assert!(arena.trim() > MIB);
    assert_eq!(arena.reserved_bytes(), reserved, "the checkpoint's record is in use");
    arena.rewind(before);
    arena.reset();
    assert_eq!((arena.trim(), arena.reserved_bytes()), (reserved, 0));
    assert_eq!(arena.frame().scope().alloc(5u8), &5);
    assert_eq!(*arena.alloc(6u8), 6);
}

#[test]
fn rewinding_frees_large_blocks_that_came_after_one_was_freed() {
    let mut arena = uncached();
    let large = arena.alloc_layout(layout(4 * MIB));
    let first = arena.checkpoint();
    // SAFETY: alive with this layout, not used again.
    unsafe { arena.deallocate(large, layout(4 * MIB)) };
    let used = arena.used_bytes();
    arena.checkpoint();
    arena.alloc_layout(layout(4 * MIB));
    arena.alloc_layout(layout(3 * MIB));
    arena.rewind(first);
    assert_eq!((arena.used_bytes(), arena.stats().large_chunks), (used, 0));
    arena.alloc_layout(layout(3 * MIB));
    let second = arena.checkpoint();
    arena.alloc_layout(layout(3 * MIB));
    arena.rewind(second);
    assert_eq!(arena.stats().large_chunks, 1);
    arena.rewind(first);
    assert_eq!(arena.stats().large_chunks, 0);
}

#[test]
fn a_large_block_that_could_not_grow_is_as_old_as_before() {
    let config = ArenaConfig::new().thread_cache(false).limit_bytes(8 * MIB);
    let mut arena = Arena::<1>::with_config(config);
    let large = arena.alloc_layout(layout(4 * MIB));
    let before = arena.checkpoint();
    // SAFETY: `large` is alive with this layout; the new one is larger.
    assert!(unsafe { arena.grow(large, layout(4 * MIB), layout(16 * MIB)) }.is_err());
    arena.rewind(before);
    assert!(arena.contains(large.as_ptr()), "it was there before the checkpoint");
}
