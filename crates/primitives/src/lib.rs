#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", loom, shuttle))]
extern crate std;

mod backoff;
mod cache_padded;
#[cfg(any(loom, shuttle))]
pub mod model;
#[cfg(feature = "std")]
pub mod percpu;
pub mod sync;

#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use backoff::{Backoff, FIRST_PAUSE, LONGEST_PAUSE};
pub use cache_padded::CachePadded;
