//! `TwoEnded` through its public interface.
#![cfg(not(loom))]

use alloc_core::collections::{Box, Vec as EndVec};
use alloc_core::testing::{Checked, FailAt};
use alloc_core::{Allocator, Borrowed, ErrorKind, Global, Layout};
use alloc_stack::{End, EndFrame, EndMark, EndScope, TwoEnded};
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::panic::AssertUnwindSafe;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::panic::{catch_unwind, resume_unwind};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn lifetimes_interleave_and_each_end_unwinds_exactly() {
    let mut region = TwoEnded::with_capacity(4096);
    let (mut low, mut high) = region.ends();
    let mut a = low.frame();
    let of_a = a.scope().alloc([1u8; 3]);
    let mut x = high.frame();
    let mut inner = x.scope();
    let of_x = inner.alloc([2u64; 5]);
    assert_eq!((*of_a, *of_x, inner.region().used_bytes()), ([1; 3], [2; 5], 3 + 40));
    let kept = inner.alloc(7u32);
    let used = inner.region().used_bytes();
    {
        let mut child = inner.frame();
        let scope = child.scope();
        scope.alloc(1u8);
        scope.alloc_layout(layout(100, 64));
        assert_eq!(*kept, 7, "what the parent handed out stays usable");
    }
    inner.alloc(8u32);
    assert_eq!((*kept, inner.region().used_bytes()), (7, used + 4));
    drop(a); // while the frame at the other end goes on
    assert_eq!((inner.region().used_bytes(), *of_x), (48, [2; 5]));
    inner.alloc(9u8);
    drop(x);
    assert_eq!(region.used_bytes(), 0);
}

/// Frames of both ends by a fixed pattern, blocks of every alignment up to a page: contents stay,
/// blocks are apart, each frame leaves nothing.
#[test]
fn random_frames_leave_nothing_and_overlap_nothing() {
    fn fill<const HIGH: bool>(
        scope: &EndScope<'_, HIGH>,
        random: &mut u32,
        live: &mut Vec<(usize, usize)>,
    ) {
        for _ in 0..8 {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = (*random >> 8) as usize % 300;
            let align = 1 << ((*random >> 20) % 9);
            let Ok(block) = scope.try_alloc_layout(layout(size, align)) else { continue };
            let address = block.addr().get();
            assert!(address.is_multiple_of(align));
            for (start, end) in &*live {
                assert!(size == 0 || address + size <= *start || *end <= address);
            }
            // SAFETY: a fresh block of `size` bytes.
            unsafe { block.write_bytes(0xA5, size) };
            live.push((address, address + size));
        }
    }
    fn recurse<const HIGH: bool, const OTHER: bool>(
        this: &mut EndScope<'_, HIGH>,
        other: &mut EndScope<'_, OTHER>,
        random: &mut u32,
        live: &mut Vec<(usize, usize)>,
        depth: u32,
    ) {
        if depth == 0 {
            return;
        }
        for _ in 0..3 {
            let (len, used) = (live.len(), this.region().used_bytes());
            {
                let mut frame = this.frame();
                let mut scope = frame.scope();
                fill(&scope, random, live);
                recurse(other, &mut scope, random, live, depth - 1);
                fill(&scope, random, live);
            }
            live.truncate(len);
            assert_eq!(this.region().used_bytes(), used, "depth {depth}");
        }
    }
    let mut region = TwoEnded::with_capacity(8 * 1024);
    let (mut low, mut high) = region.ends();
    let (mut low, mut high) = (low.frame(), high.frame());
    recurse(&mut low.scope(), &mut high.scope(), &mut 12345, &mut Vec::new(), 6);
    drop((low, high));
    let stats = region.stats();
    assert_eq!(stats.used_bytes, 0);
    assert!(stats.slow_calls > 0 && stats.peak_bytes > 7 * 1024, "they met: {stats:?}");
}

#[test]
fn the_ends_meet_to_the_last_byte_and_no_further() {
    for low_bytes in [0, 1, 63, 64, 65, 127, 128] {
        let mut region = TwoEnded::with_capacity(128);
        let (mut low, mut high) = region.ends();
        let (mut low, mut high) = (low.frame(), high.frame());
        let (low, high) = (low.scope(), high.scope());
        low.alloc_layout(layout(low_bytes, 1));
        high.alloc_layout(layout(128 - low_bytes, 1));
        for error in [
            low.try_alloc(1u8).unwrap_err().error(),
            high.try_alloc(1u8).unwrap_err().error(),
            low.try_alloc_slice_copy(&[1u8; 2]).unwrap_err(),
            high.try_alloc_layout(layout(isize::MAX.unsigned_abs(), 1)).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.remaining_bytes()), (ErrorKind::Full, 0));
        }
        // Zero-sized values succeed in a full region.
        assert_eq!((*low.alloc(()), &*high.alloc_str("")), ((), ""));
        assert_eq!(high.alloc_slice_fill_with(1000, |_| ()).len(), 1000);
    }
    let mut region = TwoEnded::with_capacity(64);
    let (mut low, _) = region.ends();
    let mut frame = low.frame();
    let scope = frame.scope();
    let value = scope.try_alloc([7u8; 65]).unwrap_err().into_value();
    assert_eq!(value, [7; 65], "handed back");
    let caught = catch_unwind(AssertUnwindSafe(|| {
        scope.alloc([0u64; 9]);
    }));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        message,
        "two-ended region of 64 bytes: no room for 72 bytes aligned to 8: 64 bytes remain"
    );
    assert_eq!(scope.alloc([1u64; 8]), &[1; 8], "usable afterwards");
}

#[test]
fn growing_collections_at_both_ends() {
    let mut region = TwoEnded::with_capacity(64 * 1024);
    let (mut low, mut high) = region.ends();
    let (mut low, mut high) = (low.frame(), high.frame());
    let (low, high) = (low.scope(), high.scope());
    let mut up = EndVec::new_in(&low);
    let mut down = EndVec::new_in(&high);
    let mut other = EndVec::new_in(&low);
    for n in 0..1000u32 {
        up.push(n);
        down.push(n * 2);
        if n % 100 == 0 {
            other.push(Box::new_in(n * 3, &high));
        }
    }
    assert!(up.iter().copied().eq(0..1000) && down.iter().copied().eq((0..1000).map(|n| n * 2)));
    assert!(other.iter().map(|n| **n).eq((0..10).map(|n| n * 300)));
    up.truncate(10);
    up.shrink_to_fit();
    assert!(up.iter().copied().eq(0..10));
    drop((up, down, other));
}

#[test]
fn the_newest_block_grows_in_place_and_is_given_back() {
    let mut region = TwoEnded::with_capacity(1024);
    let (mut low, mut high) = region.ends();
    let (mut low, mut high) = (low.frame(), high.frame());
    let (low, high) = (low.scope(), high.scope());
    let mut vector = EndVec::new_in(&low);
    for n in 0..1024u32 {
        vector.push((n % 251) as u8);
    }
    assert_eq!(low.region().remaining_bytes(), 0, "doubled to the last byte without a copy");
    assert!(vector.try_reserve(1).is_err());
    assert!(vector.iter().copied().eq((0..1024u32).map(|n| (n % 251) as u8)), "intact on error");
    vector.truncate(24);
    vector.shrink_to_fit();
    assert_eq!(low.region().used_bytes(), 24);
    drop(vector);
    assert_eq!(low.region().used_bytes(), 0);
    let block = Box::new_in([1u8; 100], &high);
    assert_eq!(high.region().used_bytes(), 100);
    drop(block);
    assert_eq!(high.region().used_bytes(), 0);
    // Through the trait, with another alignment, both ways.
    for scope in [&high as &dyn Allocator, &low] {
        let (small, large) = (layout(3, 1), layout(9, 64));
        let block = scope.allocate(small).unwrap().cast::<u8>();
        // SAFETY: a fresh block of three bytes.
        unsafe { block.write_bytes(7, 3) };
        // SAFETY: alive with `small`; `large` is larger.
        let grown = unsafe { scope.grow_zeroed(block, small, large) }.unwrap();
        assert!(grown.cast::<u8>().addr().get().is_multiple_of(64));
        // SAFETY: nine bytes, three kept and six zeroed.
        assert_eq!(unsafe { grown.as_ref() }, [7, 7, 7, 0, 0, 0, 0, 0, 0]);
        // SAFETY: alive with `large`; `small` is smaller.
        let shrunk = unsafe { scope.shrink(grown.cast(), large, small) }.unwrap();
        // SAFETY: three bytes, kept.
        assert_eq!(unsafe { shrunk.as_ref() }, [7, 7, 7]);
        // SAFETY: alive with `small`, not used again.
        unsafe { scope.deallocate(shrunk.cast(), small) };
    }
}

#[test]
fn slices_of_iterators_that_lie_panic_and_allocate() {
    let mut region = TwoEnded::with_capacity(4096);
    let (mut low, mut high) = region.ends();
    let (mut low, mut high) = (low.frame(), high.frame());
    let (low, high) = (low.scope(), high.scope());
    let squares = low.alloc_from_iter((0..10u32).filter(|n| n % 2 == 0).map(|n| {
        low.alloc(n); // between the elements
        n * n
    }));
    assert_eq!(squares, [0, 4, 16, 36, 64]);
    let nested = high.alloc_slice_fill_with(4, |n| high.alloc_slice_fill_with(n, |m| m).len());
    assert_eq!(nested, [0, 1, 2, 3]);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        low.alloc_from_iter(
            (0..9u8).map(|n| if n == 5 { resume_unwind(std::boxed::Box::new(())) } else { n }),
        );
    }));
    assert!(caught.is_err());
    let caught = catch_unwind(AssertUnwindSafe(|| {
        high.alloc_from_iter(0u64..);
    }));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("two-ended region of 4096 bytes: no room for"), "{message}");
    struct Liar(u8);
    impl Iterator for Liar {
        type Item = u8;
        fn next(&mut self) -> Option<u8> {
            self.0 = self.0.checked_sub(1)?;
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX, None)
        }
    }
    assert_eq!(low.alloc_from_iter(Liar(3)), [2, 1, 0]);
    assert_eq!(squares, [0, 4, 16, 36, 64]);
}

/// Values that go exactly where they fit, and are refused by a panic, never by an abort, where they do not:
/// what the alignment skips is part of what is asked for.
#[test]
fn collecting_fits_to_the_last_byte_and_panics_beyond_it() {
    let mut region = TwoEnded::with_capacity(64);
    for bytes_before in 0..=16usize {
        for count in 0..=8usize {
            let (mut low, mut high) = region.ends();
            let (mut low, mut high) = (low.frame(), high.frame());
            let (low, high) = (low.scope(), high.scope());
            low.alloc_slice_copy(&vec![1u8; bytes_before]);
            let fits = bytes_before.next_multiple_of(8) + 8 * count <= 64;
            let values = || (0u64..).take(count);
            let got = catch_unwind(AssertUnwindSafe(|| low.alloc_from_iter(values()).len()));
            assert_eq!(got.ok(), fits.then_some(count), "{count} above {bytes_before} bytes");
            if bytes_before == 0 && fits {
                assert_eq!(high.region().remaining_bytes(), 64 - 8 * count);
            }
        }
    }
    // Without a hint the slice grows; what it grows to is what there is, not the double.
    for count in 0..=9u64 {
        let (mut low, _) = region.ends();
        let mut low = low.frame();
        let low = low.scope();
        let values = (0..count).filter(|_| true);
        let got = catch_unwind(AssertUnwindSafe(|| low.alloc_from_iter(values).len()));
        assert_eq!(got.is_ok(), count <= 8, "{count} values");
    }
}

#[test]
fn a_forgotten_frame_ends_with_the_one_around_it() {
    let mut region = TwoEnded::with_capacity(1024);
    let (mut low, mut high) = region.ends();
    let mut outer = low.frame();
    {
        let mut scope = outer.scope();
        scope.alloc(1u64);
        let mut inner = scope.frame();
        inner.scope().alloc([2u64; 4]);
        let _ = core::mem::ManuallyDrop::new(inner);
        scope.alloc(3u64);
        assert_eq!(scope.region().used_bytes(), 6 * 8);
    }
    drop(outer);
    assert_eq!(low.region().used_bytes(), 0);
    let mut frame = high.frame();
    frame.scope().alloc([1u8; 10]);
    frame.reset();
    assert_eq!(frame.scope().region().used_bytes(), 0);
    frame.scope().alloc([1u8; 10]);
    let _ = core::mem::ManuallyDrop::new(frame);
    assert_eq!(region.used_bytes(), 10, "as the outermost one until the reset");
    region.reset();
    assert_eq!((region.used_bytes(), region.stats().resets), (0, 1));
}

#[test]
fn frames_and_scopes_of_two_regions_may_be_swapped() {
    let (mut one, mut two) = (TwoEnded::with_capacity(256), TwoEnded::with_capacity(512));
    {
        let (mut low_one, _) = one.ends();
        let (mut low_two, _) = two.ends();
        let (mut a, mut b) = (low_one.frame(), low_two.frame());
        a.scope().alloc([1u8; 10]);
        core::mem::swap(&mut a, &mut b);
        let (mut of_a, mut of_b) = (a.scope(), b.scope());
        core::mem::swap(&mut of_a, &mut of_b);
        let (x, y) = (of_a.alloc(1u64), of_b.alloc(2u64));
        assert_eq!((*x, *y), (1, 2));
        assert_eq!(of_a.region().capacity_bytes(), 256, "there and back");
    }
    assert_eq!((one.used_bytes(), two.used_bytes()), (0, 0));
}

#[test]
fn marks_that_no_scope_draws() {
    let mut region = TwoEnded::with_capacity(256);
    let (mut low, mut high) = region.ends();
    let start: (EndMark<false>, EndMark<true>) = (low.mark(), high.mark());
    low.try_alloc_layout(layout(10, 1)).unwrap();
    let middle = low.mark();
    high.try_alloc_layout(layout(20, 1)).unwrap();
    low.try_alloc_layout(layout(30, 1)).unwrap();
    // SAFETY: 1. this end's, not rewound further since; 2. the block is not used.
    unsafe { low.rewind(middle) };
    assert_eq!((low.region().used_bytes(), low.mark() == middle), (30, true));
    // SAFETY: as above.
    unsafe { high.rewind(start.1) };
    // SAFETY: as above.
    unsafe { low.rewind(start.0) };
    assert_eq!(region.used_bytes(), 0);
    assert!(format!("{start:?}{region:?}").contains("cursor"));
}

#[test]
fn backings_that_refuse_lend_more_or_are_borrowed() {
    let error = TwoEnded::try_with_capacity_in(64, FailAt::new(Global, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backing);
    for capacity_bytes in [usize::MAX, isize::MAX.unsigned_abs() - 14] {
        let error = TwoEnded::try_with_capacity(capacity_bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
    }
    let mut empty = TwoEnded::with_capacity(0);
    let (mut low, _) = empty.ends();
    assert_eq!(low.frame().scope().try_alloc(1u8).unwrap_err().error().kind(), ErrorKind::Full);
    let checked = Checked::new(Global);
    drop(TwoEnded::with_capacity_in(100, &checked));
    assert_eq!(checked.live_blocks(), 0);
    let mut buffer = [MaybeUninit::uninit(); 256];
    let mut region = TwoEnded::try_with_capacity_in(128, Borrowed::new(&mut buffer)).unwrap();
    assert!(region.capacity_bytes() > 128, "the whole buffer is used");
    let (mut low, mut high) = region.ends();
    assert_eq!(*low.frame().scope().alloc(5u64), 5);
    assert_eq!(*high.frame().scope().alloc(6u64), 6);
    assert_eq!(region.backing().len_bytes(), 256);
}

#[test]
fn stats_say_what_happened() {
    let mut region = TwoEnded::with_capacity(1024);
    let (mut low, mut high) = region.ends();
    {
        let (mut low, mut high) = (low.frame(), high.frame());
        low.scope().alloc(1u8);
        low.scope().alloc(2u64);
        high.scope().alloc([3u8; 3]);
        assert!(high.scope().try_alloc([0u8; 1010]).is_err());
    }
    let stats = region.stats();
    assert_eq!((stats.used_bytes, stats.reserved_bytes), (0, 1024));
    assert_eq!((stats.peak_bytes, stats.slow_calls, stats.waste_tail_bytes), (19, 1, 1005));
    #[cfg(feature = "stats")]
    assert_eq!(
        (stats.allocs, stats.frees, stats.requested_bytes, stats.waste_align_bytes),
        (Some(3), Some(0), Some(12), Some(7))
    );
    assert_eq!(stats.external_fragmentation(), 1005.0 / 1024.0);
}

#[cfg(feature = "stats")]
#[test]
fn what_grows_in_place_and_what_has_no_size_is_counted() {
    let mut region = TwoEnded::with_capacity(1024);
    {
        let (mut low, _) = region.ends();
        let mut low = low.frame();
        let low = low.scope();
        low.alloc(());
        low.alloc_slice_copy(&[(); 3]);
        let block = low.allocate(layout(100, 1)).unwrap().cast();
        // SAFETY: alive with this layout; the new one is larger.
        let block = unsafe { low.grow(block, layout(100, 1), layout(300, 1)) }.unwrap().cast();
        let stats = low.region().stats();
        assert_eq!((stats.allocs, stats.frees), (Some(3), Some(0)));
        assert_eq!((stats.requested_bytes, stats.peak_bytes), (Some(300), 300));
        // SAFETY: alive with this layout, not used again.
        unsafe { low.deallocate(block, layout(300, 1)) };
    }
    assert_eq!((region.stats().frees, region.stats().peak_bytes), (Some(1), 300));
}

#[cfg(debug_assertions)]
#[test]
fn what_is_given_back_is_overwritten_in_debug_builds() {
    let mut region = TwoEnded::with_capacity(64);
    let seen = |block: core::ptr::NonNull<u8>| {
        // SAFETY: memory of the region, which is alive; it was written.
        unsafe { block.read() }
    };
    let (mut low, mut high) = region.ends();
    let mut blocks = Vec::new();
    {
        let (mut low, mut high) = (low.frame(), high.frame());
        for value in [low.scope().alloc(1u8), high.scope().alloc(2u8)] {
            blocks.push(core::ptr::NonNull::from_mut(value));
        }
    }
    for block in [low.try_alloc_layout(layout(1, 1)), high.try_alloc_layout(layout(1, 1))] {
        let block = block.unwrap();
        assert!(blocks.contains(&block));
        assert_eq!(seen(block), 0xA5, "the frame ended");
        // SAFETY: fresh, of one byte.
        unsafe { block.write(3) };
    }
    region.reset();
    let (mut low, mut high) = region.ends();
    for block in [low.try_alloc_layout(layout(1, 1)), high.try_alloc_layout(layout(1, 1))] {
        assert_eq!(seen(block.unwrap()), 0xA5, "the region was reset");
    }
}

assert_impl_all!(TwoEnded: Send);
assert_not_impl_any!(TwoEnded: Sync, Clone);
assert_not_impl_any!(TwoEnded<&'static Borrowed<'static>>: Send);
assert_not_impl_any!(End<'static, true>: Send, Sync, Clone);
assert_not_impl_any!(EndFrame<'static, false>: Send, Sync, Clone);
assert_not_impl_any!(EndScope<'static, true>: Send, Sync, Clone);
assert_impl_all!(EndMark<true>: Copy);

#[test]
fn a_region_that_was_sent_is_whole() {
    let mut region = TwoEnded::with_capacity(64);
    region.ends().0.try_alloc_layout(layout(10, 1)).unwrap();
    let region = std::thread::spawn(move || {
        region.reset();
        let (mut low, _) = region.ends();
        let mut frame = low.frame();
        frame.scope().alloc(Cell::new(1u64));
        drop(frame);
        region
    });
    assert_eq!(region.join().unwrap().used_bytes(), 0);
}

#[test]
fn what_finds_no_room_at_an_end_says_so() {
    let mut region = TwoEnded::with_capacity(64);
    let (mut low, mut high) = region.ends();
    let mut frame = low.frame();
    let scope = frame.scope();
    assert_eq!(scope.try_alloc_str("left"), Ok(String::from("left").as_mut_str()));
    assert_eq!(scope.try_alloc_slice_fill_with(3, |n| n == 1).unwrap(), [false, true, false]);
    assert_eq!(scope.try_alloc_from_iter(7..10u8).unwrap(), [7, 8, 9]);
    let used = 64 - scope.region().remaining_bytes();
    let long = "x".repeat(65);
    let refused = [
        scope.try_alloc_str(&long).unwrap_err(),
        scope.try_alloc_slice_fill_with(65, |_| -> u8 { unreachable!("no room") }).unwrap_err(),
        scope.try_alloc_from_iter(long.bytes()).unwrap_err(),
    ];
    assert!(refused.iter().all(|error| error.kind() == ErrorKind::Full), "{refused:?}");
    let error = scope.try_alloc_slice_fill_with(usize::MAX, |_| 0u64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
    assert_eq!(64 - scope.region().remaining_bytes(), used, "refusals take nothing");
    assert!(high.frame().scope().try_alloc([0u8; 65]).is_err());
}
