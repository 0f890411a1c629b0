//! A reference to a value borrows the stack.
use alloc_stack::DynStack;

fn main() {
    let mut stack = DynStack::<dyn Fn() -> u32>::new();
    let seven = stack.push(|| 7, |value| value);
    stack.pop();
    seven();
}
