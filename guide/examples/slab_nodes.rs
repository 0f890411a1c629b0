//! Nodes of one size that come and go, owned by `Box`es: lists, trees, queues.
//!
//! A `SlabAlloc` serves the boxes of some lists. The code stays as it is but for the type of the box.

use alloc_core::Allocator;
use alloc_core::collections::Box as BoxIn;
use alloc_slab::SlabAlloc;

const ROUNDS: usize = 2000;
const LISTS: usize = 128;

struct Node<A: Allocator + Copy> {
    value: u64,
    next: List<A>,
}

type List<A> = Option<BoxIn<Node<A>, A>>;

/// Elements come to lists at random and leave them; what the lists hold in the end.
fn work<A: Allocator + Copy>(allocator: A) -> u64 {
    let mut lists: [List<A>; LISTS] = [const { None }; LISTS];
    let mut random = guide::Random::new(17);
    let mut sum = 0;
    for value in 0..ROUNDS as u64 {
        for value in [value, value + 1] {
            let list = &mut lists[random.below(LISTS)];
            let next = list.take();
            *list = Some(BoxIn::new_in(Node { value, next }, allocator));
        }
        let list = &mut lists[random.below(LISTS)];
        if let Some(mut node) = list.take() {
            sum += node.value;
            *list = node.next.take();
        }
    }
    // One by one: a list that drops its first node drops the others inside that.
    for list in &mut lists {
        while let Some(mut node) = list.take() {
            sum ^= node.value;
            *list = node.next.take();
        }
    }
    sum
}

fn main() {
    let measured = guide::measure("node", 2 * ROUNDS)
        .way("Box", || || work(alloc_core::Global))
        .way("Box on a SlabAlloc", || {
            let nodes = SlabAlloc::for_type::<Node<&SlabAlloc>>();
            move || work(&nodes)
        })
        .run();
    assert_eq!((measured[0].allocs, measured[1].allocs), (2 * ROUNDS as u64, 0));
}
