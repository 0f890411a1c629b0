//! Group `origin`: the figures with which custom allocators are commonly recommended, each measured and
//! called true or false.
//!
//! ```text
//!   stack/lifo           frames of temporaries that die in reverse    stack_frames      5-10x
//!   linear/bulk          blocks of any size, all freed at once        linear_layouts     3-5x
//!   arena/related        a tree of nodes that die together            arena_trees        2-3x
//!   slab/fixed-size      values of 64 bytes that come and go          slab_churn         4-8x
//!   programs/allocs      whole programs: calls of the allocator       programs        50-90 % fewer
//!   programs/peak        the same: most memory held                   programs        20-50 % less
//!   programs/stalls      requests: time in the allocator, p99.9       programs/json/stalls   40-70 % less
//! ```
//!
//! The first four are against the system's malloc, the last three against the same programs as one
//! would write them, with `Box`, `Vec` and `String`. The lower end of a range is what counts as true.

mod programs;

use super::heap_top::{self, HeapTop};
use super::{arena_trees, linear_layouts, slab_churn, stack_frames};
use crate::case::{Case, Model};
use crate::engines::lifo::ByReset;
use crate::engines::linear::Linear;
use crate::engines::null::Null;
use crate::engines::stack::{Frames, Marks};
use crate::engines::{arena, bumpalo};
use crate::mallocs;

/// What the cases of this group count as: several crates have a part in it.
const CRATE: &str = "origin";

/// A figure as it is stated.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The case that measures it.
    pub case: &'static str,
    /// The engine that it compares with.
    pub against: &'static str,
    /// The metric of the ratio.
    pub metric: &'static str,
    /// Who is said to be better.
    pub who: &'static str,
    /// By how much, in words.
    pub stated: &'static str,
    /// The ratio at the lower end.
    pub at_least: f64,
}

/// The figures, in the order of the cases.
pub const FIGURES: [Figure; 7] = [
    figure("stack/lifo", "glibc", "time", "A stack allocator, against malloc", "5-10x", 5.0),
    figure("linear/bulk", "glibc", "time", "A linear allocator, against malloc", "3-5x", 3.0),
    figure("arena/related", "glibc", "time", "An arena, against malloc", "2-3x", 2.0),
    figure("slab/fixed-size", "glibc", "time", "A slab allocator, against malloc", "4-8x", 4.0),
    figure(
        "programs/allocs",
        "plain",
        "allocs",
        "Calls of the system's allocator",
        "50-90 % fewer",
        2.0,
    ),
    figure("programs/peak", "plain", "peak_bytes", "Most memory held", "20-50 % less", 1.25),
    figure(
        "programs/stalls",
        "plain",
        "p999",
        "Worst stalls in the allocator (p99.9 of a request)",
        "40-70 % shorter",
        1.7,
    ),
];

const fn figure(
    case: &'static str,
    against: &'static str,
    metric: &'static str,
    who: &'static str,
    stated: &'static str,
    at_least: f64,
) -> Figure {
    Figure { case, against, metric, who, stated, at_least }
}

/// Returns the cases of the group.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![stack(), linear(), related(), slab()];
    cases.extend(programs::cases());
    cases.push(super::programs::json::stalls::case("origin/programs/stalls", CRATE));
    cases
}

fn stack() -> Case {
    use stack_frames::{frames, input};
    let mut engines = vec![
        frames::<Null>(),
        frames::<Frames>().primary(),
        frames::<Marks>(),
        frames::<ByReset<bumpalo::WithCapacity<1>>>(),
    ];
    engines.extend(mallocs!(frames));
    Case {
        id: "origin/stack/lifo",
        krate: CRATE,
        what: "Takes 8 blocks of 8 to 256 bytes in a frame, which gives them back at its end; a malloc \
               frees each",
        model: Model::Churn,
        unit: "allocation",
        input,
        working_set_bytes: 16 << 10,
        threads: 1,
        engines,
    }
}

fn linear() -> Case {
    use linear_layouts::{BLOCKS, MAX_BYTES, layouts};
    let mut engines = vec![
        layouts::<Null>(),
        layouts::<Linear<1>>().primary(),
        layouts::<bumpalo::WithCapacity<8>>(),
    ];
    engines.extend(mallocs!(layouts));
    Case {
        id: "origin/linear/bulk",
        krate: CRATE,
        what: "Takes 1,000 blocks of 8 to 256 bytes, and gives all back at once; a malloc frees each",
        model: Model::Latency,
        unit: "allocation",
        input: || super::linear::synthetic(0, BLOCKS as u64),
        working_set_bytes: (BLOCKS * MAX_BYTES / 2) as u64,
        threads: 1,
        engines,
    }
}

fn related() -> Case {
    use arena_trees::{SMALL, idle, nodes, small};
    let mut engines =
        vec![idle(), small::<arena::New<8>>().primary(), small::<bumpalo::WithCapacity<8>>()];
    engines.extend(mallocs!(small));
    Case {
        id: "origin/arena/related",
        krate: CRATE,
        what: "Builds a tree of 2,047 nodes, and drops it: at once, in an arena that is kept, or node by \
               node; a block above the chunks pins glibc's heap",
        model: Model::Latency,
        unit: "node",
        input: || {
            heap_top::arrange(HeapTop::Pinned);
            super::linear::synthetic(0, nodes(SMALL) as u64)
        },
        working_set_bytes: 16 * nodes(SMALL) as u64,
        threads: 1,
        engines,
    }
}

fn slab() -> Case {
    let engines = [
        // As a malloc: blocks and addresses. The slabs beside it have keys that notice reuse.
        ("alloc-slab", "boxes"),
        ("alloc-slab", "reserved"),
        ("alloc-slab", "pages"),
        ("null", "loop"),
        ("slab", "default"),
        ("glibc", "default"),
        ("mimalloc", "default"),
        ("jemalloc", "default"),
    ];
    Case { krate: CRATE, ..slab_churn::churn("origin/slab/fixed-size", &engines) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_is_what_the_targets_ask_for() {
        let targets = crate::claims::load().unwrap();
        let mut stated = targets.iter().filter(|target| target.case.starts_with("origin/"));
        for figure in FIGURES {
            let case = format!("origin/{}", figure.case);
            let target = stated.find(|target| target.case == case).expect(figure.case);
            assert_eq!(target.against.as_deref(), Some(figure.against), "{case}");
            assert_eq!(target.metric, figure.metric, "{case}");
            assert_eq!(target.at_least, Some(figure.at_least), "{case}");
        }
    }
}
