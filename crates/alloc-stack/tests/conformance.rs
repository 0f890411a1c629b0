//! Every allocator of this crate keeps every promise of the trait.
#![cfg(not(loom))]

use alloc_core::Global;
use alloc_core::testing::{Checked, conforms};
use alloc_stack::{Stack, StackConfig, TwoEnded};

#[test]
fn a_stack_conforms_and_everything_comes_back() {
    conforms(Stack::new);
    conforms(|| {
        let config = StackConfig::new().segment_bytes(16 << 10);
        Stack::<16, _>::with_config_in(config, Checked::new(Global))
    });
    let stack = Stack::new();
    conforms(|| &stack);
    assert_eq!(stack.used_bytes(), 0, "all blocks were given back");
}

#[test]
fn a_frame_conforms() {
    let mut stack = Stack::new();
    let mut outer = stack.frame();
    let mut parent = outer.scope();
    let mut inner = parent.frame();
    let scope = inner.scope();
    conforms(|| &scope);
}

#[test]
fn both_ends_conform() {
    let mut region = TwoEnded::with_capacity(64 << 20);
    let (mut low, mut high) = region.ends();
    let (mut low, mut high) = (low.frame(), high.frame());
    let (low, high) = (low.scope(), high.scope());
    conforms(|| &low);
    conforms(|| &high);
}

#[test]
#[cfg(feature = "std")]
fn a_scratch_conforms() {
    alloc_stack::scratch(None, |scratch| conforms(|| scratch));
}
