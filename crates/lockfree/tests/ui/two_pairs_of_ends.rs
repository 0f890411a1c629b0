use lockfree::StaticSpscRing;

fn main() {
    let mut ring = StaticSpscRing::<u32, 2>::new();
    let (mut one, _) = ring.split();
    let (mut other, _) = ring.split();
    one.push(1).unwrap_err();
    other.push(1).unwrap_err();
}
