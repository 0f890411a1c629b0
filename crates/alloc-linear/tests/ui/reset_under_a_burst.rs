use alloc_linear::Linear;

fn main() {
    let mut region = Linear::with_capacity(64);
    let mut burst = region.burst();
    region.reset();
    burst.alloc(1u32);
}
