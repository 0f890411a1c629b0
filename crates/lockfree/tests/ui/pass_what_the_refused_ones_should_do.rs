use lockfree::{Counter, IndexStack, SpscRing, StaticSpscRing};

fn main() {
    let (mut producer, mut consumer) = SpscRing::new(2);
    producer.push(String::from("oldest")).unwrap();
    assert_eq!(consumer.peek().unwrap(), "oldest");
    let chunk = consumer.read_chunk(1);
    assert_eq!(chunk.as_slices().0, ["oldest"]);
    chunk.commit_all();

    let stack = IndexStack::new(4);
    let mut handle = stack.handle();
    handle.push(1).unwrap();
    drop(handle);
    assert_eq!(stack.pop_all().count(), 1);

    let mut ring = StaticSpscRing::<u32, 2>::new();
    for _ in 0..2 {
        let (mut producer, mut consumer) = ring.split();
        producer.push(1).unwrap();
        assert_eq!(consumer.pop(), Ok(1));
    }

    let counter = Counter::new();
    counter.with_local(|local| local.add(2));
    std::thread::scope(|scope| scope.spawn(|| counter.with_local(|local| local.add(3))).join().unwrap());
    assert_eq!(counter.sum(), 5);
}
