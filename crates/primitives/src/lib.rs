#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", loom, shuttle))]
extern crate std;

pub mod asymmetric;
mod backoff;
mod cache_padded;
#[cfg(feature = "testing")]
pub mod history;
#[cfg(any(loom, shuttle))]
pub mod model;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub mod percpu;
pub mod prefetch;
pub mod sync;
#[cfg(all(any(feature = "std", loom, shuttle), target_has_atomic = "64"))]
pub mod thread_slots;

#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use backoff::{Backoff, FIRST_PAUSE, LONGEST_PAUSE};
pub use cache_padded::CachePadded;
#[cfg(all(any(feature = "std", loom, shuttle), target_has_atomic = "64"))]
pub use thread_slots::{SlotError, ThreadSlots};
