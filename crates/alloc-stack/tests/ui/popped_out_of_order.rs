//! What was pushed first is not popped first.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut top = stack.top();
    let mut first = top.push(1);
    let (_, mut above) = first.split();
    let second = above.push(2);
    drop(first);
    drop(second);
}
