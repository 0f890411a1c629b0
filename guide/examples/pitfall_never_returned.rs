//! Pitfall, memory that is never returned: what was needed once is held ever after.
//!
//! One request in a day is huge. Whatever is kept for the next time is then kept at that size: the
//! capacity of a `Vec` that is cleared, the pages of a slab, the chunks of an arena until they decay.

use alloc_arena::{Arena, ThreadCache};
use alloc_slab::Slab;
use guide::{bytes, fact};

/// 16 MiB, once.
const HUGE: usize = 16 << 20;

fn in_vec() {
    let mut buffer = vec![1_u8; HUGE];
    buffer.clear();
    let held = buffer.capacity() as u64;
    buffer.shrink_to(4096);
    fact("Vec, cleared", bytes(held));
    fact("Vec, after shrink_to", bytes(buffer.capacity() as u64));
    assert!(held >= HUGE as u64 && buffer.capacity() < 8192);
}

fn in_slab() {
    let mut slab = Slab::new();
    slab.extend((0..HUGE / 64).map(|number| [number as u64; 8]));
    slab.clear();
    let held = slab.reserved_bytes() as u64;
    slab.trim();
    fact("Slab, emptied", bytes(held));
    fact("Slab, after trim", bytes(slab.reserved_bytes() as u64));
    assert!(held >= HUGE as u64 && slab.reserved_bytes() < 1 << 20);
}

fn in_arena() {
    let mut arena = Arena::new();
    for number in 0..HUGE / 64 {
        arena.alloc([number as u64; 8]);
    }
    arena.reset();
    let held = arena.reserved_bytes() as u64;
    let mut resets = 0;
    while arena.reserved_bytes() as u64 > held / 100 {
        arena.alloc(1_u8);
        arena.reset();
        resets += 1;
        assert!(resets < 100, "it decays");
    }
    fact("Arena, reset", bytes(held));
    fact("Arena, small work since, resets until it is back", resets);
    for number in 0..HUGE / 64 {
        arena.alloc([number as u64; 8]);
    }
    arena.reset();
    arena.trim();
    fact("Arena, after trim", bytes(arena.reserved_bytes() as u64));
    assert!(held >= HUGE as u64 && arena.reserved_bytes() < 1 << 20);
    drop(arena);
    fact(
        "thread's cache, after the arena is gone",
        bytes(ThreadCache::stats().cached_bytes as u64),
    );
    ThreadCache::trim();
    assert_eq!(ThreadCache::stats().cached_bytes, 0);
}

fn main() {
    in_vec();
    in_slab();
    in_arena();
}
