use alloc_slab::Slab;

fn main() {
    let mut slab = Slab::new();
    let key = slab.insert(String::from("a"));
    let value = &slab[key];
    slab.remove(key);
    println!("{value}");
}
