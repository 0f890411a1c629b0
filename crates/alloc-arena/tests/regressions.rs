//! One test per class of fault that allocators of this kind were found to have.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig, ErrorKind, SliceBuilder};
use alloc_core::{Allocator, Layout};
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};

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

/// An arena of one chunk that is full of `0xEE` below its blocks.
fn stale<const MIN_ALIGN: usize>() -> Arena<MIN_ALIGN> {
    let mut arena = Arena::with_config(ArenaConfig::new().first_chunk_bytes(4096));
    arena.reserve(1);
    let left = arena.remaining_bytes();
    fill(arena.alloc_layout(layout(left, 1)), left, 0xEE);
    arena.reset();
    arena
}

/// What was read beyond the old block would show in the new block's tail.
#[test]
fn rustsec_2020_0006_realloc_copies_only_the_old_bytes() {
    let arena = stale::<1>();
    let neighbour = arena.alloc_layout(layout(64, 1));
    fill(neighbour, 64, 0xAB);
    let block = arena.alloc_layout(layout(16, 1));
    fill(block, 16, 0x11);
    // SAFETY: `block` is alive with this layout; the new one is larger.
    let grown = unsafe { arena.grow(block, layout(16, 1), layout(32, 1)) }.unwrap();
    let contents = bytes(grown.cast(), 32);
    assert_eq!(contents[..16], [0x11; 16]);
    assert!(!contents.contains(&0xAB), "bytes of the neighbour were copied: {contents:x?}");
    assert_eq!(bytes(neighbour, 64), [0xAB; 64]);
}

/// The iterator's items outlived the vector there; here a value outlives the guard that it was made
/// with, and never the arena (`ui/` has the refusals).
#[test]
fn rustsec_2022_0078_values_live_as_long_as_the_arena() {
    let arena = Arena::new();
    let slice = {
        let mut builder = SliceBuilder::new(&arena);
        builder.push(5u8);
        builder.finish()
    };
    arena.alloc_uninit_slice::<u8>(100_000);
    assert_eq!(&*slice, &[5u8]);
}

#[test]
fn bumpalo_321_grow_zeroed_zeroes_the_new_bytes_alone() {
    for newest in [true, false] {
        for low in [true, false] {
            let arena = stale::<1>();
            let mut block = arena.alloc_layout(layout(12, 8));
            let mut old = layout(12, 8);
            if low {
                // SAFETY: `block` is alive with this layout; the new one is larger.
                block = unsafe { arena.grow(block, old, layout(24, 8)) }.unwrap().cast();
                old = layout(24, 8);
            }
            fill(block, old.size(), 0x77);
            if !newest {
                arena.alloc(1u8);
            }
            // SAFETY: as above.
            let grown = unsafe { arena.grow_zeroed(block, old, layout(100, 8)) }.unwrap();
            let contents = bytes(grown.cast(), 100);
            assert_eq!(contents[..old.size()], vec![0x77; old.size()], "{newest} {low}");
            assert_eq!(contents[old.size()..], vec![0; 100 - old.size()], "{newest} {low}");
        }
    }
}

/// A write behind the slot that was emplaced: here, a builder's at every fill level of a chunk.
#[test]
fn bumpalo_335_a_builder_never_writes_beyond_its_room() {
    let config = ArenaConfig::new().first_chunk_bytes(256).limit_bytes(256);
    for taken in 0..=192u8 {
        let arena = Arena::<1>::with_config(config);
        let block = arena.alloc_layout(layout(taken.into(), 1));
        fill(block, taken.into(), 0xCD);
        let mut builder = SliceBuilder::new(&arena);
        let mut pushed = 0u8;
        while builder.try_push(pushed).is_ok() {
            pushed += 1;
        }
        assert_eq!(pushed, 192 - taken, "to the last byte");
        assert_eq!(bytes(block, taken.into()), vec![0xCD; taken.into()]);
        assert!(builder.finish().iter().copied().eq(0..pushed));
    }
}

#[test]
fn a_growing_block_stops_at_the_blocks_above_it() {
    let arena = stale::<8>();
    let block = arena.alloc_layout(layout(64, 8));
    // SAFETY: alive with this layout; the new one is larger.
    let block = unsafe { arena.grow(block, layout(64, 8), layout(128, 8)) }.unwrap().cast();
    let left = arena.remaining_bytes();
    let above = arena.alloc_layout(layout(left - 8, 8));
    fill(above, left - 8, 0x33);
    // SAFETY: as above.
    let block = unsafe { arena.grow(block, layout(128, 8), layout(256, 8)) }.unwrap();
    fill(block.cast(), 256, 0x44);
    assert_eq!(bytes(above, left - 8), vec![0x33; left - 8]);
}

/// GHSA-xhx6-q96x-pf9c: growth of a block that is not the newest one, over live ones.
#[test]
fn ghsa_xhx6_growing_an_older_block_moves_it() {
    let arena = Arena::<8>::with_min_align();
    let old = arena.alloc_layout(layout(8, 8));
    fill(old, 8, 1);
    let newest = arena.alloc_layout(layout(8, 8));
    fill(newest, 8, 2);
    // SAFETY: `old` is alive with this layout; the new one is larger.
    let grown = unsafe { arena.grow(old, layout(8, 8), layout(64, 8)) }.unwrap();
    fill(grown.cast(), 64, 3);
    assert_eq!(bytes(newest, 8), [2; 8]);
}

#[test]
fn bump_scope_92_dealloc_keeps_the_minimum_alignment() {
    fn check<const MIN_ALIGN: usize>() {
        for size in [1, 3, 7, 8, 9, 15, 16, 17, 63, 65] {
            let arena = Arena::<MIN_ALIGN>::with_min_align();
            arena.reserve(1024);
            let block = arena.allocate(layout(size, 1)).unwrap();
            // SAFETY: just allocated with this layout.
            unsafe { arena.deallocate(block.cast(), layout(size, 1)) };
            assert_eq!(arena.used_bytes(), 0, "{size} bytes came back whole");
            let next = arena.alloc_layout(layout(size, 1));
            assert!(next.addr().get().is_multiple_of(MIN_ALIGN), "{next:p} after {size} bytes");
        }
    }
    check::<1>();
    check::<8>();
    check::<16>();
    check::<64>();
}

/// A request that can never be served must end, with an error, also where chunks are kept.
#[test]
fn bump_scope_127_impossible_requests_end() {
    let mut arena = Arena::<1>::with_config(ArenaConfig::new().limit_bytes(1 << 20));
    arena.alloc_uninit_slice::<u8>(200_000);
    arena.reset();
    for size in [(1 << 20) + 1, 1 << 40, isize::MAX.unsigned_abs()] {
        assert!(arena.try_alloc_layout(layout(size, 1)).is_err(), "{size}");
    }
    assert!(arena.try_alloc_layout(layout(1, 1 << 40)).is_err());
    assert_eq!(*arena.alloc(5u8), 5);
}

/// Doubling without an end asked for 13 GiB at once there.
#[test]
fn bumpalo_3_chunks_stop_doubling() {
    let mut arena = Arena::new();
    for _ in 0..200 {
        arena.alloc_uninit_slice::<u8>(100_000);
    }
    assert!(arena.chunks().all(|chunk| chunk.capacity_bytes <= 2 << 20));
    assert!(arena.reserved_bytes() < 24 << 20, "{} for 20 MB", arena.reserved_bytes());
}

/// An initialiser that unwinds after it allocated: what it allocated stays valid.
#[test]
fn oxidizer_601_a_panicking_initialiser_frees_nothing_in_use() {
    let arena = Arena::new();
    let mut inner = None;
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        arena.alloc_with(|| -> u64 {
            inner = Some(arena.alloc(0x5A5A_5A5A_u32));
            resume_unwind(Box::new(()))
        });
    }));
    assert!(unwound.is_err());
    let more = arena.alloc([0u8; 64]);
    assert_eq!(*inner.expect("it ran"), 0x5A5A_5A5A);
    assert_eq!(*more, [0; 64]);
}

/// Slices whose size in bytes overflows must not wrap to a small block.
#[test]
fn rustsec_2021_size_overflow_is_an_error() {
    let arena = Arena::new();
    let error = arena.try_alloc_uninit_slice::<u64>(usize::MAX / 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
    assert_eq!(arena.used_bytes(), 0);
}

/// rust#67001 and its like: a typed arena's references survive every later growth.
#[test]
fn references_are_stable_across_further_allocation() {
    let arena = Arena::<8>::with_min_align();
    let places: Vec<&mut u64> = (0..100_000).map(|n| arena.alloc(n)).collect();
    arena.alloc_uninit_slice::<u8>(5 << 20);
    assert!(places.iter().map(|place| **place).eq(0..100_000));
}

/// Their alignment made them cost up to 4095 bytes where a closure made them.
#[test]
fn values_without_size_take_no_room_however_they_are_aligned() {
    #[derive(Clone, Copy, Default)]
    #[repr(align(4096))]
    struct Aligned;

    let arena = Arena::new();
    arena.alloc(1u8);
    arena.alloc(Aligned);
    arena.alloc_with(|| Aligned);
    arena.alloc_try_with(|| Ok::<_, ()>(Aligned)).unwrap();
    arena.alloc_slice_fill_with(7, |_| Aligned);
    arena.alloc_slice_fill_default::<Aligned>(7);
    arena.alloc_slice_clone(&[Aligned; 7]);
    arena.alloc_from_iter([Aligned; 7]);
    assert_eq!(arena.used_bytes(), 1);
}
