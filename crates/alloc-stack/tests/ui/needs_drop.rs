//! A frame drops nothing, so it takes nothing that needs it.
fn main() {
    let mut stack = alloc_stack::Stack::new();
    stack.scoped(|scope| {
        scope.alloc(String::from("leaked"));
    });
}
