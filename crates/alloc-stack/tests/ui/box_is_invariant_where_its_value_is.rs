//! A cell in a box cannot be given what lives shorter than it says.
use alloc_stack::{Stack, StackBox};
use std::cell::Cell;
fn shorten<'b, 's, 'short>(
    boxed: &'b StackBox<'s, Cell<&'static str>>,
) -> &'b StackBox<'s, Cell<&'short str>> {
    boxed
}
fn main() {
    let stack = Stack::new();
    shorten(&stack.alloc_box(Cell::new("")));
}
