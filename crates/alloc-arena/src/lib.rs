#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod allocator;
mod arena;
mod boxed;
mod builder;
#[cfg(target_has_atomic = "64")]
mod checkpoint;
#[cfg(not(target_has_atomic = "64"))]
#[path = "no_checkpoint.rs"]
mod checkpoint;
mod chunk;
mod chunks;
mod collect;
mod config;
mod counters;
mod drops;
mod frame;
mod ledger;
mod no_drop;
mod scope;
mod stats;
mod stock;
mod supply;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod sync_arena;
#[cfg(feature = "std")]
mod thread_cache;
#[cfg(not(feature = "std"))]
#[path = "no_thread_cache.rs"]
mod thread_cache;
mod typed;
mod values;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use alloc_core::{AllocStats, Coerce, ConfigError, ErrorKind, Rejected, TryAllocError};

pub use crate::arena::Arena;
pub use crate::boxed::ArenaBox;
pub use crate::builder::SliceBuilder;
#[cfg(target_has_atomic = "64")]
pub use crate::checkpoint::{Checkpoint, CheckpointError};
pub use crate::chunks::{Chunk, Chunks};
pub use crate::collect::{CollectIn, FromIteratorIn};
pub use crate::config::ArenaConfig;
pub use crate::frame::{FrameGuard, Scope};
pub use crate::stats::ArenaStats;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use crate::sync_arena::{Local, SyncArena};
#[cfg(feature = "std")]
pub use crate::thread_cache::{CacheStats, ThreadCache};
pub use crate::typed::{Drain, Index32, Indices, IntoIter, IterMut, TypedArena};
