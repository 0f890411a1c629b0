//! Many threads: every value comes out once or is dropped once, whoever goes first.

use super::suite::{Counted, Dropped};
use super::{Order, Subject};
use core::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use primitives::sync::{hint, thread};

const SENDERS: u32 = 4;
const RECEIVERS: u32 = 4;

/// How many of either kind a subject may have.
fn crowd<S: Subject<T>, T: Send + 'static>() -> (u32, u32) {
    let most =
        |most: usize, wanted: u32| u32::try_from(most).map_or(wanted, |most| most.min(wanted));
    (most(S::MOST.0, SENDERS), most(S::MOST.1, RECEIVERS))
}

/// Senders send `each`, trying again while it is full; receivers take until all is out. Returns how
/// many receivers had something.
pub(crate) fn nothing_is_lost<S: Subject<u32>>(capacity: usize, each: u32) -> usize {
    let (senders, receivers) = crowd::<S, u32>();
    let total = (senders * each) as usize;
    let (ins, outs) = S::open(capacity, senders as usize, receivers as usize);
    // Not modelled: it steers the test.
    let out = AtomicUsize::new(0);
    // Each is joined, and hands its end back to be dropped here: how a scope waits for its threads, and
    // how the last `Arc` knows that it is, ThreadSanitizer does not see.
    let taken = thread::scope(|scope| {
        let send = |(sender, mut into): (u32, S::Sender)| {
            scope.spawn(move || {
                for number in 0..each {
                    let mut value = sender * each + number;
                    while let Err(refused) = S::push(&mut into, value) {
                        value = refused;
                        hint::yield_now();
                    }
                }
                into
            })
        };
        let senders: Vec<_> = (0..).zip(ins).map(send).collect();
        let receive = |mut from: S::Receiver| {
            let out = &out;
            scope.spawn(move || {
                let mut mine = Vec::new();
                while out.load(Acquire) < total {
                    let mut values = S::take(&mut from);
                    if S::ORDER == Order::Lifo {
                        values.reverse();
                    }
                    if values.is_empty() {
                        hint::yield_now();
                    }
                    out.fetch_add(values.len(), AcqRel);
                    mine.extend(values);
                }
                (mine, from)
            })
        };
        let receivers: Vec<_> = outs.into_iter().map(receive).collect();
        let into: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        let taken = receivers.into_iter().map(|receiver| receiver.join().unwrap());
        let (taken, from): (Vec<_>, Vec<_>) = taken.unzip();
        drop((into, from));
        taken
    });
    if S::ORDER != Order::Lifo {
        for mine in &taken {
            for sender in 0..senders {
                let own = mine.iter().filter(|&&value| value / each == sender);
                assert!(own.is_sorted(), "out of order: {mine:?}");
            }
        }
    }
    let mut all = taken.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..senders * each), "each once");
    taken.iter().filter(|mine| !mine.is_empty()).count()
}

/// Threads send, take, and let go of their end at once, the last of them with whatever is left inside.
/// Returns how many values were left to it.
pub(crate) fn torn_down<S: Subject<Counted>>(capacity: usize, each: u32) -> usize {
    let (senders, receivers) = crowd::<S, Counted>();
    let dropped = Dropped::default();
    let (ins, outs) = S::open(capacity, senders as usize, receivers as usize);
    let out = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (sender, mut into) in (0..).zip(ins) {
            let out = &out;
            scope.spawn(move || {
                for number in 0..each {
                    if S::push(&mut into, dropped.value(sender * each + number)).is_err() {
                        out.fetch_add(1, AcqRel);
                    }
                }
            });
        }
        for mut from in outs {
            let out = &out;
            scope.spawn(move || {
                for _ in 0..each / 2 {
                    out.fetch_add(S::take(&mut from).len(), AcqRel);
                }
            });
        }
    });
    let all: Vec<u32> = (0..senders * each).collect();
    assert_eq!(dropped.sorted(), all, "each is dropped once");
    all.len() - out.into_inner()
}
