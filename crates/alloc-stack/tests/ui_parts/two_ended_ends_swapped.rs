//! The ends are of different types: a frame of one cannot come back to where the other was.
use alloc_stack::TwoEnded;
fn main() {
    let mut region = TwoEnded::with_capacity(1024);
    let (mut low, mut high) = region.ends();
    std::mem::swap(&mut low, &mut high);
}
