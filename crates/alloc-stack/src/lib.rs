#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod allocator;
mod boxed;
#[cfg(target_has_atomic = "64")]
mod checkpoint;
mod config;
mod counters;
#[cfg(feature = "std")]
mod depot;
mod dyn_stack;
mod frame;
mod grow;
mod mark;
mod place;
#[cfg(feature = "std")]
mod scratch;
mod segment;
mod stack;
#[cfg(test)]
mod tests;
mod top;
mod two_ended;
mod unwind;
mod values;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use alloc_core::{AllocStats, Coerce, ConfigError, ErrorKind, Rejected, TryAllocError};

pub use crate::boxed::StackBox;
#[cfg(target_has_atomic = "64")]
pub use crate::checkpoint::{Checkpoint, CheckpointError};
pub use crate::config::StackConfig;
#[cfg(feature = "std")]
pub use crate::depot::{Depot, DepotConfig, DepotStats, Lease};
pub use crate::dyn_stack::{DynIter, DynIterMut, DynStack};
pub use crate::frame::{FrameGuard, Scope};
pub use crate::mark::Mark;
#[cfg(feature = "std")]
pub use crate::scratch::{Conflict, Scratch, ScratchStats, scratch, scratch_stats, trim_scratch};
pub use crate::stack::Stack;
pub use crate::top::{Pushed, Top};
pub use crate::two_ended::{End, EndFrame, EndMark, EndScope, HighEnd, LowEnd, TwoEnded};
