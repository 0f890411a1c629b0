//! Bad input and faults: each a clear error or a documented panic, nothing lost, the region usable
//! afterwards.
#![cfg(all(unix, not(loom)))]

use alloc_core::testing::{Checked, FailAt};
use alloc_core::{AllocError, Allocator, End, ErrorKind, Global, GrowInPlace, Layout, Reserved};
use alloc_linear::{Linear, SliceBuilder, SyncLinear};
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};

/// The largest object.
const MAX: usize = isize::MAX.unsigned_abs();

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Runs `work`, which must unwind; the panic hook is not called for a planned panic.
fn unwinds(work: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err(), "it was to unwind");
}

fn planned() -> ! {
    resume_unwind(Box::new("planned"))
}

#[test]
fn values_without_size_take_no_room_even_in_a_full_region() {
    #[repr(align(4096))]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Marker;
    for capacity_bytes in [0, 1, 64] {
        let region = Linear::with_capacity(capacity_bytes);
        for round in 0..2 {
            assert_eq!(*region.alloc(()), ());
            let marker = region.alloc(Marker);
            assert!(core::ptr::from_mut(marker).addr().is_multiple_of(4096));
            assert_eq!(region.alloc_slice_fill_copy(1_000_000, ()).len(), 1_000_000);
            assert_eq!(region.alloc_slice_copy(&[Marker; 3]), &[Marker; 3]);
            assert_eq!(region.alloc_from_iter([Marker; 5]).len(), 5);
            if round == 0 {
                assert_eq!(region.used_bytes(), 0, "capacity {capacity_bytes}");
            }
            // No elements of a type with size: these may cost padding, and always succeed.
            assert_eq!(region.alloc_slice_copy::<u64>(&[]), &[0u64; 0]);
            assert_eq!(region.alloc_from_iter::<u64>([]), &[0u64; 0]);
            assert_eq!(region.alloc_str(""), "");
            assert_eq!(region.alloc_fmt(format_args!("")), "");
            if round == 0 {
                region.alloc_layout(layout(region.remaining_bytes(), 1));
            }
        }
        let mut burst = region.burst();
        assert_eq!(*burst.alloc(Marker), Marker);
        assert_eq!(burst.alloc_slice_copy(&[(); 9]).len(), 9);
    }
}

#[test]
fn a_builder_of_values_without_size_counts_to_the_last_and_no_further() {
    let region = Linear::with_capacity(0);
    let mut builder = SliceBuilder::new(&region);
    let most = [(); usize::MAX];
    builder.try_extend_from_slice(&most).unwrap();
    let error = builder.try_push(()).unwrap_err().error();
    assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
    assert_eq!(builder.finish().len(), usize::MAX);
}

#[test]
fn every_alignment_to_64_kib() {
    let mut region = Linear::<1>::with_capacity(1 << 20);
    for align_log2 in 0..=16 {
        let align = 1 << align_log2;
        for size in [0, 1, 63, 64, 65] {
            region.alloc(0u8); // disturbs the cursor
            let block = region.alloc_layout(layout(size, align));
            assert!(block.addr().get().is_multiple_of(align), "{block:p} for {align}");
        }
        region.reset();
    }
}

#[test]
fn sizes_at_and_above_the_largest_are_errors_with_their_numbers() {
    let region = Linear::with_capacity(1024);
    for (size, align) in [(1025, 1), (MAX, 1), (MAX - 7, 8), (MAX - 65535, 65536)] {
        let error = region.try_alloc_layout(layout(size, align)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        let numbers = (error.size(), error.align(), error.remaining_bytes());
        assert_eq!(numbers, (size, align, 1024));
        let text = error.to_string();
        assert!(text.contains(&size.to_string()) && text.contains("1024"), "{text}");
        let mut burst = region.burst();
        assert_eq!(burst.try_alloc_layout(layout(size, align)).unwrap_err(), error);
    }
    for len in [MAX / 8 + 1, usize::MAX / 8, usize::MAX] {
        let error = region.try_alloc_uninit_slice::<u64>(len).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
        assert_eq!(error.size(), len.saturating_mul(8));
        let text = error.to_string();
        assert!(text.contains(&isize::MAX.to_string()), "the limit is named: {text}");
        let fill = region.try_alloc_slice_fill_with(len, |_| -> u64 { unreachable!("called") });
        assert_eq!(fill.unwrap_err(), error);
    }
    assert_eq!(region.alloc_layout(layout(1024, 1)).addr().get() % 16, 0, "all is still there");
}

#[test]
fn capacities_at_the_boundaries() {
    for capacity_bytes in [0, 1, 63, 64, 65, 4096] {
        let region = Linear::<1>::with_capacity(capacity_bytes);
        assert_eq!(region.capacity_bytes(), capacity_bytes);
        for _ in 0..capacity_bytes {
            region.alloc(1u8);
        }
        let rejected = region.try_alloc(9u8).unwrap_err();
        assert_eq!(rejected.error().remaining_bytes(), 0);
        assert_eq!(rejected.into_value(), 9, "the value comes back");
    }
    for capacity_bytes in [MAX + 1, usize::MAX - 63, usize::MAX] {
        let error = Linear::try_with_capacity(capacity_bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
        assert!(error.to_string().contains(&capacity_bytes.to_string()), "{error}");
    }
    assert_eq!(Linear::try_with_capacity(MAX - 4096).unwrap_err().kind(), ErrorKind::Backing);
    assert_eq!(Linear::try_with_capacity(MAX).unwrap_err().kind(), ErrorKind::CapacityOverflow);
}

#[test]
fn bad_maxima_of_growing_regions_name_value_and_limit() {
    let backing = || Reserved::new(1 << 16, End::Low).unwrap();
    for (capacity_bytes, max_bytes) in [(0, 4096), (4097, 4096), (1, 0)] {
        let error =
            Linear::<1, _>::try_growing_in(capacity_bytes, max_bytes, backing()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOutOfRange);
        let text = error.to_string();
        assert!(text.contains(&capacity_bytes.to_string()), "{text}");
        assert!(text.contains(&max_bytes.to_string()), "{text}");
    }
}

#[test]
#[cfg(feature = "reserve")]
fn bad_reservations_name_value_and_limit() {
    let error = Linear::<1, _>::try_reserved(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CapacityOutOfRange);
    let error = Linear::<1, _>::try_reserved(usize::MAX).unwrap_err();
    assert_eq!((error.kind(), error.size()), (ErrorKind::CapacityOverflow, usize::MAX));
    let error = Linear::<1, _>::try_reserved(MAX - 8192).unwrap_err();
    assert_eq!((error.kind(), error.size()), (ErrorKind::Backing, MAX - 8192));
}

fn growing<const MIN_ALIGN: usize>(max_bytes: usize) -> Linear<MIN_ALIGN, Reserved> {
    let backing = Reserved::new(max_bytes, End::Low).unwrap();
    Linear::growing_in(max_bytes.min(65536), max_bytes, backing)
}

#[test]
fn the_infallible_methods_name_size_alignment_and_what_remains() {
    let region = Linear::with_capacity(10);
    let payload = catch_unwind(AssertUnwindSafe(|| {
        region.alloc_layout(layout(11, 2));
    }))
    .unwrap_err();
    let text = payload.downcast_ref::<String>().expect("a formatted message");
    assert!(text.contains("11 bytes aligned to 2") && text.contains("10 bytes remain"), "{text}");
    region.alloc(1u8);
}

#[test]
fn a_backing_that_fails_at_any_call_leaves_a_usable_region() {
    for fail_at in 1.. {
        let backing = Checked::new(FailAt::new(Reserved::new(1 << 20, End::Low).unwrap(), fail_at));
        let region = match Linear::<1, _>::try_growing_in(4096, 1 << 20, Growing(&backing)) {
            Ok(region) => region,
            Err(error) => {
                assert_eq!((fail_at, error.kind(), error.size()), (1, ErrorKind::Backing, 4096));
                continue;
            }
        };
        let mut values = Vec::new();
        let mut refused = 0;
        for n in 0..300u64 {
            match region.try_alloc([n; 256]) {
                Ok(value) => values.push((n, value)),
                Err(rejected) => {
                    assert_eq!(rejected.error().kind(), ErrorKind::Full);
                    assert_eq!(rejected.into_value(), [n; 256]);
                    refused += 1;
                }
            }
        }
        assert!(values.iter().all(|(n, value)| value.iter().all(|word| word == n)));
        // A refused growth is tried again with the least that serves, so nothing is refused early.
        assert_eq!(refused, 300 - values.len());
        assert!(
            values.len() * 2048 + 2048 > 1 << 19,
            "{} with call {fail_at} failing",
            values.len()
        );
        drop(region);
        assert_eq!(backing.live_blocks(), 0);
        if fail_at > 12 {
            break;
        }
    }
}

/// A shared backing whose growth is its inner one's.
struct Growing<'a, A>(&'a A);

// SAFETY: blocks are the inner backing's.
unsafe impl<A: Allocator> Allocator for Growing<'_, A> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.0.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.0.deallocate(ptr, layout) }
    }
}

// SAFETY: every clause is the inner backing's.
unsafe impl<A: GrowInPlace> GrowInPlace for Growing<'_, A> {
    unsafe fn grow_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.0.grow_in_place(ptr, old, new, end) }
    }
}

#[test]
fn growth_ends_at_the_maximum_and_reaches_it() {
    let max_bytes = 1 << 20;
    let region = growing::<1>(max_bytes);
    region.alloc(1u8);
    // All that is left, in one piece: what is free already counts.
    let rest = region.alloc_slice_fill_copy(max_bytes - 1, 2u8);
    assert_eq!(rest.len(), max_bytes - 1);
    assert_eq!((region.used_bytes(), region.capacity_bytes()), (max_bytes, max_bytes));
    assert!(region.try_alloc(0u8).is_err());
    let smaller = Reserved::new(1 << 20, End::Low).unwrap();
    let region = Linear::<1, _>::try_growing_in(4096, 16384, smaller).unwrap();
    assert!(region.try_alloc_layout(layout(16385, 1)).is_err());
    while region.try_alloc([0u8; 100]).is_ok() {}
    assert!(region.capacity_bytes() <= 16384, "{region:?}");
}

#[test]
fn an_initialiser_that_panics_gives_its_block_back() {
    let region = Linear::<8>::with_min_align(1024);
    region.alloc(1u8);
    let used = region.used_bytes();
    for panics_at in [0, 1, 31, 62] {
        unwinds(|| {
            region.alloc_slice_fill_with(63, |n| if n == panics_at { planned() } else { n });
        });
        assert_eq!(region.used_bytes(), used, "panic at {panics_at}");
    }
    unwinds(|| {
        region.alloc_with(|| -> [u128; 4] { planned() });
    });
    assert_eq!(region.used_bytes(), used, "padding included");
    let refused: Result<&mut u64, &str> = region.alloc_try_with(|| Err("no"));
    assert_eq!((refused, region.used_bytes()), (Err("no"), used));
    assert_eq!(region.alloc_slice_fill_with(3, |n| n), [0, 1, 2]);
}

#[test]
fn a_panic_after_nested_allocations_frees_none_of_them() {
    let region = Linear::with_capacity(1024);
    let mut inner: Vec<&mut u64> = Vec::new();
    unwinds(|| {
        region.alloc_slice_fill_with(8, |n| {
            inner.push(region.alloc(n as u64 * 3));
            if n == 5 { planned() } else { n }
        });
    });
    region.alloc([0xFFu8; 128]);
    assert!(inner.iter().enumerate().all(|(n, value)| **value == n as u64 * 3), "{inner:?}");
}

#[test]
fn a_clone_that_panics_gives_the_block_back() {
    #[derive(Debug)]
    struct Fragile(u8);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            if self.0 == 3 { planned() } else { Self(self.0) }
        }
    }
    let region = Linear::with_capacity(64);
    unwinds(|| {
        region.alloc_slice_clone(&[Fragile(1), Fragile(2), Fragile(3)]);
    });
    assert_eq!(region.used_bytes(), 0);
    assert_eq!(region.alloc_slice_clone(&[Fragile(1)])[0].0, 1);
}

#[test]
fn an_iterator_that_panics_or_finds_no_room_gives_its_room_back() {
    let region = Linear::with_capacity(100);
    unwinds(|| {
        region.alloc_from_iter((0..50u8).map(|n| if n == 20 { planned() } else { n }));
    });
    assert_eq!(region.remaining_bytes(), 100);
    let error = region.try_alloc_from_iter(0..=255u8).unwrap_err();
    assert_eq!((error.kind(), error.size(), error.align()), (ErrorKind::Full, 1, 1));
    assert_eq!(region.remaining_bytes(), 100);
    assert_eq!(region.alloc_from_iter(0..100u8).len(), 100, "to the last byte");
}

#[test]
fn a_formatter_that_fails_or_panics_gives_its_room_back() {
    struct Fails(bool);
    impl core::fmt::Display for Fails {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("half")?;
            if self.0 { planned() } else { Err(core::fmt::Error) }
        }
    }
    let region = Linear::with_capacity(64);
    assert_eq!(region.try_alloc_fmt(format_args!("{}", Fails(false))), Ok(None));
    unwinds(|| {
        region.alloc_fmt(format_args!("{}", Fails(true)));
    });
    assert_eq!(region.remaining_bytes(), 64);
    let error = region.try_alloc_fmt(format_args!("{:>65}", 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!(region.alloc_fmt(format_args!("{:>64}", 1)).len(), 64);
}

#[test]
fn a_formatter_that_swallows_the_lack_of_room_yields_an_error_and_no_torn_text() {
    struct Swallows;
    impl core::fmt::Display for Swallows {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            let _ = f.write_str("far too long for this region");
            f.write_str("ok")
        }
    }
    let region = Linear::with_capacity(8);
    let error = region.try_alloc_fmt(format_args!("{Swallows}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
}

#[test]
fn initialisers_iterators_and_formatters_may_allocate() {
    let region = Linear::<16>::with_min_align(1 << 14);
    let tree = region.alloc_with(|| {
        region.alloc_slice_fill_with(4, |n| region.alloc_from_iter((0..n).map(|i| region.alloc(i))))
    });
    for (n, branch) in tree.iter().enumerate() {
        assert!(branch.iter().map(|leaf| **leaf).eq(0..n));
    }
}

#[test]
fn forgotten_guards_cost_room_until_the_reset_and_nothing_else() {
    let backing = Checked::new(Global);
    let mut region = Linear::<1, _>::with_capacity_in(1024, &backing);
    let mut builder = SliceBuilder::new(&region);
    builder.push(7u64);
    let _ = ManuallyDrop::new(builder);
    assert_eq!(region.remaining_bytes(), 1016);
    let mut burst = region.burst();
    let value = burst.alloc(5u32);
    let _ = ManuallyDrop::new(burst);
    assert!(region.is_closed());
    assert_eq!(region.try_alloc(1u8).unwrap_err().error().kind(), ErrorKind::Closed);
    assert_eq!(region.try_burst().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(*value, 5);
    region.reset();
    assert_eq!((region.is_closed(), region.remaining_bytes()), (false, 1024));
    let _ = ManuallyDrop::new(region.burst());
    drop(region);
    assert_eq!(backing.live_blocks(), 0, "given back once, though a guard was forgotten");
}

#[test]
fn an_empty_builder_survives_growth_of_the_region() {
    let region = growing::<1>(1 << 20);
    let mut builder = SliceBuilder::new(&region);
    region.alloc_slice_fill_copy(200_000, 1u8); // extends the region below the builder's place
    builder.push(1u64);
    builder.push(2);
    assert_eq!(builder.finish(), [1, 2]);
}

#[test]
fn a_builder_grows_with_the_region_and_moves_its_elements() {
    let region = growing::<8>(1 << 20);
    let below = region.alloc_slice_fill_copy(100, 0x33u8);
    let mut builder = SliceBuilder::new(&region);
    for n in 0..100_000u64 {
        builder.push(n);
    }
    let built = builder.finish();
    assert!(built.iter().copied().eq(0..100_000));
    assert!(below.iter().all(|byte| *byte == 0x33));
}

#[test]
fn a_nested_builder_always_finishes() {
    for outer_len in 1..80u8 {
        let region = Linear::<64>::with_min_align(256);
        let mut outer = SliceBuilder::new(&region);
        outer.try_extend_from_slice(&vec![1u8; usize::from(outer_len)]).unwrap();
        let mut inner = SliceBuilder::new(&region);
        while inner.try_push(2u8).is_ok() {}
        inner.try_finish().expect("what was pushed can be finished");
    }
}

/// A backing whose growth panics, once armed.
struct Panics {
    inner: Reserved,
    armed: Cell<bool>,
}

// SAFETY: blocks are the inner backing's.
unsafe impl Allocator for Panics {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.inner.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.inner.deallocate(ptr, layout) }
    }
}

// SAFETY: every clause is the inner backing's; it panics before the block is touched.
unsafe impl GrowInPlace for Panics {
    unsafe fn grow_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if self.armed.get() {
            planned();
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { self.inner.grow_in_place(ptr, old, new, end) }
    }
}

fn panics() -> Linear<1, Panics> {
    let inner = Reserved::new(1 << 20, End::Low).unwrap();
    Linear::try_growing_in(4096, 1 << 20, Panics { inner, armed: Cell::new(true) }).unwrap()
}

/// The burst is still alive after the panic: its memory must not be the region's as well.
#[test]
fn a_backing_that_panics_under_a_burst_leaves_the_region_closed() {
    let region = panics();
    let mut burst = region.burst();
    burst.alloc(1u64);
    unwinds(|| {
        burst.alloc([0u8; 8192]);
    });
    assert!(region.try_alloc(9u64).is_err(), "the burst has the free part");
    let value = burst.alloc(2u64);
    region.backing().armed.set(false);
    burst.alloc([0u8; 8192]);
    drop(burst);
    region.alloc_slice_fill_copy(1000, 0xEEu8);
    assert_eq!(*value, 2);
}

#[test]
fn a_backing_that_panics_under_a_builder_leaves_its_elements_alone() {
    let region = panics();
    let mut builder = SliceBuilder::new(&region);
    builder.try_extend_from_slice(&[7u64; 100]).unwrap();
    unwinds(|| {
        builder.try_extend_from_slice(&[8u64; 1000]).unwrap();
    });
    while region.try_alloc([0xEEu8; 16]).is_ok() {}
    assert_eq!(builder.as_slice(), [7u64; 100], "no block may be taken from its room");
}

#[test]
fn fallible_twins_refuse_without_a_panic_and_with_room_succeed() {
    let region = Linear::with_capacity(64);
    let mut burst = region.burst();
    assert_eq!(burst.try_alloc_str("abc").unwrap(), "abc");
    assert_eq!(burst.try_alloc_slice_copy(&[7u8; 100]).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(burst.try_alloc_str(&"x".repeat(100)).unwrap_err().size(), 100);
    assert_eq!(burst.try_alloc_slice_copy(&[1u8, 2]).unwrap(), [1, 2], "usable afterwards");
    drop(burst);
    assert_eq!(region.try_alloc_slice_fill_copy(3, 7u8).unwrap(), [7; 3]);
    assert_eq!(region.try_alloc_slice_fill_default::<u8>(2).unwrap(), [0; 2]);
    assert_eq!(*region.try_alloc_uninit::<u8>().unwrap().write(9), 9);
    let refused = [
        region.try_alloc_slice_fill_copy(65, 7u8).unwrap_err(),
        region.try_alloc_slice_fill_default::<u64>(9).unwrap_err(),
        region.try_alloc_uninit::<[u8; 65]>().unwrap_err(),
    ];
    assert_eq!(
        refused.map(|error| (error.kind(), error.size())),
        [65, 72, 65].map(|n| (ErrorKind::Full, n))
    );

    let shared = SyncLinear::with_capacity(256);
    assert_eq!(shared.try_alloc_str("abc").unwrap(), "abc");
    assert_eq!(shared.try_alloc_slice_copy(&[0u8; 1000]).unwrap_err().kind(), ErrorKind::Full);
    shared.with_local(|local| {
        assert_eq!(*local.try_alloc(5u64).unwrap(), 5);
        assert_eq!(local.try_alloc([1u8; 1000]).unwrap_err().into_value(), [1u8; 1000]);
        assert_eq!(local.try_alloc_str("def").unwrap(), "def");
        let wide = Layout::from_size_align(1000, 8).unwrap();
        assert_eq!(local.try_alloc_layout(wide).unwrap_err().size(), 1000);
        assert_eq!(local.try_alloc_slice_copy(&[3u16]).unwrap(), [3]);
    });
}

#[test]
fn a_builder_stops_at_the_blocks_above_it() {
    let region = Linear::with_capacity(256);
    let block = region.alloc([0xABu8; 128]);
    let mut builder = SliceBuilder::new(&region);
    let pushed = (0..200u8).take_while(|&n| builder.try_push(n).is_ok()).count();
    assert_eq!(pushed, 128);
    assert_eq!(*block, [0xAB; 128], "the block above is as it was");
    assert_eq!(builder.as_slice().len(), 128);
}
