//! [`ChunkRef`]: one block of the backing, its header at the low end.
//!
//! ```text
//!   address                base        start        cursor         end
//!     | Header | pad < M    | low .... | free ....... | .... high    | pad < M |
//! ```
//!
//! The block is aligned to 16 bytes whatever the arena's `MIN_ALIGN` (`M`): base and end are rounded
//! inwards, so that one thread's cached chunks serve every arena.
//!
//! # Invariants
//!
//! * **C1** a `ChunkRef` names a live block of `block_bytes` bytes whose header is initialised, from
//!   [`ChunkRef::adopt`] until the block is given back; whoever gives it back holds the last copy
//!   (a chunk stands in exactly one list, I1 of the arena).
//! * **C2** the pointer inside is the backing's own, good for the whole block: every pointer into a
//!   chunk is derived from it.

use core::cell::Cell;
use core::ptr::NonNull;

use alloc_core::{Layout, bump};

/// Alignment of every chunk's block.
pub(crate) const CHUNK_ALIGN: usize = 16;

/// The sizes for which a thread's cache has a list each: powers of two from 1 KiB to 2 MiB.
pub(crate) const CLASSES: usize = 12;
/// The size of the chunks in the first list.
pub(crate) const FIRST_CLASS_BYTES: usize = 1 << 10;

/// The list that takes chunks of exactly `bytes` bytes; [`CLASSES`] if none does.
pub(crate) const fn size_class(bytes: usize) -> usize {
    if !bytes.is_power_of_two() || bytes < FIRST_CLASS_BYTES {
        return CLASSES;
    }
    let class = (bytes.trailing_zeros() - FIRST_CLASS_BYTES.trailing_zeros()) as usize;
    if class < CLASSES { class } else { CLASSES }
}

/// What a header takes of its chunk.
pub(crate) const HEADER_BYTES: usize = size_of::<Header>();

const _: () = assert!(HEADER_BYTES <= 64, "one cache line");
const _: () =
    assert!(HEADER_BYTES.is_multiple_of(CHUNK_ALIGN), "the base is as aligned as a block");

/// The first bytes of a chunk.
#[repr(C, align(16))]
struct Header {
    /// The next chunk of the list that this one stands in.
    next: Cell<Option<ChunkRef>>,
    block_bytes: usize,
    /// Bytes in use in the chunks behind this one in its list.
    used_before: Cell<usize>,
    /// Bytes that those chunks had left when they were left.
    tail_before: Cell<usize>,
    /// Where the free part ended and began when the chunk was left; of a large chunk, where its
    /// block begins and ends.
    cursor: Cell<NonNull<u8>>,
    start: Cell<NonNull<u8>>,
    /// Higher than that of the chunks behind this one in its list; their number, but of large ones
    /// that are newer than a checkpoint.
    depth: Cell<usize>,
    /// Which list of a thread's cache takes chunks of this size.
    class: usize,
}

/// A chunk, by its block's address. Copied freely within the lists' discipline (C1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct ChunkRef(NonNull<Header>);

impl ChunkRef {
    /// Writes the header of a chunk of `block_bytes` bytes at `block`.
    ///
    /// # Safety
    ///
    /// 1. `block` is aligned to [`CHUNK_ALIGN`] and valid for `block_bytes >= HEADER_BYTES` bytes,
    ///    which nobody else uses, until the last copy of the result is gone.
    pub(crate) unsafe fn adopt(block: NonNull<u8>, block_bytes: usize) -> Self {
        let header = block.cast::<Header>();
        // SAFETY: clause 1: aligned, large enough, nobody else's.
        unsafe {
            header.write(Header {
                next: Cell::new(None),
                block_bytes,
                used_before: Cell::new(0),
                tail_before: Cell::new(0),
                cursor: Cell::new(block),
                start: Cell::new(block),
                depth: Cell::new(0),
                class: size_class(block_bytes),
            });
        }
        Self(header)
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: C1: initialised, alive while a copy of the reference is in use, and only ever
        // borrowed shared.
        unsafe { self.0.as_ref() }
    }

    /// The block's address, good for all of it (C2).
    #[inline(always)]
    pub(crate) fn block(self) -> NonNull<u8> {
        self.0.cast()
    }

    #[inline(always)]
    pub(crate) fn block_bytes(self) -> usize {
        self.header().block_bytes
    }

    /// The layout with which the backing takes the block back.
    pub(crate) fn layout(self) -> Layout {
        // SAFETY: 1. a power of two; 2. the block exists with this length and alignment, so the
        // length rounded up does not exceed `isize::MAX`.
        unsafe { Layout::from_size_align_unchecked(self.block_bytes(), CHUNK_ALIGN) }
    }

    #[inline(always)]
    fn at(self, address: usize) -> NonNull<u8> {
        at(self.block(), address)
    }

    /// The lowest address that a block may have.
    #[inline(always)]
    pub(crate) fn base<const MIN_ALIGN: usize>(self) -> NonNull<u8> {
        let first = self.0.addr().get() + HEADER_BYTES;
        self.at(if MIN_ALIGN > CHUNK_ALIGN { inwards::<MIN_ALIGN>(first) } else { first })
    }

    /// The end of the highest block. Not below the base: see [`bytes_for`].
    #[inline(always)]
    pub(crate) fn end<const MIN_ALIGN: usize>(self) -> NonNull<u8> {
        let end = self.0.addr().get() + self.block_bytes();
        self.at(if MIN_ALIGN > CHUNK_ALIGN { bump::round_down(end, MIN_ALIGN) } else { end })
    }

    #[inline(always)]
    pub(crate) fn class(self) -> usize {
        self.header().class
    }

    #[inline(always)]
    pub(crate) fn next(self) -> Option<Self> {
        self.header().next.get()
    }

    #[inline(always)]
    pub(crate) fn set_next(self, next: Option<Self>) {
        self.header().next.set(next);
    }

    #[inline(always)]
    pub(crate) fn used_before(self) -> usize {
        self.header().used_before.get()
    }

    pub(crate) fn set_used_before(self, bytes: usize) {
        self.header().used_before.set(bytes);
    }

    /// Makes the chunk the first of a list.
    #[inline(always)]
    pub(crate) fn begin_list(self) {
        self.header().next.set(None);
        self.header().used_before.set(0);
        self.header().tail_before.set(0);
        self.header().depth.set(0);
    }

    pub(crate) fn tail_before(self) -> usize {
        self.header().tail_before.get()
    }

    pub(crate) fn set_tail_before(self, bytes: usize) {
        self.header().tail_before.set(bytes);
    }

    pub(crate) fn depth(self) -> usize {
        self.header().depth.get()
    }

    pub(crate) fn set_depth(self, depth: usize) {
        self.header().depth.set(depth);
    }

    /// Where the free part was when the chunk was left: its end, its beginning.
    pub(crate) fn left_at(self) -> (NonNull<u8>, NonNull<u8>) {
        (self.header().cursor.get(), self.header().start.get())
    }

    pub(crate) fn leave_at(self, cursor: NonNull<u8>, start: NonNull<u8>) {
        self.header().cursor.set(cursor);
        self.header().start.set(start);
    }

    /// Overwrites a part of the chunk that nobody uses any more, so that stale pointers kept by
    /// `unsafe` code show. Debug builds only.
    pub(crate) fn poison(self, from: NonNull<u8>, to: NonNull<u8>) {
        if cfg!(debug_assertions) {
            let len = to.addr().get().saturating_sub(from.addr().get());
            let first = self.at(from.addr().get());
            // SAFETY: callers pass two addresses between base and end of this chunk (C1), nothing
            // of which is in use.
            unsafe { first.write_bytes(0xA5, len) };
        }
    }

    /// Changes the size on record, after the backing moved or resized the block.
    ///
    /// # Safety
    ///
    /// 1. `block` holds a copy of a chunk's header, and [`Self::adopt`]'s clause 1 holds for it and
    ///    `block_bytes`.
    pub(crate) unsafe fn resized(block: NonNull<u8>, block_bytes: usize) -> Self {
        let mut header = block.cast::<Header>();
        // SAFETY: clause 1: initialised, nobody else's.
        let fields = unsafe { header.as_mut() };
        fields.block_bytes = block_bytes;
        fields.class = size_class(block_bytes);
        Self(header)
    }
}

/// The least size of a chunk in which a block of `layout` finds room, a multiple of
/// [`CHUNK_ALIGN`]; `None` if that is more than an object can have.
pub(crate) fn bytes_for<const MIN_ALIGN: usize>(layout: Layout) -> Option<usize> {
    let align = layout.align().max(MIN_ALIGN).max(CHUNK_ALIGN);
    // Both ends are rounded inwards to `MIN_ALIGN`, and the block down to its alignment.
    let padding = (align - CHUNK_ALIGN) + (MIN_ALIGN.max(CHUNK_ALIGN) - CHUNK_ALIGN);
    let size = bump::round_up(layout.size(), MIN_ALIGN.max(CHUNK_ALIGN))?;
    let bytes = size.checked_add(padding)?.checked_add(HEADER_BYTES)?;
    let bytes = bump::round_up(bytes, CHUNK_ALIGN)?;
    Layout::from_size_align(bytes, CHUNK_ALIGN).ok().map(|layout| layout.size())
}

/// `address` rounded up to `MIN_ALIGN`; the block is not at the top of the address space.
#[inline(always)]
const fn inwards<const MIN_ALIGN: usize>(address: usize) -> usize {
    address.wrapping_add(MIN_ALIGN - 1) & MIN_ALIGN.wrapping_neg()
}

/// The pointer at `address` in the chunk that `origin` points into.
///
/// `address` is not below the chunk's base (every caller compared them), so it is not zero.
#[inline(always)]
pub(crate) fn at(origin: NonNull<u8>, address: usize) -> NonNull<u8> {
    debug_assert!(address != 0, "no chunk starts at address zero");
    let pointer = origin.as_ptr().with_addr(address);
    // SAFETY: `address` is at least a chunk's base, which is not zero.
    unsafe { NonNull::new_unchecked(pointer) }
}
