use lockfree::IndexStack;

fn main() {
    let stack = IndexStack::new(2);
    let mut handle = stack.handle();
    drop(stack);
    handle.push(1).unwrap();
}
