use alloc_linear::SyncLinear;

fn main() {
    let value = {
        let region = SyncLinear::with_capacity(64);
        region.with_local(|local| local.alloc(1u32))
    };
    *value = 2;
}
