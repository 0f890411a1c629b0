use lockfree::SpscRing;

fn main() {
    let (mut producer, mut consumer) = SpscRing::new(2);
    producer.push(1).unwrap();
    let chunk = consumer.read_chunk(1);
    consumer.pop().unwrap();
    chunk.commit_all();
}
