use lockfree::IndexStack;

fn main() {
    let stack = IndexStack::new(2);
    stack.push(1).unwrap();
    let popped = stack.pop_all();
    drop(stack);
    assert_eq!(popped.count(), 1);
}
