//! A guard is a look at a value that `&mut` may drop or move.
use alloc_slab::SyncSlab;

fn main() {
    let mut slab = SyncSlab::new();
    let key = slab.insert(1);
    let guard = slab.get(key).unwrap();
    slab.trim();
    assert_eq!(*guard, 1);
}
