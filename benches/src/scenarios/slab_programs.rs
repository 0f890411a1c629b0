//! Programs whose values come and go, and refer to each other by key: what does a slab gain there?
//!
//! ```text
//!   slab/entities/registry     the items of the registry's sources, file by file     entities
//!   slab/graph/registry        modules, and what they use, package by package        graph
//!   slab/connections/trace     a table of connections, opened and closed as recorded connections
//! ```
//!
//! What the programs are fed with is found once per process, before anything is timed: lexing is
//! another case's subject.

mod connections;
mod entities;
mod graph;

use crate::case::{Case, Engine, EngineSpec};
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::null::Null;
use crate::engines::slots::{
    Family, InBlocks, InDenseSlotMap, InSlab, InSlotMap, InThunderdome, OnPages, OnReserved,
};
use crate::engines::{self, About, jemalloc, mimalloc};

/// The cases of this file.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![entities::case(), connections::case(), graph::case()]
}

/// A program on one engine's slots.
trait Program<F: Family>: 'static {
    /// What the tables say of the slots.
    const ABOUT: About;

    /// The whole program; returns its answer.
    fn run() -> u64;

    /// Operations in it.
    fn ops() -> u64;
}

struct Whole<F, P>(core::marker::PhantomData<fn() -> (F, P)>);

impl<F: Family, P: Program<F>> Engine for Whole<F, P> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| P::run())
    }

    fn ops_per_round(&self) -> u64 {
        P::ops()
    }
}

fn row<F: Family, P: Program<F>>() -> EngineSpec {
    engines::spec_of(P::ABOUT, || Box::new(Whole::<F, P>(core::marker::PhantomData)))
}

fn heap<M: Malloc, P: Program<Heap<M>> + Program<Heap<Counted>>>() -> EngineSpec {
    row::<Heap<M>, P>().counted_on(&row::<Heap<Counted>, P>())
}

/// Ours, and of the others the best of each kind.
fn rows<P>() -> Vec<EngineSpec>
where
    P: Program<OnPages>
        + Program<OnReserved>
        + Program<InBlocks>
        + Program<InSlab>
        + Program<InSlotMap>
        + Program<InDenseSlotMap>
        + Program<InThunderdome>
        + Program<Null>
        + Program<Heap<Glibc>>
        + Program<Heap<Counted>>
        + Program<Heap<mimalloc::Mimalloc>>
        + Program<Heap<jemalloc::Plain>>
        + Program<Heap<jemalloc::SizedFree>>,
{
    vec![
        row::<OnPages, P>().primary(),
        row::<OnReserved, P>(),
        row::<InBlocks, P>(),
        row::<Null, P>(),
        heap::<Glibc, P>().reference(),
        heap::<mimalloc::Mimalloc, P>(),
        heap::<jemalloc::Plain, P>(),
        heap::<jemalloc::SizedFree, P>(),
        row::<InSlab, P>(),
        row::<InSlotMap, P>(),
        row::<InDenseSlotMap, P>(),
        row::<InThunderdome, P>(),
    ]
}
