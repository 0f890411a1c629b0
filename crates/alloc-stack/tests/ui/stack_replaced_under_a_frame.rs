//! A stack cannot be moved away under what borrows it.
use alloc_stack::Stack;
fn main() {
    let mut stack = Stack::new();
    let mut frame = stack.frame();
    drop(std::mem::take(&mut stack));
    frame.scope().alloc(1);
}
