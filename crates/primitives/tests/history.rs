//! The checker of recorded histories: what it explains, what it must not, and that it agrees with
//! trying every order.
#![cfg(not(any(loom, shuttle)))]

use primitives::history::{Clock, History, Specification};
use std::collections::VecDeque;

/// A queue, or a stack where `lifo`, with at most `capacity` values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sequence {
    lifo: bool,
    capacity: usize,
    values: VecDeque<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Push(u32),
    Full(u32),
    Pop(u32),
    Empty,
}
use Op::{Empty, Full, Pop, Push};

impl Specification for Sequence {
    type Op = Op;

    fn accepts(&mut self, op: &Op) -> bool {
        match *op {
            Push(value) => {
                self.values.push_back(value);
                self.values.len() <= self.capacity
            }
            Full(_) => self.values.len() == self.capacity,
            Pop(value) => {
                let popped =
                    if self.lifo { self.values.pop_back() } else { self.values.pop_front() };
                popped == Some(value)
            }
            Empty => self.values.is_empty(),
        }
    }
}

fn sequence(lifo: bool, capacity: usize) -> Sequence {
    Sequence { lifo, capacity, values: VecDeque::new() }
}

fn queue() -> Sequence {
    sequence(false, 2)
}

fn stack() -> Sequence {
    sequence(true, 2)
}

type Threads<'t> = &'t [&'t [(Op, usize, usize)]];

fn history(threads: Threads<'_>) -> History<Op> {
    threads
        .iter()
        .fold(History::default(), |history, thread| history.thread(thread.iter().copied()))
}

#[track_caller]
fn right(threads: Threads<'_>, object: Sequence) {
    history(threads).explained_by(object).unwrap();
}

#[track_caller]
fn wrong(threads: Threads<'_>, object: Sequence) {
    assert!(history(threads).explained_by(object).is_err());
}

#[test]
fn operations_that_overlap_may_happen_in_any_order() {
    right(&[], queue());
    right(&[&[(Push(1), 0, 5)], &[(Pop(1), 1, 2)]], queue());
    right(&[&[(Push(1), 0, 5)], &[(Empty, 1, 2), (Pop(1), 3, 4)]], queue());
    right(&[&[(Push(1), 0, 5)], &[(Push(2), 1, 4)], &[(Pop(1), 6, 7), (Pop(2), 8, 9)]], queue());
    right(&[&[(Push(1), 0, 5)], &[(Push(2), 1, 4)], &[(Pop(2), 6, 7), (Pop(1), 8, 9)]], queue());
    right(&[&[(Push(1), 0, 1), (Push(2), 2, 9)], &[(Pop(1), 3, 4), (Pop(2), 5, 6)]], stack());
    right(&[&[(Push(1), 0, 1), (Push(2), 2, 3), (Full(3), 4, 7)], &[(Pop(1), 5, 6)]], queue());
}

#[test]
fn an_operation_returns_before_the_next_is_called_and_the_order_keeps_it() {
    let order = history(&[&[(Push(1), 0, 1), (Push(2), 2, 3)], &[(Empty, 0, 1), (Pop(1), 1, 9)]])
        .explained_by(queue())
        .unwrap();
    let at = |step| order.iter().position(|&taken| taken == step).unwrap();
    assert_eq!(order.len(), 4);
    assert!(at((0, 0)) < at((0, 1)) && at((1, 0)) < at((1, 1)));
    assert!(at((1, 0)) < at((0, 0)), "empty before the push");
}

#[test]
fn a_spurious_empty_is_found() {
    wrong(&[&[(Push(1), 0, 1)], &[(Empty, 2, 3), (Pop(1), 4, 5)]], queue());
    // Somebody is in the middle of a push, but another push was through.
    wrong(&[&[(Push(1), 0, 9)], &[(Push(2), 1, 2)], &[(Empty, 3, 4)]], stack());
}

#[test]
fn a_spurious_full_is_found() {
    wrong(&[&[(Push(1), 0, 1)], &[(Full(2), 2, 3)], &[(Pop(1), 4, 5)]], queue());
    wrong(&[&[(Push(1), 0, 1), (Push(2), 2, 3), (Pop(1), 4, 5)], &[(Full(3), 6, 7)]], queue());
}

#[test]
fn a_reordering_is_found() {
    let pushed: &[_] = &[(Push(1), 0, 1), (Push(2), 2, 3)];
    wrong(&[pushed, &[(Pop(2), 4, 5), (Pop(1), 6, 7)]], queue());
    wrong(&[pushed, &[(Pop(1), 4, 5), (Pop(2), 6, 7)]], stack());
    // One thread's own order counts, however long its operations take.
    wrong(&[&[(Push(1), 0, 9), (Push(2), 9, 9)], &[(Pop(2), 0, 5), (Pop(1), 6, 9)]], queue());
}

#[test]
fn a_duplicate_is_found() {
    wrong(&[&[(Push(1), 0, 9)], &[(Pop(1), 1, 8)], &[(Pop(1), 2, 7)]], queue());
    wrong(&[&[(Push(1), 0, 9)], &[(Pop(1), 1, 8)], &[(Pop(1), 2, 7)]], stack());
}

#[test]
fn a_lost_value_is_found() {
    wrong(&[&[(Push(1), 0, 1), (Push(2), 2, 3)], &[(Pop(2), 4, 5), (Empty, 6, 7)]], stack());
    wrong(&[&[(Push(1), 0, 1)], &[(Push(2), 0, 1)], &[(Pop(2), 2, 3), (Empty, 4, 5)]], queue());
}

#[test]
fn an_invented_value_is_found() {
    wrong(&[&[(Push(1), 0, 9)], &[(Pop(7), 1, 2)]], queue());
}

#[test]
fn what_was_pushed_beyond_the_capacity_is_found() {
    wrong(&[&[(Push(1), 0, 1), (Push(2), 2, 3), (Push(3), 4, 5)]], queue());
}

/// The same places of the threads, with another state: a dead end must not close the other.
#[test]
fn one_dead_end_is_not_another() {
    let threads: Threads<'_> = &[
        &[(Push(1), 0, 9)],
        &[(Push(2), 0, 9)],
        &[(Push(3), 0, 9)],
        &[(Pop(3), 10, 11), (Pop(2), 12, 13), (Pop(1), 14, 15)],
    ];
    right(threads, sequence(false, 3));
    right(threads, sequence(true, 3));
}

#[test]
fn the_report_shows_what_was_explained_and_what_not() {
    let lost = history(&[&[(Push(1), 0, 1)], &[(Empty, 2, 3)]]).explained_by(queue()).unwrap_err();
    let text = lost.to_string();
    assert!(text.contains("these 2 operations; at most 1 of them"), "{text}");
    assert!(text.contains("values: [1]"), "{text}");
    assert!(text.contains("#1  Push(1)") && text.contains("?  Empty"), "{text}");
}

#[test]
#[should_panic(expected = "Pop(1): 5 … 3–9")]
fn a_thread_cannot_call_before_it_returned() {
    let _ = history(&[&[(Push(1), 0, 5), (Pop(1), 3, 9)]]);
}

/// Every order that keeps threads and time, one after the other.
fn explained_by_trying(
    threads: &[Vec<(Op, usize, usize)>],
    next: &mut Vec<usize>,
    state: &Sequence,
) -> bool {
    if threads.iter().zip(&*next).all(|(thread, &next)| next == thread.len()) {
        return true;
    }
    (0..threads.len()).any(|thread| {
        let Some(&(op, called, _)) = threads[thread].get(next[thread]) else { return false };
        let mut others = threads.iter().zip(&*next).filter_map(|(other, &next)| other.get(next));
        let mut after = state.clone();
        if others.any(|&(_, _, returned)| returned < called) || !after.accepts(&op) {
            return false;
        }
        next[thread] += 1;
        let explained = explained_by_trying(threads, next, &after);
        next[thread] -= 1;
        explained
    })
}

/// Small histories of all kinds, right and wrong: the search agrees with trying every order.
#[test]
fn it_agrees_with_trying_every_order() {
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % below).unwrap()
    };
    let (mut explained, mut unexplained) = (0, 0);
    for _ in 0..4_000 {
        let mut value = 0;
        let threads: Vec<Vec<_>> = (0..3)
            .map(|_| {
                let mut now = 0;
                let operations = (0..random(4)).map(|_| {
                    let called = now + random(4);
                    let returned = called + random(5);
                    now = returned + 1;
                    let op = match random(8) {
                        0..=2 => {
                            value += 1;
                            Push(value)
                        }
                        3 => Full(99),
                        4 => Empty,
                        _ => Pop(u32::try_from(1 + random(4)).unwrap()),
                    };
                    (op, called, returned)
                });
                operations.collect()
            })
            .collect();
        let object = sequence(random(2) == 0, 1 + random(2));
        let expected = explained_by_trying(&threads, &mut vec![0; 3], &object);
        let slices: Vec<&[_]> = threads.iter().map(Vec::as_slice).collect();
        let found = history(&slices).explained_by(object.clone());
        assert_eq!(found.is_ok(), expected, "{object:?} {threads:?}: {found:?}");
        *(if expected { &mut explained } else { &mut unexplained }) += 1;
    }
    assert!(explained > 200 && unexplained > 200, "{explained} right, {unexplained} wrong");
}

/// A history as threads record it: the numbers of one thread rise, those of another interleave.
#[test]
fn recorded_numbers_keep_each_threads_order_and_what_was_over_before() {
    let clock = Clock::new();
    let mut first = clock.log();
    first.call(|| Push(1));
    let mut second = clock.log();
    second.call_many(|| [Pop(1), Empty]);
    let history = clock.history([second, first]);
    assert_eq!((history.len(), history.is_empty()), (3, false));
    assert_eq!(history.explained_by(queue()).unwrap(), [(1, 0), (0, 0), (0, 1)]);
    let mut late = clock.log();
    late.call(|| Empty);
    let mut early = clock.log();
    early.call(|| Push(1));
    assert!(clock.history([early, late]).explained_by(queue()).is_ok(), "empty was first");
}
