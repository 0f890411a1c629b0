//! A stack is not rewound while something on it is used.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let checkpoint = stack.checkpoint();
    let boxed = stack.alloc_box(1);
    stack.rewind(checkpoint);
    assert_eq!(*boxed, 1);
}
