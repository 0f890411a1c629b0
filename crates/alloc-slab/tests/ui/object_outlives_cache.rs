use alloc_slab::ObjectCache;

fn main() {
    let object = {
        let cache = ObjectCache::new(String::new);
        cache.take()
    };
    println!("{}", *object);
}
