use alloc_slab::Slab;

fn main() {
    let mut slab: Slab<u32> = (0..10).collect();
    for value in slab.values() {
        slab.insert(value + 1);
    }
}
