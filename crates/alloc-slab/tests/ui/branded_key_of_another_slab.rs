use alloc_slab::Slab;

fn main() {
    let (mut a, mut b) = (Slab::new(), Slab::new());
    a.branded(|mut a| {
        let key = a.insert(1);
        b.branded(|mut b| {
            b.insert(2);
            b.get(key);
        });
    });
}
