//! The scopes of a frame and of the frame around it cannot change places.
use alloc_stack::Stack;
fn main() {
    let mut stack = Stack::new();
    let mut guard = stack.frame();
    let mut scope = guard.scope();
    let mut child = scope.frame();
    std::mem::swap(&mut scope, &mut child.scope());
    scope.alloc(1);
    drop(child);
}
