//! Under vectors, boxes and maps, and the trait's own promises.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig};
use alloc_core::collections::{Box, Vec};
use alloc_core::{Allocator, Layout};
use core::ptr::NonNull;
use hashbrown::{DefaultHashBuilder, HashMap};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn nth(index: usize) -> u8 {
    index.to_le_bytes()[0]
}

fn number(block: NonNull<u8>, len: usize) {
    for index in 0..len {
        // SAFETY: callers pass a live block of `len` bytes.
        unsafe { block.as_ptr().wrapping_add(index).write(nth(index)) };
    }
}

fn is_numbered(block: NonNull<u8>, len: usize) -> bool {
    (0..len).all(|index| {
        // SAFETY: callers pass a live block whose first `len` bytes `number` wrote.
        let byte = unsafe { block.as_ptr().wrapping_add(index).read() };
        byte == nth(index)
    })
}

#[test]
fn vectors_boxes_and_maps_share_an_arena() {
    let arena = Arena::<8>::with_min_align();
    let mut map = HashMap::with_hasher_in(DefaultHashBuilder::default(), &arena);
    for n in 0..1000u32 {
        let mut list = Vec::new_in(&arena);
        list.extend((0..n % 7).map(|i| i * n));
        map.insert(n, Box::new_in(list, &arena));
    }
    for (n, list) in &map {
        assert!(list.iter().copied().eq((0..n % 7).map(|i| i * n)), "{n}");
    }
    map.retain(|n, _| n % 2 == 0);
    assert_eq!(map.len(), 500);
}

#[test]
fn values_in_boxes_are_dropped_by_the_box() {
    let counted = std::rc::Rc::new(());
    let arena = Arena::new();
    let mut list = Vec::new_in(&arena);
    list.extend((0..10).map(|_| counted.clone()));
    let boxed = Box::new_in(counted.clone(), &arena);
    assert_eq!(std::rc::Rc::strong_count(&counted), 12);
    drop((list, boxed));
    assert_eq!(std::rc::Rc::strong_count(&counted), 1);
}

#[test]
fn a_vector_that_owns_its_arena_may_move() {
    let mut list = Vec::new_in(Arena::new());
    list.extend(0..100u64);
    let mut moved = std::thread::spawn(move || {
        let mut list = list;
        list.extend(100..200);
        list
    })
    .join()
    .unwrap();
    moved.push(200);
    assert!(moved.iter().copied().eq(0..=200));
}

#[test]
fn a_growing_newest_vector_keeps_one_copy_only() {
    let arena = Arena::<8>::with_min_align();
    arena.reserve(1 << 16);
    let mut list = Vec::new_in(&arena);
    for n in 0..4096u64 {
        list.push(n);
    }
    assert_eq!(arena.used_bytes(), list.capacity() * 8, "no old copy is left behind");
    assert!(list.iter().copied().eq(0..4096));
    list.truncate(16);
    list.shrink_to_fit();
    assert_eq!((arena.used_bytes(), list.capacity()), (128, 16));
    assert!(list.iter().copied().eq(0..16));
    drop(list);
    assert_eq!(arena.used_bytes(), 0);
}

#[test]
fn an_error_leaves_the_old_block_as_it_was() {
    let config = ArenaConfig::new().first_chunk_bytes(512).limit_bytes(512);
    let arena = Arena::<1>::with_config(config);
    let old = layout(100, 1);
    let block = arena.allocate(old).unwrap().cast::<u8>();
    number(block, 100);
    let used = arena.used_bytes();
    // An alignment of which the chunk, wherever it lies, holds no multiple.
    let around = [block.addr().get() - 512, block.addr().get() + 512];
    let align = (10..).map(|shift| 1 << shift).find(|align| around[0] / align == around[1] / align);
    let nowhere = layout(200, align.unwrap());
    for newest in [true, false] {
        for new in [layout(457, 1), layout(isize::MAX.unsigned_abs(), 1), nowhere] {
            // SAFETY: `block` is alive with `old`; `new` is larger.
            assert!(unsafe { arena.grow(block, old, new) }.is_err(), "{new:?}");
            // SAFETY: as above.
            assert!(unsafe { arena.grow_zeroed(block, old, new) }.is_err(), "{new:?}");
            assert!(is_numbered(block, 100), "{new:?}");
        }
        // SAFETY: `block` is alive with `old`; the new layout is not larger.
        assert!(unsafe { arena.shrink(block, old, layout(50, 1 << 30)) }.is_err());
        assert!(is_numbered(block, 100));
        if newest {
            assert_eq!(arena.used_bytes(), used);
            arena.alloc(1u8);
        }
    }
}

#[test]
fn the_newest_blocks_room_is_used_again_and_no_others() {
    let arena = Arena::<8>::with_min_align();
    let older = arena.allocate(layout(24, 8)).unwrap().cast::<u8>();
    let newest = arena.allocate(layout(5, 1)).unwrap().cast::<u8>();
    // SAFETY: alive with this layout, not used again.
    unsafe { arena.deallocate(older, layout(24, 8)) };
    assert_eq!(arena.used_bytes(), 32, "not the newest");
    // SAFETY: as above.
    unsafe { arena.deallocate(newest, layout(5, 1)) };
    assert_eq!(arena.used_bytes(), 24);
    assert_eq!(arena.allocate(layout(8, 8)).unwrap().cast::<u8>(), newest, "the same place");
}
