//! A stack is sent only where every value may be.
use alloc_stack::DynStack;
use core::any::Any;
use std::rc::Rc;

fn main() {
    let mut stack = DynStack::<dyn Any + Send>::new();
    stack.push(Rc::new(1), |value| value);
}
