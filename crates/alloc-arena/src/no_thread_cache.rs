//! Without threads there is no thread's cache: every chunk comes from the backing and goes to it.

use crate::chunk::ChunkRef;

pub(crate) fn take(_bytes: usize) -> Option<ChunkRef> {
    None
}

#[inline(always)]
pub(crate) fn take_of_class(_class: usize) -> Option<ChunkRef> {
    None
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
