//! A handle drops its value, so what the value borrows must outlive the handle.
use alloc_stack::Stack;
struct Looks<'v>(&'v String);
impl Drop for Looks<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}
fn main() {
    let mut stack = Stack::new();
    let mut top = stack.top();
    let pushed;
    let value = String::from("gone first");
    pushed = top.push(Looks(&value));
    assert_eq!(pushed.0, "gone first");
}
