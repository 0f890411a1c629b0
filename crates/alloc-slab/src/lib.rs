#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod brand;
mod cache;
mod disjoint;
mod drain;
mod entry;
mod iter;
mod key;
mod pages;
#[cfg(all(feature = "reserve", unix))]
mod reserved;
mod seed;
mod shape;
mod slab;
mod slab_alloc;
mod slots;
mod stats;
mod store;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod sync_slab;
mod tidy;
mod traits;

#[cfg(test)]
mod tests;

/// The layout, its invariants, what was measured and what was tried: `DESIGN.md` of this crate.
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

pub use alloc_core::{AllocStats, ErrorKind, Rejected, TryAllocError};

pub use crate::brand::{Branded, BrandedKey};
pub use crate::cache::{CacheStats, Cached, ObjectCache};
pub use crate::disjoint::DisjointError;
pub use crate::drain::{Drain, IntoIter};
pub use crate::entry::VacantEntry;
pub use crate::iter::{Iter, IterMut, Keys, Values, ValuesMut};
pub use crate::key::Key;
pub use crate::pages::Pages;
#[cfg(all(feature = "reserve", unix))]
pub use crate::reserved::ReservedPages;
pub use crate::slab::Slab;
pub use crate::slab_alloc::SlabAlloc;
pub use crate::stats::SlabStats;
pub use crate::store::Store;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use crate::sync_slab::{Ref, SyncDrain, SyncIterMut, SyncSlab, SyncSlabStats};
