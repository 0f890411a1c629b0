use alloc_core::collections::Box;
use alloc_slab::SlabAlloc;

fn main() {
    let mut slab = SlabAlloc::for_type::<u64>();
    let value = Box::new_in(1u64, &slab);
    slab.trim();
    println!("{value}");
}
