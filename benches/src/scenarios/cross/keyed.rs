//! `cross/trees/build` on values behind keys: a node's links are the keys of its children.

use alloc_slab::{Key, Slab};

use crate::case::{EngineSpec, Role};
use crate::engines::{About, spec_of};
use crate::scenarios::Round;
use crate::scenarios::arena_trees::{SMALL, grow, nodes, sum_by};

/// Ours, slab, and who has keys that notice reuse.
pub(super) fn engines() -> [EngineSpec; 4] {
    [
        spec_of(<Ours as Tree>::ABOUT, Build::<Ours>::build),
        spec_of(<Peer as Tree>::ABOUT, Build::<Peer>::build),
        spec_of(<SlotMap as Tree>::ABOUT, Build::<SlotMap>::build),
        spec_of(<Thunderdome as Tree>::ABOUT, Build::<Thunderdome>::build),
    ]
}

/// Nodes in a table.
trait Tree: Sized + 'static {
    const ABOUT: About;

    type Link: Copy;

    fn make() -> Self;

    fn insert(&mut self, left: Option<Self::Link>, right: Option<Self::Link>) -> Self::Link;

    fn links(&self, node: Self::Link) -> [Option<Self::Link>; 2];

    /// All nodes die.
    fn clear(&mut self);
}

struct Build<T>(T);

impl<T: Tree> Build<T> {
    #[inline(never)]
    fn fill(tree: &mut T) -> T::Link {
        grow(SMALL, |left, right| tree.insert(left, right))
    }
}

impl<T: Tree> Round for Build<T> {
    const OPS: u64 = nodes(SMALL) as u64;

    fn new() -> Self {
        Self(T::make())
    }

    fn round(&mut self, sum: bool) -> u64 {
        let root = Self::fill(&mut self.0);
        let tree = &self.0;
        let children = |node| match tree.links(node) {
            [Some(left), Some(right)] => Some([left, right]),
            _ => None,
        };
        let sum = if sum { sum_by(root, &children) } else { 0 };
        self.0.clear();
        sum
    }
}

struct Node {
    left: Option<Key<Self>>,
    right: Option<Key<Self>>,
}

struct Ours(Slab<Node>);

impl Tree for Ours {
    const ABOUT: About = About {
        name: "alloc-slab",
        config: "default",
        package: "alloc-slab",
        why: "Slab, cleared: links are keys of 8 bytes that notice reuse",
        role: Role::Ours,
    };

    type Link = Key<Node>;

    fn make() -> Self {
        Self(Slab::new())
    }

    #[inline]
    fn insert(&mut self, left: Option<Self::Link>, right: Option<Self::Link>) -> Self::Link {
        self.0.insert(Node { left, right })
    }

    fn links(&self, node: Self::Link) -> [Option<Self::Link>; 2] {
        let node = &self.0[node];
        [node.left, node.right]
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

struct Peer(slab::Slab<[Option<usize>; 2]>);

impl Tree for Peer {
    const ABOUT: About = About {
        name: "slab",
        config: "default",
        package: "slab",
        why: "Slab::with_capacity, cleared: links are indices",
        role: Role::Peer,
    };

    type Link = usize;

    fn make() -> Self {
        Self(slab::Slab::with_capacity(nodes(SMALL)))
    }

    #[inline]
    fn insert(&mut self, left: Option<usize>, right: Option<usize>) -> usize {
        self.0.insert([left, right])
    }

    fn links(&self, node: usize) -> [Option<usize>; 2] {
        self.0[node]
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

type MapKey = slotmap::DefaultKey;

struct SlotMap(slotmap::SlotMap<MapKey, [Option<MapKey>; 2]>);

impl Tree for SlotMap {
    const ABOUT: About = About {
        name: "slotmap",
        config: "default",
        package: "slotmap",
        why: "SlotMap::with_capacity, cleared: links are keys that notice reuse",
        role: Role::Peer,
    };

    type Link = MapKey;

    fn make() -> Self {
        Self(slotmap::SlotMap::with_capacity(nodes(SMALL)))
    }

    #[inline]
    fn insert(&mut self, left: Option<MapKey>, right: Option<MapKey>) -> MapKey {
        self.0.insert([left, right])
    }

    fn links(&self, node: MapKey) -> [Option<MapKey>; 2] {
        self.0[node]
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

type Index = thunderdome::Index;

struct Thunderdome(thunderdome::Arena<[Option<Index>; 2]>);

impl Tree for Thunderdome {
    const ABOUT: About = About {
        name: "thunderdome",
        config: "default",
        package: "thunderdome",
        why: "Arena::with_capacity, cleared: links are indices that notice reuse",
        role: Role::Peer,
    };

    type Link = Index;

    fn make() -> Self {
        Self(thunderdome::Arena::with_capacity(nodes(SMALL)))
    }

    #[inline]
    fn insert(&mut self, left: Option<Index>, right: Option<Index>) -> Index {
        self.0.insert([left, right])
    }

    fn links(&self, node: Index) -> [Option<Index>; 2] {
        self.0[node]
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}
