use alloc_slab::Slab;

fn main() {
    let mut slab = Slab::new();
    let key = slab.branded(|mut slab| slab.insert(1));
    slab.branded(|slab| slab.contains(key));
}
