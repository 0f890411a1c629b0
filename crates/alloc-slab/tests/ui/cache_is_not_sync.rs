use alloc_slab::ObjectCache;

fn main() {
    let cache = ObjectCache::new(String::new as fn() -> String);
    std::thread::scope(|scope| {
        scope.spawn(|| cache.take());
    });
}
