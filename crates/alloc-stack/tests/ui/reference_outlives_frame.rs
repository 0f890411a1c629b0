//! A reference does not outlive the frame it was taken in.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut frame = stack.frame();
    let value = frame.scope().alloc(1);
    drop(frame);
    *value = 2;
}
