//! An iterator borrows the stack: pushing meanwhile might open a segment.
use alloc_stack::DynStack;
use std::fmt::Debug;
fn main() {
    let mut stack = DynStack::<dyn Debug>::new();
    stack.push(1, |value| value);
    let mut values = stack.iter();
    stack.push(2, |value| value);
    values.next();
}
