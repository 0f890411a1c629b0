#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(test)]
extern crate std;

mod intrusive;

/// The layout, its invariants, and why it is so: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use crate::intrusive::{Chain, IntrusiveStack, Link, Linked, Popped};
