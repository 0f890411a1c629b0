//! A vector in a frame ends with the frame, also as its result.
use alloc_core::collections::Vec;
use alloc_stack::Stack;
fn main() {
    let mut stack = Stack::new();
    let vector = stack.scoped(|scope| {
        let mut vector = Vec::new_in(&*scope);
        vector.push(1);
        vector
    });
    assert_eq!(vector[0], 1);
}
