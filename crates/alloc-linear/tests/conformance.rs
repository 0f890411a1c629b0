//! Every allocator of this crate keeps every promise of the trait.
#![cfg(not(loom))]

use alloc_core::Global;
use alloc_core::testing::{Checked, conforms};
use alloc_linear::Linear;

/// More than the tests take when nothing is given back.
const AMPLE: usize = 8 << 20;

#[test]
fn a_region_conforms() {
    conforms(|| Linear::<1>::with_capacity(AMPLE));
    conforms(|| Linear::<1>::with_capacity(64 << 10)); // soon full
    conforms(|| Linear::<16, _>::with_capacity_in(AMPLE, Checked::new(Global)));
    let region = Linear::<1>::with_capacity(4 * AMPLE);
    conforms(|| &region);
}

#[test]
#[cfg(all(unix, feature = "reserve"))]
fn a_growing_region_conforms() {
    conforms(|| Linear::<8, _>::try_reserved(AMPLE).unwrap());
}

#[test]
#[cfg(feature = "std")]
fn a_shared_region_conforms() {
    use alloc_linear::SyncLinear;
    conforms(|| SyncLinear::<1>::with_capacity(AMPLE));
    conforms(|| SyncLinear::<16>::with_min_align(AMPLE).with_block_bytes(4096));
}
