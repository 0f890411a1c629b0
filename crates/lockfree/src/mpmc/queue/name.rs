//! The words that name blocks. A block has an *id* for as long as the queue lives, and a *number* in
//! the chain, a new one each time it is used. Every word that a compare-exchange may find unchanged
//! though the world has changed holds a number, which does not come back.
//!
//! ```text
//!   Name   of a block                63 0 │ 62 … 38 id │ 37 … 0 number, low bits
//!   link   block is the chain's last 63 0 │ 57 … 0 number, all of it        "active"
//!          block is being made ready 63 1 │ 62 … 38 CANDIDATE │ 37 … 0 number
//!          another block follows     63 1 │ 62 … 38 its id    │ 37 … 0 number, of this one
//! ```
//!
//! Where a number is cut to 38 bits, a word comes back after 2³⁸ blocks: 1.7·10¹³ values pushed while
//! one thread stands between two of its instructions, and the same block at the same place then.

const NUMBER_BITS: u32 = 38;
const ID_BITS: u32 = 25;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const LINKED: u64 = 1 << 63;
/// The id of no block, in the link of a block that nothing may be linked to yet.
const CANDIDATE: u32 = (1 << ID_BITS) - 1;
/// The largest id of a block; the smallest is 1, and 0 stands for none.
pub(super) const MAX_ID: u32 = CANDIDATE - 1;

const _: () = assert!(1 + ID_BITS + NUMBER_BITS == 64, "flag, id and number share a word");

/// Which block, and which use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(u64);

impl Name {
    /// Names no block, as number 0.
    pub(super) const NONE: Self = Self(0);

    pub(super) fn new(id: u32, number: u64) -> Self {
        debug_assert!(id <= MAX_ID, "id {id}");
        Self(u64::from(id) << NUMBER_BITS | number & NUMBER_MASK)
    }

    pub(super) fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    /// Returns the block's id, 0 for none.
    pub(super) fn id(self) -> u32 {
        (self.0 >> NUMBER_BITS) as u32
    }

    /// Says whether this names block `number` of the chain.
    pub(super) fn is_number(self, number: u64) -> bool {
        (self.0 ^ number) & NUMBER_MASK == 0
    }

    /// Returns the name that follows this one when `id` comes on top: of a stack, whose numbers count
    /// its changes.
    pub(super) fn after(self, id: u32) -> Self {
        Self::new(id, self.0.wrapping_add(1))
    }
}

/// What a block's link says, to one who takes the block for number `number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It is the last of the chain.
    Last,
    /// The one after it has this name.
    Next(Name),
    /// It is not that block any more.
    Stale,
}

/// The link of the chain's last block.
pub(super) const fn active(number: u64) -> u64 {
    number
}

/// The link of a block that may become block `number`.
pub(super) fn candidate(number: u64) -> u64 {
    linked(number, CANDIDATE)
}

/// The link of block `number`, which block `id` follows.
pub(super) fn linked(number: u64, id: u32) -> u64 {
    LINKED | u64::from(id) << NUMBER_BITS | number & NUMBER_MASK
}

pub(super) fn read(link: u64, number: u64) -> Link {
    let name = Name(link & !LINKED);
    if link == active(number) {
        Link::Last
    } else if link & LINKED != 0 && name.is_number(number) && name.id() != CANDIDATE {
        Link::Next(Name::new(name.id(), number + 1))
    } else {
        Link::Stale
    }
}
