//! Two frames of one stack would each give back what the other took.
use alloc_stack::Stack;
fn main() {
    let mut stack = Stack::new();
    let mut one = stack.frame();
    let mut two = stack.frame();
    let (a, b) = (one.scope().alloc(1), two.scope().alloc(2));
    *a += *b;
}
