#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod typed;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use alloc_core::{AllocStats, ErrorKind, Rejected, TryAllocError};

pub use crate::typed::{Drain, Index32, Indices, IntoIter, IterMut, TypedArena};
