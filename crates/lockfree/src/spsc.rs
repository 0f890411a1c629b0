//! [`SpscRing`]: a bounded queue from one thread to one other; `push` and `pop` are wait-free.
//!
//! ```text
//!             head (consumer)         tail (producer)
//!               ▼                       ▼
//!   ┌───────┬───────┬───────┬───────┬───────┬───────┐
//!   │       │ value │ value │ value │ spare │       │      capacity + 1 slots
//!   └───────┴───────┴───────┴───────┴───────┴───────┘
//!
//!   Producer (its thread)      shared                      Consumer (its thread)
//!   ┌────────────────────┐     ┌──────┐ own cache lines    ┌────────────────────┐
//!   │ tail, next to fill │ ──▶ │ tail │ ─── when empty ──▶ │ tail, as last seen │
//!   │ head, as last seen │ ◀── │ head │ ◀────────────────── │ head, next to take │
//!   └────────────────────┘     └──────┘    when full       └────────────────────┘
//! ```
//!
//! A *position* is the address of a slot. Each end keeps its own position in its handle, where only
//! its thread reads it, and publishes it by a store; it reads the other's only when what it remembers
//! of it leaves no slot. So a run of pushes touches one shared line, and never waits for it.
//!
//! # Invariants
//!
//! * **I1** `head` and `tail` are positions: of `capacity + 1` slots of one array, one stride apart.
//! * **I2** The values are in the slots from `head` up to `tail`, going round; these are the
//!   consumer's. The slots from `tail` up to `head` are the producer's, and the last of them, the
//!   spare, stays vacant. So `head == tail` is empty, and `tail + 1 == head` full.
//! * **I3** Only the producer moves `tail`, only the consumer `head`. Each one's own position is its
//!   published one, or ahead of it while a batch is under way; what it remembers of the other's is one
//!   that the other published, so that no more than the truth is believed vacant, or filled.
//! * **I4** The end that leaves last drops what is in the ring, and gives the memory back.
//!
//! # Ordering edges
//!
//! * `slot-filled`: the store of `tail` → the consumer's load of it. A value is written before it is
//!   read.
//! * `slot-vacant`: the store of `head` → the producer's load of it. A value is taken before its slot
//!   is written again.
//! * `last-leaves`: who leaves first → who leaves last, or asks whether the other is gone. All that the
//!   first one did happens before the values that are left are dropped and the memory is freed, and
//!   before an empty ring is called closed.
//!
//! # Cost
//!
//! A push or a pop is one plain load of a remembered position, one copy of the value and two plain
//! stores, of which one is shared; no read-modify-write. Once per refill of what it remembers, one
//! load of the other's line. 384 bytes and one spare slot for a ring, 128 bytes on each handle's side.
//!
//! # Source
//!
//! L. Lamport, *Specifying Concurrent Program Modules*, TOPLAS 5(2), 1983; remembered positions after
//! J. Giacomoni, T. Moseley, M. Vachharajani, *FastForward for Efficient Pipeline Parallelism*,
//! PPoPP 2008, and P. P. C. Lee, T. Bu, G. Chandranmenon, *A Lock-Free, Cache-Efficient Shared Ring
//! Buffer*, ANCS 2009. Ours remembers addresses, so that any capacity wraps by one comparison.

mod consumer;
mod fixed;
mod heap;
mod producer;
mod read_chunk;
mod shared;
mod slots;
mod write_chunk;

pub use consumer::Consumer;
pub use fixed::{Borrowed, StaticSpscRing};
pub use heap::{Heap, SpscRing};
pub use producer::Producer;
pub use read_chunk::{ReadChunk, ReadChunkIter};
pub use shared::Storage;
pub use write_chunk::WriteChunk;
