//! A reset needs both ends.
use alloc_stack::TwoEnded;

fn main() {
    let mut region = TwoEnded::with_capacity(64);
    let (low, mut high) = region.ends();
    let mut frame = high.frame();
    region.reset();
    frame.scope().alloc(1u8);
    drop(low);
}
