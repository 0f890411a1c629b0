//! Group `cross`: one workload of each kind on every allocator that can serve it, ours, the best
//! peers and plain malloc: which of them does a program want?
//!
//! ```text
//!   requests/scope         words, records, lists of a request, then all die      arena_requests
//!   trees/build            2,047 nodes that refer to each other, then all die    arena_trees, keyed
//!   entities/churn         1,000 live values of 64 bytes that come and go        slab_churn
//!   growing/among-others   a Vec that grows while other values are placed        arena_growing
//!   temporaries/lifo       blocks of mixed sizes, the newest dies first          stack_lifo
//!   trace/tokens, …/json   what two recorded programs asked for, in their order  replay
//! ```
//!
//! The scenarios are those of the crates' own groups; here each is run by few engines, one or two of
//! each family, in the form in which a user would take it for that work. What is not there does not
//! serve the workload: [`absent`] says why. A peer that would behave as another does (bumpalo where
//! ours cannot be, either) is left out without a word.

mod keyed;
mod replay;

use super::heap_top::{self, HeapTop};
use super::linear::synthetic;
use super::{arena_growing, arena_requests, arena_trees, slab_churn, stack_lifo};
use crate::case::{Case, EngineSpec, Model};
use crate::engines::block_class::Blocks;
use crate::engines::linear::Linear;
use crate::engines::stack::{AnyOrder, Marks, Rounds};
use crate::engines::{arena, bump_scope, bumpalo};
use crate::mallocs;

/// What the cases of this group count as: no crate is measured, but the choice between them.
const CRATE: &str = "cross";

/// Returns the cases of the group.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![requests(), trees(), entities(), growing(), temporaries()];
    cases.extend(replay::cases());
    cases
}

/// Why an allocator has no row in a workload, in few words; `None` where nobody has a reason.
#[must_use]
pub fn absent(allocator: &str, case: &str) -> Option<&'static str> {
    let work = case.strip_prefix("cross/")?;
    let bulk = "frees all at once: the dead would pile up";
    let one_type = "values of one type";
    Some(match (allocator, work) {
        ("linear" | "arena" | "typed-arena" | "bumpalo" | "bump-scope", "entities/churn") => bulk,
        ("stack", "entities/churn") => "memory of the dead waits for the newest to die",
        // Trees are of one type, and what comes and goes is of one size.
        ("typed-arena" | "slab" | "slotmap" | "thunderdome", work)
            if !["trees/build", "entities/churn"].contains(&work) =>
        {
            one_type
        }
        _ => return None,
    })
}

fn requests() -> Case {
    use arena_requests::{idle, input, kept};
    let mut engines = vec![
        idle(),
        kept::<Linear<8>>(),
        kept::<Rounds>(),
        kept::<arena::New<8>>().primary(),
        kept::<Blocks<128>>(),
        kept::<bumpalo::WithCapacity<8>>(),
        kept::<bump_scope::Scope<8, false>>(),
    ];
    engines.extend(mallocs!(kept));
    Case {
        id: "cross/requests/scope",
        krate: CRATE,
        what: "Serves 64 requests: words, a record for each, lists, then all of it dies; memory is \
               kept from request to request",
        model: Model::Churn,
        unit: "request",
        input,
        working_set_bytes: arena_requests::LONG_BYTES as u64,
        threads: 1,
        engines,
    }
}

fn trees() -> Case {
    use arena_trees::{idle, small, small_typed};
    let mut engines = vec![
        idle(),
        small::<Linear<8>>(),
        small::<Rounds>(),
        small::<arena::New<8>>().primary(),
        small::<Blocks<16>>(),
        small::<bumpalo::WithCapacity<8>>(),
        small::<bump_scope::Scope<8, false>>(),
    ];
    engines.extend(small_typed());
    engines.extend(keyed::engines());
    engines.extend(mallocs!(small));
    let nodes = arena_trees::nodes(arena_trees::SMALL) as u64;
    Case {
        id: "cross/trees/build",
        krate: CRATE,
        what: "Builds a binary tree of 2,047 nodes that refer to each other, by pointer or by key, \
               then all die; a block above the chunks pins glibc's heap",
        model: Model::Latency,
        unit: "node",
        input: || {
            heap_top::arrange(HeapTop::Pinned);
            synthetic(0, arena_trees::nodes(arena_trees::SMALL) as u64)
        },
        working_set_bytes: 16 * nodes,
        threads: 1,
        engines,
    }
}

fn entities() -> Case {
    let engines = [
        ("alloc-slab", "reserved"),
        ("null", "loop"),
        ("alloc-slab", "pages"),
        ("alloc-slab", "boxes"),
        ("slab", "default"),
        ("slotmap", "default"),
        ("thunderdome", "default"),
        ("glibc", "default"),
        ("mimalloc", "default"),
        ("jemalloc", "default"),
        ("jemalloc", "sized-free"),
    ];
    Case { krate: CRATE, ..slab_churn::churn("cross/entities/churn", &engines) }
}

fn growing() -> Case {
    use arena_growing::{INPUT, among_others, idle};
    let mut engines = vec![
        idle(),
        among_others::<Linear<8>>(),
        among_others::<Rounds>(),
        among_others::<arena::WithCapacity>().primary(),
        among_others::<arena::New<8>>(),
        values_in_blocks(among_others::<Blocks<32>>()),
        among_others::<bumpalo::WithCapacity<8>>(),
        among_others::<bump_scope::Scope<8, true>>(),
    ];
    engines.extend(mallocs!(among_others));
    Case {
        id: "cross/growing/among-others",
        krate: CRATE,
        what: "Pushes 16,384 tokens of 32 bytes into a Vec that starts empty, and places a value of \
               24 bytes after every fourth; then all die",
        model: Model::Latency,
        unit: "push",
        input: || synthetic(0, INPUT[0] as u64),
        working_set_bytes: 2 * INPUT[1] as u64,
        threads: 1,
        engines,
    }
}

/// A growing Vec soon exceeds every class.
fn values_in_blocks(spec: EngineSpec) -> EngineSpec {
    spec.configured("boxes", "SlabAlloc: values in its class, the growing buffer in its backing")
}

fn temporaries() -> Case {
    use stack_lifo::lifo;
    let mut engines = vec![
        lifo::<crate::engines::null::Null>(),
        lifo::<Linear<8>>(),
        lifo::<Marks>().primary(),
        lifo::<AnyOrder>(),
        lifo::<arena::New<8>>(),
        lifo::<Blocks<1024>>(),
        lifo::<bumpalo::WithCapacity<1>>(),
        lifo::<bump_scope::Scope<8, false>>(),
    ];
    engines.extend(mallocs!(lifo));
    Case {
        id: "cross/temporaries/lifo",
        krate: CRATE,
        what: "A push and a pop of 16 to 1,024 bytes at alignments 1 to 16, newest first",
        model: Model::Churn,
        unit: "pair",
        input: || synthetic(0, super::stack::BLOCKS as u64),
        working_set_bytes: (super::stack::DEPTH * 520) as u64,
        threads: 1,
        engines,
    }
}
