//! The figures against a count kept beside the region.
#![cfg(not(loom))]

use alloc_core::{Allocator, Layout};
use alloc_linear::{Linear, SliceBuilder};

const COUNTED: bool = cfg!(feature = "stats");

fn counted(figure: u64) -> Option<u64> {
    COUNTED.then_some(figure)
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn allocations_bytes_and_padding_are_exact_with_the_feature_and_absent_without() {
    let region = Linear::<8>::with_min_align(4096);
    let (mut allocs, mut requested, mut used) = (0u64, 0u64, 0usize);
    for size in [0, 1, 7, 8, 9, 63, 64, 65] {
        region.alloc_layout(layout(size, 1));
        allocs += 1;
        requested += size as u64;
        used += size.next_multiple_of(8);
    }
    region.alloc(());
    region.alloc_slice_copy(&[1u16, 2, 3]);
    region.alloc_str("words");
    let mut burst = region.burst();
    burst.alloc(1u8);
    burst.alloc(());
    drop(burst);
    let mut builder = SliceBuilder::new(&region);
    builder.try_extend_from_slice(b"123456789").unwrap();
    builder.finish();
    (allocs, requested, used) = (allocs + 6, requested + 6 + 5 + 1 + 9, used + 8 + 8 + 8 + 16);
    let stats = region.stats();
    assert_eq!(stats.allocs, counted(allocs));
    assert_eq!(stats.frees, counted(0));
    assert_eq!(stats.requested_bytes, counted(requested));
    assert_eq!(stats.used_bytes, used);
    assert_eq!(stats.waste_align_bytes, counted(used as u64 - requested));
    assert_eq!((stats.reserved_bytes, stats.peak_bytes), (4096, used));
}

#[test]
fn a_peak_between_two_looks_is_seen_with_the_feature() {
    let mut region = Linear::<1>::with_capacity(1024);
    let big = layout(600, 1);
    let mut burst = region.burst();
    let block = burst.alloc_layout(big);
    drop(burst);
    // SAFETY: alive with this layout, not used again.
    unsafe { region.deallocate(block, big) };
    region.alloc(1u8);
    assert_eq!(region.stats().peak_bytes, if COUNTED { 600 } else { 1 });
    assert_eq!(region.stats().frees, counted(1));
    region.alloc([0u8; 99]);
    region.reset();
    assert_eq!(region.stats().peak_bytes, if COUNTED { 600 } else { 100 });
    assert_eq!((region.stats().used_bytes, region.stats().resets), (0, 1));
}

#[test]
fn growth_and_shrinkage_keep_allocs_less_frees_the_live_blocks() {
    let region = Linear::<1>::with_capacity(1024);
    let block = region.allocate(layout(10, 1)).unwrap().cast();
    // SAFETY: alive with this layout; the new one is larger.
    let block = unsafe { region.grow(block, layout(10, 1), layout(30, 1)) }.unwrap().cast();
    let stats = region.stats();
    assert_eq!((stats.allocs, stats.frees), (counted(2), counted(1)), "it moved: a new block");
    assert_eq!(stats.requested_bytes, counted(40));
    region.alloc(1u8);
    // SAFETY: as above.
    let block = unsafe { region.grow(block, layout(30, 1), layout(40, 1)) }.unwrap().cast();
    let stats = region.stats();
    assert_eq!((stats.allocs, stats.frees), (counted(3), counted(1)), "in place: the same block");
    assert_eq!(stats.requested_bytes, counted(51));
    // SAFETY: alive with this layout, not used again.
    unsafe { region.deallocate(block, layout(40, 1)) };
    assert_eq!(region.stats().frees, counted(2));
}

#[test]
fn slow_calls_and_tail_waste_count_what_left_the_fast_path() {
    let mut region = Linear::<1>::with_capacity(100);
    region.alloc([0u8; 90]);
    assert_eq!(region.stats().slow_calls, 0);
    assert!(region.try_alloc([0u8; 11]).is_err());
    assert_eq!((region.stats().slow_calls, region.stats().waste_tail_bytes), (1, 10));
    let mut burst = region.burst();
    assert!(burst.try_alloc([0u8; 11]).is_err());
    drop(burst);
    assert_eq!(region.stats().slow_calls, 2);
    assert_eq!(region.stats().contended, 0);
    region.reset();
    assert_eq!(region.stats().waste_tail_bytes, 0);
}

#[test]
#[cfg(feature = "std")]
fn a_shared_region_reports_what_is_taken_after_a_reset_too() {
    let mut region = alloc_linear::SyncLinear::<8>::with_min_align(1 << 16).with_block_bytes(1024);
    region.alloc([1u8; 200]);
    assert_eq!((region.used_bytes(), region.stats().peak_bytes), (1024, 1024));
    for _ in 0..3 {
        region.reset();
        assert_eq!(region.used_bytes(), 0, "nobody took anything yet");
        region.alloc([1u64; 8]);
        assert_eq!(region.used_bytes(), 1024, "the block given in advance");
        assert_eq!(region.stats().peak_bytes, 1024);
    }
    region.alloc([1u8; 5000]);
    assert_eq!(region.used_bytes(), 1024 + 5000);
    region.reset();
    assert_eq!((region.used_bytes(), region.stats().peak_bytes), (0, 1024 + 5000));
}

#[test]
#[cfg(feature = "std")]
fn a_shared_region_counts_on_every_thread() {
    let mut region = alloc_linear::SyncLinear::<8>::with_min_align(1 << 16).with_block_bytes(1024);
    assert_eq!((region.stats().allocs, region.stats().frees), (counted(0), counted(0)));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                region.alloc(7u8);
                region.try_alloc(()).unwrap();
                region.alloc_slice_copy(&[1u16, 2, 3]);
                region.with_local(|local| local.alloc_str("words"));
                let large = region.allocate(layout(700, 1)).unwrap().cast();
                // SAFETY: alive with this layout, not used again.
                unsafe { region.deallocate(large, layout(700, 1)) };
            });
        }
    });
    let block = region.alloc_layout(layout(9, 1));
    std::thread::scope(|scope| {
        let (region, block) = (&region, block.addr());
        scope.spawn(move || {
            let block = core::ptr::NonNull::without_provenance(block);
            // SAFETY: alive with this layout, not used again; nothing is read or written by it.
            unsafe { region.deallocate(block, layout(9, 1)) };
        });
    });
    let stats = region.stats();
    assert_eq!((stats.allocs, stats.frees), (counted(11), counted(3)));
    assert_eq!(stats.requested_bytes, counted(2 * (1 + 6 + 5 + 700) + 9));
    // 7, 2 and 3 bytes behind the small ones, 4 behind the large one, 7 behind the last.
    assert_eq!(stats.waste_align_bytes, counted(2 * (7 + 2 + 3 + 4) + 7));
    region.reset();
    let stats = region.stats();
    assert_eq!((stats.allocs, stats.waste_align_bytes), (counted(11), counted(0)));
}
