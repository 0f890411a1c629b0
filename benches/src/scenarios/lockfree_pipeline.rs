//! `lockfree/pipeline/registry`: source files read by one thread and tokenised by another.
//!
//! ```text
//!   reader ── lines ──▶ queue of 1,024 ── lines ──▶ tokeniser
//!   the registry's sources,                         every word of a line goes
//!   line by line                                    into the checksum
//! ```
//!
//! Both stages are as short as such a stage gets, so that what the queue costs is seen: reading is
//! looking for the ends of lines, tokenising looks at each byte once. A line that is empty is not sent.
//! Configurations with batches send 32 lines at a time. Of the sources' sample every eighth file is read,
//! so that a round lasts some hundredths of a second with each of two dozen rows; `counter/words` reads
//! all of it.
//!
//! The null engine has the lines in a table and no queue; the control reads and tokenises half of the
//! files on each thread.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, OnceLock};

use super::checksum::fold;
use super::lockfree::{self, CAPACITY, CRATE};
use super::programs::{digest, words};
use super::team::{Team, Work};
use crate::case::{Case, Engine, EngineSpec, Input, Model, Role};
use crate::engines::channels::{self, Channel};
use crate::engines::concurrent_queue::Concurrent;
use crate::engines::crossbeam_queue::{Array, Seg};
use crate::engines::locked::{ParkingDeque, StdDeque};
use crate::engines::lockfree::{Mpmc, Spsc, Unbounded};
use crate::engines::queues::Queue;
use crate::engines::ringbuf;
use crate::engines::rtrb::Rtrb;
use crate::engines::{self, About};
use crate::input::registry::{Source, sources};

type Line = &'static [u8];

/// Of the sources' sample, every so manieth file.
const STRIDE: usize = if cfg!(debug_assertions) { 1 } else { 8 };

pub(super) fn cases() -> Vec<Case> {
    vec![Case {
        id: "lockfree/pipeline/registry",
        krate: CRATE,
        what: "One thread reads the registry's sources line by line, every eighth file, another \
               tokenises the lines",
        model: Model::Throughput,
        unit: "line",
        input: || Input { kind: "registry", bytes: bytes(files()), count: table().len() as u64 },
        working_set_bytes: 3 << 20,
        threads: 2,
        engines: vec![
            batched::<Spsc>().primary(),
            row::<Spsc, 1>(),
            row::<Mpmc, 1>(),
            batched::<Mpmc>(),
            row::<Unbounded<Line>, 1>(),
            alone::<Table>(),
            alone::<Halves>(),
            row::<StdDeque<Line>, 1>().reference(),
            batched::<StdDeque<Line>>(),
            row::<ParkingDeque<Line>, 1>(),
            batched::<ParkingDeque<Line>>(),
            row::<Rtrb, 1>(),
            batched::<Rtrb>(),
            row::<ringbuf::Caching, 1>(),
            batched::<ringbuf::Caching>(),
            row::<Array<Line>, 1>(),
            row::<Seg<Line>, 1>(),
            row::<Concurrent<Line, true>, 1>(),
            row::<Channel<channels::Crossbeam, true, false>, 1>(),
            row::<Channel<channels::Crossbeam, true, true>, 1>(),
            row::<Channel<channels::Kanal, true, false>, 1>(),
            row::<Channel<channels::Kanal, true, true>, 1>(),
            row::<Channel<channels::Flume, true, true>, 1>(),
            row::<Channel<channels::Std, true, true>, 1>(),
        ],
    }]
}

/// The files of a round.
fn files() -> impl Iterator<Item = &'static Source> {
    sources().files.iter().step_by(STRIDE)
}

fn bytes(files: impl Iterator<Item = &'static Source>) -> u64 {
    files.map(|file| file.text.len() as u64).sum()
}

/// The lines of a file.
#[inline]
fn lines(text: &'static str) -> impl Iterator<Item = Line> {
    text.as_bytes().split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// All lines, for those who do not read.
fn table() -> &'static [Line] {
    static TABLE: OnceLock<Vec<Line>> = OnceLock::new();
    TABLE.get_or_init(|| files().flat_map(|file| lines(&file.text)).collect())
}

/// Tokenises a line: its words, in their order, and its number.
///
/// One function for all, so that engines differ in their queues and not in how this was compiled.
#[inline(never)]
fn tokenise(line: Line, number: u64) -> u64 {
    let mut sum = number;
    words(line, |word| sum = fold(sum, digest(word)));
    sum
}

fn row<Q: Queue<Line>, const BATCH: usize>() -> EngineSpec {
    engines::spec_of(Q::ABOUT, || {
        let (producer, consumer) = Q::ends(CAPACITY);
        let seats = [Seat::Reader(producer), Seat::Tokeniser(consumer)].map(Some);
        build(Pipe::<Q, BATCH> { seats: Mutex::new(seats), sum: AtomicU64::new(0) })
    })
}

fn batched<Q: Queue<Line>>() -> EngineSpec {
    let spec = row::<Q, 32>();
    let config = if spec.config == "parking-lot" { "parking-lot-batch-32" } else { "batch-32" };
    spec.configured(config, "32 lines at a time")
}

// ---- two threads, and what they leave -------------------------------------------------------------

/// What each of the two threads does.
trait Stage: Send + Sync + 'static {
    type Member: 'static;

    fn join(&self, index: usize) -> Self::Member;

    /// Returns what the member's lines add up to.
    fn round(&self, member: &mut Self::Member) -> u64;

    fn sum(&self) -> &AtomicU64;
}

struct Stages<S> {
    stage: S,
    last: AtomicU64,
}

impl<S: Stage> Work for Arc<Stages<S>> {
    type Member = S::Member;

    fn join(&self, index: usize) -> S::Member {
        self.stage.join(index)
    }

    fn round(&self, member: &mut S::Member, _: bool) -> u64 {
        let sum = self.stage.round(member);
        // ORD Relaxed: the meeting after the round orders it.
        self.stage.sum().fetch_add(sum, Relaxed);
        0
    }

    unsafe fn between(&self) {
        // ORD Relaxed: as above.
        self.last.store(self.stage.sum().swap(0, Relaxed), Relaxed);
    }
}

struct Threads<S> {
    team: Team,
    stages: Arc<Stages<S>>,
}

fn build<S: Stage>(stage: S) -> Box<dyn Engine> {
    let stages = Arc::new(Stages { stage, last: AtomicU64::new(0) });
    let team = Team::new(2, Arc::clone(&stages));
    Box::new(Threads { team, stages })
}

impl<S: Stage> Engine for Threads<S> {
    fn run(&mut self, rounds: u64) -> u64 {
        self.team.run(rounds);
        // ORD Relaxed: the team's desk orders it.
        self.stages.last.load(Relaxed)
    }

    fn ops_per_round(&self) -> u64 {
        table().len() as u64
    }
}

// ---- through a queue ------------------------------------------------------------------------------

struct Pipe<Q: Queue<Line>, const BATCH: usize> {
    seats: Mutex<[Option<Seat<Q>>; 2]>,
    sum: AtomicU64,
}

enum Seat<Q: Queue<Line>> {
    Reader(Q::Producer),
    Tokeniser(Q::Consumer),
}

impl<Q: Queue<Line>, const BATCH: usize> Stage for Pipe<Q, BATCH> {
    type Member = Seat<Q>;

    fn join(&self, index: usize) -> Seat<Q> {
        self.seats.lock().expect("nobody panics")[index].take().expect("a seat for each")
    }

    fn round(&self, seat: &mut Seat<Q>) -> u64 {
        match seat {
            Seat::Reader(to) => {
                read::<Q, BATCH>(to);
                0
            }
            Seat::Tokeniser(from) => tokenise_all::<Q, BATCH>(from),
        }
    }

    fn sum(&self) -> &AtomicU64 {
        &self.sum
    }
}

#[inline(never)]
fn read<Q: Queue<Line>, const BATCH: usize>(to: &mut Q::Producer) {
    let mut batch: [Line; BATCH] = [b""; BATCH];
    let mut len = 0;
    for file in files() {
        for line in lines(&file.text) {
            if BATCH == 1 {
                lockfree::push(to, line);
                continue;
            }
            batch[len] = line;
            len += 1;
            if len == BATCH {
                lockfree::push_batch(to, &batch);
                len = 0;
            }
        }
    }
    lockfree::push_batch(to, &batch[..len]);
}

#[inline(never)]
fn tokenise_all<Q: Queue<Line>, const BATCH: usize>(from: &mut Q::Consumer) -> u64 {
    let (mut sum, mut number) = (0_u64, 0);
    let mut each = |line| {
        sum = sum.wrapping_add(tokenise(line, number));
        number += 1;
    };
    if BATCH == 1 {
        (0..table().len()).for_each(|_| each(lockfree::pop(from)));
    } else {
        // Out of the queue before they are tokenised, so that nobody waits for a lock, or for room,
        // while that goes on.
        let mut batch: Vec<Line> = Vec::with_capacity(BATCH);
        let mut left = table().len();
        while left > 0 {
            let most = BATCH.min(left);
            lockfree::pop_batches(from, most, most, |line| batch.push(line));
            left -= most;
            batch.drain(..).for_each(&mut each);
        }
    }
    sum
}

// ---- without one ----------------------------------------------------------------------------------

/// The null engine: one thread reads, the other has the lines in a table.
struct Table;

/// The control: each thread reads and tokenises half of the files.
struct Halves;

/// No queue.
struct Alone<A>(AtomicU64, PhantomData<fn() -> A>);

trait Part: 'static {
    const ABOUT: About;

    fn round(index: usize) -> u64;
}

const CONTROL: About = About {
    name: "null",
    config: "loop",
    package: "benches",
    why: "one thread reads, the other tokenises what it has in a table",
    role: Role::Null,
};

impl Part for Table {
    const ABOUT: About = CONTROL;

    #[inline(never)]
    fn round(index: usize) -> u64 {
        if index == 0 {
            files().flat_map(|file| lines(&file.text)).for_each(|line| {
                core::hint::black_box(line);
            });
            return 0;
        }
        sum_of(table().iter().copied(), 0)
    }
}

impl Part for Halves {
    const ABOUT: About = About {
        name: "share-nothing",
        config: "default",
        why: "each thread reads and tokenises half of the files",
        role: Role::Control,
        ..CONTROL
    };

    #[inline(never)]
    fn round(index: usize) -> u64 {
        let (before, lines_before) = *half();
        let text = |file: &'static Source| lines(&file.text);
        if index == 0 {
            sum_of(files().take(before).flat_map(text), 0)
        } else {
            sum_of(files().skip(before).flat_map(text), lines_before)
        }
    }
}

#[inline]
fn sum_of(lines: impl Iterator<Item = Line>, first: u64) -> u64 {
    let (mut sum, mut number) = (0_u64, first);
    lines.for_each(|line| {
        sum = sum.wrapping_add(tokenise(line, number));
        number += 1;
    });
    sum
}

/// Files of the first half of all bytes, and their lines.
fn half() -> &'static (usize, u64) {
    static HALF: OnceLock<(usize, u64)> = OnceLock::new();
    HALF.get_or_init(|| {
        let all = bytes(files());
        let mut sum = 0;
        let before = files().take_while(|file| {
            sum += file.text.len() as u64;
            2 * sum < all
        });
        let before = before.count();
        (before, files().take(before).flat_map(|file| lines(&file.text)).count() as u64)
    })
}

impl<A: Part> Stage for Alone<A> {
    type Member = usize;

    fn join(&self, index: usize) -> usize {
        half();
        index
    }

    fn round(&self, &mut index: &mut usize) -> u64 {
        A::round(index)
    }

    fn sum(&self) -> &AtomicU64 {
        &self.0
    }
}

fn alone<A: Part>() -> EngineSpec {
    engines::spec_of(A::ABOUT, || build(Alone::<A>(AtomicU64::new(0), PhantomData)))
}
