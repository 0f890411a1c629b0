use alloc_linear::Linear;

fn main() {
    let value = {
        let region = Linear::with_capacity(64);
        let mut burst = region.burst();
        burst.alloc(1u32)
    };
    *value = 2;
}
