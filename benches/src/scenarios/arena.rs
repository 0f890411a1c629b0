//! Group `arena`: what `alloc-arena` is for, on made-up input: arenas that live for microseconds,
//! arenas that hold many small nodes, and arenas that are filled and reset for hours.
//!
//! Chunks of ours and of every peer come from the process's global allocator: glibc, but for rows
//! named `on-mimalloc`, which run in an executable whose global allocator is mimalloc.

use super::{arena_fresh, arena_growing, arena_parallel, arena_requests, arena_reset, arena_trees};
use crate::case::{Case, EngineSpec};

/// The crate that this group is about.
pub(super) const CRATE: &str = "alloc-arena";

/// Returns the cases of the group.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(arena_fresh::cases());
    cases.extend(arena_requests::cases());
    cases.extend(arena_reset::cases());
    cases.extend(arena_trees::cases());
    cases.extend(arena_growing::cases());
    cases.extend(arena_parallel::cases());
    cases
}

/// Applies a generic `fn<R: Region>() -> EngineSpec` to ours, to every whole allocator, and to every
/// bump peer in all configurations, those included that are told nothing of how much will be asked.
///
/// Cases about the state of glibc's heap leave multitude out with [`on_one_heap`].
macro_rules! engines_of {
    ($spec:ident) => {{
        let mut engines = vec![
            $spec::<$crate::engines::arena::New<1>>().primary(),
            $spec::<$crate::engines::arena::New<8>>(),
            $spec::<$crate::engines::arena::WithCapacity>(),
            $spec::<$crate::engines::arena::NoCache>(),
            $crate::heap_peer!($spec, $crate::engines::glibc::Glibc).reference(),
            $spec::<$crate::engines::mimalloc::OwnHeap>().counted_on(&$spec::<
                $crate::engines::heap::Heap<$crate::engines::heap::Counted>,
            >()),
            $spec::<$crate::engines::bump_scope::New>(),
            $spec::<$crate::engines::scoped_arena::New>(),
        ];
        engines.extend($crate::heap_peers!($spec));
        engines.extend($crate::bump_peers!($spec));
        engines
    }};
}
pub(super) use engines_of;

/// Leaves out who makes a shared heap of glibc's another one for everybody: multitude's chunks are
/// aligned far beyond what malloc gives, and glibc does not find such a block again once it was freed,
/// so that the heap grows and lies in pieces after a few of its arenas. The row `on-mimalloc` and
/// those that reset have it.
pub(super) fn on_one_heap(mut engines: Vec<EngineSpec>) -> Vec<EngineSpec> {
    engines.retain(|engine| engine.name != "multitude");
    engines
}
