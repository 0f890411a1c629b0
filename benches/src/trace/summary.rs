//! What a trace says about a program, in numbers that a person can act on.
//!
//! * **LIFO**: the freed block was its thread's youngest live one: a stack would do.
//! * **In bulk**: the free is one of at least [`BULK_RUN`] on its thread with no allocation
//!   between: an arena or a linear region would do.
//! * **Lifetime**: events of all threads from a block's birth to its death.
//! * **Epochs**: moments at which nothing was alive, the start not counted: a region can be
//!   reset there.
//!
//! Cost: linear in the events; a reallocation keeps a block's place in its thread's order.

use super::read::{Event, Kind, Trace};
use core::fmt;
use std::collections::HashMap;

/// Frees in a row that count as dying in bulk.
pub const BULK_RUN: u64 = 8;

/// Counts by power of two: bucket `i` holds values of `i` bits, `[2^(i-1), 2^i)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram([u64; 65]);

impl Histogram {
    fn new() -> Self {
        Self([0; 65])
    }

    fn add(&mut self, value: u64) {
        self.0[(64 - value.leading_zeros()) as usize] += 1;
    }

    /// The buckets that hold something: their largest value and their count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(bits, &count)| (if bits == 0 { 0 } else { u64::MAX >> (64 - bits) }, count))
    }

    /// Everything that was counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many of the values are at most `limit`, which is rounded up to the end of its bucket.
    #[must_use]
    pub fn at_most(&self, limit: u64) -> u64 {
        self.0[..=(64 - limit.leading_zeros()) as usize].iter().sum()
    }
}

/// A trace in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Events of blocks born in the recording.
    pub events: u64,
    /// Threads that had any.
    pub threads: u64,
    /// Blocks handed out.
    pub allocs: u64,
    /// Of these, zeroed ones.
    pub zeroed: u64,
    /// Blocks given back.
    pub frees: u64,
    /// Size changes.
    pub reallocs: u64,
    /// Of these, the ones that moved the block.
    pub moves: u64,
    /// Blocks that were ever reallocated.
    pub grown: u64,
    /// Calls that returned null.
    pub failed: u64,
    /// Bytes handed out, reallocations counted by what they added.
    pub requested_bytes: u64,
    /// Most bytes alive at once.
    pub peak_live_bytes: u64,
    /// Most blocks alive at once.
    pub peak_live_blocks: u64,
    /// Sizes at birth.
    pub sizes: Histogram,
    /// Lifetimes of the freed blocks.
    pub lifetimes: Histogram,
    /// Frees in LIFO order.
    pub lifo_frees: u64,
    /// Frees in bulk.
    pub bulk_frees: u64,
    /// Frees on another thread than the one that allocated.
    pub remote_frees: u64,
    /// Moments with nothing alive.
    pub epochs: u64,
}

impl Summary {
    /// Reads a trace through once.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let mut walk = Walk::new(trace);
        trace.events.iter().for_each(|event| walk.step(event));
        walk.finish()
    }

    /// Blocks that outlived the recording.
    #[must_use]
    pub fn never_freed(&self) -> u64 {
        self.allocs - self.frees
    }
}

/// A block as the walk sees it.
#[derive(Clone, Copy, Default)]
struct Block {
    born: u64,
    thread: u32,
    dead: bool,
    grown: bool,
}

/// A thread as the walk sees it.
#[derive(Default)]
struct Thread {
    /// Its blocks from old to young; dead ones are dropped when they come to the top.
    order: Vec<u32>,
    /// Frees since its last allocation.
    run: u64,
}

struct Walk {
    summary: Summary,
    blocks: Vec<Block>,
    threads: HashMap<u32, Thread>,
    live_bytes: u64,
    live_blocks: u64,
}

impl Walk {
    fn new(trace: &Trace) -> Self {
        let summary = Summary {
            events: trace.events.len() as u64,
            threads: 0,
            allocs: 0,
            zeroed: 0,
            frees: 0,
            reallocs: 0,
            moves: 0,
            grown: 0,
            failed: trace.failed,
            requested_bytes: 0,
            peak_live_bytes: 0,
            peak_live_blocks: 0,
            sizes: Histogram::new(),
            lifetimes: Histogram::new(),
            lifo_frees: 0,
            bulk_frees: 0,
            remote_frees: 0,
            epochs: 0,
        };
        let blocks = vec![Block::default(); trace.blocks as usize];
        Self { summary, blocks, threads: HashMap::new(), live_bytes: 0, live_blocks: 0 }
    }

    fn step(&mut self, event: &Event) {
        let Event { sequence, thread, block, kind, size, .. } = *event;
        let summary = &mut self.summary;
        let state = &mut self.blocks[block as usize];
        let actor = self.threads.entry(thread).or_default();
        match kind {
            Kind::Alloc { zeroed } => {
                *state = Block { born: sequence, thread, dead: false, grown: false };
                actor.order.push(block);
                summary.bulk_frees += bulk(&mut actor.run);
                summary.allocs += 1;
                summary.zeroed += u64::from(zeroed);
                summary.requested_bytes += size;
                summary.sizes.add(size);
                self.live_bytes += size;
                self.live_blocks += 1;
            }
            Kind::Realloc { old_size, moved } => {
                summary.bulk_frees += bulk(&mut actor.run);
                summary.reallocs += 1;
                summary.moves += u64::from(moved);
                summary.grown += u64::from(!state.grown);
                state.grown = true;
                summary.requested_bytes += size.saturating_sub(old_size);
                self.live_bytes = self.live_bytes - old_size + size;
            }
            Kind::Free => {
                actor.run += 1;
                state.dead = true;
                let (born, owner) = (state.born, state.thread);
                summary.frees += 1;
                summary.lifetimes.add(sequence - born);
                summary.remote_frees += u64::from(owner != thread);
                let order = &mut self.threads.entry(owner).or_default().order;
                summary.lifo_frees += u64::from(order.last() == Some(&block));
                while order.last().is_some_and(|&top| self.blocks[top as usize].dead) {
                    order.pop();
                }
                self.live_bytes -= size;
                self.live_blocks -= 1;
                summary.epochs += u64::from(self.live_blocks == 0);
            }
        }
        summary.peak_live_bytes = summary.peak_live_bytes.max(self.live_bytes);
        summary.peak_live_blocks = summary.peak_live_blocks.max(self.live_blocks);
    }

    fn finish(mut self) -> Summary {
        self.summary.threads = self.threads.len() as u64;
        for thread in self.threads.values_mut() {
            self.summary.bulk_frees += bulk(&mut thread.run);
        }
        self.summary
    }
}

/// Ends a run of frees and says how many of them died in bulk.
fn bulk(run: &mut u64) -> u64 {
    let run = core::mem::take(run);
    if run >= BULK_RUN { run } else { 0 }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: u64, whole: u64| match whole {
            0 => "-".to_owned(),
            _ => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
        };
        let mean = self.requested_bytes.checked_div(self.allocs).unwrap_or(0);
        let blocks = self.peak_live_blocks;
        writeln!(f, "events               {:>14} on {} thread(s)", self.events, self.threads)?;
        writeln!(f, "allocations          {:>14} of {mean} bytes on average", self.allocs)?;
        writeln!(f, "  zeroed             {:>14}", share(self.zeroed, self.allocs))?;
        writeln!(f, "  failed             {:>14}", self.failed)?;
        writeln!(f, "  grown by realloc   {:>14}", share(self.grown, self.allocs))?;
        writeln!(f, "  never freed        {:>14}", share(self.never_freed(), self.allocs))?;
        writeln!(f, "reallocations        {:>14}", self.reallocs)?;
        writeln!(f, "  moved              {:>14}", share(self.moves, self.reallocs))?;
        writeln!(f, "frees                {:>14}", self.frees)?;
        writeln!(f, "  LIFO               {:>14}", share(self.lifo_frees, self.frees))?;
        writeln!(f, "  in bulk (8 a run)  {:>14}", share(self.bulk_frees, self.frees))?;
        writeln!(f, "  on another thread  {:>14}", share(self.remote_frees, self.frees))?;
        let young = self.lifetimes.at_most(15);
        writeln!(f, "  within 15 events   {:>14}", share(young, self.frees))?;
        writeln!(f, "bytes handed out     {:>14}", self.requested_bytes)?;
        writeln!(
            f,
            "peak bytes alive     {:>14} in at most {blocks} blocks",
            self.peak_live_bytes
        )?;
        writeln!(f, "moments of nothing   {:>14}", self.epochs)?;
        for (title, histogram) in [("size", &self.sizes), ("lifetime", &self.lifetimes)] {
            writeln!(f, "\n{title:>12} up to         count   share")?;
            let total = histogram.total();
            for (limit, count) in histogram.buckets() {
                let bar = (0..(40 * count).div_ceil(total)).map(|_| '#').collect::<String>();
                writeln!(f, "{limit:>18} {count:>13} {:>7}  {bar}", share(count, total))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, thread: u32, block: u32, kind: Kind, size: u64) -> Event {
        Event { sequence, thread, block, kind, size, align: 8 }
    }

    const NEW: Kind = Kind::Alloc { zeroed: false };

    #[test]
    fn lifo_bulk_and_remote_frees_are_told_apart() {
        let mut events = Vec::new();
        let mut next = 0;
        let mut push = |thread, block, kind, size| {
            events.push(event(next, thread, block, kind, size));
            next += 1;
        };
        // Two blocks freed in LIFO order, then nothing is alive.
        push(0, 0, NEW, 10);
        push(0, 1, NEW, 20);
        push(0, 1, Kind::Free, 20);
        push(0, 0, Kind::Free, 10);
        // Nine blocks, first born first freed: bulk, and only the last free finds its block on top.
        for block in 2..11 {
            push(0, block, NEW, 1);
        }
        for block in 2..11 {
            push(0, block, Kind::Free, 1);
        }
        // One grows and dies on another thread.
        push(0, 11, NEW, 8);
        push(0, 11, Kind::Realloc { old_size: 8, moved: true }, 40);
        push(1, 11, Kind::Free, 40);
        let trace = Trace { events, blocks: 12, ..Trace::default() };
        let summary = Summary::of(&trace);
        assert_eq!((summary.allocs, summary.frees, summary.reallocs), (12, 12, 1));
        assert_eq!((summary.moves, summary.grown, summary.threads), (1, 1, 2));
        assert_eq!(summary.lifo_frees, 2 + 1 + 1);
        assert_eq!(summary.bulk_frees, 9);
        assert_eq!(summary.remote_frees, 1);
        assert_eq!(summary.epochs, 3);
        assert_eq!(summary.requested_bytes, 30 + 9 + 40);
        assert_eq!((summary.peak_live_bytes, summary.peak_live_blocks), (40, 9));
        assert_eq!(summary.never_freed(), 0);
        let text = summary.to_string();
        assert!(text.contains("in bulk (8 a run)          75.0 %"), "{text}");
    }

    #[test]
    fn a_histogram_counts_by_power_of_two() {
        let mut histogram = Histogram::new();
        [0, 1, 2, 3, 4, u64::MAX].into_iter().for_each(|value| histogram.add(value));
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets, [(0, 1), (1, 1), (3, 2), (7, 1), (u64::MAX, 1)]);
        assert_eq!((histogram.at_most(3), histogram.total()), (4, 6));
    }
}
