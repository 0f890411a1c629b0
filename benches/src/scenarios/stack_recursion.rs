//! `stack/recursion`: a recursive function with a temporary of its own in each call, as in tree
//! walks, searches and recursive-descent parsers.

use core::alloc::Layout;
use core::ptr::NonNull;

use rand::Rng;
use rand::rngs::SmallRng;

use super::Round;
use super::checksum::fold;
use super::linear::{numbers, synthetic};
use super::stack::{CAPACITY_BYTES, CRATE, layout};
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines;
use crate::engines::bump_scope::Scoped;
use crate::engines::glibc::Glibc;
use crate::engines::lifo::{ByPop, Lifo, Recurse};
use crate::engines::null::Null;
use crate::engines::stack::{Handles, InAllocator, Marks};
use crate::{heap_peer, heap_peers, lifo_peers};

/// Calls a round.
const CALLS: usize = 1000;

/// Calls within calls at most.
const DEPTH: usize = 30;

pub(super) fn cases() -> Vec<Case> {
    let mut engines = vec![
        recursion::<Handles>().primary(),
        by_pop::<Marks>(),
        by_pop::<InAllocator>(),
        recursion::<Null>(),
        heap_peer!(by_pop, Glibc).reference(),
    ];
    engines.extend(heap_peers!(by_pop));
    engines.extend([recursion::<Scoped<true>>(), recursion::<Scoped<false>>()]);
    engines.extend(lifo_peers!(by_pop));
    vec![Case {
        id: "stack/recursion/temporaries",
        krate: CRATE,
        what: "Walks a tree of 1,000 calls, at most 30 deep; each call takes a block of 16 to 256 \
               bytes before its calls and gives it back after them",
        model: Model::Churn,
        unit: "call",
        input: || synthetic(0, CALLS as u64),
        working_set_bytes: (DEPTH * 136) as u64,
        threads: 1,
        engines,
    }]
}

fn recursion<R: Recurse>() -> EngineSpec {
    engines::spec_of(R::ABOUT, Recursion::<R>::build)
}

fn by_pop<S: Lifo>() -> EngineSpec {
    recursion::<ByPop<S>>()
}

/// A call: its temporary, and how many calls it makes.
#[derive(Clone, Copy)]
struct Call {
    layout: Layout,
    calls: u32,
}

/// The calls in the order in which they begin.
fn tree() -> Vec<Call> {
    fn grow(numbers: &mut SmallRng, depth: usize, calls: &mut Vec<Call>) {
        let index = calls.len();
        let bytes = numbers.random_range(16..=256);
        calls.push(Call { layout: layout(bytes, 1 << numbers.random_range(0..=4)), calls: 0 });
        let wanted = if depth < DEPTH { [0, 1, 1, 2, 3][numbers.random_range(0..5)] } else { 0 };
        while calls[index].calls < wanted && calls.len() < CALLS {
            calls[index].calls += 1;
            grow(numbers, depth + 1, calls);
        }
    }
    let (mut numbers, mut calls) = (numbers(0x7265_6375), Vec::with_capacity(CALLS));
    while calls.len() < CALLS {
        grow(&mut numbers, 1, &mut calls);
    }
    calls
}

struct Recursion<R> {
    engine: R,
    calls: Vec<Call>,
}

impl<R: Recurse> Recursion<R> {
    /// One call; writes its number into its temporary first and reads it last.
    fn call(mut top: R::Top<'_>, calls: &mut core::slice::Iter<'_, Call>, depth: u32) -> u32 {
        let Some(&call) = calls.next() else { return 0 };
        R::with_block(&mut top, call.layout, |block, mut top| {
            let block = block.cast::<u32>();
            // SAFETY: at least 16 bytes long and ours; its alignment may be anything.
            unsafe { block.write_unaligned(depth) };
            let mut sum = 0_u32;
            for _ in 0..call.calls {
                sum = sum.wrapping_add(Self::call(R::again(&mut top), calls, depth + 1));
            }
            // SAFETY: written above, and alive until this closure returns.
            let own = unsafe { block.read_unaligned() };
            sum.rotate_left(3) ^ own
        })
    }

    #[inline(never)]
    fn all(mut top: R::Top<'_>, calls: &[Call]) -> u64 {
        let mut calls = calls.iter();
        let mut sum = 0;
        while !calls.as_slice().is_empty() {
            sum = fold(sum, u64::from(Self::call(R::again(&mut top), &mut calls, 1)));
        }
        sum
    }

    /// The same with every byte of each temporary written, and checked before it dies.
    fn checked(mut top: R::Top<'_>, calls: &mut core::slice::Iter<'_, Call>) {
        let Some(&call) = calls.next() else { return };
        let tag = calls.len().to_le_bytes()[0] ^ 0xA5;
        R::with_block(&mut top, call.layout, |block, mut top| {
            assert_eq!(block.addr().get() % call.layout.align(), 0, "{:?}", call.layout);
            // SAFETY: ours, and as long as its layout says.
            unsafe { block.write_bytes(tag, call.layout.size()) };
            for _ in 0..call.calls {
                Self::checked(R::again(&mut top), calls);
            }
            let bytes = NonNull::slice_from_raw_parts(block, call.layout.size());
            // SAFETY: ours, filled above, alive until this closure returns.
            let bytes = unsafe { bytes.as_ref() };
            assert!(bytes.iter().all(|&byte| byte == tag), "{:?} was overwritten", call.layout);
        });
    }
}

impl<R: Recurse> Round for Recursion<R> {
    const OPS: u64 = CALLS as u64;

    fn new() -> Self {
        let mut recursion = Self { engine: R::with_capacity(CAPACITY_BYTES), calls: tree() };
        if R::ABOUT.role != Role::Null {
            let calls = &recursion.calls;
            recursion.engine.enter(|mut top| {
                let mut calls = calls.iter();
                while !calls.as_slice().is_empty() {
                    Self::checked(R::again(&mut top), &mut calls);
                }
            });
        }
        recursion
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        let calls = &self.calls;
        let answer = self.engine.enter(|top| Self::all(top, calls));
        if sum { answer } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_whole_and_as_deep_as_stated() {
        let calls = tree();
        fn deepest(calls: &mut core::slice::Iter<'_, Call>) -> usize {
            let Some(&call) = calls.next() else { return 0 };
            1 + (0..call.calls).map(|_| deepest(calls)).max().unwrap_or(0)
        }
        let (mut rest, mut depth) = (calls.iter(), 0);
        while !rest.as_slice().is_empty() {
            depth = depth.max(deepest(&mut rest));
        }
        assert_eq!((calls.len(), rest.len()), (CALLS, 0));
        assert!((20..=DEPTH).contains(&depth), "{depth}");
    }
}
