//! While a frame is open, the one below it at the same end takes nothing.
use alloc_stack::TwoEnded;

fn main() {
    let mut region = TwoEnded::with_capacity(64);
    let (mut low, _high) = region.ends();
    let mut frame = low.frame();
    let mut scope = frame.scope();
    let mut child = scope.frame();
    scope.alloc(1u8);
    child.scope().alloc(2u8);
}
