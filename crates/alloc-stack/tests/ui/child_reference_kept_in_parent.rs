//! What is taken in an inner frame is not kept in an outer one.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut frame = stack.frame();
    let mut scope = frame.scope();
    let outer = scope.alloc(None::<&i32>);
    let mut child = scope.frame();
    *outer = Some(child.scope().alloc(1));
    drop(child);
    assert_eq!(*outer, Some(&1));
}
