//! One test per class of fault that allocators of this kind were found to have.
#![cfg(not(loom))]

use alloc_core::{Allocator, Layout};
use alloc_stack::{Stack, StackConfig};
use core::ptr::NonNull;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn fill(block: NonNull<u8>, len: usize, value: u8) {
    // SAFETY: callers pass a live block of `len` bytes.
    unsafe { block.write_bytes(value, len) };
}

fn bytes(block: NonNull<u8>, len: usize) -> Vec<u8> {
    // SAFETY: callers pass a live block of `len` bytes, all of which were written at some time.
    unsafe { NonNull::slice_from_raw_parts(block, len).as_ref() }.to_vec()
}

/// What was read beyond the old block would show in the new block's tail.
#[test]
fn rustsec_2020_0006_realloc_copies_only_the_old_bytes() {
    let stack = Stack::new();
    let neighbour = stack.alloc_layout(layout(64, 1));
    fill(neighbour, 64, 0xAB);
    let block = stack.alloc_layout(layout(16, 1));
    fill(block, 16, 0x11);
    // SAFETY: `block` is alive with this layout; the new one is larger.
    let grown = unsafe { stack.grow(block, layout(16, 1), layout(32, 1)) }.unwrap();
    let contents = bytes(grown.cast(), 32);
    assert_eq!(contents[..16], [0x11; 16]);
    assert!(!contents.contains(&0xAB), "bytes of the neighbour were copied: {contents:x?}");
    assert_eq!(bytes(neighbour, 64), [0xAB; 64]);
}

#[test]
fn bumpalo_321_grow_zeroed_zeroes_the_new_bytes_alone() {
    for newest in [true, false] {
        let mut stack = Stack::with_capacity(1024);
        fill(stack.alloc_layout(layout(1024, 1)), 1024, 0xEE); // stale bytes everywhere
        stack.reset();
        let block = stack.alloc_layout(layout(24, 8));
        fill(block, 24, 0x77);
        if !newest {
            let _ = stack.alloc_layout(layout(1, 1));
        }
        // SAFETY: `block` is alive with this layout; the new one is larger.
        let grown = unsafe { stack.grow_zeroed(block, layout(24, 8), layout(100, 8)) }.unwrap();
        let contents = bytes(grown.cast(), 100);
        assert_eq!(contents[..24], [0x77; 24], "newest: {newest}");
        assert_eq!(contents[24..], [0; 76], "newest: {newest}");
    }
}

/// GHSA-xhx6-q96x-pf9c: growth of a block that is not the newest one, over live ones.
#[test]
fn ghsa_xhx6_growing_an_older_block_moves_it() {
    let stack = Stack::new();
    let old = stack.alloc_layout(layout(8, 8));
    fill(old, 8, 1);
    let newest = stack.alloc_layout(layout(8, 8));
    fill(newest, 8, 2);
    // SAFETY: `old` is alive with this layout; the new one is larger.
    let grown = unsafe { stack.grow(old, layout(8, 8), layout(64, 8)) }.unwrap();
    fill(grown.cast(), 64, 3);
    assert_eq!(bytes(newest, 8), [2; 8]);
    // SAFETY: both alive with these layouts.
    unsafe { stack.deallocate(newest, layout(8, 8)) };
    // SAFETY: as above.
    unsafe { stack.deallocate(grown.cast(), layout(64, 8)) };
    assert_eq!(stack.used_bytes(), 0, "the old room went with the newest");
}

#[test]
fn bump_scope_92_dealloc_keeps_the_minimum_alignment() {
    fn check<const MIN_ALIGN: usize>() {
        for size in [1, 3, 7, 8, 9, 15, 16, 17, 63, 65] {
            let stack = Stack::<MIN_ALIGN>::with_min_align();
            let kept = stack.alloc_layout(layout(1, 1));
            let before = stack.used_bytes();
            let block = stack.allocate(layout(size, 1)).unwrap();
            // SAFETY: just allocated with this layout.
            unsafe { stack.deallocate(block.cast(), layout(size, 1)) };
            assert_eq!(stack.used_bytes(), before, "{size} bytes came back whole");
            let (next, _) = stack.push(layout(size, 1));
            assert!(next.addr().get().is_multiple_of(MIN_ALIGN), "{next:p} after {size} bytes");
            assert!(next < kept);
        }
    }
    check::<1>();
    check::<8>();
    check::<16>();
    check::<64>();
}

/// Padding in front of a block stayed behind when the block was freed: 13 to 27 times the true peak
/// after a balanced program.
#[test]
fn padding_goes_with_its_block() {
    let stack = Stack::new();
    for align_log2 in 0..=12 {
        let low = stack.alloc_layout(layout(1, 1));
        let used = stack.used_bytes();
        let block = stack.alloc_layout(layout(40, 1 << align_log2));
        // SAFETY: alive, with this layout.
        unsafe { stack.dealloc_layout(block, layout(40, 1 << align_log2)) };
        assert_eq!(stack.used_bytes(), used, "alignment {}", 1 << align_log2);
        // SAFETY: as above.
        unsafe { stack.dealloc_layout(low, layout(1, 1)) };
    }
    assert_eq!(stack.used_bytes(), 0);
}

/// What a block loses by shrinking was lost until the region was reset.
#[test]
fn what_shrinking_frees_is_free_when_the_block_is() {
    for newest in [true, false] {
        for (size, to) in [(1000, 900), (1000, 100), (1000, 17), (1000, 0), (33, 32), (32, 31)] {
            let stack = Stack::new();
            let block = stack.alloc_layout(layout(size, 8));
            fill(block, size, 5);
            let above = (!newest).then(|| stack.alloc_box([0u8; 50]));
            // SAFETY: alive with this layout; the new one is not larger.
            let shrunk = unsafe { stack.shrink(block, layout(size, 8), layout(to, 8)) }.unwrap();
            assert_eq!(bytes(shrunk.cast(), to), vec![5; to]);
            drop(above);
            // SAFETY: alive with this layout.
            unsafe { stack.deallocate(shrunk.cast(), layout(to, 8)) };
            assert_eq!(stack.used_bytes(), 0, "{size} to {to} bytes, newest: {newest}");
        }
    }
}

/// A reset that drops what it should keep, or keeps what it should drop: unbounded growth.
#[test]
fn memory_held_does_not_grow_from_round_to_round() {
    let mut stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    let mut held = Vec::new();
    for round in 0..20 {
        let boxes: Vec<_> = (0..500).map(|n| stack.alloc_box([n; 30])).collect();
        let most = stack.reserved_bytes();
        if round % 2 == 0 {
            drop(boxes);
        } else {
            boxes.into_iter().for_each(|boxed| {
                let _ = core::mem::ManuallyDrop::new(boxed);
            });
        }
        stack.reset();
        held.push((most, stack.reserved_bytes()));
    }
    assert!(held[1..].iter().all(|round| *round == held[1]), "{held:?}");
}

/// A frame that ends in another segment than it began in, with dead blocks in both.
#[test]
fn dead_blocks_of_an_ended_frame_are_forgotten() {
    let mut stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    for _ in 0..3 {
        stack.scoped(|scope| {
            let boxes: Vec<_> = (0..600_u64).map(|n| scope.alloc_box([n; 8])).collect();
            for (n, boxed) in boxes.into_iter().enumerate() {
                if n % 3 == 0 {
                    drop(boxed);
                } else {
                    let _ = core::mem::ManuallyDrop::new(boxed);
                }
            }
        });
        assert_eq!(stack.used_bytes(), 0);
        // At the same addresses: were a dead one remembered, these would be freed with a neighbour.
        let mut boxes: Vec<_> = (0..600_u64).map(|n| stack.alloc_box([n; 8])).collect();
        while let Some(last) = boxes.pop() {
            assert_eq!(*last, [boxes.len() as u64; 8]);
            drop(last);
            assert_eq!(stack.used_bytes() == 0, boxes.is_empty());
        }
    }
}
