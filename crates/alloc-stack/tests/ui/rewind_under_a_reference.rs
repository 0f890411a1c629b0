//! What a frame handed out must be gone before it comes back to a checkpoint.
use alloc_stack::Stack;
fn main() {
    let mut stack = Stack::new();
    let mut frame = stack.frame();
    let checkpoint = frame.checkpoint();
    let value = frame.scope().alloc(1);
    frame.rewind(checkpoint);
    *value = 2;
}
