use alloc_linear::Linear;

fn main() {
    let region = Linear::with_capacity(64);
    std::thread::scope(|scope| {
        scope.spawn(|| *region.alloc(1u32));
    });
}
