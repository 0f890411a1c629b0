//! The figures against a count kept beside the arena.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig, SliceBuilder};
use alloc_core::{Allocator, Layout};

const COUNTED: bool = cfg!(feature = "stats");

fn counted(figure: u64) -> Option<u64> {
    COUNTED.then_some(figure)
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn allocations_bytes_and_padding_are_exact_with_the_feature_and_absent_without() {
    let mut arena = Arena::<8>::with_min_align();
    let (mut allocs, mut requested, mut used) = (0u64, 0u64, 0usize);
    for size in [1, 0, 7, 8, 9, 63, 64, 65] {
        arena.alloc_layout(layout(size, 1));
        allocs += 1;
        requested += size as u64;
        used += size.next_multiple_of(8);
    }
    arena.alloc(());
    arena.alloc_slice_copy(&[1u16, 2, 3]);
    arena.alloc_str("words");
    (allocs, requested, used) = (allocs + 3, requested + 6 + 5, used + 8 + 8);
    let stats = arena.stats();
    assert_eq!(stats.allocs, counted(allocs));
    assert_eq!(stats.frees, counted(0));
    assert_eq!(stats.requested_bytes, counted(requested));
    assert_eq!(stats.used_bytes, used);
    assert_eq!(stats.waste_align_bytes, counted(used as u64 - requested));
    assert_eq!((stats.reserved_bytes, stats.peak_bytes), (16 << 10, used));
    arena.reset();
    assert_eq!((arena.stats().waste_align_bytes, arena.stats().resets), (counted(0), 1));
}

#[test]
fn growth_and_shrinkage_keep_allocs_less_frees_the_live_blocks() {
    let arena = Arena::new();
    let block = arena.allocate(layout(10, 1)).unwrap().cast();
    // SAFETY: alive with this layout; the new one is larger.
    let block = unsafe { arena.grow(block, layout(10, 1), layout(30, 1)) }.unwrap().cast();
    let stats = arena.stats();
    assert_eq!((stats.allocs, stats.frees), (counted(2), counted(1)), "it moved: a new block");
    assert_eq!(stats.requested_bytes, counted(40));
    arena.alloc(1u8);
    // SAFETY: as above.
    let block = unsafe { arena.grow(block, layout(30, 1), layout(40, 1)) }.unwrap().cast();
    let stats = arena.stats();
    assert_eq!((stats.allocs, stats.frees), (counted(3), counted(1)), "in place: the same block");
    assert_eq!(stats.requested_bytes, counted(51));
    // SAFETY: alive with this layout, not used again.
    unsafe { arena.deallocate(block, layout(40, 1)) };
    assert_eq!(arena.stats().frees, counted(2));
}

#[test]
fn a_block_without_size_that_grows_is_one_block_all_the_time() {
    let arena = Arena::new();
    let block = arena.allocate(layout(0, 1)).unwrap().cast();
    // SAFETY: alive with this layout; the new one is larger.
    let block = unsafe { arena.grow(block, layout(0, 1), layout(30, 1)) }.unwrap().cast();
    // SAFETY: alive with this layout, not used again.
    unsafe { arena.deallocate(block, layout(30, 1)) };
    let stats = arena.stats();
    assert_eq!((stats.allocs, stats.frees), (counted(2), counted(2)));
}

#[test]
fn every_byte_held_has_a_cause() {
    let config = ArenaConfig::new().thread_cache(false).first_chunk_bytes(1024);
    let mut arena = Arena::<64>::with_config(config);
    for n in 1..60 {
        arena.alloc_layout(layout(n * 37, 1));
        arena.alloc_layout(layout(n, 1 << (n % 10)));
        if n % 20 == 0 {
            arena.alloc_layout(layout(n << 17, 1));
        }
        if n % 7 == 0 {
            let mut builder = SliceBuilder::new(&arena);
            builder.try_extend_from_slice(&vec![1u8; n * 100]).unwrap();
            builder.finish();
        }
        if n % 25 == 0 {
            arena.scoped(|scope| {
                scope.alloc_layout(layout(100_000, 1));
            });
        }
        let stats = arena.stats();
        let waste = stats.waste_tail_bytes + stats.waste_large_bytes + stats.waste_header_bytes;
        let free = stats.remaining_bytes + stats.spare_bytes;
        assert_eq!(stats.reserved_bytes, stats.used_bytes + waste + free, "{stats:?}");
        assert!(stats.waste_header_bytes >= 64 * (stats.chunks + stats.large_chunks));
    }
    let stats = arena.stats();
    assert!(stats.chunks > 2 && stats.large_chunks > 1 && stats.spare_chunks > 0, "{stats:?}");
    assert!(stats.slow_calls > 4 && stats.waste_tail_bytes > 0, "{stats:?}");
    assert!(stats.utilisation() > 0.5 && stats.external_fragmentation() < 0.5);
}

#[test]
fn the_peak_is_seen_at_the_end_of_frames_and_at_resets() {
    let mut arena = Arena::<1>::with_min_align();
    arena.scoped(|scope| {
        scope.alloc([0u8; 5000]);
    });
    arena.alloc([0u8; 100]);
    assert_eq!((arena.stats().peak_bytes, arena.stats().used_bytes), (5000, 100));
    arena.alloc_layout(layout(50_000, 1));
    arena.reset();
    assert_eq!(arena.stats().peak_bytes, 50_100);
}

/// What is lost to alignment goes back with the blocks: at the end of a frame, and by a rewind.
#[test]
fn what_alignment_cost_is_taken_back_with_the_blocks() {
    let mut arena = Arena::<8>::with_min_align();
    arena.alloc(1u8);
    let lost = |arena: &Arena<8>| arena.stats().waste_align_bytes;
    assert_eq!(lost(&arena), counted(7));
    let checkpoint = arena.checkpoint();
    for _ in 0..3 {
        let mut frame = arena.frame();
        let scope = frame.scope();
        (0..5000).for_each(|_| _ = scope.alloc([1u8; 9]));
        drop(frame);
        assert_eq!(lost(&arena), counted(7));
    }
    arena.alloc(2u8);
    assert_eq!(lost(&arena), counted(14));
    arena.rewind(checkpoint);
    assert_eq!(lost(&arena), counted(7));
    let stats = arena.stats();
    assert!(stats.internal_fragmentation().is_none_or(|share| share <= 1.0), "{stats:?}");
}
