//! The allocator of this crate keeps every promise of the trait.
#![cfg(not(loom))]

use alloc_core::testing::{Checked, conforms};
use alloc_core::{Global, Layout};
use alloc_slab::SlabAlloc;

#[test]
fn a_slab_allocator_conforms() {
    for (size, align) in [(0, 1), (1, 1), (24, 8), (64, 64), (100, 4), (1000, 16), (5000, 4096)] {
        let class = Layout::from_size_align(size, align).unwrap();
        conforms(|| SlabAlloc::new(class));
        conforms(|| SlabAlloc::new_in(class, Checked::new(Global)));
    }
    let slab = SlabAlloc::new(Layout::new::<[u64; 8]>());
    conforms(|| &slab);
}
