use lockfree::SpscRing;

fn main() {
    let (mut producer, mut consumer) = SpscRing::new(2);
    producer.push(String::from("oldest")).unwrap();
    let oldest = consumer.peek().unwrap();
    drop(consumer.pop());
    println!("{oldest}");
}
