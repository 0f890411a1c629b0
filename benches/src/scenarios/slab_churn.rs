//! `slab/churn` and `slab/lookup`: as many values as ever, but others; and values that are found.
//!
//! ```text
//!   separated   remove 8 of the live values, insert 8        the free list is used
//!   drawn       the same; a generator of numbers runs        it takes registers, which a slab with
//!               between the removals                         generations needs more than one without
//!   fused       remove one, insert one, 8 times              the compiler sees that the slot freed
//!                                                            is the slot taken, and leaves both out
//! ```
//!
//! The 8 come from 8 equal parts of the table, so they differ; which of each part is random: drawn before
//! anything is timed where values are `separated`, so that the slab is measured and not the generator;
//! in the loop else. A round's places go on from the last round's: all of the table is used however short
//! a round is.
//!
//! Engines are warm: what is told its capacity and what is not are the same by now, but for where their
//! memory lies.

use core::hint::black_box;

use super::linear::synthetic;
use super::slab::{CRATE, Random, Value, spec, sum_of, sum_of_places, told, value_at};
use crate::case::{Case, Engine, EngineSpec, Model, Role};
use crate::engines::alloc_slab::{Blocks, Paged, Reserved};
use crate::engines::free_list::ByHand;
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::null::Null;
use crate::engines::slots::Slots;
use crate::engines::{
    generational_arena, jemalloc, mimalloc, slab, slotmap, snmalloc, thunderdome,
};

/// Values removed before as many are inserted.
const BATCH: usize = 8;

/// Batches a round.
const BATCHES: usize = 128;

/// Values that fit the first two levels of cache, keys and all.
const FEW: usize = 1000;

/// Values that do not.
const MANY: usize = 200_000;

/// Values that a checksum reads: few, so that it costs nobody's sample much. All of them are compared
/// once, when an engine is built.
const SEEN: usize = 100;

/// How values are replaced, or that they are looked up.
const SEPARATED: u8 = 0;
const FUSED: u8 = 1;
const LOOKUP: u8 = 2;
const DRAWN: u8 = 3;

/// Batches whose places are drawn beforehand, at least: 64 KiB of them, which are read in order.
const BATCHES_DRAWN: usize = 16 * BATCHES;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<FEW>(
            "slab/churn-1k/separated",
            "Of 1,000 values of 64 bytes removes 8, anywhere, then inserts 8, over and over",
            "pair",
            primary(rows::<FEW, SEPARATED>(true), "reserved"),
        ),
        case::<FEW>(
            "slab/churn-1k/separated-paged",
            "The same; ours is the slab on pages of the global allocator, which needs no reserved \
             address space",
            "pair",
            primary(few_rows::<FEW, SEPARATED>(), "pages"),
        ),
        case::<FEW>(
            "slab/churn-1k/drawn",
            "The same; which values go is drawn in between, by a generator that keeps registers busy",
            "pair",
            primary(few_rows::<FEW, DRAWN>(), "reserved"),
        ),
        case::<FEW>(
            "slab/churn-1k/fused",
            "Removes a value and inserts one at once: where the compiler sees both, a free list is \
             not used at all",
            "pair",
            primary(few_rows::<FEW, FUSED>(), "reserved"),
        ),
        case::<MANY>(
            "slab/churn-200k/separated",
            "Of 200,000 values of 64 bytes, more than the second level of cache holds, removes 8, \
             anywhere, then inserts 8",
            "pair",
            primary(rows::<MANY, SEPARATED>(false), "reserved"),
        ),
        case::<FEW>(
            "slab/lookup/live-1k",
            "Finds values of 64 bytes by their keys, in any order, among 1,000",
            "lookup",
            primary(lookup_rows::<FEW>(), "reserved"),
        ),
        case::<MANY>(
            "slab/lookup/live-200k",
            "Finds values of 64 bytes by their keys, in any order, among 200,000",
            "lookup",
            primary(lookup_rows::<MANY>(), "reserved"),
        ),
    ]
}

/// `slab/churn-1k/separated` on these engines, by name and configuration, the first of them primary:
/// for groups that compare allocators with each other.
pub(super) fn churn(id: &'static str, engines: &[(&str, &str)]) -> Case {
    let mut rows = primary(rows::<FEW, SEPARATED>(true), engines[0].1);
    rows.retain(|row| engines.contains(&(row.name, row.config)));
    assert_eq!(rows.len(), engines.len(), "{id}: an engine is not among the rows");
    case::<FEW>(
        id,
        "Keeps 1,000 values of 64 bytes alive: eight are removed, anywhere, then eight inserted",
        "pair",
        rows,
    )
}

fn case<const LIVE: usize>(
    id: &'static str,
    what: &'static str,
    unit: &'static str,
    engines: Vec<EngineSpec>,
) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model: if unit == "lookup" { Model::Latency } else { Model::Churn },
        unit,
        input: || synthetic(0, LIVE as u64),
        working_set_bytes: (LIVE * (size_of::<Value>() + size_of::<u64>())) as u64,
        threads: 1,
        engines,
    }
}

/// Marks ours that targets use; all are among the rows.
fn primary(rows: Vec<EngineSpec>, config: &str) -> Vec<EngineSpec> {
    let ours = |row: &EngineSpec| row.name == "alloc-slab" && row.config == config;
    rows.into_iter().map(|row| if ours(&row) { row.primary() } else { row }).collect()
}

/// Who differs from the others in this.
fn few_rows<const LIVE: usize, const WHAT: u8>() -> Vec<EngineSpec> {
    vec![
        row::<Reserved<Value>, LIVE, WHAT>(),
        row::<Paged<Value>, LIVE, WHAT>(),
        row::<Null, LIVE, WHAT>(),
        heap::<Glibc, LIVE, WHAT>().reference(),
        row::<slab::Plain<Value>, LIVE, WHAT>(),
        row::<slotmap::Basic<Value>, LIVE, WHAT>(),
        row::<slotmap::Dense<Value>, LIVE, WHAT>(),
        row::<thunderdome::Plain<Value>, LIVE, WHAT>(),
        row::<generational_arena::Plain<Value>, LIVE, WHAT>(),
    ]
}

/// With every malloc's boxes, which lie differently in memory, and places by hand.
fn lookup_rows<const LIVE: usize>() -> Vec<EngineSpec> {
    let mut rows = few_rows::<LIVE, LOOKUP>();
    rows.extend([
        heap::<mimalloc::Mimalloc, LIVE, LOOKUP>(),
        heap::<jemalloc::Plain, LIVE, LOOKUP>(),
        heap::<snmalloc::Snmalloc, LIVE, LOOKUP>(),
        row::<ByHand<Value>, LIVE, LOOKUP>(),
    ]);
    rows
}

/// Everybody; `all` in both configurations.
fn rows<const LIVE: usize, const WHAT: u8>(all: bool) -> Vec<EngineSpec> {
    let mut rows = few_rows::<LIVE, WHAT>();
    rows.extend([
        row::<Blocks, LIVE, WHAT>(),
        heap::<mimalloc::Mimalloc, LIVE, WHAT>(),
        heap::<jemalloc::Plain, LIVE, WHAT>(),
        heap::<jemalloc::SizedFree, LIVE, WHAT>(),
        heap::<snmalloc::Snmalloc, LIVE, WHAT>(),
        row::<ByHand<Value>, LIVE, WHAT>(),
    ]);
    if all {
        rows.extend([
            told_row::<slab::Plain<Value>, LIVE, WHAT>(),
            told_row::<slotmap::Basic<Value>, LIVE, WHAT>(),
            told_row::<slotmap::Dense<Value>, LIVE, WHAT>(),
            told_row::<thunderdome::Plain<Value>, LIVE, WHAT>(),
            told_row::<generational_arena::Plain<Value>, LIVE, WHAT>(),
        ]);
    }
    rows
}

fn row<S: Slots<Value>, const LIVE: usize, const WHAT: u8>() -> EngineSpec {
    spec::<Value, S>(|| Table::<S, WHAT>::build(LIVE, false))
}

fn told_row<S: Slots<Value>, const LIVE: usize, const WHAT: u8>() -> EngineSpec {
    told(spec::<Value, S>(|| Table::<S, WHAT>::build(LIVE, true)))
}

fn heap<M: Malloc, const LIVE: usize, const WHAT: u8>() -> EngineSpec {
    row::<Heap<M>, LIVE, WHAT>().counted_on(&row::<Heap<Counted>, LIVE, WHAT>())
}

/// A table of keys, and what it is used for.
struct Table<S: Slots<Value>, const WHAT: u8> {
    slots: S,
    keys: Vec<S::Key>,
    /// Places of values to remove, a batch after the other, and the batch that is next.
    drawn: Vec<[u32; BATCH]>,
    next: usize,
    random: Random,
    seed: u64,
}

impl<S: Slots<Value>, const WHAT: u8> Table<S, WHAT> {
    fn build(live: usize, told: bool) -> Box<dyn Engine> {
        let seed = black_box(0x5EED);
        let mut slots = S::new(live, told);
        let keys = (0..live).map(|place| slots.insert(value_at(place, seed))).collect();
        let mut random = Random::new(1);
        // As many as make it likely that most of the table has its turn, in whole rounds.
        let batches = if WHAT == SEPARATED { BATCHES_DRAWN.max(2 * live / BATCH) } else { 0 };
        let drawn =
            (0..batches.next_multiple_of(BATCHES)).map(|_| places(live, &mut random)).collect();
        let mut table = Self { slots, keys, drawn, next: 0, random, seed };
        // Places are taken in a random order from now on, unless they are only looked up.
        table.run((2 * live / (BATCH * BATCHES)).max(16) as u64);
        // SAFETY: the table's keys are of values that are there.
        let whole = unsafe { sum_of(&table.slots, table.keys.iter()) };
        let right = whole == sum_of_places(live, seed);
        assert!(right || S::ABOUT.role == Role::Null, "values are not where their keys say");
        Box::new(table)
    }

    #[inline(never)]
    fn separated(
        slots: &mut S,
        keys: &mut [S::Key],
        batches: impl Iterator<Item = [u32; BATCH]>,
        seed: u64,
    ) -> u64 {
        let mut sum = 0_u64;
        for places in batches {
            for place in places {
                // SAFETY: the table's keys are of values that are there.
                let value = unsafe { slots.remove(keys[place as usize]) };
                sum = sum.wrapping_add(value[0]);
            }
            for place in places {
                keys[place as usize] = slots.insert(value_at(place as usize, seed));
            }
        }
        sum
    }

    #[inline(never)]
    fn fused(slots: &mut S, keys: &mut [S::Key], random: &mut Random, seed: u64) -> u64 {
        let (part, mut sum) = (keys.len() / BATCH, 0_u64);
        for _ in 0..BATCHES {
            for number in 0..BATCH {
                let place = number * part + random.below(part);
                // SAFETY: the table's keys are of values that are there.
                let value = unsafe { slots.remove(keys[place]) };
                sum = sum.wrapping_add(value[0]);
                keys[place] = slots.insert(value_at(place, seed));
            }
        }
        sum
    }

    #[inline(never)]
    fn lookup(slots: &S, keys: &[S::Key], random: &mut Random) -> u64 {
        let mut sum = 0_u64;
        for _ in 0..BATCH * BATCHES {
            // SAFETY: the table's keys are of values that are there.
            let value = unsafe { slots.get(keys[random.below(keys.len())]) };
            sum = sum.wrapping_add(value[0]);
        }
        sum
    }
}

/// A place in each of as many equal parts of a table as a batch has values.
#[expect(clippy::cast_possible_truncation, reason = "a table has fewer places than 2³²")]
fn places(live: usize, random: &mut Random) -> [u32; BATCH] {
    let part = live / BATCH;
    core::array::from_fn(|number| (number * part + random.below(part)) as u32)
}

impl<S: Slots<Value>, const WHAT: u8> Engine for Table<S, WHAT> {
    fn run(&mut self, rounds: u64) -> u64 {
        let Self { slots, keys, drawn, next, random, seed } = self;
        let live = keys.len();
        for _ in 0..rounds {
            black_box(match WHAT {
                SEPARATED => {
                    let batches = &drawn[*next..*next + BATCHES];
                    *next = (*next + BATCHES) % drawn.len();
                    Self::separated(slots, keys, batches.iter().copied(), *seed)
                }
                DRAWN => {
                    let batches = (0..BATCHES).map(|_| places(live, random));
                    Self::separated(slots, keys, batches, *seed)
                }
                FUSED => Self::fused(slots, keys, random, *seed),
                _ => Self::lookup(slots, keys, random),
            });
        }
        // SAFETY: as above.
        unsafe { sum_of(slots, keys.iter().step_by(keys.len() / SEEN)) }
    }

    fn ops_per_round(&self) -> u64 {
        (BATCH * BATCHES) as u64
    }
}
