//! Values, slices, strings; reset, growth of chunks, the thread's cache.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig, CollectIn, SliceBuilder, ThreadCache, alloc_fmt};
use alloc_core::Layout;
use alloc_core::collections::{Box, Vec};

#[test]
fn values_of_every_kind_keep_their_contents_across_chunks() {
    let mut arena = Arena::new();
    for round in 0..3 {
        let mut kept = std::vec::Vec::new();
        for n in 0..5000u32 {
            let number = arena.alloc(n);
            let list =
                arena.alloc_slice_fill_with(n as usize % 7, |i| n + u32::try_from(i).unwrap());
            let text = alloc_fmt!(arena, "number {n}");
            let odd = arena.alloc_from_iter((0..n % 40).filter(|i| i % 2 == 1));
            kept.push((n, number, list, text, odd));
        }
        for (n, number, list, text, odd) in kept {
            assert_eq!((*number, &*text), (n, &*format!("number {n}")));
            assert!(list.iter().copied().eq((0..n % 7).map(|i| n + i)));
            assert!(odd.iter().copied().eq((0..n % 40).filter(|i| i % 2 == 1)));
        }
        assert!(arena.stats().chunks > 3, "round {round}: {:?}", arena.stats());
        let reserved = arena.reserved_bytes();
        arena.reset();
        assert_eq!((arena.used_bytes(), arena.reserved_bytes()), (0, reserved), "chunks are kept");
    }
}

#[test]
fn an_arena_takes_nothing_until_it_is_used() {
    static EMPTY: std::sync::Mutex<Arena> = std::sync::Mutex::new(Arena::new());
    let mut arena = Arena::new();
    assert_eq!((arena.reserved_bytes(), arena.remaining_bytes()), (0, 0));
    arena.alloc(());
    arena.alloc_str("");
    arena.alloc_slice_copy::<u64>(&[]);
    arena.alloc_from_iter([0u64; 0]);
    assert_eq!(*arena.alloc_fmt(format_args!("")), *"");
    arena.reset();
    assert_eq!(arena.reserved_bytes(), 0);
    assert_eq!(*EMPTY.lock().unwrap().alloc(5), 5);
}

#[test]
fn chunks_double_up_to_the_maximum() {
    let config = ArenaConfig::new().first_chunk_bytes(1024).max_chunk_bytes(8192);
    let mut arena = Arena::<1>::with_config(config);
    for _ in 0..100 {
        arena.alloc([0u8; 500]);
    }
    let mut sizes: std::vec::Vec<_> =
        arena.chunks().map(|chunk| chunk.capacity_bytes + 64).collect();
    sizes.reverse();
    assert_eq!(sizes[..4], [1024, 2048, 4096, 8192]);
    assert!(sizes[4..].iter().all(|&bytes| bytes == 8192), "{sizes:?}");
}

#[test]
fn a_large_block_does_not_cost_the_rest_of_the_current_chunk() {
    let mut arena = Arena::new();
    arena.alloc(1u8);
    let left = arena.remaining_bytes();
    let big = arena.alloc_layout(Layout::from_size_align(3 << 20, 8).unwrap());
    assert!(arena.contains(big.as_ptr()));
    assert_eq!(arena.remaining_bytes(), left);
    assert_eq!((arena.stats().chunks, arena.stats().large_chunks), (1, 1));
    arena.reset();
    let reserved = arena.reserved_bytes();
    arena.alloc_layout(Layout::from_size_align(3 << 20, 8).unwrap());
    assert_eq!(arena.reserved_bytes(), reserved, "kept and used again");
}

#[test]
fn an_arena_of_a_thread_that_had_one_before_takes_nothing_from_the_system() {
    std::thread::spawn(|| {
        let fill = || {
            let arena = Arena::new();
            for n in 0..1000u64 {
                arena.alloc([n; 16]);
            }
            arena.reserved_bytes()
        };
        let bytes = fill();
        let before = ThreadCache::stats();
        assert_eq!(before.cached_bytes, bytes);
        for _ in 0..10 {
            assert_eq!(fill(), bytes);
        }
        let after = ThreadCache::stats();
        assert_eq!((after.misses, after.cached_bytes), (before.misses, bytes));
        assert!(after.hits >= before.hits + 10);
        assert_eq!(ThreadCache::trim(), bytes);
        assert_eq!(ThreadCache::stats().cached_chunks, 0);
    })
    .join()
    .unwrap();
}

#[test]
fn one_vector_grows_among_other_blocks_without_being_copied_within_a_chunk() {
    let arena = Arena::with_capacity(1 << 20);
    let mut list = Vec::new_in(&arena);
    let mut places = std::collections::BTreeSet::new();
    for n in 0..10_000u64 {
        list.push(n);
        arena.alloc(n);
        places.insert(list.as_ptr().addr());
    }
    assert!(places.len() <= 2, "it moved {} times", places.len());
    assert!(list.iter().copied().eq(0..10_000));
}

#[test]
fn collected_things_are_what_was_collected() {
    let arena = Arena::<8>::with_min_align();
    let words = ["an", "arena"];
    let text: &mut str = words.into_iter().collect_in(&arena);
    let upper: &mut str = "arena".chars().map(|c| c.to_ascii_uppercase()).collect_in(&arena);
    let numbers: &mut [u8] = (0..5).collect_in(&arena);
    let list: Vec<String, _> = words.iter().map(|w| w.to_string()).collect_in(&arena);
    let boxed: Box<[String], _> = words.iter().map(|w| w.to_string()).collect_in(&arena);
    assert_eq!((&*text, &*upper, &*numbers), ("anarena", "ARENA", &[0, 1, 2, 3, 4][..]));
    assert_eq!(list[..], boxed[..]);
}

#[test]
fn a_builder_leaves_no_copies_and_no_spare_room() {
    let arena = Arena::new();
    let mut builder = SliceBuilder::new(&arena);
    for n in 0..1000u32 {
        builder.push(n);
    }
    let slice = builder.finish();
    assert!(slice.iter().copied().eq(0..1000));
    assert_eq!(arena.used_bytes(), 4000);
}
