//! Several threads that do everything a structure can: runs, single attempts, force, closing.
//!
//! `histories.rs` has the two methods that all structures have; here each thread has a list of [`Step`]s.

use super::container::{Container, Op, Order};
use super::subjects::{Parcel, parcel};
use lockfree::mpmc::GrowError;
use lockfree::{
    IndexStack, IntrusiveStack, MpmcQueue, MpmcRing, PopError, PushError, TryPopError, TryPushError,
};
use primitives::history::Clock;
use primitives::sync::{Arc, MODELLED, thread};
use std::collections::BTreeSet;

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Push,
    TryPush,
    /// Of so many values.
    PushBatch(u32),
    TryPushBatch(u32),
    Force,
    TryForce,
    Take,
    TryTake,
    /// Of at most so many values.
    TakeBatch(usize),
    TryTakeBatch(usize),
    Close,
}

impl Step {
    /// How many values go in.
    fn values(self) -> u32 {
        match self {
            Self::Push | Self::TryPush | Self::Force | Self::TryForce => 1,
            Self::PushBatch(count) | Self::TryPushBatch(count) => count,
            _ => 0,
        }
    }
}

/// Who does what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) capacity: usize,
    /// So many values went in and came out before.
    pub(crate) turns: u32,
    /// Values that are in when the threads start.
    pub(crate) before: u32,
    /// The first is the calling thread.
    pub(crate) threads: &'static [&'static [Step]],
}

/// A structure that threads share.
pub(crate) trait Mixed: Send + Sync + 'static {
    /// In which order values come out.
    const ORDER: Order;
    /// Whether a full one refuses values.
    const BOUNDED: bool;
    /// Whether it refuses only at its capacity, also when other threads are at work.
    const REFUSES_EXACTLY: bool = true;
    /// Whether one take takes all there is.
    const TAKES_ALL: bool = false;
    /// A batch that goes in is one run, but where this many positions are full up.
    const RUN: Option<usize> = None;

    fn open(capacity: usize) -> Self;

    /// Makes the call, with those values where it pushes, and says what came of it: operations that
    /// happened one after the other.
    fn make(&self, step: Step, values: &[u32]) -> Vec<Op>;
}

/// Values that went in as one run.
fn run(values: &[u32]) -> Vec<Op> {
    let then = values.iter().skip(1).map(|&next| Some(next)).chain([None]);
    values.iter().zip(then).map(|(&value, then)| Op::PushOfRun(value, then)).collect()
}

fn pushed(answer: Result<(), TryPushError<u32>>, value: u32) -> Vec<Op> {
    let (op, back) = match answer {
        Ok(()) => return vec![Op::Push(value)],
        Err(TryPushError::Full(back)) => (Op::Full(value), back),
        Err(TryPushError::Closed(back)) => (Op::Closed, back),
        Err(TryPushError::Busy(back)) => (Op::Busy, back),
    };
    assert_eq!(back, value, "a refused value comes back");
    vec![op]
}

fn pushed_run(answer: Result<usize, TryPushError<()>>, values: &[u32]) -> Vec<Op> {
    match answer {
        Ok(count) => run(&values[..count]),
        Err(TryPushError::Full(())) => vec![Op::Full(values[0])],
        Err(TryPushError::Closed(())) => vec![Op::Closed],
        Err(TryPushError::Busy(())) => vec![Op::Busy],
    }
}

fn taken(answer: Result<u32, TryPopError>) -> Vec<Op> {
    vec![match answer {
        Ok(value) => Op::Take(vec![value]),
        Err(TryPopError::Empty) => Op::Take(vec![]),
        Err(TryPopError::Closed) => Op::Ended,
        Err(TryPopError::Busy) => Op::Busy,
    }]
}

fn never_busy(why: PopError) -> TryPopError {
    match why {
        PopError::Empty => TryPopError::Empty,
        PopError::Closed => TryPopError::Closed,
    }
}

fn may_be_busy<V>(why: PushError<V>) -> TryPushError<V> {
    match why {
        PushError::Full(value) => TryPushError::Full(value),
        PushError::Closed(value) => TryPushError::Closed(value),
    }
}

fn forced(answer: Result<Option<u32>, TryPushError<u32>>, value: u32) -> Vec<Op> {
    match answer {
        Ok(displaced) => vec![Op::Force(value, displaced)],
        Err(TryPushError::Full(_)) => panic!("a push by force is never refused as full"),
        Err(why) => pushed(Err(why), value),
    }
}

impl Mixed for MpmcRing<u32> {
    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = true;

    fn open(capacity: usize) -> Self {
        Self::new(capacity)
    }

    fn make(&self, step: Step, values: &[u32]) -> Vec<Op> {
        let mut out = Vec::new();
        let mut items = values.iter().copied();
        let answer = match step {
            Step::Push => return pushed(self.push(values[0]).map_err(may_be_busy), values[0]),
            Step::TryPush => return pushed(self.try_push(values[0]), values[0]),
            Step::PushBatch(_) => {
                return pushed_run(self.push_batch(&mut items).map_err(may_be_busy), values);
            }
            Step::TryPushBatch(_) => return pushed_run(self.try_push_batch(&mut items), values),
            Step::Force => {
                return forced(self.force_push(values[0]).map_err(may_be_busy), values[0]);
            }
            Step::TryForce => return forced(self.try_force_push(values[0]), values[0]),
            Step::Close => return vec![Op::Close(self.close())],
            Step::Take => return taken(self.pop().map_err(never_busy)),
            Step::TryTake => return taken(self.try_pop()),
            Step::TakeBatch(most) => self.pop_batch(&mut out, most).map_err(never_busy),
            Step::TryTakeBatch(most) => self.try_pop_batch(&mut out, most),
        };
        match answer {
            Ok(count) => {
                assert_eq!(count, out.len());
                // It may end early, where a push is not done.
                vec![Op::TakeRun(out, false)]
            }
            Err(why) => taken(Err(why)),
        }
    }
}

/// What the unbounded queue does by `push`, or by `try_push` where it has a bound.
fn make_queue(queue: &MpmcQueue<u32>, step: Step, values: &[u32]) -> Vec<Op> {
    let mut out = Vec::new();
    let mut items = values.iter().copied();
    let answer = match step {
        Step::Push => return pushed(queue.push(values[0]).map_err(may_be_busy), values[0]),
        Step::TryPush => {
            let answer = queue.try_push(values[0]).map_err(|why| match why {
                GrowError::Full(value) => TryPushError::Full(value),
                GrowError::Closed(value) => TryPushError::Closed(value),
                GrowError::NoMemory(..) => panic!("{why}"),
            });
            return pushed(answer, values[0]);
        }
        Step::PushBatch(_) => {
            let answer = queue.push_batch(&mut items).map_err(may_be_busy);
            let mut ops = pushed_run(answer, values);
            if answer.is_ok_and(|count| count < values.len()) {
                ops.push(Op::Closed);
            }
            return ops;
        }
        Step::Close => return vec![Op::Close(queue.close())],
        Step::Take => return taken(queue.pop().map_err(never_busy)),
        Step::TryTake => return taken(queue.try_pop()),
        Step::TakeBatch(most) => queue.pop_batch(&mut out, most).map_err(never_busy),
        Step::TryTakeBatch(most) => queue.try_pop_batch(&mut out, most),
        Step::TryPushBatch(_) | Step::Force | Step::TryForce => panic!("a queue has no {step:?}"),
    };
    match answer {
        Ok(count) => {
            assert_eq!(count, out.len());
            // In runs, which end wherever a push was not done.
            out.into_iter().map(|value| Op::Take(vec![value])).collect()
        }
        Err(why) => taken(Err(why)),
    }
}

/// Values in a block of the queue.
const BLOCK: usize = if MODELLED { 2 } else { 64 };

impl Mixed for MpmcQueue<u32> {
    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = false;
    const RUN: Option<usize> = Some(BLOCK);

    fn open(_: usize) -> Self {
        Self::new()
    }

    fn make(&self, step: Step, values: &[u32]) -> Vec<Op> {
        make_queue(self, step, values)
    }
}

/// [`MpmcQueue`] with a soft capacity, to which nobody but `try_push` adds.
pub(crate) struct Soft(MpmcQueue<u32>);

impl Mixed for Soft {
    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = true;

    fn open(capacity: usize) -> Self {
        Self(MpmcQueue::with_soft_capacity(capacity))
    }

    fn make(&self, step: Step, values: &[u32]) -> Vec<Op> {
        let step = if matches!(step, Step::Push) { Step::TryPush } else { step };
        assert!(!matches!(step, Step::PushBatch(_)), "a batch is not bounded");
        make_queue(&self.0, step, values)
    }
}

impl Mixed for IndexStack<u32> {
    const ORDER: Order = Order::Lifo;
    const BOUNDED: bool = true;
    const REFUSES_EXACTLY: bool = false;

    fn open(capacity: usize) -> Self {
        Self::new(capacity)
    }

    fn make(&self, step: Step, values: &[u32]) -> Vec<Op> {
        match step {
            Step::Push => pushed(self.push(values[0]).map_err(may_be_busy), values[0]),
            Step::PushBatch(_) => {
                let mut items = values.iter().copied();
                pushed_run(self.push_batch(&mut items).map_err(may_be_busy), values)
            }
            Step::Take => vec![Op::Take(self.pop().into_iter().collect())],
            Step::TakeBatch(most) => {
                let out: Vec<_> = self.pop_up_to(most).collect();
                let short = out.len() < most;
                vec![if out.is_empty() { Op::Take(out) } else { Op::TakeRun(out, short) }]
            }
            _ => panic!("a stack has no {step:?}"),
        }
    }
}

impl Mixed for IntrusiveStack<Parcel<u32>> {
    const ORDER: Order = Order::Lifo;
    const BOUNDED: bool = false;
    const TAKES_ALL: bool = true;

    fn open(_: usize) -> Self {
        Self::new()
    }

    fn make(&self, step: Step, values: &[u32]) -> Vec<Op> {
        match step {
            Step::Push => {
                self.push(parcel(values[0]));
                vec![Op::Push(values[0])]
            }
            Step::PushBatch(_) => {
                // The last one is topmost.
                self.push_chain(values.iter().rev().copied().map(parcel).collect());
                run(values)
            }
            Step::Take => vec![Op::Take(self.pop_all().map(|parcel| parcel.value).collect())],
            _ => panic!("an intrusive stack has no {step:?}"),
        }
    }
}

/// A ring whose batches are pushes one by one.
pub(crate) struct SplitsBatches(MpmcRing<u32>);

impl Mixed for SplitsBatches {
    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = true;

    fn open(capacity: usize) -> Self {
        Self(MpmcRing::new(capacity))
    }

    fn make(&self, step: Step, values: &[u32]) -> Vec<Op> {
        let Step::PushBatch(_) = step else { return self.0.make(step, values) };
        let went_in = values.iter().take_while(|&&value| {
            if !MODELLED {
                thread::yield_now();
            }
            self.0.push(value).is_ok()
        });
        let count = went_in.count();
        if count == 0 { vec![Op::Full(values[0])] } else { run(&values[..count]) }
    }
}

/// A ring that looks whether it is closed before it pushes, not when it does.
pub(crate) struct PushesAfterClose {
    ring: MpmcRing<u32>,
    closed: primitives::sync::atomic::AtomicBool,
}

impl Mixed for PushesAfterClose {
    const ORDER: Order = Order::Fifo;
    const BOUNDED: bool = true;

    fn open(capacity: usize) -> Self {
        Self { ring: MpmcRing::new(capacity), closed: false.into() }
    }

    fn make(&self, step: Step, values: &[u32]) -> Vec<Op> {
        use core::sync::atomic::Ordering::AcqRel;
        // ORD AcqRel: this subject is wrong in what it does, not in what others see of it.
        let is_closed = || self.closed.fetch_or(false, AcqRel);
        match step {
            // ORD AcqRel: as above.
            Step::Close => vec![Op::Close(!self.closed.fetch_or(true, AcqRel))],
            Step::Push if is_closed() => vec![Op::Closed],
            Step::Push if !MODELLED => {
                thread::yield_now();
                self.ring.make(step, values)
            }
            Step::Take => match self.ring.make(step, values) {
                ops if ops == [Op::Take(vec![])] && is_closed() => vec![Op::Ended],
                ops => ops,
            },
            _ => self.ring.make(step, values),
        }
    }
}

/// What is seen of an operation, to know what a history showed.
fn kind(op: &Op) -> &'static str {
    match op {
        Op::Push(_) => "pushed",
        Op::PushOfRun(_, Some(_)) => "run in",
        Op::PushOfRun(_, None) => "run in ends",
        Op::Full(_) => "full",
        Op::Busy => "busy",
        Op::Force(_, Some(_)) => "displaced",
        Op::Force(_, None) => "forced",
        Op::Take(values) if values.is_empty() => "empty",
        Op::Take(_) => "taken",
        Op::TakeRun(values, _) if values.len() > 1 => "run out",
        Op::TakeRun(..) => "taken",
        Op::Close(_) => "close",
        Op::Closed => "closed",
        Op::Ended => "ended",
    }
}

/// Runs `plan` once, in a model or not, empties the structure, and judges what all did. Returns what
/// kinds of operations there were while several were at work, or what is wrong.
pub(crate) fn once<M: Mixed>(plan: Plan) -> Result<BTreeSet<&'static str>, String> {
    let clock = Clock::new();
    let object = Arc::new(M::open(plan.capacity));
    let mut before = clock.log();
    for value in 0..plan.turns {
        before.call_many(|| object.make(Step::Push, &[value]));
        before.call_many(|| object.make(Step::Take, &[]));
    }
    for value in plan.turns..plan.turns + plan.before {
        before.call_many(|| object.make(Step::Push, &[value]));
    }
    clock.settle();
    #[cfg(not(any(loom, shuttle)))]
    let start = super::rounds::Meeting::new(plan.threads.len());
    let work = |number: usize| {
        let (mut log, mut kinds) = (clock.log(), BTreeSet::new());
        let mut next = 1_000 * (u32::try_from(number).expect("few threads") + 1);
        #[cfg(not(any(loom, shuttle)))]
        start.wait();
        for &step in plan.threads[number] {
            let values: Vec<_> = (next..next + step.values()).collect();
            next += step.values();
            log.call_many(|| {
                let ops = object.make(step, &values);
                kinds.extend(ops.iter().map(kind));
                ops
            });
        }
        (log, kinds)
    };
    let mut logs = vec![before];
    let mut kinds = BTreeSet::new();
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> =
            (1..plan.threads.len()).map(|number| scope.spawn(move || work(number))).collect();
        let mine = work(0);
        let all = others.into_iter().map(|thread| thread.join().expect("no thread panics"));
        for (log, seen) in core::iter::once(mine).chain(all) {
            logs.push(log);
            kinds.extend(seen);
        }
    });
    clock.settle();
    let mut rest = clock.log();
    let mut more = true;
    while more {
        rest.call_many(|| {
            let ops = object.make(Step::Take, &[]);
            more = !matches!(&ops[..], [Op::Ended]) && ops != [Op::Take(vec![])];
            ops
        });
    }
    logs.push(rest);
    match clock.history(logs).explained_by(Container::mixed::<M>(plan.capacity)) {
        Ok(_) => Ok(kinds),
        Err(why) => Err(format!("{}, {plan:?}: {why}", core::any::type_name::<M>())),
    }
}
