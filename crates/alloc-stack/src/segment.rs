//! [`Segment`]: one block of the backing, and which of its blocks are dead.
//!
//! ```text
//!   block                                          start                                  end
//!     | Header | bit of each grain, from start on   | free .... | newest block | ... | oldest |
//!     ^                                             ^ multiples of GRAIN                      ^
//! ```
//!
//! # Invariants
//!
//! * **G1** a `Segment` names a block of the backing that is alive, whose first bytes are an
//!   initialised [`Header`]. The stack lets go of the name before it gives the block back.
//! * **G2** `start` and `end` are multiples of the stack's grain, `start <= end`, and the bits cover
//!   every grain between them.
//! * **G3** the words of bits from `clear_from` on are initialised; those before it are not looked
//!   at.
//! * **G4** a bit is set exactly where a dead block begins; `dead` is their number. A dead block is
//!   at least a grain long, and its first word is the address of its end.
//!
//! # Cost
//!
//! Marking a block dead and finding out whether one begins at an address: constant. Bits are
//! cleared as far as they are used: one word of 64 for 64 grains (1 KiB) that were once below a
//! dead block.

use core::cell::Cell;
use core::hint::cold_path;
use core::ptr::NonNull;

use alloc_core::{Layout, bump};

use crate::stack::at;

/// Bits in a word of the map.
const WORD_BITS: usize = 64;

/// The least distance between two blocks that may be given back in any order: a dead block keeps
/// the address of its end in itself, and its end follows from its size.
pub(crate) const fn grain(min_align: usize) -> usize {
    if min_align > 16 { min_align } else { 16 }
}

/// What a segment knows about itself.
pub(crate) struct Header {
    /// The segment that was current when this one was opened.
    prev: Cell<Option<Segment>>,
    /// The cursor of `prev` then.
    prev_cursor: Cell<usize>,
    /// Bytes in use in all segments before this one.
    used_before: Cell<usize>,
    /// Bytes skipped at the ends of all segments before this one.
    tails_before: Cell<usize>,
    /// The stack's `watch` for this segment while another is current.
    watch: Cell<usize>,
    /// Number of dead blocks (G4).
    dead: Cell<usize>,
    /// First word of bits that is initialised (G3).
    clear_from: Cell<usize>,
    /// Tells this use of the segment from every other.
    serial: Cell<u64>,
    start: NonNull<u8>,
    end: usize,
    block_len: usize,
}

/// A live segment (G1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment(NonNull<Header>);

/// What a segment that is being opened has before it.
pub(crate) struct Before {
    pub(crate) prev: Option<Segment>,
    pub(crate) cursor: usize,
    pub(crate) used_bytes: usize,
    pub(crate) tails_bytes: usize,
    pub(crate) serial: u64,
}

/// A step of what gives memory back that takes more than one: unit tests count them, nobody else.
#[inline(always)]
pub(crate) fn step() {
    #[cfg(test)]
    crate::tests::STEPS.with(|steps| steps.set(steps.get() + 1));
}

/// Bytes of header in front of the bits.
const fn header_bytes(grain: usize) -> usize {
    size_of::<Header>().next_multiple_of(grain)
}

/// Bytes of bits for a block of `block_len` bytes.
const fn bits_bytes(block_len: usize, grain: usize) -> usize {
    // A bit for each grain, in whole words.
    block_len.div_ceil(grain).div_ceil(WORD_BITS) * size_of::<u64>()
}

/// Returns how long a block must be to hold `room` bytes for blocks, `None` if no block is.
pub(crate) fn block_len_for(room: usize, grain: usize) -> Option<usize> {
    let room = bump::round_up(room, grain)?;
    let plain = room.checked_add(header_bytes(grain))?;
    // Bits cover themselves too: `bits >= (plain + bits) / (8 * grain)` for this many, and they are
    // rounded to whole words and then to a grain.
    let bits = (plain / (8 * grain - 1)).checked_add(2 * size_of::<u64>())?;
    let len = plain.checked_add(bump::round_up(bits, grain)?)?;
    (len <= isize::MAX.unsigned_abs() - grain).then_some(len)
}

impl Segment {
    /// Makes a segment of `block`; `None` if it is too short, or lies where no region can.
    ///
    /// # Safety
    ///
    /// 1. `block` is a live block of the backing, aligned to `grain`, and nobody else uses it;
    /// 2. `grain` is the stack's grain: a power of two, at least 16.
    pub(crate) unsafe fn new(block: NonNull<[u8]>, grain: usize) -> Option<Self> {
        const { assert!(align_of::<Header>() <= 16, "a header stands at the first grain") };
        let first = block.cast::<u8>();
        let address = first.addr().get();
        let overhead = header_bytes(grain) + bits_bytes(block.len(), grain);
        let start = bump::round_up(address.checked_add(overhead)?, grain)?;
        let end = bump::round_down(address.checked_add(block.len())?, grain);
        if start > end || !bump::region_is_usable::<16>(start, end) {
            return None;
        }
        let header = Header {
            prev: Cell::new(None),
            prev_cursor: Cell::new(0),
            used_before: Cell::new(0),
            tails_before: Cell::new(0),
            watch: Cell::new(usize::MAX),
            dead: Cell::new(0),
            clear_from: Cell::new(usize::MAX),
            serial: Cell::new(0),
            start: at(first, start),
            end,
            block_len: block.len(),
        };
        let place = first.cast::<Header>();
        // SAFETY: clause 1: the block is ours and aligned; `start <= end` leaves room for a header.
        unsafe { place.write(header) };
        Some(Self(place))
    }

    /// The header; it lives as long as the segment is named (G1).
    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: G1: alive and initialised. Only cells are written, and through shared references.
        unsafe { self.0.as_ref() }
    }

    /// Prepares an empty segment for use on top of what `before` says.
    pub(crate) fn open(self, before: &Before) {
        let header = self.header();
        header.prev.set(before.prev);
        header.prev_cursor.set(before.cursor);
        header.used_before.set(before.used_bytes);
        header.tails_before.set(before.tails_bytes);
        header.serial.set(before.serial);
        header.dead.set(0);
        header.clear_from.set(usize::MAX);
        header.watch.set(self.watch_when_all_live());
    }

    /// Gives this use of an empty segment another number.
    pub(crate) fn renew(self, serial: u64) {
        self.header().serial.set(serial);
    }

    pub(crate) fn prev(self) -> Option<Self> {
        self.header().prev.get()
    }

    pub(crate) fn prev_cursor(self) -> usize {
        self.header().prev_cursor.get()
    }

    pub(crate) fn used_before(self) -> usize {
        self.header().used_before.get()
    }

    pub(crate) fn tails_before(self) -> usize {
        self.header().tails_before.get()
    }

    pub(crate) fn serial(self) -> u64 {
        self.header().serial.get()
    }

    pub(crate) fn start(self) -> NonNull<u8> {
        self.header().start
    }

    /// The address at which the segment ends.
    pub(crate) fn end(self) -> usize {
        self.header().end
    }

    pub(crate) fn watch(self) -> usize {
        self.header().watch.get()
    }

    pub(crate) fn set_watch(self, watch: usize) {
        self.header().watch.set(watch);
    }

    /// Bytes between `start` and `end`.
    pub(crate) fn room(self) -> usize {
        self.end() - self.start().addr().get()
    }

    /// The block as the backing knows it.
    pub(crate) fn block(self) -> NonNull<u8> {
        self.0.cast()
    }

    /// Bytes of the block.
    pub(crate) fn block_len(self) -> usize {
        self.header().block_len
    }

    /// The layout with which the backing knows the block (any size up to its length fits).
    pub(crate) fn layout(self, grain: usize) -> Layout {
        // SAFETY: 1. a grain is a power of two; 2. the block exists with this length and alignment,
        // so the length rounded up does not exceed `isize::MAX`.
        unsafe { Layout::from_size_align_unchecked(self.block_len(), grain) }
    }

    /// Whether `address` is a cursor this segment can have: one of a block, or its end.
    pub(crate) fn holds(self, address: usize) -> bool {
        (self.start().addr().get()..=self.end()).contains(&address)
    }

    /// `watch` of a segment without dead blocks: a cursor that reaches the end of a segment that
    /// has one before it closes the segment; that of the oldest is never reached.
    fn watch_when_all_live(self) -> usize {
        // An end is a multiple of the grain, so one more is no overflow.
        self.end() + usize::from(self.prev().is_none())
    }

    /// Takes note that the block from `address` to `end` is dead, in constant time. That `watch` is at
    /// most `address` from then on is the caller's to see to.
    ///
    /// # Safety
    ///
    /// 1. `address` is a multiple of `grain`, `start <= address`, `end <= self.end()`, and at least a
    ///    grain lies between them;
    /// 2. nobody uses these bytes, and no dead block is among them.
    pub(crate) unsafe fn mark_dead(self, address: usize, end: usize, grain: usize) {
        let header = self.header();
        let first = at(header.start, address);
        if cfg!(debug_assertions) {
            // SAFETY: clauses 1 and 2: bytes of this segment that nobody uses.
            unsafe { first.write_bytes(crate::stack::POISON, end - address) };
        }
        // SAFETY: clauses 1 and 2: at least a grain, so a word, aligned to 16, used by nobody.
        unsafe { first.cast::<usize>().write(end) };
        let (word, bit) = self.bit_of(address, grain);
        if word < header.clear_from.get() {
            cold_path();
            self.clear_down_to(word, grain);
        }
        let bits = self.word(word).get();
        debug_assert!(bits & bit == 0, "the block at {address:#x} is given back twice");
        self.word(word).set(bits | bit);
        header.dead.set(header.dead.get() + 1);
    }

    /// Whether a dead block begins at `cursor`.
    pub(crate) fn is_dead(self, cursor: usize, grain: usize) -> bool {
        let header = self.header();
        if header.dead.get() == 0 || !cursor.is_multiple_of(grain) || cursor == header.end {
            return false;
        }
        let (word, bit) = self.bit_of(cursor, grain);
        word >= header.clear_from.get() && self.word(word).get() & bit != 0
    }

    /// Returns the end of the dead block that begins at `cursor`, which is dead no longer, if there
    /// is one.
    pub(crate) fn take_dead(self, cursor: usize, grain: usize) -> Option<usize> {
        if !self.is_dead(cursor, grain) {
            return None;
        }
        let header = self.header();
        let (word, bit) = self.bit_of(cursor, grain);
        self.word(word).set(self.word(word).get() & !bit);
        header.dead.set(header.dead.get() - 1);
        let first = at(header.start, cursor).cast::<usize>();
        // SAFETY: G4: a dead block begins here, and its first word is what `mark_dead` wrote.
        let end = unsafe { first.read() };
        debug_assert!(cursor < end && end <= header.end, "G4: end {end:#x}");
        Some(end)
    }

    /// Forgets the dead blocks from `cursor`, below which there are none, up to `to`: they are free
    /// memory now.
    pub(crate) fn forget_dead(self, cursor: usize, to: usize, grain: usize) {
        let header = self.header();
        let start = header.start.addr().get();
        let grains = (to - start).div_ceil(grain);
        // From the cursor on, so that what is looked at was taken by who pays for it.
        let below = if cfg!(bug = "frames-look-through-the-map") { start } else { cursor };
        let mut word = header.clear_from.get().max((below - start) / grain / WORD_BITS);
        while header.dead.get() != 0 && word.saturating_mul(WORD_BITS) < grains {
            step();
            // The bits of this word that stand for grains below `cursor`.
            let below = match grains - word * WORD_BITS {
                rest @ ..WORD_BITS => (1_u64 << rest) - 1,
                _ => u64::MAX,
            };
            let bits = self.word(word).get();
            let gone = (bits & below).count_ones() as usize;
            self.word(word).set(bits & !below);
            header.dead.set(header.dead.get() - gone);
            word += 1;
        }
    }

    /// Returns an address at or below the first dead block above `cursor`, at which to look again.
    ///
    /// Looks at one word of bits, so it takes constant time, and each look that finds nothing is
    /// paid by a cursor that rose over 64 grains.
    pub(crate) fn next_watch(self, cursor: usize, grain: usize) -> usize {
        let header = self.header();
        if header.dead.get() == 0 || cursor == header.end {
            return self.watch_when_all_live();
        }
        let start = header.start.addr().get();
        let index = (cursor - start).div_ceil(grain);
        let (mut word, mut seen) = (index / WORD_BITS, u64::MAX << (index % WORD_BITS));
        if word < header.clear_from.get() {
            (word, seen) = (header.clear_from.get(), u64::MAX);
        }
        let found = self.word(word).get() & seen;
        let next = if found != 0 {
            word * WORD_BITS + found.trailing_zeros() as usize
        } else {
            (word + 1) * WORD_BITS
        };
        // Where the segment's end is the end of the address space, the start of the next word may be
        // beyond: then the sum is small, and at most where the next dead block is all the same.
        start.wrapping_add(next.wrapping_mul(grain)).min(header.end)
    }

    /// Where the bit of the grain at `address` is.
    fn bit_of(self, address: usize, grain: usize) -> (usize, u64) {
        debug_assert!(
            self.holds(address) && address.is_multiple_of(grain),
            "no grain: {address:#x}"
        );
        let index = (address - self.start().addr().get()) / grain;
        (index / WORD_BITS, 1 << (index % WORD_BITS))
    }

    /// Word `word` of the bits.
    fn word(&self, word: usize) -> &Cell<u64> {
        debug_assert!(word * WORD_BITS * 16 <= self.room(), "G2: word {word}");
        // SAFETY: G2, G3: one of the words after the header, initialised by `clear_down_to`; all
        // access is by shared cells.
        unsafe { self.word_place(word).as_ref() }
    }

    fn word_place(&self, word: usize) -> NonNull<Cell<u64>> {
        let bits = self.0.as_ptr().wrapping_add(1).cast::<Cell<u64>>();
        // SAFETY: one past the header of a live block and above: not null.
        unsafe { NonNull::new_unchecked(bits.wrapping_add(word)) }
    }

    /// Initialises the bits from `word` on (G3).
    // Not inline: it calls `memset`, for which who marks a block would keep registers.
    #[cold]
    #[inline(never)]
    fn clear_down_to(self, word: usize, grain: usize) {
        let header = self.header();
        let words = self.room().div_ceil(grain).div_ceil(WORD_BITS);
        let from = header.clear_from.get().min(words);
        for missing in word..from {
            step();
            // SAFETY: G2: `missing < words`, a word of the bits; aligned, since a header is.
            unsafe { self.word_place(missing).write(Cell::new(0)) };
        }
        header.clear_from.set(from.min(word));
    }
}
