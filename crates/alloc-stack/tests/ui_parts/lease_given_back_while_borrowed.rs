//! What is on a leased stack borrows the lease.
use alloc_stack::Depot;

fn main() {
    let depot = Depot::new();
    let mut lease = depot.lease();
    let mut frame = lease.frame();
    let value = frame.scope().alloc(1u8);
    drop(lease);
    *value += 1;
}
