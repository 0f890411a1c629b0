//! One thread: the sequential model, drops, panics, what is forgotten, odd types, capacities.

use super::container::{Container, Op};
use super::{Order, Subject};
use core::panic::AssertUnwindSafe;
use primitives::history::Specification;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

/// Which values were dropped, in that order. Lives on: values that leak may still name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropped(&'static Mutex<Vec<u32>>);

/// A value that tells when it is dropped, and panics then if asked to.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) number: u32,
    panics: bool,
    dropped: Dropped,
}

impl Default for Dropped {
    fn default() -> Self {
        static ALL: Mutex<Vec<&'static Mutex<Vec<u32>>>> = Mutex::new(Vec::new());
        let list: &Mutex<_> = Box::leak(Box::default());
        // Reachable to the end, as leak checkers want it.
        ALL.lock().unwrap_or_else(PoisonError::into_inner).push(list);
        Self(list)
    }
}

impl Dropped {
    pub(crate) fn value(&self, number: u32) -> Counted {
        Counted { number, panics: false, dropped: *self }
    }

    pub(crate) fn panicking(&self, number: u32) -> Counted {
        Counted { number, panics: true, dropped: *self }
    }

    fn take(&self) -> Vec<u32> {
        core::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was dropped since it was asked last, sorted.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut numbers = self.take();
        numbers.sort_unstable();
        numbers
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.dropped.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
        if self.panics {
            // Says nothing on standard error.
            resume_unwind(Box::new("planned"));
        }
    }
}

fn one<S: Subject<T>, T: Send + 'static>(capacity: usize) -> (S::Sender, S::Receiver) {
    let (mut senders, mut receivers) = S::open(capacity, 1, 1);
    (senders.remove(0), receivers.remove(0))
}

/// Any sequence of pushes and takes answers as the model does, through many laps.
pub(crate) fn answers_as_its_model<S: Subject<u32>>() {
    for capacity in [1, 2, 3, 5, 8, 64] {
        let (mut into, mut from) = one::<S, u32>(capacity);
        let mut model = Container::of::<S>(capacity);
        let mut seed = 7_u64 + capacity as u64;
        for value in 0..4_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Phases in which it fills and phases in which it empties.
            let pushes = (seed >> 33) % 8 < if (value / 100) % 2 == 0 { 6 } else { 2 };
            let op = if pushes {
                match S::push(&mut into, value) {
                    Ok(()) => Op::Push(value),
                    Err(refused) => Op::Full(refused),
                }
            } else {
                Op::Take(S::take(&mut from))
            };
            let before = model.clone();
            assert!(model.accepts(&op), "{op:?} of {before:?}");
        }
        let rest: Vec<u32> = S::drain(&mut from).collect();
        assert_eq!(rest.len(), model.len(), "what is left comes out of `drain`");
        let ops: Vec<_> = if S::TAKES_ALL {
            vec![Op::Take(rest)]
        } else {
            rest.into_iter().map(|value| Op::Take(vec![value])).collect()
        };
        for op in ops {
            assert!(model.accepts(&op), "{op:?} of {model:?}");
        }
        assert!(S::take(&mut from).is_empty());
    }
}

/// A bounded one takes exactly its capacity, in every lap.
pub(crate) fn takes_exactly_its_capacity<S: Subject<u32>>() {
    assert!(S::BOUNDED, "an unbounded one has no capacity to test");
    for capacity in [1, 2, 3, 63, 64, 65, 1_000] {
        let (mut into, mut from) = one::<S, u32>(capacity);
        let count = u32::try_from(capacity).expect("a small number");
        for lap in 0..3 {
            for value in 0..count {
                assert_eq!(S::push(&mut into, value), Ok(()), "{value} of {capacity}, lap {lap}");
            }
            assert_eq!(S::push(&mut into, 99), Err(99), "beyond {capacity}, lap {lap}");
            let mut expected: Vec<u32> = (0..count).collect();
            if S::ORDER == Order::Lifo {
                expected.reverse();
            }
            assert_eq!(S::drain(&mut from).collect::<Vec<_>>(), expected, "{capacity}, lap {lap}");
            // The next lap begins elsewhere.
            assert_eq!(S::push(&mut into, 7), Ok(()));
            assert_eq!(S::take(&mut from), [7]);
        }
    }
}

/// Opens one whose ends are not at the beginning of its memory.
fn turned<S: Subject<Counted>>(dropped: &Dropped, turns: u32) -> (S::Sender, S::Receiver) {
    let (mut into, mut from) = one::<S, Counted>(4);
    for number in 0..turns {
        S::push(&mut into, dropped.value(number)).expect("there is room");
        assert_eq!(S::take(&mut from).len(), 1);
    }
    assert_eq!(dropped.take().len(), turns as usize);
    (into, from)
}

/// Every value is dropped once: by who takes it, with the iterator that has it, or with the structure.
pub(crate) fn drops_each_once<S: Subject<Counted>>() {
    let dropped = Dropped::default();
    for turns in 0..9 {
        for (pushed, taken) in [(0, 0), (1, 0), (2, 1), (4, 0), (4, 2), (4, 4)] {
            let (mut into, mut from) = turned::<S>(&dropped, turns);
            for number in 0..pushed {
                S::push(&mut into, dropped.value(number)).expect("there is room");
            }
            assert!(dropped.take().is_empty(), "a push drops nothing");
            let mut draining = S::drain(&mut from);
            let out: Vec<_> = draining.by_ref().take(taken).collect();
            assert_eq!(out.len(), taken);
            assert!(dropped.take().is_empty(), "what came out is the caller's");
            drop(draining);
            drop(out);
            drop(into);
            drop(from);
            assert_eq!(dropped.sorted(), (0..pushed).collect::<Vec<_>>(), "after {turns} turns");
        }
    }
}

/// Senders go first, or receivers: it is the same to what is inside.
pub(crate) fn either_end_may_go_first<S: Subject<Counted>>() {
    let dropped = Dropped::default();
    for senders_first in [true, false] {
        let (mut into, from) = turned::<S>(&dropped, 3);
        for number in 0..4 {
            S::push(&mut into, dropped.value(number)).expect("there is room");
        }
        if senders_first {
            drop(into);
            drop(from);
        } else {
            drop(from);
            drop(into);
        }
        assert_eq!(dropped.sorted(), [0, 1, 2, 3]);
    }
}

/// The k-th value panics when it is dropped, for every k: the others are dropped once all the same.
pub(crate) fn a_panicking_drop_keeps_no_other_from_its_own<S: Subject<Counted>>() {
    let dropped = Dropped::default();
    for turns in 0..6 {
        for culprit in 0..4 {
            let (mut into, from) = turned::<S>(&dropped, turns);
            for number in 0..4 {
                let value = if number == culprit {
                    dropped.panicking(number)
                } else {
                    dropped.value(number)
                };
                S::push(&mut into, value).expect("there is room");
            }
            let ended = catch_unwind(AssertUnwindSafe(|| {
                drop(into);
                drop(from);
            }));
            assert!(ended.is_err(), "the panic goes on to the caller");
            assert_eq!(dropped.sorted(), [0, 1, 2, 3], "{culprit} panicked, after {turns} turns");
        }
    }
}

/// The same of what a half-used `drain` still has, and the structure is as good as new.
pub(crate) fn a_panicking_drop_in_a_drain_loses_nothing<S: Subject<Counted>>() {
    let dropped = Dropped::default();
    for culprit in 0..4 {
        let (mut into, mut from) = turned::<S>(&dropped, 1);
        for number in 0..4 {
            let value =
                if number == culprit { dropped.panicking(number) } else { dropped.value(number) };
            S::push(&mut into, value).expect("there is room");
        }
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut draining = S::drain(&mut from);
            drop(draining.next());
        }));
        let ended = ended.and_then(|()| {
            catch_unwind(AssertUnwindSafe(|| while !S::take(&mut from).is_empty() {}))
        });
        // One more time for what the panic kept from being taken.
        while !S::take(&mut from).is_empty() {}
        assert!(ended.is_err(), "the panic goes on to the caller");
        assert_eq!(dropped.sorted(), [0, 1, 2, 3], "{culprit} panicked");
        S::push(&mut into, dropped.value(9)).expect("there is room");
        assert_eq!(S::take(&mut from)[0].number, 9);
        assert_eq!(dropped.sorted(), [9]);
    }
}

/// The iterator that values come from panics at its k-th step, for every k: what it yielded is inside
/// or was dropped, each once, and the structure goes on.
pub(crate) fn a_panicking_iterator_loses_nothing<S: Subject<Counted>>() {
    let dropped = Dropped::default();
    for turns in 0..6 {
        for k in 0..5 {
            let (mut into, mut from) = turned::<S>(&dropped, turns);
            let mut values = (0..4).map(|number| {
                if number == k {
                    resume_unwind(Box::new("planned"));
                }
                dropped.value(number)
            });
            let ended = catch_unwind(AssertUnwindSafe(|| S::push_all(&mut into, &mut values)));
            assert_eq!(ended.is_err(), k < 4, "step {k}");
            while !S::take(&mut from).is_empty() {}
            assert_eq!(dropped.sorted(), (0..k.min(4)).collect::<Vec<_>>(), "step {k}");
            for number in 10..14 {
                S::push(&mut into, dropped.value(number)).expect("there is room again");
            }
            drop((into, from));
            assert_eq!(dropped.sorted(), [10, 11, 12, 13]);
        }
    }
}

/// A `drain` is forgotten half-way: values may leak, none is dropped twice, and the rest goes on.
pub(crate) fn a_forgotten_drain_is_sound<S: Subject<Counted>>() {
    let dropped = Dropped::default();
    for taken in 0..=4 {
        let (mut into, mut from) = turned::<S>(&dropped, 2);
        for number in 0..4 {
            S::push(&mut into, dropped.value(number)).expect("there is room");
        }
        let mut draining = S::drain(&mut from);
        drop(draining.by_ref().take(taken).collect::<Vec<_>>());
        // The box itself is freed; what the structure made is not.
        forget_inner(draining);
        while !S::take(&mut from).is_empty() {}
        // What leaked may keep its room; what goes in comes out.
        let went_in = (10..14).map(|number| S::push(&mut into, dropped.value(number)).is_ok());
        let went_in = went_in.filter(|&ok| ok).count();
        drop((into, from));
        let once = dropped.sorted();
        assert!(once.windows(2).all(|pair| pair[0] != pair[1]), "dropped twice: {once:?}");
        assert!(once.iter().filter(|&&number| number >= 10).count() >= went_in);
    }
}

/// Forgets what a box holds, as far as its drop goes; its memory is kept reachable until the end, so
/// that a leak checker has nothing to say about the test itself.
fn forget_inner<T: ?Sized>(value: Box<T>) {
    struct Kept(#[expect(dead_code, reason = "it is there to be reachable")] *mut u8);
    // SAFETY: an address that nobody reads through.
    unsafe impl Send for Kept {}
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    let kept = Kept(Box::into_raw(value).cast::<u8>());
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
}

/// Both ends are forgotten with values inside: a leak, and nothing else.
pub(crate) fn forgotten_ends_are_sound<S: Subject<Counted>>() {
    let dropped = Dropped::default();
    let (mut into, mut from) = turned::<S>(&dropped, 2);
    S::push(&mut into, dropped.value(1)).expect("there is room");
    forget_inner(Box::new(into));
    assert_eq!(S::take(&mut from)[0].number, 1);
    assert_eq!(dropped.sorted(), [1]);
    forget_inner(Box::new(from));
    assert!(dropped.sorted().is_empty());
}

/// What goes in comes out, for values of one odd type.
pub(crate) fn keeps<S: Subject<T>, T: Send + PartialEq + core::fmt::Debug + 'static>(
    value: impl Fn(u8) -> T,
) {
    let (mut into, mut from) = one::<S, T>(3);
    for lap in 0..7 {
        for number in 0..3 {
            assert_eq!(S::push(&mut into, value(lap + number)), Ok(()));
        }
        let mut out: Vec<T> = S::drain(&mut from).collect();
        if S::ORDER == Order::Lifo {
            out.reverse();
        }
        assert_eq!(out, [value(lap), value(lap + 1), value(lap + 2)]);
    }
}

/// Aligned beyond what an allocator gives by itself.
#[derive(Debug, PartialEq)]
#[repr(align(256))]
pub(crate) struct Wide(pub(crate) u8);
