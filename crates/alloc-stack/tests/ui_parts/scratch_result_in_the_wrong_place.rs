//! A result goes where the caller said, not to the scratch memory of the call.
use alloc_stack::{Scratch, scratch};

fn double<'s>(numbers: &[u32], out: &Scratch<'s>) -> &'s mut [u32] {
    scratch(out, |tmp| tmp.alloc_slice_fill_with(numbers.len(), |n| numbers[n] * 2))
}

fn main() {
    scratch(None, |out| double(&[1, 2], out).len());
}
