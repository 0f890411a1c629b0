//! Several threads: what they did is recorded, and one order must explain all of it.

use super::Subject;
use super::container::{Container, Op, SENDER};
use primitives::history::{Clock, History, Log};
use primitives::sync::thread;

/// Who does how much at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) capacity: usize,
    /// Values that are in when the threads start.
    pub(crate) before: u32,
    pub(crate) senders: usize,
    /// Values that each sends.
    pub(crate) pushes: u32,
    pub(crate) receivers: usize,
    /// How often each takes.
    pub(crate) takes: u32,
}

pub(super) fn push<S: Subject<u32>>(log: &mut Log<'_, Op>, into: &mut S::Sender, value: u32) {
    log.call(|| match S::push(into, value) {
        Ok(()) => Op::Push(value),
        Err(refused) => {
            assert_eq!(refused, value, "a refused value comes back");
            Op::Full(value)
        }
    });
}

/// Takes once; returns how much came.
pub(super) fn take<S: Subject<u32>>(log: &mut Log<'_, Op>, from: &mut S::Receiver) -> usize {
    let mut count = 0;
    log.call(|| {
        let taken = S::take(from);
        count = taken.len();
        Op::Take(taken)
    });
    count
}

/// Runs `plan` once, in a model or not, empties the structure, and judges what all did. Returns how
/// much came out while senders were at work. The last receiver is the calling thread.
pub(crate) fn once<S: Subject<u32>>(plan: Plan) -> usize {
    let clock = Clock::new();
    let (mut senders, mut receivers) = S::open(plan.capacity, plan.senders, plan.receivers);
    let mut logs = vec![clock.log()];
    // Numbers of nobody who sends later.
    let first = u32::try_from(plan.senders).expect("few threads") * SENDER;
    for value in first..first + plan.before {
        push::<S>(&mut logs[0], &mut senders[0], value);
    }
    clock.settle();
    let mine = receivers.pop();
    let taken = thread::scope(|scope| {
        let mut at_work = Vec::new();
        for (number, mut sender) in (0..).zip(senders) {
            let clock = &clock;
            at_work.push(scope.spawn(move || {
                let mut log = clock.log();
                for value in 0..plan.pushes {
                    push::<S>(&mut log, &mut sender, number * SENDER + value);
                }
                (log, None, 0)
            }));
        }
        let receive = |mut receiver: S::Receiver| {
            let mut log = clock.log();
            let taken = (0..plan.takes).map(|_| take::<S>(&mut log, &mut receiver)).sum::<usize>();
            (log, Some(receiver), taken)
        };
        for receiver in receivers {
            at_work.push(scope.spawn(move || receive(receiver)));
        }
        let mut ends: Vec<_> = mine.map(receive).into_iter().collect();
        ends.extend(at_work.into_iter().map(|thread| thread.join().expect("no thread panics")));
        let mut taken = 0;
        let mut last = None;
        for (log, receiver, count) in ends {
            logs.push(log);
            last = receiver.or(last);
            taken += count;
        }
        clock.settle();
        let mut rest = clock.log();
        let mut last = last.expect("somebody receives");
        while take::<S>(&mut rest, &mut last) > 0 {}
        logs.push(rest);
        taken
    });
    if let Some(fault) = fault::<S>(&clock.history(logs), plan) {
        panic!("{fault}");
    }
    taken
}

/// What is wrong with a history, if anything.
pub(super) fn fault<S: Subject<u32>>(history: &History<Op>, plan: Plan) -> Option<String> {
    let why = history.explained_by(Container::shared::<S>(plan.capacity)).err()?;
    Some(format!("{}, {plan:?}: {why}", core::any::type_name::<S>()))
}
