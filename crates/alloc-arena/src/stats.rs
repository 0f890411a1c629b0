//! [`ArenaStats`]: what an arena holds and did, and where its bytes went.

use core::ops::Deref;

use alloc_core::{AllocStats, Allocator};

use crate::Arena;
use crate::chunk::{ChunkRef, HEADER_BYTES};

/// Figures of one arena: those of every allocator (by [`Deref`]), and those of its chunks.
///
/// Bytes held are bytes used, or waste by one of these causes: `waste_tail_bytes` (the rest of a
/// chunk that was too small for a request), `waste_large_bytes` (the rest of a chunk that holds one
/// block), `waste_header_bytes`; or they are still free (`remaining_bytes`) or kept for later
/// (`spare_bytes`). Bytes lost to alignment (feature `stats`) are part of those in use,
/// and go with them: at a reset, a rewind, the end of a frame. (A block that is freed by itself takes
/// only its own bytes back.)
///
/// # Examples
///
/// ```
/// let arena = alloc_arena::Arena::new();
/// arena.alloc([0u8; 1000]);
/// let stats = arena.stats();
/// assert_eq!((stats.used_bytes, stats.chunks, stats.waste_header_bytes), (1000, 1, 64));
/// assert_eq!(stats.reserved_bytes, 16 * 1024);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ArenaStats {
    /// The figures that every allocator has.
    pub common: AllocStats,
    /// Chunks in use that blocks share.
    pub chunks: usize,
    /// Chunks in use that hold one block.
    pub large_chunks: usize,
    /// Chunks kept but not in use.
    pub spare_chunks: usize,
    /// Bytes of the chunks kept but not in use.
    pub spare_bytes: usize,
    /// Bytes left in the current chunk.
    pub remaining_bytes: usize,
    /// Bytes behind the block of chunks that hold one.
    pub waste_large_bytes: usize,
    /// Bytes of the headers of chunks in use, and of their ends beyond the minimum alignment.
    pub waste_header_bytes: usize,
    /// Chunks given back so far because they stayed unused, or by `trim`.
    pub released_chunks: u64,
    /// Bytes of other arenas' chunks that the calling thread's cache holds, for this arena if it
    /// uses the cache.
    pub cached_bytes: usize,
}

impl ArenaStats {
    /// Adds the figures of another arena, peaks and resets left out: they are no sums.
    #[cfg(all(feature = "std", target_has_atomic = "64"))]
    pub(crate) fn add(&mut self, other: &Self) {
        fn sum(all: &mut Option<u64>, more: Option<u64>) {
            *all = match (*all, more) {
                (Some(all), Some(more)) => Some(all + more),
                (all, more) => all.or(more),
            };
        }
        sum(&mut self.common.allocs, other.common.allocs);
        sum(&mut self.common.frees, other.common.frees);
        sum(&mut self.common.requested_bytes, other.common.requested_bytes);
        sum(&mut self.common.waste_align_bytes, other.common.waste_align_bytes);
        self.common.used_bytes += other.common.used_bytes;
        self.common.reserved_bytes += other.common.reserved_bytes;
        self.common.waste_tail_bytes += other.common.waste_tail_bytes;
        self.common.slow_calls += other.common.slow_calls;
        self.chunks += other.chunks;
        self.large_chunks += other.large_chunks;
        self.spare_chunks += other.spare_chunks;
        self.spare_bytes += other.spare_bytes;
        self.remaining_bytes += other.remaining_bytes;
        self.waste_large_bytes += other.waste_large_bytes;
        self.waste_header_bytes += other.waste_header_bytes;
        self.released_chunks += other.released_chunks;
        self.cached_bytes += other.cached_bytes;
    }
}

impl Deref for ArenaStats {
    type Target = AllocStats;

    fn deref(&self) -> &AllocStats {
        &self.common
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Returns what the arena holds and did so far.
    ///
    /// # Complexity
    ///
    /// Linear in the number of chunks.
    #[must_use]
    pub fn stats(&self) -> ArenaStats {
        let supply = self.supply();
        let mut common = AllocStats::default();
        common.used_bytes = self.used_bytes();
        common.peak_bytes = common.used_bytes;
        common.reserved_bytes = supply.reserved_bytes();
        // Without a ledger: the call that took the first chunk.
        common.slow_calls = u64::from(supply.has_first_alone());
        common.waste_tail_bytes = self.chunk().map_or(0, ChunkRef::tail_before);
        let room = |chunk: ChunkRef| {
            chunk.end::<MIN_ALIGN>().addr().get() - chunk.base::<MIN_ALIGN>().addr().get()
        };
        self.counters.report(&mut common);
        let mut stats = ArenaStats { common, ..ArenaStats::default() };
        if let Some(ledger) = supply.ledger_if_made() {
            ledger.figures.report(&mut stats.common);
            stats.spare_chunks = ledger.spare.len() + ledger.spare_large.len();
            stats.spare_bytes = ledger.spare.bytes() + ledger.spare_large.bytes();
            stats.released_chunks = ledger.released_chunks.get();
        }
        let mut look = self.chunk();
        while let Some(chunk) = look {
            stats.chunks += 1;
            stats.waste_header_bytes += chunk.block_bytes() - room(chunk);
            look = chunk.next();
        }
        let mut look = self.large();
        while let Some(chunk) = look {
            stats.large_chunks += 1;
            stats.waste_header_bytes += chunk.block_bytes() - room(chunk);
            let (_, block_end) = chunk.left_at();
            let end = chunk.end::<MIN_ALIGN>().addr().get();
            stats.waste_large_bytes += end - block_end.addr().get();
            look = chunk.next();
        }
        debug_assert!(
            HEADER_BYTES * (stats.chunks + stats.large_chunks) <= stats.waste_header_bytes
        );
        stats.remaining_bytes = self.remaining_bytes();
        stats.cached_bytes = supply.cached_bytes();
        stats
    }
}
