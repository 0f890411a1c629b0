//! `slab/growth-1m`: the slowest of a million insertions into what begins empty.
//!
//! ```text
//!   a Vec of slots      doubles, and copies what is there: milliseconds, twenty times
//!   pages of slots      a page: microseconds, a thousand times
//! ```
//!
//! **One heap for all**, glibc's, put into one state before any engine is built: as in a program that
//! has run for a while, free memory lies in pieces between what lives, the largest of 128 MiB, so that
//! a block which cannot grow where it is moves; every page has been touched, nothing is given back to
//! the system, and nothing is mapped for itself. So no insertion meets the system, whose faults and
//! mappings would be all that is measured otherwise, and pages and Vecs come from the same place.
//! `timed_faults` says how many page faults there were while the clock ran: none. Boxes of other mallocs
//! would lie on heaps of their own, and are not here.
//!
//! **CPU time.** An insertion's time is the clock's, but not more than the CPU time of its thread over
//! the 64 insertions around it: what the processor did for somebody else meanwhile is in the first and
//! not in the second, and a reading for each insertion would cost ten times as much as the insertion.
//!
//! Nobody is told how many come: what knows its size before it begins does not grow.
//!
//! `bytes_copied` is counted apart, without a clock: after each insertion, whether the first value
//! still is where it was; if not, so many values have moved as there were.

use core::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

use super::linear::synthetic;
use super::slab::{CRATE, Value, spec, sum_of, value_at};
use crate::case::{Case, Engine, EngineSpec, Model};
use crate::engines::alloc_slab::Paged;
use crate::engines::free_list::ByHand;
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap};
use crate::engines::null::Null;
use crate::engines::slots::Slots;
use crate::engines::{generational_arena, slab, slotmap, thunderdome};
use crate::runner::instructions::under_valgrind;
use crate::runner::rusage;

/// Insertions: fewer where they are checked and not timed.
const INSERTS: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };

/// Insertions whose CPU time is read together.
const READ_EVERY: usize = 64;

/// The largest piece of free memory; the others are halves of it, two of each size.
const LARGEST_BYTES: usize = 128 << 20;

/// The smallest one: room for a page of any slab and more.
const SMALLEST_BYTES: usize = 128 << 10;

pub(super) fn cases() -> Vec<Case> {
    vec![Case {
        id: "slab/growth-1m/insert",
        krate: CRATE,
        what: "Inserts a million values of 64 bytes, one by one, into what begins empty: the slowest \
               of them, by CPU time, on a heap that is touched and in pieces",
        model: Model::Tail,
        unit: "insertion",
        input: || {
            pieces();
            synthetic(0, INSERTS as u64)
        },
        working_set_bytes: (INSERTS * (size_of::<Value>() + size_of::<u64>())) as u64,
        threads: 1,
        engines: vec![
            row::<Paged<Value>>().primary(),
            row::<Null>(),
            row::<Heap<Glibc>>().counted_on(&row::<Heap<Counted>>()).reference(),
            row::<slab::Plain<Value>>(),
            row::<slotmap::Basic<Value>>(),
            row::<slotmap::Dense<Value>>(),
            row::<thunderdome::Plain<Value>>(),
            row::<generational_arena::Plain<Value>>(),
            row::<ByHand<Value>>(),
        ],
    }]
}

fn row<S: Slots<Value>>() -> EngineSpec {
    spec::<Value, S>(Growth::<S>::build)
}

struct Growth<S: Slots<Value>> {
    keys: Vec<S::Key>,
    seed: u64,
    bytes_copied: usize,
    timed_faults: u64,
}

impl<S: Slots<Value>> Growth<S> {
    fn build() -> Box<dyn Engine> {
        let mut growth = Self {
            keys: Vec::with_capacity(INSERTS),
            seed: black_box(0x5EED),
            bytes_copied: 0,
            timed_faults: 0,
        };
        growth.bytes_copied = growth.copied();
        Box::new(growth)
    }

    /// Counts what moves, and touches the table of keys.
    fn copied(&mut self) -> usize {
        let mut slots = S::new(INSERTS, false);
        let (mut first, mut bytes) = (None, 0);
        self.keys.clear();
        for place in 0..INSERTS {
            self.keys.push(slots.insert(value_at(place, self.seed)));
            // SAFETY: inserted first, and still there.
            let address = core::ptr::from_ref(unsafe { slots.get(self.keys[0]) }).addr();
            if first.replace(address).is_some_and(|before| before != address) {
                bytes += place * size_of::<Value>();
            }
        }
        self.remove_all(slots);
        bytes
    }

    #[inline(never)]
    fn fill(slots: &mut S, keys: &mut Vec<S::Key>, seed: u64) {
        for place in 0..INSERTS {
            keys.push(slots.insert(value_at(place, seed)));
        }
    }

    /// Ends a round; boxes are freed one by one.
    fn remove_all(&mut self, mut slots: S) {
        for key in self.keys.drain(..) {
            // SAFETY: of a value that is there, once.
            unsafe { slots.remove(key) };
        }
    }
}

impl<S: Slots<Value>> Engine for Growth<S> {
    fn run(&mut self, rounds: u64) -> u64 {
        let mut sum = 0;
        for _ in 0..rounds {
            let mut slots = S::new(INSERTS, false);
            Self::fill(&mut slots, &mut self.keys, self.seed);
            // SAFETY: all keys are of values that are there.
            sum = unsafe { sum_of(&slots, self.keys.iter().step_by(INSERTS / 1000)) };
            self.remove_all(slots);
        }
        sum
    }

    fn ops_per_round(&self) -> u64 {
        INSERTS as u64
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let float = |count: usize| count as f64;
        let faults = usize::try_from(self.timed_faults).unwrap_or(usize::MAX);
        vec![("bytes_copied", float(self.bytes_copied)), ("timed_faults", float(faults))]
    }

    fn run_timed(&mut self, out: &mut Vec<u64>) -> bool {
        // The clock's readings are the runner's memory, and are touched before the faults are counted.
        out.resize(INSERTS, 1);
        let mut slots = S::new(INSERTS, false);
        let faults = rusage::minor_faults();
        let mut cpu = rusage::thread_cpu_ns();
        for start in (0..INSERTS).step_by(READ_EVERY) {
            let end = INSERTS.min(start + READ_EVERY);
            let mut before = Instant::now();
            let times = &mut out[start..end];
            for (place, ns) in (start..).zip(&mut *times) {
                self.keys.push(slots.insert(value_at(place, self.seed)));
                let after = Instant::now();
                *ns = u64::try_from((after - before).as_nanos()).unwrap_or(u64::MAX);
                before = after;
            }
            let used = rusage::thread_cpu_ns();
            times.iter_mut().for_each(|ns| *ns = (*ns).min(used - cpu));
            cpu = used;
        }
        self.timed_faults += rusage::minor_faults() - faults;
        self.remove_all(slots);
        true
    }
}

/// Puts the process's heap into pieces, once; see the module's text.
fn pieces() {
    static DONE: OnceLock<()> = OnceLock::new();
    if under_valgrind() || cfg!(debug_assertions) {
        return; // little room for a heap there, and nothing is timed
    }
    DONE.get_or_init(|| {
        for (name, value) in [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, libc::c_int::MAX)] {
            // SAFETY: plain values; no other thread of this process allocates yet.
            let done = unsafe { libc::mallopt(name, value) };
            assert_eq!(done, 1, "mallopt({name}, {value}) was refused");
        }
        let mut free = Vec::new();
        let mut bytes = SMALLEST_BYTES;
        while bytes <= LARGEST_BYTES {
            for _ in 0..if bytes == LARGEST_BYTES { 1 } else { 2 } {
                // A block to be freed, and one above it which is not: as large as the smallest piece, so
                // that it comes from above too.
                free.push(touched(bytes));
                touched(SMALLEST_BYTES);
            }
            bytes *= 2;
        }
        for block in free {
            // SAFETY: allocated above, freed once.
            unsafe { libc::free(block.cast()) };
        }
    });
}

/// Returns a block of glibc's with every page touched.
fn touched(bytes: usize) -> *mut u8 {
    // SAFETY: any size will do. The compiler knows `malloc`, and would leave out a block that nobody
    // else sees.
    let block = black_box(unsafe { libc::malloc(bytes) }).cast::<u8>();
    assert!(!block.is_null(), "no memory for a block of {bytes} bytes");
    // SAFETY: the block is that long, and ours.
    unsafe { block.write_bytes(1, bytes) };
    block
}
