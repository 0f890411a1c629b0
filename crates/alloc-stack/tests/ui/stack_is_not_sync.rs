//! A stack is used by one thread at a time.
fn main() {
    let stack = alloc_stack::Stack::new();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(stack.alloc_box(1)));
    });
}
