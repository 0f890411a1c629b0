//! No gain: one vector that only grows.
//!
//! `push` looks at the capacity and writes; the allocator is asked a dozen times in all. What helps is
//! to say how many there will be.

use alloc_arena::Arena;
use alloc_core::collections::Vec as VecIn;

const ITEMS: usize = 10_000;

fn main() {
    let measured = guide::measure("push", ITEMS)
        .way("Vec", || {
            || {
                let mut items = Vec::new();
                (0..ITEMS).for_each(|item| items.push(item * item));
                items.iter().sum::<usize>()
            }
        })
        .way("Vec on an Arena, reset", || {
            let mut arena = Arena::new();
            move || {
                let mut items = VecIn::new_in(&arena);
                (0..ITEMS).for_each(|item| items.push(item * item));
                let sum = items.iter().sum();
                drop(items);
                arena.reset();
                sum
            }
        })
        .way("Vec::with_capacity", || {
            || {
                let mut items = Vec::with_capacity(ITEMS);
                (0..ITEMS).for_each(|item| items.push(item * item));
                items.iter().sum()
            }
        })
        .run();
    assert!(measured[0].allocs < 20, "doubling: {}", measured[0].allocs);
}
