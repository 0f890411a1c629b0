//! A stack that drops a borrowed value must not outlive what the value borrows.
use alloc_stack::DynStack;
use core::fmt::Debug;

fn main() {
    let mut stack = DynStack::<dyn Debug + '_>::new();
    {
        let text = String::from("gone");
        stack.push(&text, |value| value);
    }
    drop(stack);
}
