#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod counter;
mod error;
mod intrusive;
#[cfg(target_has_atomic = "64")]
pub mod mpmc;
pub mod spsc;
#[cfg(any(feature = "epoch", target_has_atomic = "64"))]
mod stack;

/// The layout, its invariants, and why it is so: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use crate::counter::{Counter, LocalCounter};
pub use crate::error::{ConfigError, PopError, PushError, TryPopError, TryPushError};
pub use crate::intrusive::{Chain, IntrusiveStack, Link, Linked, Popped};
#[cfg(target_has_atomic = "64")]
pub use crate::mpmc::{MpmcQueue, MpmcRing};
pub use crate::spsc::{SpscRing, StaticSpscRing};
#[cfg(feature = "epoch")]
pub use crate::stack::{EpochPopped, EpochStack};
#[cfg(target_has_atomic = "64")]
pub use crate::stack::{IndexPopped, IndexStack, StackHandle};
