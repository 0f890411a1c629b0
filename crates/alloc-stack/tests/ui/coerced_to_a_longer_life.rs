//! What is seen as a trait object lives no longer than it did.
use alloc_stack::{Stack, StackBox};
use std::fmt::Display;
fn forever<'s>(stack: &'s Stack, text: &str) -> StackBox<'s, dyn Display + 'static> {
    StackBox::coerce(stack.alloc_box(text), |value| value as _)
}
fn main() {
    let stack = Stack::new();
    forever(&stack, &String::from("short"));
}
