#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "std")]
mod counter;
mod error;
mod intrusive;
#[cfg(target_has_atomic = "64")]
pub mod mpmc;
pub mod spsc;
mod stack;

/// The layout, its invariants, and why it is so: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

#[cfg(feature = "std")]
pub use crate::counter::{Counter, LocalCounter};
pub use crate::error::{ConfigError, PopError, PushError, TryPopError, TryPushError};
pub use crate::intrusive::{Chain, IntrusiveStack, Link, Linked, Popped};
#[cfg(target_has_atomic = "64")]
pub use crate::mpmc::{MpmcQueue, MpmcRing};
pub use crate::spsc::{SpscRing, StaticSpscRing};
#[cfg(feature = "epoch")]
pub use crate::stack::{EpochPopped, EpochStack};
pub use crate::stack::{IndexPopped, IndexStack, StackHandle};
