//! Nothing is pushed beside a value that is on the top.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut top = stack.top();
    let first = top.push(1);
    let second = top.push(2);
    assert_eq!(*first + *second, 3);
}
