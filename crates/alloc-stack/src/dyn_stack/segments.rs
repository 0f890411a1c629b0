//! The memory of a [`DynStack`](super::DynStack): segments, chained downwards, and a spare.
//!
//! ```text
//!             block                                                  end
//!   current:  | header | entry | entry | top entry | free ............ |
//!               │ below
//!               ▼
//!             | header | entry ................. | top_address | tail. |     spare: | header | free |
//! ```
//!
//! # Invariants
//!
//! * **G1** every segment is a live block of the backing, of `header.bytes` bytes and
//!   [`BLOCK_ALIGN`]; it is in the chain or is the spare, and nobody else frees it.
//! * **G2** a header is written before its segment is reachable, and outlives its reachability.

use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Layout, TryAllocError};

/// What a segment begins with.
pub(super) struct Header {
    /// The segment below, if this is not the lowest one.
    pub(super) below: Option<NonNull<Header>>,
    /// The newest footer in this segment, kept here while another segment is the current one.
    pub(super) top: NonNull<u8>,
    /// Bytes used in all segments below this one.
    pub(super) used_below: usize,
    /// Bytes that were too few for an entry, at the ends of all segments below this one.
    pub(super) tail_below: usize,
    /// Length of the whole segment.
    bytes: usize,
}

/// Alignment of a segment, which is that of its header and of what comes right after it.
pub(super) const BLOCK_ALIGN: usize = 16;
/// Bytes before the first entry.
pub(super) const HEADER_BYTES: usize = size_of::<Header>().next_multiple_of(BLOCK_ALIGN);
const _: () = assert!(align_of::<Header>() <= BLOCK_ALIGN, "headers are aligned in their blocks");

/// The first segment of a stack that was not told its capacity: a dozen entries.
const FIRST_BYTES: usize = 1024;
/// The longest segment made in advance of need. Above it, entries are so many that the share of
/// a system call or of a page fault in each is small.
const LARGEST_BYTES: usize = 64 * 1024;

/// The segments of one stack, and where they come from.
pub(super) struct Segments<A: Allocator> {
    pub(super) current: Option<NonNull<Header>>,
    spare: Option<NonNull<Header>>,
    /// Length of the next segment, unless more is asked for.
    next_bytes: usize,
    reserved_bytes: usize,
    backing: A,
}

impl Header {
    /// Returns the first byte after the header of `segment`.
    ///
    /// # Safety
    ///
    /// 1. `segment` is one of a live `Segments`.
    pub(super) unsafe fn first(segment: NonNull<Self>) -> NonNull<u8> {
        // SAFETY: clause 1: a segment is at least as long as its header (`Segments::obtain`).
        unsafe { segment.cast::<u8>().byte_add(HEADER_BYTES) }
    }

    /// Returns the end of `segment`.
    ///
    /// # Safety
    ///
    /// 1. `segment` is one of a live `Segments`.
    pub(super) unsafe fn end(segment: NonNull<Self>) -> NonNull<u8> {
        // SAFETY: clause 1 and G2: the header is written and alive.
        let bytes = unsafe { segment.as_ref() }.bytes;
        // SAFETY: G1: the block is this long.
        unsafe { segment.cast::<u8>().byte_add(bytes) }
    }
}

impl<A: Allocator> Segments<A> {
    pub(super) const fn new_in(backing: A) -> Self {
        Self { current: None, spare: None, next_bytes: FIRST_BYTES, reserved_bytes: 0, backing }
    }

    /// Returns a segment with room for `bytes` after its header: the spare, or a new one. It is
    /// the caller's to chain.
    pub(super) fn obtain(&mut self, bytes: usize) -> Result<NonNull<Header>, TryAllocError> {
        let overflow = TryAllocError::overflow::<u8>(bytes);
        let needed = bytes.checked_add(HEADER_BYTES).ok_or(overflow)?;
        if let Some(spare) = self.spare {
            // SAFETY: G2: the spare's header is written and alive.
            if unsafe { spare.as_ref() }.bytes >= needed {
                self.spare = None;
                return Ok(spare);
            }
        }
        let bytes = needed.max(self.next_bytes).checked_next_multiple_of(BLOCK_ALIGN);
        self.allocate(bytes.ok_or(overflow)?)
    }

    fn allocate(&mut self, bytes: usize) -> Result<NonNull<Header>, TryAllocError> {
        let layout = Layout::from_size_align(bytes, BLOCK_ALIGN)
            .map_err(|_| TryAllocError::overflow::<u8>(bytes))?;
        let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
        let block = self.backing.allocate(layout).map_err(|_| refused)?.cast::<u8>();
        let segment = block.cast::<Header>();
        let header = Header { below: None, top: block, used_below: 0, tail_below: 0, bytes };
        // SAFETY: the block is fresh, longer than a header (`obtain`) and aligned for one.
        unsafe { segment.write(header) };
        self.reserved_bytes += bytes;
        self.next_bytes = bytes.saturating_mul(2).clamp(FIRST_BYTES, LARGEST_BYTES);
        Ok(segment)
    }

    /// Keeps a segment that left the chain as the spare, or frees it: the longer one is kept.
    ///
    /// # Safety
    ///
    /// 1. `segment` came from `obtain` and is not in the chain; nobody uses its memory.
    pub(super) unsafe fn keep(&mut self, segment: NonNull<Header>) {
        let Some(spare) = self.spare else {
            self.spare = Some(segment);
            return;
        };
        // SAFETY: G2.
        let spare_bytes = unsafe { spare.as_ref() }.bytes;
        // SAFETY: G2.
        let shorter = if unsafe { segment.as_ref() }.bytes > spare_bytes {
            self.spare = Some(segment);
            spare
        } else {
            segment
        };
        // SAFETY: clause 1, or the spare that was, which nobody uses by its nature.
        unsafe { self.free(shorter) };
    }

    /// Gives the spare back to the backing.
    pub(super) fn trim(&mut self) {
        if let Some(spare) = self.spare.take() {
            // SAFETY: the spare is in no chain, and nobody uses its memory.
            unsafe { self.free(spare) };
        }
    }

    /// # Safety
    ///
    /// 1. As `keep`, and `segment` is not the spare either.
    unsafe fn free(&mut self, segment: NonNull<Header>) {
        // SAFETY: G2.
        let bytes = unsafe { segment.as_ref() }.bytes;
        self.reserved_bytes -= bytes;
        let layout = Layout::from_size_align(bytes, BLOCK_ALIGN);
        let Ok(layout) = layout else { unreachable!("the segment was allocated with it") };
        // SAFETY: G1: a live block of this backing with this layout; by clause 1 the last use.
        unsafe { self.backing.deallocate(segment.cast(), layout) };
    }

    pub(super) fn reserved_bytes(&self) -> usize {
        self.reserved_bytes
    }

    pub(super) fn backing(&self) -> &A {
        &self.backing
    }
}

impl<A: Allocator> Drop for Segments<A> {
    fn drop(&mut self) {
        self.trim();
        while let Some(segment) = self.current {
            // SAFETY: G2.
            self.current = unsafe { segment.as_ref() }.below;
            // SAFETY: taken out of the chain, and the stack whose entries it held is gone.
            unsafe { self.free(segment) };
        }
    }
}
