//! Nodes of one size that come and go, owned by `Box`es: lists, trees, queues.
//!
//! A `SlabAlloc` serves the boxes of some lists. The code stays as it is but for the type of the box.
//! Lists in one `Vec`, linked by indices, need no allocator; there the code is another, every function
//! that follows a link is handed the `Vec`, and a stale index finds somebody else's node.

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

/// The end of a list.
const NONE: u32 = u32::MAX;

/// Nodes in one Vec, and which of them are free: a list like the others.
struct Nodes {
    all: Vec<(u64, u32)>,
    free: u32,
}

impl Nodes {
    fn push(&mut self, list: &mut u32, value: u64) {
        let node = (value, *list);
        match self.all.get_mut(self.free as usize) {
            Some(place) => {
                *list = self.free;
                self.free = place.1;
                *place = node;
            }
            None => {
                *list = u32::try_from(self.all.len()).expect("fewer nodes");
                self.all.push(node);
            }
        }
    }

    fn pop(&mut self, list: &mut u32) -> Option<u64> {
        let place = self.all.get_mut(*list as usize)?;
        let (value, next) = *place;
        place.1 = self.free;
        self.free = *list;
        *list = next;
        Some(value)
    }
}

/// As [`work`], by index.
fn by_index(nodes: &mut Nodes) -> u64 {
    let mut lists = [NONE; LISTS];
    let mut random = guide::Random::new(17);
    let mut sum = 0;
    for value in 0..ROUNDS as u64 {
        for value in [value, value + 1] {
            nodes.push(&mut lists[random.below(LISTS)], value);
        }
        sum += nodes.pop(&mut lists[random.below(LISTS)]).unwrap_or(0);
    }
    for list in &mut lists {
        while let Some(value) = nodes.pop(list) {
            sum ^= value;
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
        .way("a Vec and indices, kept", || {
            let mut nodes = Nodes { all: Vec::new(), free: NONE };
            move || by_index(&mut nodes)
        })
        .run();
    assert_eq!(measured[0].allocs, 2 * ROUNDS as u64);
    assert_eq!((measured[1].allocs, measured[2].allocs), (0, 0), "kept");
}
