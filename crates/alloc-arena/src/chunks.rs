//! [`Chunks`]: what lies in each chunk of an arena.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use alloc_core::{Allocator, Global};

use crate::Arena;
use crate::chunk::ChunkRef;

/// An iterator over the chunks in use of an [`Arena`], the newest first; large ones last.
///
/// # Examples
///
/// ```
/// let mut arena = alloc_arena::Arena::<4>::with_min_align();
/// for n in [1u32, 2, 3] {
///     arena.alloc(n);
/// }
/// let chunk = arena.chunks().next().expect("one chunk");
/// let newest_first: &[_] = chunk.high;
/// assert_eq!(newest_first.len(), 12);
/// // SAFETY: only `u32`s were allocated here, without gaps.
/// let newest = unsafe { newest_first.as_ptr().cast::<u32>().read() };
/// assert_eq!(newest, 3);
/// ```
pub struct Chunks<'a, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    next: Option<ChunkRef>,
    /// Where the free part of `next` ends and begins.
    free: (NonNull<u8>, NonNull<u8>),
    large: Option<ChunkRef>,
    arena: PhantomData<&'a mut Arena<MIN_ALIGN, A>>,
}

/// What is in use of one chunk.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Chunk<'a> {
    /// Blocks that grew, the oldest first.
    pub low: &'a [MaybeUninit<u8>],
    /// All other blocks, the newest first.
    pub high: &'a [MaybeUninit<u8>],
    /// The size of the chunk in bytes, used or not.
    pub capacity_bytes: usize,
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Returns an iterator over the chunks in use.
    ///
    /// The arena is borrowed exclusively, so nothing in the chunks changes meanwhile. Their bytes
    /// may be padding, or left over from before: reading them as values is for `unsafe` code that
    /// knows what it allocated.
    pub fn chunks(&mut self) -> Chunks<'_, MIN_ALIGN, A> {
        Chunks {
            next: self.chunk(),
            free: (self.cursor(), self.start()),
            large: self.large(),
            arena: PhantomData,
        }
    }
}

/// The bytes from `from` to `to`.
///
/// # Safety
///
/// 1. `from <= to` lie in one chunk, which is alive and not written to during `'a`.
unsafe fn bytes<'a>(from: NonNull<u8>, to: NonNull<u8>) -> &'a [MaybeUninit<u8>] {
    let len = to.addr().get() - from.addr().get();
    // SAFETY: clause 1; `MaybeUninit` needs no initialisation.
    unsafe { NonNull::slice_from_raw_parts(from.cast(), len).as_ref() }
}

impl<'a, const MIN_ALIGN: usize, A: Allocator> Iterator for Chunks<'a, MIN_ALIGN, A> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        if let Some(chunk) = self.next {
            let (cursor, start) = self.free;
            self.next = chunk.next();
            self.free = self.next.map_or(self.free, ChunkRef::left_at);
            let (base, end) = (chunk.base::<MIN_ALIGN>(), chunk.end::<MIN_ALIGN>());
            return Some(Chunk {
                // SAFETY: 1. I2: both in this chunk; the arena is borrowed exclusively for `'a`.
                low: unsafe { bytes(base, start) },
                // SAFETY: as above.
                high: unsafe { bytes(cursor, end) },
                capacity_bytes: end.addr().get() - base.addr().get(),
            });
        }
        let chunk = self.large?;
        self.large = chunk.next();
        let (from, to) = chunk.left_at();
        let (base, end) = (chunk.base::<MIN_ALIGN>(), chunk.end::<MIN_ALIGN>());
        Some(Chunk {
            // SAFETY: 1. a large chunk's block; the arena is borrowed exclusively for `'a`.
            low: unsafe { bytes(from, to) },
            high: &[],
            capacity_bytes: end.addr().get() - base.addr().get(),
        })
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> core::iter::FusedIterator for Chunks<'_, MIN_ALIGN, A> {}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Chunks<'_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").finish_non_exhaustive()
    }
}

impl fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("low_bytes", &self.low.len())
            .field("high_bytes", &self.high.len())
            .field("capacity_bytes", &self.capacity_bytes)
            .finish()
    }
}
