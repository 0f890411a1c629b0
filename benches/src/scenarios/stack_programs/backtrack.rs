//! `stack/backtrack/registry`: patterns are sought in the registry's sources, by backtracking.
//!
//! ```text
//!   (\w+)\((.+), \2\)  ── compile, once ──>  code ── matcher ──>  what the groups hold
//!                                                    │ at each choice: a copy of the slots,
//!                                                    │ as long as the first way is being tried
//! ```
//!
//! A pattern has slots for where its groups begin and end, as many as it has groups. At a choice the
//! matcher keeps a copy of them, calls itself for the first way, and goes back to the copy if that
//! leads nowhere. So copies of run-time size die in the exact reverse of the order in which they were
//! made, up to a few hundred deep, and most live for a few instructions.
//!
//! The matcher is the same for all; an engine decides where the copies lie. The null engine has them
//! in an array of each call, as large as the largest: what one does where there is a small bound.

pub(super) mod explicit;
mod pattern;

use core::alloc::Layout;
use core::cell::Cell;
use core::marker::PhantomData;
use std::sync::OnceLock;

use self::pattern::{Op, Pattern, compile};
use crate::case::{Case, Engine, EngineSpec, Input, Model, Role};
use crate::engines::bump_scope::Scoped;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::lifo::{ByPop, Lifo, Recurse};
use crate::engines::stack::{Handles, InAllocator, Marks};
use crate::engines::{About, jemalloc, mimalloc, snmalloc, spec_of};
use crate::input::registry::sources;
use crate::lifo_peers;
use crate::scenarios::programs::fold;

/// References with a lifetime, two arguments alike, items, calls that may fail, values used twice.
const PATTERNS: [&str; 5] = [
    r"(\w+)\s*:\s*&'(\w+)\s+(mut\s+)?(\w+)",
    r"(\w+)\((.+),\s*\2\)",
    r"(pub\s+)?(fn|struct|enum|trait|impl)(\s+)(\w+)(<.*>)?(\(|\{|\s)",
    r"(\w+)\.(\w+)\((.*?)\)\?",
    r"(\w+)\s*=\s*(\w+)(\.\w+)*\s*(\+|\*)\s*\2",
];

/// Slots of the pattern with most groups.
const MOST_SLOTS: usize = 14;

/// Of the sources' sample, every so manieth file, and of each every so manieth line: a round is to last
/// some hundredths of a second.
const STRIDES: [usize; 2] = if cfg!(debug_assertions) { [4, 1] } else { [40, 8] };

/// Longer lines are left out: a pattern that takes anything goes as deep as the line is long.
const LONGEST_LINE: usize = 120;

/// The patterns and the lines.
struct Search {
    patterns: Vec<Pattern>,
    lines: Vec<&'static [u8]>,
    bytes: u64,
}

fn search() -> &'static Search {
    static SEARCH: OnceLock<Search> = OnceLock::new();
    SEARCH.get_or_init(|| {
        let files = sources().files.iter().step_by(STRIDES[0]);
        let lines: Vec<&[u8]> = files
            .flat_map(|source| source.text.lines().step_by(STRIDES[1]))
            .map(|line| line.trim().as_bytes())
            .filter(|line| !line.is_empty() && line.len() <= LONGEST_LINE)
            .collect();
        let bytes = lines.iter().map(|line| line.len() as u64).sum();
        Search { patterns: PATTERNS.map(compile).into(), lines, bytes }
    })
}

/// Choices of a round.
fn choices() -> u64 {
    static CHOICES: OnceLock<u64> = OnceLock::new();
    *CHOICES.get_or_init(|| {
        let mut count = Cell::new(0);
        run::<Counting>(search(), &mut count);
        count.get()
    })
}

/// The case.
pub(super) fn case() -> Case {
    let mut engines = vec![
        engine::<Plain>().reference(),
        engine::<Reuse>(),
        engine::<Null>(),
        engine::<On<Handles>>().primary(),
        by_pop::<Marks>(),
        by_pop::<InAllocator>(),
        engine::<On<Scoped<true>>>(),
        engine::<On<Scoped<false>>>(),
        heap::<mimalloc::Mimalloc>(),
        heap::<jemalloc::Plain>(),
        heap::<jemalloc::SizedFree>(),
        heap::<snmalloc::Snmalloc>(),
    ];
    engines.extend(lifo_peers!(by_pop));
    Case {
        id: "stack/backtrack/registry",
        krate: "alloc-stack",
        what: "Seeks five patterns in lines of the registry's sources by backtracking: at each choice \
               a copy of 8 to 14 positions, which lives while its first way is tried",
        model: Model::Throughput,
        unit: "choice",
        input: || {
            let search = search();
            Input { kind: "registry", bytes: search.bytes, count: search.lines.len() as u64 }
        },
        working_set_bytes: (LONGEST_LINE * MOST_SLOTS * size_of::<Slot>()) as u64,
        threads: 1,
        engines,
    }
}

// ---- what every engine does ---------------------------------------------------------------------

/// A position in a line, or [`NOWHERE`].
type Slot = u32;

const NOWHERE: Slot = Slot::MAX;

/// Where copies of the slots lie.
trait Copies: 'static {
    const ABOUT: About;

    /// What it keeps from round to round.
    type Keep;

    /// What a level of the recursion copies to.
    type Top<'s>;

    fn start() -> Self::Keep;

    /// Lends the outermost level what it copies to.
    fn enter<T>(keep: &mut Self::Keep, work: impl FnOnce(Self::Top<'_>) -> T) -> T;

    /// Lends it again, for one call of several.
    fn again<'t>(top: &'t mut Self::Top<'_>) -> Self::Top<'t>;

    /// Calls `work` with the slots, of which there is a copy meanwhile; if it finds nothing they are
    /// what they were.
    fn attempt<T>(
        top: &mut Self::Top<'_>,
        slots: &mut [Slot],
        work: impl FnOnce(&mut [Slot], Self::Top<'_>) -> Option<T>,
    ) -> Option<T>;
}

/// Seeks every pattern in every line, from the left, as often as it is there.
fn run<C: Copies>(search: &Search, keep: &mut C::Keep) -> u64 {
    let mut slots = [NOWHERE; MOST_SLOTS];
    C::enter(keep, |mut top| {
        search.patterns.iter().fold(1, |sum, pattern| {
            let slots = &mut slots[..pattern.slots];
            search.lines.iter().fold(sum, |mut sum, line| {
                let matcher = Matcher { code: &pattern.code, line };
                let mut from = 0;
                while from < line.len() {
                    slots.fill(NOWHERE);
                    let end = matcher.go::<C>(0, from, slots, C::again(&mut top));
                    if end.is_some() {
                        sum = slots.iter().fold(sum, |sum, &slot| fold(sum, u64::from(slot)));
                    }
                    from = end.unwrap_or(0).max(from + 1);
                }
                sum
            })
        })
    })
}

struct Matcher<'p> {
    code: &'p [Op],
    line: &'p [u8],
}

impl Matcher<'_> {
    /// Follows the code from one instruction and position on, and returns where the match ends.
    fn go<C: Copies>(
        &self,
        mut next: usize,
        mut at: usize,
        slots: &mut [Slot],
        mut top: C::Top<'_>,
    ) -> Option<usize> {
        loop {
            match &self.code[next] {
                Op::Class(set) => {
                    if !self.line.get(at).is_some_and(|&byte| set[usize::from(byte)]) {
                        return None;
                    }
                    (next, at) = (next + 1, at + 1);
                }
                Op::Save(slot) => {
                    #[expect(clippy::cast_possible_truncation, reason = "lines are short")]
                    let position = at as Slot;
                    slots[*slot] = position;
                    next += 1;
                }
                Op::Back(group) => {
                    let (from, to) = (slots[2 * group] as usize, slots[2 * group + 1] as usize);
                    let held = self.line.get(from..to)?;
                    if !self.line[at..].starts_with(held) {
                        return None;
                    }
                    (next, at) = (next + 1, at + held.len());
                }
                Op::Choice(first, second) => {
                    let found = C::attempt(&mut top, slots, |slots, top| {
                        self.go::<C>(*first, at, slots, top)
                    });
                    if found.is_some() {
                        return found;
                    }
                    next = *second;
                }
                Op::Jump(to) => next = *to,
                Op::Match => return Some(at),
            }
        }
    }
}

struct Run<C: Copies>(C::Keep);

impl<C: Copies> Engine for Run<C> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| run::<C>(search(), &mut self.0))
    }

    fn ops_per_round(&self) -> u64 {
        choices()
    }
}

fn build<C: Copies>() -> Box<dyn Engine> {
    Box::new(Run::<C>(C::start()))
}

fn engine<C: Copies>() -> EngineSpec {
    spec_of(C::ABOUT, build::<C>)
}

fn by_pop<S: Lifo>() -> EngineSpec {
    engine::<On<ByPop<S>>>()
}

fn heap<M: Malloc>() -> EngineSpec {
    by_pop::<Heap<M>>().counted_on(&by_pop::<Heap<Counted>>())
}

// ---- memory that takes its newest block back ----------------------------------------------------

/// A block for each copy.
struct On<R>(PhantomData<R>);

impl<R: Recurse> Copies for On<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = R;
    type Top<'s> = R::Top<'s>;

    fn start() -> R {
        R::with_capacity(CAPACITY_BYTES)
    }

    fn enter<T>(keep: &mut R, work: impl FnOnce(R::Top<'_>) -> T) -> T {
        keep.enter(work)
    }

    #[inline]
    fn again<'t>(top: &'t mut R::Top<'_>) -> R::Top<'t> {
        R::again(top)
    }

    #[inline]
    fn attempt<T>(
        top: &mut R::Top<'_>,
        slots: &mut [Slot],
        work: impl FnOnce(&mut [Slot], R::Top<'_>) -> Option<T>,
    ) -> Option<T> {
        R::with_block(top, Layout::for_value(slots), |block, top| {
            let copy = block.cast::<Slot>();
            // SAFETY: a fresh block of the slots' layout, which therefore does not overlap them.
            unsafe { copy.as_ptr().copy_from_nonoverlapping(slots.as_ptr(), slots.len()) };
            let found = work(slots, top);
            if found.is_none() {
                // SAFETY: initialised above, and alive until this closure returns.
                let copy = unsafe { core::slice::from_raw_parts(copy.as_ptr(), slots.len()) };
                slots.copy_from_slice(copy);
            }
            found
        })
    }
}

/// Room for all copies of a round whose newest is always given back: twice the deepest line.
const CAPACITY_BYTES: usize = 64 << 10;

// ---- the global allocator, and none -------------------------------------------------------------

const CONTROL: About =
    About { name: "", config: "default", package: "benches", why: "", role: Role::Control };

/// Copies that need nothing but themselves.
macro_rules! copies {
    ($engine:ident, $about:expr, |$slots:ident| $copy:expr) => {
        struct $engine;

        impl Copies for $engine {
            const ABOUT: About = $about;
            type Keep = ();
            type Top<'s> = ();

            fn start() {}

            fn enter<T>((): &mut (), work: impl FnOnce(()) -> T) -> T {
                work(())
            }

            #[inline]
            fn again((): &mut Self::Top<'_>) {}

            #[inline]
            fn attempt<T>(
                (): &mut Self::Top<'_>,
                $slots: &mut [Slot],
                work: impl FnOnce(&mut [Slot], ()) -> Option<T>,
            ) -> Option<T> {
                let copy = $copy;
                let found = work($slots, ());
                if found.is_none() {
                    $slots.copy_from_slice(&copy[..$slots.len()]);
                }
                found
            }
        }
    };
}

copies!(
    Plain,
    About { name: "plain", why: "Box<[u32]> on the global allocator", ..CONTROL },
    |slots| Box::<[Slot]>::from(&*slots)
);
copies!(
    Null,
    About {
        name: "null",
        config: "array",
        why: "an array of each call, as large as the largest copy: no allocation",
        role: Role::Null,
        ..CONTROL
    },
    |slots| {
        let mut copy = [NOWHERE; MOST_SLOTS];
        copy[..slots.len()].copy_from_slice(slots);
        copy
    }
);

/// One `Vec` that is kept: copies at its end.
struct Reuse;

impl Copies for Reuse {
    const ABOUT: About = About {
        name: "reuse",
        why: "the same without an allocator: copies at the end of one Vec that is kept",
        ..CONTROL
    };
    type Keep = Vec<Slot>;
    type Top<'s> = &'s mut Vec<Slot>;

    fn start() -> Vec<Slot> {
        Vec::new()
    }

    fn enter<T>(keep: &mut Vec<Slot>, work: impl FnOnce(&mut Vec<Slot>) -> T) -> T {
        work(keep)
    }

    #[inline]
    fn again<'t>(top: &'t mut Self::Top<'_>) -> &'t mut Vec<Slot> {
        top
    }

    #[inline]
    fn attempt<T>(
        top: &mut Self::Top<'_>,
        slots: &mut [Slot],
        work: impl FnOnce(&mut [Slot], &mut Vec<Slot>) -> Option<T>,
    ) -> Option<T> {
        let from = top.len();
        top.extend_from_slice(slots);
        let found = work(slots, top);
        if found.is_none() {
            slots.copy_from_slice(&top[from..]);
        }
        top.truncate(from);
        found
    }
}

/// Counts the choices.
struct Counting;

impl Copies for Counting {
    const ABOUT: About = CONTROL;
    type Keep = Cell<u64>;
    type Top<'s> = &'s Cell<u64>;

    fn start() -> Cell<u64> {
        Cell::new(0)
    }

    fn enter<T>(keep: &mut Cell<u64>, work: impl FnOnce(&Cell<u64>) -> T) -> T {
        work(keep)
    }

    fn again<'t>(top: &'t mut Self::Top<'_>) -> &'t Cell<u64> {
        top
    }

    fn attempt<T>(
        top: &mut Self::Top<'_>,
        slots: &mut [Slot],
        work: impl FnOnce(&mut [Slot], &Cell<u64>) -> Option<T>,
    ) -> Option<T> {
        top.set(top.get() + 1);
        Null::attempt(&mut (), slots, |slots, ()| work(slots, top))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first match of a pattern holds: the whole, then each group.
    fn first(pattern: &str, line: &str) -> Option<Vec<Option<String>>> {
        let pattern = compile(pattern);
        let matcher = Matcher { code: &pattern.code, line: line.as_bytes() };
        (0..=line.len()).find_map(|from| {
            let mut slots = vec![NOWHERE; pattern.slots];
            matcher.go::<Plain>(0, from, &mut slots, ())?;
            let text =
                |pair: &[Slot]| line.get(pair[0] as usize..pair[1] as usize).map(ToOwned::to_owned);
            Some(slots.chunks(2).map(text).collect())
        })
    }

    fn held(pattern: &str, line: &str) -> Vec<String> {
        first(pattern, line).unwrap().into_iter().map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn patterns_match_what_they_say() {
        assert_eq!(held("a(b|cd)*e", "xabcdbe"), ["abcdbe", "b"]);
        assert_eq!(held("(\\w+) \\1", "to be be or"), ["be be", "be"]);
        assert_eq!(held("(.*),", "a,b,c"), ["a,b,", "a,b"]);
        assert_eq!(held("(.*?),", "a,b,c"), ["a,", "a"]);
        assert_eq!(held("x(y)?z", "xz"), ["xz", ""]);
        assert_eq!(held("\\(\\w+\\)", "f (x)"), ["(x)"]);
        // The group of the way that led nowhere is forgotten.
        assert_eq!(held("((a)x|ay)", "ay"), ["ay", "ay", ""]);
        assert_eq!(first("a+b", "aaac"), None);
        assert_eq!(
            held(PATTERNS[0], "fn f(x: &'a mut Vec)"),
            ["x: &'a mut Vec", "x", "a", "mut ", "Vec"]
        );
        assert_eq!(held(PATTERNS[1], "f(max(a.b, a.b))"), ["max(a.b, a.b)", "max", "a.b"]);
        assert_eq!(held(PATTERNS[2], "pub fn f<T>(x: T)")[4..], ["f", "<T>", "("]);
        assert_eq!(held(PATTERNS[3], "let x = y.z(1)?;"), ["y.z(1)?", "y", "z", "1"]);
        assert_eq!(held(PATTERNS[4], "let a = b.c * b;")[1..], ["a", "b", ".c", "*"]);
        let most = PATTERNS.iter().map(|pattern| compile(pattern).slots).max();
        assert_eq!(most, Some(MOST_SLOTS));
    }

    #[test]
    fn copies_leave_nothing_behind() {
        let mut vec = Reuse::start();
        let sum = run::<Reuse>(search(), &mut vec);
        assert_eq!(sum, run::<Plain>(search(), &mut ()));
        assert_ne!(sum, 1, "no pattern is in any line");
        assert!(vec.is_empty());
    }

    #[test]
    #[should_panic(expected = "a repeated part may be empty")]
    fn a_loop_that_may_stand_still_is_refused() {
        compile("(a*)*");
    }
}
