//! What is pushed is the whole value: a part of it may not be dropped, or sent, in its place.
use alloc_stack::DynStack;
use core::any::Any;
use core::mem::ManuallyDrop;

fn main() {
    let mut stack = DynStack::<dyn Any>::new();
    stack.push(ManuallyDrop::new(String::new()), |value| &mut value.0);
    stack.push(ManuallyDrop::new(String::new()), |value| &mut **value as &mut dyn Any);
}
