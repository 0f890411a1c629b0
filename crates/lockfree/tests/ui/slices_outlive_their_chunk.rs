use lockfree::SpscRing;

fn main() {
    let (mut producer, mut consumer) = SpscRing::new(2);
    producer.push(String::from("oldest")).unwrap();
    let chunk = consumer.read_chunk(1);
    let (first, _) = chunk.as_slices();
    chunk.commit_all();
    println!("{first:?}");
}
