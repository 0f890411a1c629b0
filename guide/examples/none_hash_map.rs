//! No gain: a map that grows, on an arena.
//!
//! What takes time is hashing, and moving everything whenever the table doubles; the allocator is
//! asked a dozen times. The old tables stay in the arena until it is reset. A map that is kept and
//! cleared does not grow at all.

use alloc_arena::Arena;
use alloc_core::{Allocator, Global};
use hashbrown::{DefaultHashBuilder, HashMap};

const WORDS: usize = 4000;

/// One hasher for all, so that all do the same work.
type Map<A> = HashMap<usize, usize, DefaultHashBuilder, A>;

/// How often each of some numbers comes, and how many there are.
fn count<A: Allocator>(counts: &mut Map<A>) -> (usize, usize) {
    let mut random = guide::Random::new(31);
    for _ in 0..WORDS {
        *counts.entry(random.below(3 * WORDS)).or_default() += 1;
    }
    (counts.len(), counts.values().map(|count| count * count).sum())
}

fn main() {
    let hasher = DefaultHashBuilder::default();
    let hasher = || hasher.clone();
    let measured = guide::measure("insert", WORDS)
        .way("HashMap", || || count(&mut Map::with_hasher_in(hasher(), Global)))
        .way("HashMap on an Arena, reset", || {
            let mut arena = Arena::new();
            move || {
                let counts = count(&mut Map::with_hasher_in(hasher(), &arena));
                arena.reset();
                counts
            }
        })
        .way("one HashMap, cleared", || {
            let mut counts = Map::with_hasher_in(hasher(), Global);
            move || {
                counts.clear();
                count(&mut counts)
            }
        })
        .run();
    assert!(measured[0].allocs < 20 && measured[1].allocs == 0 && measured[2].allocs == 0);
    assert!(measured[1].peak_bytes > measured[0].peak_bytes, "the old tables remain");
}
