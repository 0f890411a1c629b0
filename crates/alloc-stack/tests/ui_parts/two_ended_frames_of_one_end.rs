//! Two frames of one end would each give back what the other took.
use alloc_stack::TwoEnded;
fn main() {
    let mut region = TwoEnded::with_capacity(1024);
    let (mut low, _) = region.ends();
    let mut one = low.frame();
    let mut two = low.frame();
    let (a, b) = (one.scope().alloc(1), two.scope().alloc(2));
    *a += *b;
}
