#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod allocator;
mod builder;
mod burst;
mod counters;
#[cfg(target_has_atomic = "64")]
mod frames;
mod linear;
mod place;
#[cfg(feature = "std")]
mod sync_linear;
mod values;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use alloc_core::{AllocStats, ErrorKind, Rejected, TryAllocError};

pub use crate::builder::SliceBuilder;
pub use crate::burst::Burst;
#[cfg(target_has_atomic = "64")]
pub use crate::frames::{FrameRef, Frames};
pub use crate::linear::Linear;
#[cfg(feature = "std")]
pub use crate::sync_linear::{Local, SyncLinear};
