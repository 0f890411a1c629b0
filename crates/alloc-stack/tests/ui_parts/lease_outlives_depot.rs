//! A leased stack is given back to a depot that lives.
use alloc_stack::Depot;

fn main() {
    let depot = Depot::new();
    let lease = depot.lease();
    drop(depot);
    drop(lease);
}
