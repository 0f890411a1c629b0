use alloc_slab::Slab;

fn main() {
    let mut slab: Slab<u32> = (0..10).collect();
    for (_, value) in slab.drain() {
        slab.insert(value + 1);
    }
}
