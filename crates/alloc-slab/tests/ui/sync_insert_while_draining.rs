//! Whoever drains has the slab alone.
use alloc_slab::SyncSlab;

fn main() {
    let mut slab = SyncSlab::new();
    slab.insert(1);
    let drained = slab.drain();
    slab.insert(2);
    drop(drained);
}
