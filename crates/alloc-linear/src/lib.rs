#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod allocator;
mod builder;
mod burst;
mod counters;
mod linear;
mod place;
mod values;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use alloc_core::{AllocStats, ErrorKind, Rejected, TryAllocError};

pub use crate::builder::SliceBuilder;
pub use crate::burst::Burst;
pub use crate::linear::Linear;
