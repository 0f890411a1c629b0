//! A box does not outlive its stack.
fn main() {
    let boxed = {
        let stack = alloc_stack::Stack::new();
        stack.alloc_box(1)
    };
    assert_eq!(*boxed, 1);
}
