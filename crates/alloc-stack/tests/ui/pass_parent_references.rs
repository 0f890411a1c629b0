//! What must compile: the references of an outer frame while an inner one is open.
use alloc_stack::Stack;
fn main() {
    let mut stack = Stack::new();
    let mut frame = stack.frame();
    let mut scope = frame.scope();
    let outer = scope.alloc(1);
    {
        let mut child = scope.frame();
        *outer += *child.scope().alloc(2);
    }
    let mut top = scope.top();
    let mut text = top.push(String::from("text"));
    let (text, mut above) = text.split();
    let number = above.push(*outer);
    text.push_str(&number.to_string());
    assert_eq!(text, "text3");
}
