#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod coerce;
mod dyn_stack;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use crate::coerce::Coerce;
pub use crate::dyn_stack::{DynIter, DynIterMut, DynStack};
