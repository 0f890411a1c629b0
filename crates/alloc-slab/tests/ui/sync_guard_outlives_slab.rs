//! A guard ends before the slab does.
use alloc_slab::SyncSlab;

fn main() {
    let guard = {
        let slab = SyncSlab::new();
        let key = slab.insert(1);
        slab.get(key).unwrap()
    };
    assert_eq!(*guard, 1);
}
