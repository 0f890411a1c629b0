//! `alloc_core::bump` as an allocator would use it, downwards and upwards, against the same in
//! integers too wide to overflow.
#![cfg_attr(fuzzing, no_main)]
use alloc_core::bump;
use arbitrary::{Arbitrary, Result, Unstructured};
use core::alloc::Layout;

/// A request, from among the sizes where arithmetic goes wrong.
#[derive(Debug)]
struct Request(Layout);

impl<'a> Arbitrary<'a> for Request {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let align = 1_usize << bytes.int_in_range(0..=20_u32)?;
        let most = isize::MAX.unsigned_abs() - (align - 1);
        let size = match bytes.int_in_range(0..=4_u8)? {
            0 => *bytes.choose(&[0, 1, 63, 64, 65])?,
            1 => bytes.int_in_range(0..=4096)?,
            2 => bytes.int_in_range(0..=1 << 24)?,
            3 => most - bytes.int_in_range(0..=4096)?,
            _ => bytes.int_in_range(0..=most)?,
        };
        Ok(Self(
            Layout::from_size_align(size, align).map_err(|_| arbitrary::Error::IncorrectFormat)?,
        ))
    }
}

#[derive(Arbitrary, Debug)]
enum Op {
    Down(Request),
    DownAligned(Request),
    Up(Request),
    Reset,
    /// Leaves this many bytes between the two cursors.
    Fill(u16),
}

/// Where the region lies, of the addresses that a region may have.
#[derive(Debug)]
struct Region {
    start: usize,
    end: usize,
}

const MIN_ALIGN: usize = 16;

impl<'a> Arbitrary<'a> for Region {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let top = if bump::LOW_HALF { isize::MAX.unsigned_abs() } else { usize::MAX };
        let room = bytes.int_in_range(0..=1_usize << 24)?;
        let start = match bytes.int_in_range(0..=2_u8)? {
            0 => bytes.int_in_range(MIN_ALIGN..=1 << 16)?,
            1 => top - room - bytes.int_in_range(0..=1_usize << 16)?,
            _ => bytes.int_in_range(MIN_ALIGN..=top - room)?,
        };
        let start = bump::round_down(start, MIN_ALIGN);
        Ok(Self { start, end: bump::round_down(start + room, MIN_ALIGN) })
    }
}

/// The highest multiple of `align` at which `size` bytes end at or below `cursor`.
fn shadow_down(start: usize, cursor: usize, size: usize, align: usize) -> Option<usize> {
    let (start, cursor, size, align) = (start as i128, cursor as i128, size as i128, align as i128);
    let block = (cursor - size).div_euclid(align) * align;
    (block >= start).then(|| usize::try_from(block).expect("between two addresses"))
}

/// The lowest multiple of `align` at or above `cursor` whose `size` bytes end by `end`.
fn shadow_up(cursor: usize, end: usize, size: usize, align: usize) -> Option<usize> {
    let (cursor, end, size, align) = (cursor as i128, end as i128, size as i128, align as i128);
    let block = (cursor + align - 1).div_euclid(align) * align;
    (block + size <= end).then(|| usize::try_from(block).expect("between two addresses"))
}

fn compare(region: &Region, ops: &[Op]) {
    let Region { start, end } = *region;
    assert!(bump::region_is_usable::<MIN_ALIGN>(start, end), "{region:x?}");
    // Two cursors that meet: blocks from below end at `low`, blocks from above begin at `high`.
    let (mut low, mut high) = (start, end);
    for op in ops {
        match op {
            Op::Down(Request(layout)) => {
                let expected = shadow_down(low, high, layout.size(), layout.align());
                let got = bump::down::<1>(low, high, *layout);
                assert_eq!(got, expected, "down {layout:?} in {low:#x}..{high:#x}");
                high = got.unwrap_or(high);
            }
            Op::DownAligned(Request(layout)) => {
                high = bump::round_down(high, MIN_ALIGN).max(low);
                let align = layout.align().max(MIN_ALIGN);
                let expected = shadow_down(low, high, layout.size(), align);
                let got = bump::down::<MIN_ALIGN>(low, high, *layout);
                assert_eq!(got, expected, "aligned down {layout:?} in {low:#x}..{high:#x}");
                high = got.unwrap_or(high);
            }
            Op::Up(Request(layout)) => {
                let expected = shadow_up(low, high, layout.size(), layout.align());
                let got = bump::up(low, high, *layout);
                assert_eq!(got, expected, "up {layout:?} in {low:#x}..{high:#x}");
                low = got.map_or(low, |block| block + layout.size());
            }
            Op::Reset => (low, high) = (start, end),
            Op::Fill(left) => low = high.saturating_sub(usize::from(*left)).max(low),
        }
        assert!(start <= low && low <= high && high <= end, "{low:#x} {high:#x} in {region:x?}");
    }
}

fuzz::target!(|input: (Region, Vec<Op>)| compare(&input.0, &input.1));
