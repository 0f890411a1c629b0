use alloc_slab::Slab;

fn main() {
    let entry = {
        let mut slab = Slab::new();
        slab.vacant_entry()
    };
    entry.insert(1);
}
