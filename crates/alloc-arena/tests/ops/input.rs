//! The language: what is done to one arena, decoded from bytes.

use alloc_core::Layout;
use arbitrary::{Arbitrary, Unstructured};

/// One arena and what is done to it.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Input {
    pub(super) min_align: u8,
    pub(super) backing: Backing,
    pub(super) first_log2: u8,
    pub(super) max_log2: u8,
    pub(super) limit: Limit,
    pub(super) decay_resets: u8,
    #[arbitrary(with = all)]
    pub(super) ops: Vec<Op>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Backing {
    /// The global allocator through the thread's cache.
    Cached,
    FailAt {
        request: u8,
    },
    Borrowed {
        skip: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Limit {
    None,
    Bytes(u16),
}

/// Decodes operations from all bytes that are left. (A `Vec`'s own decoding flips a coin for the end
/// after each element, so that most are shorter than two.)
fn all<'a, T: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Vec<T>> {
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        ops.push(T::arbitrary(bytes)?);
    }
    Ok(ops)
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Op {
    Alloc { size: Size, align: Align },
    Free { pick: u8 },
    Grow { pick: u8, more: Size, align: Align, zeroed: bool },
    Shrink { pick: u8, keep: u8, align: Align },
    Typed { kind: u8 },
    Copy { len: Size },
    Fill { len: Size, panics_at: u16 },
    FromIter { len: u16, allocates: bool, panics_at: u16 },
    Fmt { number: u32 },
    Drop { panics: bool },
    Frame,
    EndFrame { forget: bool },
    ResetFrame,
    Checkpoint,
    Rewind { pick: u8 },
    Reserve { bytes: Size },
    Trim { cache: bool },
    Reset,
}

/// A size in bytes: mostly small, often at a boundary, sometimes beyond every chunk.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Size(u16);

impl Size {
    pub(super) fn bytes(self) -> usize {
        const BOUNDARIES: [usize; 12] =
            [0, 1, 2, 63, 64, 65, 191, 192, 193, 4032, 16 * 1024 - 64, 16 * 1024 - 63];
        let low = usize::from(self.0 & 0xfff);
        match self.0 >> 12 {
            15 => isize::MAX.unsigned_abs() - low,
            14 => 20_000 + low * 16,
            13 | 12 => BOUNDARIES[low % BOUNDARIES.len()],
            shift => low >> shift,
        }
    }
}

/// An alignment: mostly small, up to 64 KiB.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Align(u8);

impl Align {
    pub(super) fn bytes(self) -> usize {
        1 << if self.0 < 200 { self.0 % 6 } else { self.0 % 17 }
    }
}

pub(super) fn layout(size: Size, align: Align) -> Option<Layout> {
    Layout::from_size_align(size.bytes(), align.bytes()).ok()
}
