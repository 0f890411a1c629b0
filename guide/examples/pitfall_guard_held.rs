//! Pitfall, guards that are held: one small thing that lives on keeps what lies around it.

use alloc_slab::SyncSlab;
use alloc_stack::{Depot, Stack};
use guide::{bytes, fact};
use std::sync::Arc;

/// One box on top of a stack, and nothing below it comes back.
fn on_top() {
    let stack = Stack::new();
    let below: Vec<_> = (0..1000).map(|_| stack.alloc_box([0_u8; 64])).collect();
    let kept = stack.alloc_box(7_u8);
    drop(below);
    let held = stack.used_bytes() as u64;
    fact("Stack, 1,000 boxes of 64 B dropped, one byte on top kept", bytes(held));
    drop(kept);
    fact("Stack, that dropped too", bytes(stack.used_bytes() as u64));
    assert!(held >= 64_000 && stack.used_bytes() == 0);
}

/// Leases that live as long as a connection instead of as long as a call: a stack each.
fn leases() {
    let stacks = |depot: &Depot| depot.stats().misses;
    let depot: Depot = Depot::new();
    for _ in 0..100 {
        assert_eq!(*depot.lease().top().push(1_u64), 1);
    }
    fact("Depot, 100 leases one after the other: stacks", stacks(&depot));
    let one = stacks(&depot);

    let depot: Depot = Depot::new();
    let held: Vec<_> = (0..100)
        .map(|_| {
            let mut lease = depot.lease();
            assert_eq!(*lease.top().push(1_u64), 1);
            lease
        })
        .collect();
    fact("Depot, 100 leases held: stacks", stacks(&depot));
    let memory = held.iter().map(|lease| lease.reserved_bytes() as u64).sum();
    fact("Depot, 100 leases held: memory", bytes(memory));
    assert!(one == 1 && stacks(&depot) == 100);
}

/// A guard of a shared slab's value: removed at once, dropped with the guard.
fn looked_at() {
    let sessions = SyncSlab::new();
    let dropped = Arc::new(());
    let key = sessions.insert(Arc::clone(&dropped));
    let guard = sessions.get(key).expect("it is there");
    assert!(sessions.remove(key) && sessions.get(key).is_none());
    sessions.flush();
    let held = Arc::strong_count(&dropped) - 1;
    fact("SyncSlab, a value removed while a guard is held: still alive", held);
    drop(guard);
    // What was removed under guards goes in batches, or when somebody asks.
    sessions.flush();
    let after = Arc::strong_count(&dropped) - 1;
    fact("SyncSlab, after the guard: still alive", after);
    assert_eq!((held, after), (1, 0));
}

fn main() {
    on_top();
    leases();
    looked_at();
}
