//! What is taken from scratch memory goes when the call ends.
use alloc_stack::scratch;

fn main() {
    let escaped = scratch(None, |tmp| tmp.alloc(1u8));
    *escaped += 1;
}
