//! `lockfree/pipeline/registry`: source files read by one thread and tokenised by another;
//! `…/registry-2-tokenisers`: by two others.
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
//! Two tokenisers share one end of the queue. Each takes lines as it gets to them: 32 at a time are
//! claimed by a counter, so that both stop when all are out, whoever was faster. Which lines one of them
//! gets is chance, so what a line adds to the checksum does not depend on its number there.
//!
//! The null engine has the lines in a table and no queue; the control reads and tokenises its share of
//! the files on each thread.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
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

/// Lines that one of several tokenisers claims at a time.
const CLAIM: usize = 32;

/// Of the sources' sample, every so manieth file.
const STRIDE: usize = if cfg!(debug_assertions) { 1 } else { 8 };

pub(super) fn cases() -> Vec<Case> {
    let case = |id, what, tokenisers: usize, engines| Case {
        id,
        krate: CRATE,
        what,
        model: Model::Throughput,
        unit: "line",
        input: || Input { kind: "registry", bytes: bytes(files()), count: table().len() as u64 },
        working_set_bytes: 3 << 20,
        threads: 1 + tokenisers,
        engines,
    };
    let one = case(
        "lockfree/pipeline/registry",
        "One thread reads the registry's sources line by line, every eighth file, another \
         tokenises the lines",
        1,
        vec![
            batched::<Spsc>().primary(),
            row::<Spsc, 1>(),
            row::<Mpmc, 1>(),
            batched::<Mpmc>(),
            row::<Unbounded, 1>(),
            batched::<Unbounded>(),
            alone::<Table<1>>(),
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
    );
    let two = case(
        "lockfree/pipeline/registry-2-tokenisers",
        "One thread reads the registry's sources line by line, every eighth file, two others \
         tokenise the lines",
        2,
        vec![
            in_batches(shared::<Mpmc, 32>()).primary(),
            shared::<Mpmc, 1>(),
            in_batches(shared::<Unbounded, 32>()),
            alone::<Table<2>>(),
            alone::<Thirds>(),
            shared::<StdDeque<Line>, 1>().reference(),
            in_batches(shared::<ParkingDeque<Line>, 32>()),
            shared::<Array<Line>, 1>(),
            shared::<Channel<channels::Kanal, true, true>, 1>(),
        ],
    );
    vec![one, two]
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

/// What a line counts as where nobody knows which it is.
fn unnumbered(line: Line) -> u64 {
    tokenise(line, line.len() as u64)
}

fn row<Q: Queue<Line>, const BATCH: usize>() -> EngineSpec {
    engines::spec_of(Q::ABOUT, || {
        let (producer, consumer) = Q::ends(CAPACITY);
        pipe::<Q, BATCH, 1>([consumer], producer)
    })
}

/// A queue between the reader and two tokenisers.
fn shared<Q: Queue<Line>, const BATCH: usize>() -> EngineSpec
where
    Q::Consumer: Clone,
{
    engines::spec_of(Q::ABOUT, || {
        let (producer, consumer) = Q::ends(CAPACITY);
        pipe::<Q, BATCH, 2>([consumer.clone(), consumer], producer)
    })
}

fn pipe<Q: Queue<Line>, const BATCH: usize, const TOKENISERS: usize>(
    consumers: [Q::Consumer; TOKENISERS],
    producer: Q::Producer,
) -> Box<dyn Engine> {
    let tokenisers = consumers.into_iter().map(Seat::Tokeniser);
    let seats = [Seat::Reader(producer)].into_iter().chain(tokenisers).map(Some).collect();
    let pipe = Pipe::<Q, BATCH, TOKENISERS> {
        seats: Mutex::new(seats),
        claimed: AtomicUsize::new(0),
        sum: AtomicU64::new(0),
    };
    build(1 + TOKENISERS, pipe)
}

fn batched<Q: Queue<Line>>() -> EngineSpec {
    in_batches(row::<Q, 32>())
}

fn in_batches(spec: EngineSpec) -> EngineSpec {
    let config = if spec.config == "parking-lot" { "parking-lot-batch-32" } else { "batch-32" };
    spec.configured(config, "32 lines at a time")
}

// ---- the threads, and what they leave -------------------------------------------------------------

/// What each of the threads does; the first one reads.
trait Stage: Send + Sync + 'static {
    type Member: 'static;

    fn join(&self, index: usize) -> Self::Member;

    /// Returns what the member's lines add up to.
    fn round(&self, member: &mut Self::Member) -> u64;

    fn sum(&self) -> &AtomicU64;

    /// What else begins anew in each round.
    fn rewind(&self) {}
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
        self.stage.rewind();
    }
}

struct Threads<S> {
    team: Team,
    stages: Arc<Stages<S>>,
}

fn build<S: Stage>(threads: usize, stage: S) -> Box<dyn Engine> {
    let stages = Arc::new(Stages { stage, last: AtomicU64::new(0) });
    let team = Team::new(threads, Arc::clone(&stages));
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

struct Pipe<Q: Queue<Line>, const BATCH: usize, const TOKENISERS: usize> {
    seats: Mutex<Vec<Option<Seat<Q>>>>,
    /// Lines that a tokeniser of several took on itself in this round.
    claimed: AtomicUsize,
    sum: AtomicU64,
}

enum Seat<Q: Queue<Line>> {
    Reader(Q::Producer),
    Tokeniser(Q::Consumer),
}

impl<Q: Queue<Line>, const BATCH: usize, const TOKENISERS: usize> Stage
    for Pipe<Q, BATCH, TOKENISERS>
{
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
            Seat::Tokeniser(from) if TOKENISERS == 1 => tokenise_all::<Q, BATCH>(from),
            Seat::Tokeniser(from) => tokenise_some::<Q, BATCH>(from, &self.claimed),
        }
    }

    fn rewind(&self) {
        // ORD Relaxed: nobody works meanwhile, and the meeting orders it.
        self.claimed.store(0, Relaxed);
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

/// As [`tokenise_all`], one of several.
#[inline(never)]
fn tokenise_some<Q: Queue<Line>, const BATCH: usize>(
    from: &mut Q::Consumer,
    claimed: &AtomicUsize,
) -> u64 {
    let all = table().len();
    let mut sum = 0_u64;
    let mut batch: Vec<Line> = Vec::with_capacity(CLAIM);
    loop {
        // ORD Relaxed: a count and no more; the queue hands the lines over.
        let before = claimed.fetch_add(CLAIM, Relaxed);
        if before >= all {
            return sum;
        }
        let most = CLAIM.min(all - before);
        if BATCH == 1 {
            (0..most).for_each(|_| sum = sum.wrapping_add(unnumbered(lockfree::pop(from))));
        } else {
            lockfree::pop_batches(from, most, most, |line| batch.push(line));
            batch.drain(..).for_each(|line| sum = sum.wrapping_add(unnumbered(line)));
        }
    }
}

// ---- without one ----------------------------------------------------------------------------------

/// The null engine: one thread reads, the others have the lines in a table.
struct Table<const TOKENISERS: usize>;

/// The control: each thread reads and tokenises half of the files.
struct Halves;

/// The same of three threads: every third file.
struct Thirds;

/// No queue.
struct Alone<A>(AtomicU64, PhantomData<fn() -> A>);

trait Part: 'static {
    const ABOUT: About;

    const THREADS: usize;

    fn round(index: usize) -> u64;
}

const CONTROL: About = About {
    name: "null",
    config: "loop",
    package: "benches",
    why: "one thread reads, who tokenises has the lines in a table",
    role: Role::Null,
};

impl<const TOKENISERS: usize> Part for Table<TOKENISERS> {
    const ABOUT: About = CONTROL;

    const THREADS: usize = 1 + TOKENISERS;

    #[inline(never)]
    fn round(index: usize) -> u64 {
        if index == 0 {
            files().flat_map(|file| lines(&file.text)).for_each(|line| {
                core::hint::black_box(line);
            });
            return 0;
        }
        if TOKENISERS == 1 {
            return sum_of(table().iter().copied(), 0);
        }
        let part = table().chunks(table().len().div_ceil(TOKENISERS)).nth(index - 1);
        part.into_iter().flatten().fold(0, |sum, line| sum.wrapping_add(unnumbered(line)))
    }
}

const SHARE_NOTHING: About = About {
    name: "share-nothing",
    config: "default",
    why: "each thread reads and tokenises its share of the files",
    role: Role::Control,
    ..CONTROL
};

impl Part for Thirds {
    const ABOUT: About = SHARE_NOTHING;

    const THREADS: usize = 3;

    #[inline(never)]
    fn round(index: usize) -> u64 {
        let own = files().skip(index).step_by(Self::THREADS);
        own.flat_map(|file| lines(&file.text))
            .fold(0, |sum, line| sum.wrapping_add(unnumbered(line)))
    }
}

impl Part for Halves {
    const ABOUT: About = SHARE_NOTHING;

    const THREADS: usize = 2;

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
    engines::spec_of(A::ABOUT, || build(A::THREADS, Alone::<A>(AtomicU64::new(0), PhantomData)))
}
