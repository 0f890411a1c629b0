use lockfree::Counter;

fn main() {
    let counter = Counter::new();
    let local = counter.with_local(|local| local);
    local.increment();
}
