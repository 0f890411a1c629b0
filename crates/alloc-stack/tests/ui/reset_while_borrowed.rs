//! A stack is not emptied while something on it is used.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let boxed = stack.alloc_box(1);
    stack.reset();
    assert_eq!(*boxed, 1);
}
