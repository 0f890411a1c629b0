//! A box drops its value, so what the value borrows must outlive the box.
use alloc_stack::Stack;
struct Looks<'v>(&'v String);
impl Drop for Looks<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}
fn main() {
    let stack = Stack::new();
    let boxed;
    let value = String::from("gone first");
    boxed = stack.alloc_box(Looks(&value));
    assert_eq!(boxed.0, "gone first");
}
