//! `origin/programs/allocs`, `…/peak`: whole programs as one would write them, and on our allocators.
//!
//! A round is the five programs of the other groups, one after the other, in one process: sources are
//! tokenised (a linear region), metadata becomes a tree and sources become syntax trees (an arena), a
//! program is interpreted and lines are searched (a stack). Each runs on the engine that is primary in
//! its own case, beside the plain one whose answers count there; nothing is compiled twice for this.
//!
//! Calls are the sum over the programs; the peak is that of the process, which is 8 MiB before any
//! program runs. An arena that leaves its chunks to its thread trades held memory for time, so for
//! the peak the programs run once as they are and once with arenas that leave nothing (`lean`, as
//! in the arenas' own cases); the second is what somebody does who minds the peak.

use crate::case::{Case, Engine, EngineSpec, Input, Model, Role};
use crate::engines::{About, spec_of};
use crate::input::{metadata, registry};
use crate::scenarios::{arena_programs, linear_programs, programs::fold, stack_programs};

use super::CRATE;

/// The programs, by the cases that measure each alone.
const PROGRAMS: [&str; 5] = [
    "linear/tokens/registry",
    "arena/json-dom/metadata",
    "arena/ast/registry",
    "stack/eval/program",
    "stack/backtrack/registry",
];

pub(super) fn cases() -> Vec<Case> {
    let mut peak = case(
        "origin/programs/peak",
        "Runs five real programs, as one would write them and on our allocators: how much memory \
         does the process hold at most? Judged with arenas that leave no chunks to their thread (lean); \
         the default, which leaves some, stands beside it",
        Model::Footprint,
    );
    peak.engines.extend([made_for_it(), lean().primary()]);
    let mut allocs = case(
        "origin/programs/allocs",
        "Runs five real programs, as one would write them and on our allocators: how often is the \
         system's allocator called?",
        Model::Throughput,
    );
    allocs.engines.push(made_for_it().primary());
    vec![allocs, peak]
}

/// A case with all engines but ours.
fn case(id: &'static str, what: &'static str, model: Model) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model,
        unit: "program",
        input: || {
            let (sources, metadata) = (registry::sources(), metadata::text());
            let bytes = sources.bytes + metadata.len() as u64;
            Input { kind: "registry", bytes, count: sources.files.len() as u64 + 1 }
        },
        working_set_bytes: 4 << 20,
        threads: 1,
        engines: vec![
            spec_of(
                About {
                    name: "null",
                    config: "loop",
                    package: "benches",
                    why: "the programs without what they allocate",
                    role: Role::Null,
                },
                || all(|_, engine| engine.role == Role::Null),
            ),
            spec_of(
                About {
                    name: "plain",
                    config: "default",
                    package: "benches",
                    why: "Box, Vec, Rc, String and serde_json::Value on the global allocator",
                    role: Role::Control,
                },
                || all(|_, engine| engine.reference),
            )
            .reference(),
        ],
    }
}

const fn ours(config: &'static str, why: &'static str) -> About {
    About { name: "quarry", config, package: "alloc-arena", why, role: Role::Ours }
}

fn made_for_it() -> EngineSpec {
    let about = ours("default", "each program on the allocator of ours that is made for it");
    spec_of(about, || all(|_, engine| engine.primary))
}

fn lean() -> EngineSpec {
    let about = ours("lean", "the same, with arenas that leave no chunks to their thread");
    spec_of(about, || {
        all(
            |id, engine| {
                if id.starts_with("arena/") { engine.config == "lean" } else { engine.primary }
            },
        )
    })
}

/// The programs, each on the engine that `which` chooses for it.
fn all(which: fn(&str, &EngineSpec) -> bool) -> Box<dyn Engine> {
    let cases: Vec<Case> =
        [linear_programs::cases(), arena_programs::cases(), stack_programs::cases()]
            .into_iter()
            .flatten()
            .collect();
    let engine = |id: &str| {
        let case = cases.iter().find(|case| case.id == id);
        let spec = case.and_then(|case| case.engines.iter().find(|engine| which(id, engine)));
        (spec.unwrap_or_else(|| panic!("{id} has no such engine")).build)()
    };
    Box::new(All(PROGRAMS.map(engine)))
}

struct All([Box<dyn Engine>; PROGRAMS.len()]);

impl Engine for All {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds)
            .fold(0, |_, _| self.0.iter_mut().fold(1, |sum, program| fold(sum, program.run(1))))
    }

    fn ops_per_round(&self) -> u64 {
        PROGRAMS.len() as u64
    }
}
