use alloc_linear::SyncLinear;

fn main() {
    let region = SyncLinear::with_capacity(64);
    let local = region.with_local(|local| local);
    local.alloc(1u32);
}
