//! [`Ledger`]: what an arena has to remember beyond its first chunk.
//!
//! Most arenas that live for microseconds take one chunk from the thread's cache, are never reset,
//! and give it back. They have no ledger: it is made by the first thing that needs it (a second
//! chunk, a chunk that the cache did not have, a reset, the end of a frame, a checkpoint), and until
//! then making and dropping an arena does not write it.

use core::cell::Cell;

use crate::checkpoint::Records;
use crate::counters::Figures;
use crate::stock::Stock;

pub(crate) struct Ledger {
    pub(crate) records: Records,
    pub(crate) figures: Figures,
    /// Chunks that were current once.
    pub(crate) spare: Stock,
    /// Chunks that held one block of their own.
    pub(crate) spare_large: Stock,
    /// P2 of the supply.
    pub(crate) reserved_bytes: Cell<usize>,
    pub(crate) released_chunks: Cell<u64>,
    /// Resets since the last look at what is spare.
    pub(crate) resets: Cell<u32>,
}

impl Ledger {
    /// The ledger of an arena that holds nothing but a first chunk of so many bytes, if any.
    pub(crate) fn new(first_chunk_bytes: Option<usize>) -> Self {
        let figures = Figures::default();
        if first_chunk_bytes.is_some() {
            figures.slow(); // the call that took it
        }
        Self {
            records: Records::new(),
            figures,
            spare: Stock::new(),
            spare_large: Stock::new(),
            reserved_bytes: Cell::new(first_chunk_bytes.unwrap_or(0)),
            released_chunks: Cell::new(0),
            resets: Cell::new(0),
        }
    }
}
