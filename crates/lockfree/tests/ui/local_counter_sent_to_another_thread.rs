use lockfree::Counter;

fn main() {
    let counter = Counter::new();
    counter.with_local(|local| {
        std::thread::scope(|scope| scope.spawn(|| local.increment()).join().unwrap());
    });
}
