use alloc_slab::Slab;

fn main() {
    let mut numbers = Slab::new();
    let mut names = Slab::new();
    let key = numbers.insert(1u32);
    names.insert("a");
    names.get(key);
}
