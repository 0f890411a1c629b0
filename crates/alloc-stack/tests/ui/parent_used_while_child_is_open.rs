//! Nothing is taken through a frame while another is open inside it.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut frame = stack.frame();
    let mut scope = frame.scope();
    let child = scope.frame();
    scope.alloc(1);
    drop(child);
}
