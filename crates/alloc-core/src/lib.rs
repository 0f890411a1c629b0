#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

#[cfg(any(test, feature = "testing"))]
extern crate std;

mod borrowed;
pub mod bump;
mod coerce;
mod error;
mod grow;
pub mod place;
#[cfg(all(feature = "reserve", unix))]
mod reserve;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;

/// The layout, its invariants, and why it is so: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use crate::borrowed::Borrowed;
pub use crate::coerce::Coerce;
pub use crate::error::{ConfigError, ErrorKind, Rejected, TryAllocError};
pub use crate::grow::{End, GrowInPlace};
#[cfg(all(feature = "reserve", unix))]
pub use crate::reserve::{ReserveError, Reserved};
pub use crate::stats::AllocStats;

/// The allocator trait of the workspace and what belongs to it.
///
/// `std::alloc::Allocator` is not stable; this is the version of the `allocator-api2` crate that
/// hashbrown and bumpalo accept. It is named here and nowhere else.
pub use allocator_api2::alloc::{AllocError, Allocator, Global, Layout, handle_alloc_error};

/// Collections that take an allocator, on stable Rust: `allocator-api2`'s `Box` and `Vec`.
pub mod collections {
    pub use allocator_api2::boxed::Box;
    pub use allocator_api2::vec::Vec;
}
