use alloc_linear::Linear;

fn main() {
    let mut region = Linear::with_capacity(64);
    let value = region.alloc(1u32);
    region.reset();
    *value = 2;
}
