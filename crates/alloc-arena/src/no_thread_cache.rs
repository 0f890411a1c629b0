//! Without threads there is no thread's cache: every chunk comes from the backing and goes to it.

use crate::chunk::ChunkRef;

pub(crate) fn take(_bytes: usize) -> Option<ChunkRef> {
    None
}

#[inline(always)]
pub(crate) fn take_first(_class: u8) -> Option<(ChunkRef, usize)> {
    None
}

pub(crate) fn take_first_slow(_class: u8) -> Option<ChunkRef> {
    None
}

/// Keeps nothing.
///
/// # Safety
///
/// 1. the chunk is from [`take_first`], which returns none.
#[inline(always)]
pub(crate) unsafe fn give_first(_chunk: ChunkRef, _class: u8) -> bool {
    false
}

/// Keeps nothing.
///
/// # Safety
///
/// 1. the chunk is a live block of the global allocator with [`ChunkRef::layout`], and in no list.
#[inline(always)]
pub(crate) unsafe fn give(chunk: ChunkRef) -> bool {
    let _ = chunk.class();
    false
}

pub(crate) fn cached_bytes() -> usize {
    0
}
