//! The arithmetic against the same question asked in 128-bit integers, where nothing wraps.

use super::*;
use proptest::prelude::*;

/// `down` as one would define it on paper.
fn down_on_paper(start: usize, cursor: usize, size: usize, align: usize) -> Option<usize> {
    let end = cursor as i128 - size as i128;
    let block = end.div_euclid(align as i128) * align as i128;
    if block < start as i128 { None } else { Some(usize::try_from(block).unwrap()) }
}

fn up_on_paper(cursor: usize, end: usize, layout: Layout) -> Option<usize> {
    let block = (cursor as u128).next_multiple_of(layout.align() as u128);
    if block + layout.size() as u128 > end as u128 { None } else { usize::try_from(block).ok() }
}

/// Alignments to 1 MiB, and sizes of every magnitude up to the largest that the layout may have.
fn layouts() -> impl Strategy<Value = Layout> {
    (0u32..=20, 0u32..=63, any::<usize>()).prop_map(|(align_log2, size_log2, low)| {
        let align = 1usize << align_log2;
        let size = (low & (1usize << size_log2).wrapping_sub(1)).min(MAX_SIZE - (align - 1));
        Layout::from_size_align(size, align).unwrap()
    })
}

/// Regions of every length whose end lies in the low half, often right at its top.
fn low_regions(min_align: usize) -> impl Strategy<Value = (usize, usize)> {
    (0u32..=62, any::<usize>(), any::<bool>(), any::<usize>()).prop_map(
        move |(length_log2, low, at_the_top, position)| {
            let length = round_down(low & ((1usize << length_log2) - 1), min_align);
            let highest = round_down(MAX_SIZE - length, min_align);
            let start =
                if at_the_top { highest } else { round_down(position % highest, min_align) };
            let start = start.max(min_align);
            (start, (start + length).min(round_down(MAX_SIZE, min_align)))
        },
    )
}

fn any_regions() -> impl Strategy<Value = (usize, usize)> {
    (any::<usize>(), any::<usize>(), any::<bool>()).prop_map(|(a, b, at_the_top)| {
        let start = if at_the_top { usize::MAX - (a & 0xff_ffff) } else { a.max(1) };
        let length = (b & MAX_SIZE).min(usize::MAX - start);
        (start, start + length)
    })
}

/// The form for the upper half, which this target need not be using.
fn down_anywhere(start: usize, cursor: usize, layout: Layout) -> Option<usize> {
    let block = candidate_anywhere(cursor, layout.size(), layout.align().wrapping_neg());
    (block >= start).then_some(block)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn low_half_form_is_exact(
        (start, end) in low_regions(1), pick in any::<usize>(), layout in layouts(),
    ) {
        prop_assert!(region_is_usable::<1>(start, end));
        let cursor = start + pick.checked_rem(end - start + 1).unwrap_or(0);
        prop_assert_eq!(
            down::<1>(start, cursor, layout),
            down_on_paper(start, cursor, layout.size(), layout.align())
        );
    }

    #[test]
    fn low_half_form_is_exact_with_a_minimum_alignment(
        (start, end) in low_regions(16), pick in any::<usize>(), layout in layouts(),
    ) {
        let cursor = start + round_down(pick % (end - start + 1), 16);
        let align = layout.align().max(16);
        prop_assert_eq!(
            down::<16>(start, cursor, layout),
            down_on_paper(start, cursor, layout.size(), align)
        );
    }

    #[test]
    fn general_form_is_exact_at_every_address(
        (start, end) in any_regions(), pick in any::<usize>(), layout in layouts(),
    ) {
        let cursor = start + (pick % (end - start).max(1));
        prop_assert_eq!(
            down_anywhere(start, cursor, layout),
            down_on_paper(start, cursor, layout.size(), layout.align())
        );
    }

    #[test]
    fn a_closed_region_refuses_everything((start, _) in low_regions(16), layout in layouts()) {
        prop_assert_eq!(down::<16>(start, start - 1, layout), None);
        prop_assert_eq!(
            down_anywhere(start, start - 1, layout), None
        );
    }

    #[test]
    fn up_is_exact_at_every_address(
        (cursor, end) in any_regions(), layout in layouts(),
    ) {
        prop_assert_eq!(up(cursor, end, layout), up_on_paper(cursor, end, layout));
    }

    #[test]
    fn rounding_is_exact(value in any::<usize>(), align_log2 in 0u32..=20) {
        let align = 1usize << align_log2;
        let up = (value as u128).next_multiple_of(align as u128);
        prop_assert_eq!(round_up(value, align), usize::try_from(up).ok());
        prop_assert_eq!(round_down(value, align), value - value % align);
    }
}

#[test]
fn typed_form_agrees_with_the_layout_form() {
    fn check<T>() {
        for count in [0usize, 1, 2, 63, 64, 65] {
            let layout = Layout::array::<T>(count).unwrap();
            for cursor in [0x1_0000usize, 0x1_0040, 0x1_1000] {
                assert_eq!(
                    down_for::<T, 8>(0x1_0000, cursor, layout.size()),
                    down::<8>(0x1_0000, cursor, layout),
                    "{count} of {}, cursor {cursor:#x}",
                    core::any::type_name::<T>()
                );
            }
        }
    }
    check::<u8>();
    check::<u16>();
    check::<u64>();
    check::<[u64; 3]>();
    check::<u128>();
    check::<()>();
    #[repr(align(64))]
    struct Line(#[expect(dead_code, reason = "only its layout matters")] [u8; 64]);
    check::<Line>();
}

#[test]
fn boundary_sizes() {
    for size in [0usize, 1, 63, 64, 65] {
        let layout = Layout::from_size_align(size, 1).unwrap();
        assert_eq!(
            down::<1>(0x1000, 0x1040, layout),
            0x40usize.checked_sub(size).map(|n| 0x1000 + n)
        );
        assert_eq!(up(0x1000, 0x1040, layout), (size <= 0x40).then_some(0x1000));
    }
    let largest = Layout::from_size_align(MAX_SIZE, 1).unwrap();
    assert_eq!(down::<1>(0x1000, 0x2000, largest), None);
    assert_eq!(down::<16>(0x10, 0x10, largest), None);
    assert_eq!(up(0x1000, 0x2000, largest), None);
    let padded = Layout::from_size_align(10, 8).unwrap();
    assert_eq!(up(0x1001, 0x1012, padded), Some(0x1008));
    assert_eq!(up(0x1001, 0x1011, padded), None);
    assert_eq!(up(0x1001, 0x1010, padded), None);
    let byte = Layout::new::<u8>();
    assert_eq!(down::<16>(0x1000, 0x1040, byte), Some(0x1030));
    assert_eq!(down::<16>(0x1000, 0x1000, byte), None);
}

#[test]
fn regions_that_cannot_be_served_are_refused() {
    assert!(!region_is_usable::<1>(0, 64), "address zero");
    assert!(!region_is_usable::<16>(8, 64), "start below the minimum alignment");
    assert!(!region_is_usable::<16>(24, 64), "start not aligned");
    assert!(!region_is_usable::<16>(32, 72), "end not aligned");
    assert!(!region_is_usable::<1>(64, 32), "end before start");
    assert_eq!(region_is_usable::<1>(MAX_SIZE, MAX_SIZE + 1), !LOW_HALF, "across the halves");
}
