//! No frame is opened while a box of the same stack lives: it could be dropped in between.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    let boxed = stack.alloc_box(1);
    let frame = stack.frame();
    drop(boxed);
    drop(frame);
}
