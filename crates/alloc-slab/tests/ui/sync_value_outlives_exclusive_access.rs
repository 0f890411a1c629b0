//! What `iter_mut` lends is nobody else's to look at.
use alloc_slab::SyncSlab;

fn main() {
    let mut slab = SyncSlab::new();
    let key = slab.insert(1);
    let (_, value) = slab.iter_mut().next().unwrap();
    let guard = slab.get(key);
    *value += 1;
    drop(guard);
}
