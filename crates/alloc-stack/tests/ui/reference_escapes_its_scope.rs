//! A reference does not leave the closure that a frame is opened for.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut kept: Option<&mut i32> = None;
    stack.scoped(|scope| kept = Some(scope.alloc(1)));
    assert_eq!(kept, Some(&mut 1));
}
