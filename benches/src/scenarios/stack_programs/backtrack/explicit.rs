//! `stack/backtrack/explicit`: the same search by a loop, with a stack of what is still to be done.
//!
//! ```text
//!   choice ──> push Way { where the other begins, from which position }
//!   slot   ──> push Restore { slot, what it held }        ──> nothing fits: pop, until a Way is found
//! ```
//!
//! Both are behind one trait, as they are in engines whose instructions bring their own: what is on
//! the stack has a type of its own, and is called once. So this is the stack of trait objects in a
//! program, beside `Vec<Box<dyn Trait>>` and dynstack; the null engine gives each depth a place.

use super::{MOST_SLOTS, NOWHERE, Op, Search, Slot, choices, search};
use crate::case::{Case, Engine, EngineSpec, Input, Model};
use crate::engines::boxes::{Boxes, InBump, Slots, StdBoxes};
use crate::engines::bump_scope::Scope;
use crate::engines::bumpalo::WithCapacity;
use crate::engines::dynstack::DynStack;
use crate::engines::heap::Counted;
use crate::engines::lifo::{DynLifo, Step};
use crate::engines::mimalloc::Mimalloc;
use crate::engines::snmalloc::Snmalloc;
use crate::engines::stack::Dyn;
use crate::engines::{jemalloc, spec_of};
use crate::scenarios::programs::fold;

/// Values on the stack at most: a line is short.
const DEEPEST: usize = 1024;

/// The case.
pub(in super::super) fn case() -> Case {
    let on_malloc = |spec: EngineSpec| spec.counted_on(&engine::<Boxes<Counted>>());
    Case {
        id: "stack/backtrack/explicit",
        krate: "alloc-stack",
        what: "Seeks the same patterns by a loop, with a stack of trait objects: the other way of each \
               choice, and what each slot held before",
        model: Model::Throughput,
        unit: "choice",
        input: || {
            let search = search();
            Input { kind: "registry", bytes: search.bytes, count: search.lines.len() as u64 }
        },
        working_set_bytes: (DEEPEST * 2 * size_of::<Way>()) as u64,
        threads: 1,
        engines: vec![
            engine::<Dyn>().primary(),
            engine::<Slots>(),
            engine::<StdBoxes>().reference(),
            on_malloc(engine::<Boxes<Mimalloc>>()),
            on_malloc(engine::<Boxes<jemalloc::SizedFree>>()),
            on_malloc(engine::<Boxes<Snmalloc>>()),
            engine::<DynStack>(),
            engine::<InBump<WithCapacity<8>>>(),
            engine::<InBump<Scope<8, false>>>(),
        ],
    }
}

/// Where to go on if what was tried first leads nowhere.
struct Way {
    next: u32,
    at: u32,
}

/// What a slot held before.
struct Restore {
    slot: usize,
    held: Slot,
}

/// Which of them an answer is from, beside two numbers below 2^31.
const WAY: u64 = 1 << 63;

impl Step for Way {
    fn step(&mut self, _: u64) -> u64 {
        WAY | u64::from(self.next) << 32 | u64::from(self.at)
    }
}

impl Step for Restore {
    fn step(&mut self, _: u64) -> u64 {
        (self.slot as u64) << 32 | u64::from(self.held)
    }
}

struct Machine<'p, S> {
    code: &'p [Op],
    line: &'p [u8],
    stack: &'p mut S,
    depth: usize,
}

impl<S: DynLifo> Machine<'_, S> {
    #[inline]
    fn push<T: Step>(&mut self, value: T) {
        assert!(self.depth < DEEPEST, "more than {DEEPEST} values on the stack");
        self.stack.push(value);
        self.depth += 1;
    }

    /// Takes values until one says where to go on.
    fn back(&mut self, slots: &mut [Slot]) -> Option<(usize, usize)> {
        while self.depth > 0 {
            self.depth -= 1;
            let answer = self.stack.step_and_pop(0);
            #[expect(clippy::cast_possible_truncation, reason = "two numbers of 32 bits")]
            let (high, low) = (((answer & !WAY) >> 32) as usize, answer as Slot);
            if answer & WAY != 0 {
                return Some((high, low as usize));
            }
            slots[high] = low;
        }
        None
    }

    /// Follows the code from a position on, and returns where the match ends.
    #[expect(clippy::cast_possible_truncation, reason = "lines and patterns are short")]
    fn go(&mut self, at: usize, slots: &mut [Slot]) -> Option<usize> {
        let (mut next, mut at) = (0, at);
        loop {
            let fits = match &self.code[next] {
                Op::Class(set) => {
                    let fits = self.line.get(at).is_some_and(|&byte| set[usize::from(byte)]);
                    (next, at) = (next + 1, at + 1);
                    fits
                }
                Op::Save(slot) => {
                    self.push(Restore { slot: *slot, held: slots[*slot] });
                    slots[*slot] = at as Slot;
                    next += 1;
                    true
                }
                Op::Back(group) => {
                    let (from, to) = (slots[2 * group] as usize, slots[2 * group + 1] as usize);
                    let held = self.line.get(from..to);
                    let fits = held.is_some_and(|held| self.line[at..].starts_with(held));
                    (next, at) = (next + 1, at + held.map_or(0, <[u8]>::len));
                    fits
                }
                Op::Choice(first, second) => {
                    self.push(Way { next: *second as u32, at: at as u32 });
                    next = *first;
                    true
                }
                Op::Jump(to) => {
                    next = *to;
                    true
                }
                Op::Match => {
                    // What is still on the stack is not needed any more.
                    for _ in 0..core::mem::take(&mut self.depth) {
                        self.stack.step_and_pop(0);
                    }
                    return Some(at);
                }
            };
            if !fits {
                (next, at) = self.back(slots)?;
            }
        }
    }
}

fn run<S: DynLifo>(search: &Search, stack: &mut S) -> u64 {
    let mut slots = [NOWHERE; MOST_SLOTS];
    let mut sum = 1;
    for pattern in &search.patterns {
        let slots = &mut slots[..pattern.slots];
        for line in &search.lines {
            let mut from = 0;
            while from < line.len() {
                slots.fill(NOWHERE);
                let mut machine = Machine { code: &pattern.code, line, stack, depth: 0 };
                let end = machine.go(from, slots);
                if end.is_some() {
                    sum = slots.iter().fold(sum, |sum, &slot| fold(sum, u64::from(slot)));
                }
                from = end.unwrap_or(0).max(from + 1);
            }
        }
    }
    stack.settle();
    sum
}

struct Run<S>(S);

impl<S: DynLifo> Engine for Run<S> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| run(search(), &mut self.0))
    }

    fn ops_per_round(&self) -> u64 {
        choices()
    }
}

fn engine<S: DynLifo>() -> EngineSpec {
    spec_of(S::ABOUT, || Box::new(Run(S::with_capacity(DEEPEST, DEEPEST * size_of::<Restore>()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::stack_programs::backtrack::{self, Plain};

    #[test]
    fn the_loop_finds_what_the_recursion_finds() {
        let expected = backtrack::run::<Plain>(search(), &mut ());
        assert_eq!(run(search(), &mut Dyn::with_capacity(0, 0)), expected);
        assert_eq!(run(search(), &mut DynStack::with_capacity(0, 0)), expected);
    }
}
