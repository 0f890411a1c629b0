use alloc_linear::SyncLinear;

fn main() {
    let region = SyncLinear::with_capacity(64);
    region.with_local(|local| {
        std::thread::scope(|scope| {
            scope.spawn(|| *local.alloc(1u32));
        });
    });
}
