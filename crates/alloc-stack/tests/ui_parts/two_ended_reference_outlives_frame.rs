//! A reference borrows the frame that it was taken in.
use alloc_stack::TwoEnded;

fn main() {
    let mut region = TwoEnded::with_capacity(64);
    let (mut low, _high) = region.ends();
    let mut frame = low.frame();
    let value = frame.scope().alloc(1u8);
    drop(frame);
    *value += 1;
}
