//! A frame is not emptied while something taken in it is used.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let mut frame = stack.frame();
    let value = frame.scope().alloc(1);
    frame.reset();
    *value = 2;
}
