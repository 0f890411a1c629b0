use alloc_linear::SyncLinear;

fn main() {
    let mut region = SyncLinear::with_capacity(64);
    std::thread::scope(|scope| {
        scope.spawn(|| *region.alloc(1u32));
        region.reset();
    });
}
