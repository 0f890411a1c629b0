//! A dyn stack of cells cannot be given what lives shorter than it says.
use alloc_stack::DynStack;
use std::cell::Cell;
fn shorten<'s, 'short>(
    stack: &'s DynStack<[Cell<&'static str>]>,
) -> &'s DynStack<[Cell<&'short str>]> {
    stack
}
fn main() {
    shorten(&DynStack::new());
}
