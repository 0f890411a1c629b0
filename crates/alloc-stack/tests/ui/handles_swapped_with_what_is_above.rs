//! A handle and one above it cannot change places: the lower would go first.
use alloc_stack::Stack;
fn main() {
    let mut stack = Stack::new();
    let mut top = stack.top();
    let mut below = top.push(1);
    let (_, mut above) = below.split();
    let mut above = above.push(2);
    std::mem::swap(&mut below, &mut above);
}
