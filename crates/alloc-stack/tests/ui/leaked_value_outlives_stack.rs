//! A leaked value lies on the stack, and lives no longer.
use alloc_stack::{Stack, StackBox};
fn main() {
    let mut stack = Stack::new();
    let leaked = StackBox::leak(stack.alloc_box(1));
    stack.reset();
    *leaked = 2;
}
