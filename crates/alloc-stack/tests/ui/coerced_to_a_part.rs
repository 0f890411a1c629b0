//! A box is not turned into one of a part of its value.
use alloc_stack::{Coerce, Stack, StackBox};
fn main() {
    let stack = Stack::new();
    let pair = stack.alloc_box((1u8, String::new()));
    let _part: StackBox<'_, String> =
        StackBox::coerce(pair, |pair: &mut Coerce<(u8, String)>| &mut pair.1);
}
