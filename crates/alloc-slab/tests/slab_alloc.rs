//! The allocator of one size class, beyond what every allocator promises.
#![cfg(not(loom))]

use alloc_core::collections::{Box, Vec};
use alloc_core::testing::{Checked, FailAt};
use alloc_core::{Allocator, ErrorKind, Global, Layout};
use alloc_slab::SlabAlloc;
use core::ptr::NonNull;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn blocks_of_the_class_come_from_pages_and_others_from_the_backing() {
    let backing = FailAt::new(Checked::new(Global), 0);
    let slab = SlabAlloc::new_in(layout(40, 8), &backing);
    assert_eq!(slab.block_layout(), layout(40, 8));
    let blocks: std::vec::Vec<_> =
        (0..100).map(|_| slab.allocate(layout(40, 8)).unwrap()).collect();
    assert_eq!(backing.calls(), 1, "one page");
    for (size, align, serves) in
        [(40, 8, true), (1, 1, true), (41, 8, false), (40, 16, false), (0, 1, false)]
    {
        assert_eq!(slab.serves(layout(size, align)), serves, "{size} {align}");
    }
    let large = slab.allocate(layout(41, 8)).unwrap();
    assert_eq!(backing.calls(), 2);
    // SAFETY: allocated above with this layout, not used again.
    unsafe { slab.deallocate(large.cast(), layout(41, 8)) };
    for block in &blocks {
        // SAFETY: as above.
        unsafe { slab.deallocate(block.cast(), layout(40, 8)) };
    }
    let again = slab.allocate(layout(40, 8)).unwrap();
    assert_eq!(again, blocks[99], "last in, first out");
    // SAFETY: as above.
    unsafe { slab.deallocate(again.cast(), layout(40, 8)) };
}

#[test]
fn small_blocks_have_room_for_a_link() {
    let slab = SlabAlloc::for_type::<u8>();
    assert_eq!(slab.block_layout(), Layout::new::<*const ()>());
    let bytes: std::vec::Vec<_> = (0..=255u8).map(|n| Box::new_in(n, &slab)).collect();
    assert!(bytes.iter().map(|byte| **byte).eq(0..=255));
}

#[test]
fn pages_without_blocks_go_back() {
    let backing = Checked::new(Global);
    let mut slab = SlabAlloc::new_in(layout(1000, 8), &backing);
    let mut blocks: std::vec::Vec<_> =
        (0..100).map(|_| slab.allocate(layout(1000, 8)).unwrap().cast::<u8>()).collect();
    let pages = backing.live_blocks();
    assert!(pages > 3, "{pages}");
    let kept = blocks.remove(50);
    for block in blocks {
        // SAFETY: allocated above with this layout, not used again.
        unsafe { slab.deallocate(block, layout(1000, 8)) };
    }
    let stats = slab.stats();
    assert_eq!((stats.used_bytes, stats.reserved_bytes), (1000, backing.live_bytes()));
    assert!(stats.peak_bytes > 50_000, "{stats:?}");
    let page_bytes = stats.reserved_bytes / pages;
    assert_eq!(slab.trim(), (pages - 1) * page_bytes);
    assert_eq!((backing.live_blocks(), slab.trim()), (1, 0));
    // The free blocks of the page that stayed are whole.
    let rest: std::vec::Vec<_> = (1..page_bytes / 1000)
        .map(|_| slab.allocate(layout(1000, 8)).unwrap().cast::<u8>())
        .collect();
    assert_eq!(backing.live_blocks(), 1);
    let page_of = |block: &NonNull<u8>| block.addr().get() & !(page_bytes - 1);
    assert!(rest.iter().all(|block| page_of(block) == page_of(&kept)), "of a page that went");
    for block in rest.into_iter().chain([kept]) {
        // SAFETY: allocated above with this layout, not used again.
        unsafe { slab.deallocate(block, layout(1000, 8)) };
    }
    slab.trim();
    assert_eq!((backing.live_blocks(), slab.stats().reserved_bytes), (0, 0));
}

/// Exact figures with feature `stats`; without it those that follow from pages and the free list.
#[test]
fn figures_of_a_class() {
    let mut slab = SlabAlloc::new(layout(1000, 8));
    let exact = cfg!(feature = "stats");
    let check = |slab: &SlabAlloc, used: usize, peaks: [usize; 2], counts: (u64, u64, u64)| {
        let stats = slab.stats();
        assert_eq!((stats.used_bytes, slab.used_bytes()), (used * 1000, used * 1000));
        assert_eq!(stats.reserved_bytes, slab.reserved_bytes());
        assert_eq!(stats.peak_bytes, peaks[usize::from(exact)] * 1000);
        let (allocs, frees, requested) = counts;
        let counted = (stats.allocs, stats.frees, stats.requested_bytes, stats.waste_align_bytes);
        let wanted = (Some(allocs), Some(frees), Some(requested), Some(allocs * 1000 - requested));
        assert_eq!(counted, if exact { wanted } else { (None, None, None, None) });
    };
    check(&slab, 0, [0, 0], (0, 0, 0));
    let take = |slab: &SlabAlloc, size| slab.allocate(layout(size, 8)).unwrap().cast::<u8>();
    // 16 blocks a page: with the 17th it is known that there were 16.
    let mut blocks: std::vec::Vec<_> = (0..20).map(|_| take(&slab, 1000)).collect();
    check(&slab, 20, [20, 20], (20, 0, 20_000));
    for block in blocks.drain(1..) {
        // SAFETY: allocated above with this layout, not used again.
        unsafe { slab.deallocate(block, layout(1000, 8)) };
    }
    check(&slab, 1, [16, 20], (20, 19, 20_000));
    // Smaller ones cost as much; what the backing gives is not counted.
    let small = take(&slab, 10);
    let large = take(&slab, 2000);
    check(&slab, 2, [16, 20], (21, 19, 20_010));
    // SAFETY: alive with this layout; grows within the class, to where it is, and leaves it then.
    let same = unsafe { slab.grow(small, layout(10, 8), layout(900, 8)) }.unwrap().cast();
    assert_eq!(same, small);
    check(&slab, 2, [16, 20], (21, 19, 20_010));
    // SAFETY: as above.
    let moved = unsafe { slab.grow(same, layout(900, 8), layout(3000, 8)) }.unwrap().cast::<u8>();
    check(&slab, 1, [16, 20], (21, 20, 20_010));
    for (block, size) in [(blocks[0], 1000), (large, 2000), (moved, 3000)] {
        // SAFETY: alive with this layout, not used again.
        unsafe { slab.deallocate(block, layout(size, 8)) };
    }
    assert!(slab.trim() > 0 && slab.reserved_bytes() == 0);
    check(&slab, 0, [16, 20], (21, 21, 20_010));
}

#[test]
fn a_vector_passes_by_the_class() {
    let backing = Checked::new(Global);
    let slab = SlabAlloc::new_in(layout(64, 8), &backing);
    let mut numbers = Vec::new_in(&slab);
    numbers.extend(0..1000u64);
    numbers.truncate(3);
    numbers.shrink_to_fit();
    assert_eq!(numbers, [0, 1, 2], "and comes back to it");
    assert_eq!(slab.stats().used_bytes, 64);
}

#[test]
fn a_class_that_no_page_can_hold_is_an_error() {
    for refused in [
        SlabAlloc::try_new_in(layout(1 << 60, 8), Global),
        SlabAlloc::try_new(layout(1 << 60, 8)),
        SlabAlloc::try_for_type::<[u64; 1 << 57]>(),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
        assert!(error.size() >= 1 << 60, "{error}");
    }
    let served = SlabAlloc::try_for_type::<[u64; 9]>().unwrap();
    assert_eq!(served.block_layout(), SlabAlloc::try_new(layout(72, 8)).unwrap().block_layout());
}

#[test]
fn a_hash_map_on_a_class() {
    let slab = SlabAlloc::new(layout(4096, 64));
    let mut map = hashbrown::HashMap::new_in(&slab);
    for n in 0..1000u32 {
        map.insert(n, n * 2);
    }
    assert!((0..1000).all(|n| map[&n] == n * 2));
}

#[test]
fn a_block_that_shrinks_into_the_class_spares_its_neighbours() {
    let slab = SlabAlloc::new(layout(64, 8));
    let blocks = [(); 3].map(|()| slab.allocate(layout(64, 8)).unwrap().cast::<u8>());
    for block in blocks {
        // SAFETY: a live block of 64 bytes.
        unsafe { block.write_bytes(0xAA, 64) };
    }
    // SAFETY: allocated above with this layout, not used again.
    unsafe { slab.deallocate(blocks[1], layout(64, 8)) };
    let large = slab.allocate(layout(128, 8)).unwrap().cast::<u8>();
    // SAFETY: a live block of 128 bytes.
    unsafe { large.write_bytes(0xBB, 128) };
    // SAFETY: alive with this layout; the new one is smaller.
    let small = unsafe { slab.shrink(large, layout(128, 8), layout(64, 8)) }.unwrap();
    assert_eq!(small.cast(), blocks[1], "between the two");
    for block in [blocks[0], blocks[2]] {
        // SAFETY: a live block whose 64 bytes were written.
        let bytes = unsafe { NonNull::slice_from_raw_parts(block, 64).as_ref() };
        assert_eq!(bytes, [0xAA; 64]);
    }
    for block in [blocks[0], small.cast(), blocks[2]] {
        // SAFETY: alive with this layout, not used again.
        unsafe { slab.deallocate(block, layout(64, 8)) };
    }
}
