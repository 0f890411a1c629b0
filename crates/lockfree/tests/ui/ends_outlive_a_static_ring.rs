use lockfree::StaticSpscRing;

fn main() {
    let ring = StaticSpscRing::<u32, 2>::new();
    let (mut producer, consumer) = ring.try_split().unwrap();
    drop(consumer);
    drop(ring);
    producer.push(1).unwrap_err();
}
