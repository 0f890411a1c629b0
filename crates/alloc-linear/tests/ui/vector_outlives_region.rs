use alloc_core::collections::Vec;
use alloc_linear::Linear;

fn main() {
    let mut region = Linear::with_capacity(64);
    let mut list = Vec::new_in(&region);
    list.push(1u32);
    region.reset();
    list.push(2);
}
