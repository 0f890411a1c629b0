//! What is measured: every case of every crate.
//!
//! A scenario is written once, generic over the engine, and implements [`Round`]: a loop of a
//! thousand operations or so, and the checksum of what it left in memory. [`Round::build`] turns
//! it into what the runner drives.

use crate::case::{Case, Engine};

pub mod arena;
mod arena_fresh;
mod arena_growing;
mod arena_parallel;
pub mod arena_programs;
mod arena_requests;
mod arena_reset;
mod arena_trees;
pub mod checksum;
pub mod cross;
pub mod heap_top;
pub mod linear;
pub mod linear_collections;
pub mod linear_copies;
pub mod linear_frames;
pub mod linear_layouts;
pub mod linear_programs;
pub mod linear_shared;
pub mod linear_typed;
pub mod lockfree;
mod lockfree_counters;
mod lockfree_flow;
mod lockfree_memory;
mod lockfree_pipeline;
mod lockfree_queues;
mod lockfree_tail;
pub mod origin;
mod programs;
pub mod slab;
mod slab_churn;
mod slab_growth;
mod slab_iterate;
mod slab_memory;
pub mod slab_programs;
mod slab_shared;
pub mod stack;
pub mod stack_boxes;
pub mod stack_depot;
pub mod stack_dyn;
pub mod stack_frames;
pub mod stack_lifo;
pub mod stack_programs;
pub mod stack_recursion;
pub mod stack_scratch;
pub mod team;

/// Returns every case, in the order in which they are listed and measured.
#[must_use]
pub fn all() -> Vec<Case> {
    // What a reader sees first, and what a run with little time must not be short of.
    let mut cases = cross::cases();
    cases.extend(origin::cases());
    cases.extend(linear::cases());
    cases.extend(stack::cases());
    cases.extend(arena::cases());
    cases.extend(slab::cases());
    cases.extend(lockfree::cases());
    cases.extend(arena_programs::cases());
    cases.extend(stack_programs::cases());
    cases.extend(slab_programs::cases());
    cases
}

/// One round of a scenario on one engine.
pub trait Round: Sized + 'static {
    /// Operations in a round.
    const OPS: u64;

    /// Makes the engine and loads the input.
    fn new() -> Self;

    /// Does the round's work and gives its memory back. With `sum`, also returns the checksum of
    /// the contents, read through what the engine handed out; otherwise returns 0.
    ///
    /// The sum is asked for in the last round of a sample only: it reads every byte the round
    /// wrote, which costs all engines alike and would drown a fast one if done every time.
    fn round(&mut self, sum: bool) -> u64;

    /// Figures of the engine's own, after the last round: see [`Engine::metrics`]. A panic says that
    /// what was measured is not what the case is about.
    fn metrics(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Makes an engine that is warm: chunks settled, pages touched, caches filled.
    #[must_use]
    fn build() -> Box<dyn Engine> {
        let mut engine = Repeat(Self::new());
        engine.run(WARM_ROUNDS);
        Box::new(engine)
    }
}

/// Rounds after which every peer's chunks have stopped growing (a default bumpalo takes three).
const WARM_ROUNDS: u64 = 16;

/// Runs a [`Round`] as often as asked.
struct Repeat<W>(W);

impl<W: Round> Engine for Repeat<W> {
    fn run(&mut self, rounds: u64) -> u64 {
        let mut sum = 0;
        for round in 1..=rounds {
            sum = self.0.round(round == rounds);
        }
        sum
    }

    fn ops_per_round(&self) -> u64 {
        W::OPS
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.0.metrics()
    }
}
