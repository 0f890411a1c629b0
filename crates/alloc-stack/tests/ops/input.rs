//! The language: what is done to one stack, decoded from bytes.

use alloc_core::Layout;
use arbitrary::{Arbitrary, Unstructured};

/// One stack and what is done to it.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Input {
    pub(super) min_align: u8,
    pub(super) backing: Backing,
    #[arbitrary(with = all)]
    pub(super) ops: Vec<Op>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Backing {
    Global,
    FailAt { fail_at: u8 },
    Borrowed { len: u16, skip: u8 },
    Limited { segments: u8 },
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
    /// A block that may go in any order.
    Alloc {
        size: Size,
        align: Align,
    },
    Free {
        pick: u8,
    },
    Grow {
        pick: u8,
        more: Size,
        align: Align,
        zeroed: bool,
    },
    Shrink {
        pick: u8,
        keep: u8,
        align: Align,
    },
    /// A raw block: in order, or in any by its mark.
    Push {
        size: Size,
        align: Align,
        any: bool,
    },
    Pop,
    /// Boxes that drop in an order of their own.
    Boxes {
        count: u8,
        order: u8,
        panics: bool,
    },
    /// A value in the frame.
    Place {
        kind: u8,
        size: Size,
        align: Align,
    },
    Fill {
        len: u8,
        panics_at: u8,
    },
    FromIter {
        len: u8,
        allocates: bool,
        panics_at: u8,
    },
    Fmt {
        number: u32,
    },
    /// A frame, or a handle, around what follows.
    Open {
        handle: bool,
    },
    Close {
        forget: bool,
    },
    /// A raw mark around what follows.
    Mark,
    Reserve {
        size: Size,
    },
    Checkpoint,
    Rewind {
        pick: u8,
    },
    Reset,
    Trim,
}

/// A size in bytes: mostly small, often at a boundary, sometimes beyond every segment.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Size(u16);

impl Size {
    pub(super) fn bytes(self) -> usize {
        const BOUNDARIES: [usize; 12] = [0, 1, 2, 15, 16, 17, 63, 64, 65, 4096, 16_000, 16_384];
        let low = usize::from(self.0 & 0xfff);
        match self.0 >> 12 {
            15 => isize::MAX.unsigned_abs() - low,
            14 => 15_000 + low * 4,
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
        1 << if self.0 < 220 { self.0 % 7 } else { self.0 % 17 }
    }
}

pub(super) fn layout(size: Size, align: Align) -> Option<Layout> {
    Layout::from_size_align(size.bytes(), align.bytes()).ok()
}
