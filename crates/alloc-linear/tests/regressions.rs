//! One test per class of fault that allocators of this kind were found to have.
#![cfg(not(loom))]

use alloc_core::{Allocator, Layout};
use alloc_linear::Linear;
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
    let region = Linear::with_capacity(4096);
    let neighbour = region.alloc_layout(layout(64, 1));
    fill(neighbour, 64, 0xAB);
    let block = region.alloc_layout(layout(16, 1));
    fill(block, 16, 0x11);
    // SAFETY: `block` is alive with this layout; the new one is larger.
    let grown = unsafe { region.grow(block, layout(16, 1), layout(32, 1)) }.unwrap();
    let contents = bytes(grown.cast(), 32);
    assert_eq!(contents[..16], [0x11; 16]);
    assert!(!contents.contains(&0xAB), "bytes of the neighbour were copied: {contents:x?}");
    assert_eq!(bytes(neighbour, 64), [0xAB; 64]);
}

/// The iterator's items outlived the vector there; here a value outlives its burst and builder,
/// and never the region (`ui/` has the refusals).
#[test]
fn rustsec_2022_0078_values_live_as_long_as_the_region_and_no_guard_ends_them() {
    let region = Linear::with_capacity(256);
    let text = {
        let mut burst = region.burst();
        burst.alloc_str("kept")
    };
    let slice = {
        let mut builder = alloc_linear::SliceBuilder::new(&region);
        builder.push(5u8);
        builder.finish()
    };
    region.alloc([0u64; 8]);
    assert_eq!((&*text, &*slice), ("kept", &[5u8][..]));
}

#[test]
fn bumpalo_321_grow_zeroed_zeroes_the_new_bytes_alone() {
    for newest in [true, false] {
        let mut region = Linear::with_capacity(1024);
        fill(region.alloc_layout(layout(1024, 1)), 1024, 0xEE); // stale bytes everywhere
        region.reset();
        let block = region.alloc_layout(layout(24, 8));
        fill(block, 24, 0x77);
        if !newest {
            region.alloc(1u8);
        }
        // SAFETY: `block` is alive with this layout; the new one is larger.
        let grown = unsafe { region.grow_zeroed(block, layout(24, 8), layout(100, 8)) }.unwrap();
        let contents = bytes(grown.cast(), 100);
        assert_eq!(contents[..24], [0x77; 24], "newest: {newest}");
        assert_eq!(contents[24..], [0; 76], "newest: {newest}");
    }
}

/// A write behind the slot that was emplaced: here, a builder's writes at every fill level of the
/// region, up to the last byte.
#[test]
fn bumpalo_335_a_builder_never_writes_beyond_its_room() {
    for taken in 0..=64 {
        let region = Linear::with_capacity(64);
        let block = region.alloc_layout(layout(taken, 1));
        fill(block, taken, 0xCD);
        let mut builder = alloc_linear::SliceBuilder::new(&region);
        let mut pushed = 0u8;
        while builder.try_push(pushed).is_ok() {
            pushed += 1;
        }
        assert_eq!(usize::from(pushed), 64 - taken);
        assert_eq!(bytes(block, taken), vec![0xCD; taken]);
        assert!(builder.finish().iter().copied().eq(0..pushed));
    }
}

/// GHSA-xhx6-q96x-pf9c: growth of a block that is not the newest one, over live ones.
#[test]
fn ghsa_xhx6_growing_an_older_block_moves_it() {
    let region = Linear::<8>::with_min_align(1024);
    let old = region.alloc_layout(layout(8, 8));
    fill(old, 8, 1);
    let newest = region.alloc_layout(layout(8, 8));
    fill(newest, 8, 2);
    // SAFETY: `old` is alive with this layout; the new one is larger.
    let grown = unsafe { region.grow(old, layout(8, 8), layout(64, 8)) }.unwrap();
    fill(grown.cast(), 64, 3);
    assert_eq!(bytes(newest, 8), [2; 8]);
}

#[test]
fn bump_scope_92_dealloc_keeps_the_minimum_alignment() {
    fn check<const MIN_ALIGN: usize>() {
        for size in [1, 3, 7, 8, 9, 15, 16, 17, 63, 65] {
            let region = Linear::<MIN_ALIGN>::with_min_align(1024);
            let before = region.used_bytes();
            let block = region.allocate(layout(size, 1)).unwrap();
            // SAFETY: just allocated with this layout.
            unsafe { region.deallocate(block.cast(), layout(size, 1)) };
            assert_eq!(region.used_bytes(), before, "{size} bytes came back whole");
            let next = region.alloc_layout(layout(size, 1));
            assert!(next.addr().get().is_multiple_of(MIN_ALIGN), "{next:p} after {size} bytes");
        }
    }
    check::<1>();
    check::<8>();
    check::<16>();
    check::<64>();
}

/// A request that never fits must end, with an error, also in a region that may grow.
#[test]
#[cfg(all(unix, feature = "reserve"))]
fn bump_scope_127_impossible_requests_end() {
    let region = Linear::<1, _>::reserved(1 << 20);
    for size in [(1 << 20) + 1, 1 << 40, isize::MAX.unsigned_abs()] {
        assert!(region.try_alloc_layout(layout(size, 1)).is_err(), "{size}");
    }
    assert!(region.try_alloc_layout(layout(1, 1 << 40)).is_err());
    assert_eq!(*region.alloc(5u8), 5);
}

/// A scope that was claimed served its parent too: here the region refuses while a burst has it.
#[test]
fn bump_scope_2_4_1_a_claimed_region_serves_nobody_else() {
    let region = Linear::with_capacity(1024);
    let mut burst = region.burst();
    let ours = burst.alloc(1u64);
    assert!(region.try_alloc(2u64).is_err());
    assert!(region.try_burst().is_err());
    assert!(region.allocate(Layout::new::<u64>()).is_err());
    assert_eq!(*ours, 1);
}

/// An initialiser that unwinds after it allocated: what it allocated stays valid.
#[test]
fn oxidizer_601_a_panicking_initialiser_frees_nothing_in_use() {
    let region = Linear::with_capacity(1024);
    let mut inner = None;
    let unwound = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        region.alloc_with(|| -> u64 {
            inner = Some(region.alloc(0x5A5A_5A5A_u32));
            std::panic::resume_unwind(Box::new(()))
        });
    }));
    assert!(unwound.is_err());
    let more = region.alloc([0u8; 64]);
    assert_eq!(*inner.expect("it ran"), 0x5A5A_5A5A);
    assert_eq!(*more, [0; 64]);
}

/// A load and a store in the place of a compare-and-swap hand a range to two threads.
#[test]
#[cfg(feature = "std")]
fn iceoryx2_991_no_range_is_handed_to_two_threads() {
    let region = alloc_linear::SyncLinear::<1>::with_min_align(1 << 20).with_block_bytes(128);
    let region = &region;
    let mut starts: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || -> Vec<usize> {
                    (0..1000)
                        .map(|n: u64| core::ptr::from_mut(region.alloc([n; 12])).addr())
                        .collect()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    starts.sort_unstable();
    assert!(starts.windows(2).all(|two| two[1] - two[0] >= 96), "two values overlap");
}

/// Slices whose size in bytes overflows must not wrap to a small block.
#[test]
fn rustsec_2021_size_overflow_is_an_error() {
    let region = Linear::with_capacity(1024);
    let error = region.try_alloc_uninit_slice::<u64>(usize::MAX / 4).unwrap_err();
    assert_eq!(error.kind(), alloc_linear::ErrorKind::CapacityOverflow);
    assert_eq!(region.used_bytes(), 0);
}

/// A block of one byte just below the free part, freed while a burst has that: the region stays
/// closed.
#[test]
fn a_low_block_freed_under_a_burst_does_not_open_the_region() {
    for end in [0, 1] {
        let region = Linear::<1>::with_capacity(256);
        let high = region.allocate(layout(2, 1)).unwrap().cast::<u8>();
        // SAFETY: alive with this layout; the new one is larger.
        let low = unsafe { region.grow(high, layout(2, 1), layout(3, 1)) }.unwrap().cast::<u8>();
        // SAFETY: alive with this layout; the new one is smaller.
        let low = unsafe { region.shrink(low, layout(3, 1), layout(1, 1)) }.unwrap().cast::<u8>();
        let mut burst = region.burst();
        let ours = burst.alloc(7u64);
        if end == 0 {
            // SAFETY: alive with this layout.
            unsafe { region.deallocate(low, layout(1, 1)) };
        } else {
            // SAFETY: alive with this layout; the new one is larger.
            let refused = unsafe { region.grow(low, layout(1, 1), layout(9, 1)) };
            assert!(refused.is_err(), "the burst has the free part");
        }
        assert!(region.is_closed());
        assert!(region.try_alloc(1u8).is_err() && region.try_burst().is_err());
        let more = burst.alloc(8u64);
        assert_eq!((*ours, *more), (7, 8));
        drop(burst);
        assert!(!region.is_closed());
    }
}

/// A backing that gives whole pages gives more than was asked for.
#[test]
#[cfg(all(unix, feature = "reserve"))]
fn a_region_that_grows_stops_at_its_maximum() {
    use alloc_core::{End, Reserved};

    let backing = || Reserved::new(1 << 20, End::Low).unwrap();
    let region = Linear::<1, _>::try_growing_in(4096, 5000, backing()).unwrap();
    region.alloc_layout(layout(4096, 1));
    fill(region.alloc_layout(layout(900, 1)), 900, 1);
    assert_eq!(region.capacity_bytes(), 5000);
    assert!(region.try_alloc_layout(layout(5, 1)).is_err(), "beyond the maximum");
    fill(region.alloc_layout(layout(4, 1)), 4, 1);
    assert_eq!((region.used_bytes(), region.remaining_bytes()), (5000, 0));
    // Of the first block too, and in whole units of the least alignment.
    let region = Linear::<8, _>::try_growing_in(100, 203, backing()).unwrap();
    assert_eq!(region.capacity_bytes(), 200);
    fill(region.alloc_layout(layout(200, 8)), 200, 1);
    assert!(region.try_alloc(1u8).is_err());
    // A builder's elements stand between the new memory and the rest.
    let region = Linear::<1, _>::try_growing_in(4096, 5000, backing()).unwrap();
    let mut builder = alloc_linear::SliceBuilder::new(&region);
    let pushed = (0..6000).take_while(|_| builder.try_push(1u8).is_ok()).count();
    assert_eq!((pushed, builder.finish().len()), (5000, 5000));
}

/// Their alignment made them cost up to 4095 bytes where the closure made them.
#[test]
fn values_without_size_take_no_room_however_they_are_aligned() {
    #[derive(Clone, Copy, Default)]
    #[repr(align(4096))]
    struct Aligned;

    let region = Linear::with_capacity(10_000);
    region.alloc(1u8);
    region.alloc(Aligned);
    region.alloc_with(|| Aligned);
    region.alloc_try_with(|| Ok::<_, ()>(Aligned)).unwrap();
    region.alloc_slice_fill_with(7, |_| Aligned);
    region.alloc_slice_fill_default::<Aligned>(7);
    region.alloc_slice_clone(&[Aligned; 7]);
    region.alloc_from_iter([Aligned; 7]);
    assert_eq!(region.used_bytes(), 1);
    #[cfg(feature = "std")]
    {
        let region = alloc_linear::SyncLinear::with_capacity(64);
        let values = [region.alloc(Aligned), region.try_alloc(Aligned).ok().unwrap()];
        let local = region.with_local(|local| local.try_alloc(Aligned).ok().unwrap());
        for value in values.into_iter().chain([local]) {
            assert!(core::ptr::from_ref(value).addr().is_multiple_of(4096));
        }
        assert_eq!(region.used_bytes(), 0);
    }
}
