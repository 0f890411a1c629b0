#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod dyn_stack;
mod two_ended;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use crate::dyn_stack::{DynIter, DynIterMut, DynStack};
pub use crate::two_ended::{End, EndFrame, EndMark, EndScope, HighEnd, LowEnd, TwoEnded};
pub use alloc_core::Coerce;
