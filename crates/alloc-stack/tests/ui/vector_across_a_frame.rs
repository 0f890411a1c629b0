//! A vector of an outer frame does not grow while an inner one is open.
use alloc_core::collections::Vec;
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut frame = stack.frame();
    let mut scope = frame.scope();
    let mut numbers = Vec::new_in(&scope);
    let child = scope.frame();
    numbers.push(1);
    drop(child);
}
