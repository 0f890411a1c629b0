//! `stack/boxes`: values with an owner each, dropped newest first or in any order.

use core::mem::MaybeUninit;

use super::Round;
use super::checksum::fold;
use super::linear::synthetic;
use super::stack::{BLOCKS, CAPACITY_BYTES, CRATE, DEPTH, Op, Order, mixed, program};
use crate::case::{Case, EngineSpec, Model};
use crate::engines;
use crate::engines::bump_scope::Scope;
use crate::engines::bumpalo;
use crate::engines::glibc::Glibc;
use crate::engines::lifo::{BoxIn, Owner, Value};
use crate::engines::null::Null;
use crate::engines::stack::{Boxed, InAllocator};
use crate::{heap_peer, heap_peers};

const LIFO: bool = false;
const RANDOM: bool = true;

macro_rules! engines {
    ($spec:ident, $in_box:ident) => {{
        let mut engines = vec![
            $spec::<Boxed>().primary(),
            $spec::<InAllocator>(),
            $spec::<Null>(),
            heap_peer!($in_box, Glibc).reference(),
        ];
        engines.extend(heap_peers!($in_box));
        engines.extend([
            $in_box::<bumpalo::New>(),
            $in_box::<bumpalo::WithCapacity<8>>(),
            $in_box::<Scope<1, true>>(),
            $in_box::<Scope<8, false>>(),
        ]);
        engines
    }};
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "stack/boxes/lifo",
            "Boxes 1,014 values of 24 bytes, at most 36 alive, and drops each, newest first",
            engines!(lifo, lifo_in),
        ),
        case(
            "stack/boxes/random",
            "The same boxes, but any of those alive is dropped, not the newest",
            engines!(random, random_in),
        ),
    ]
}

fn case(id: &'static str, what: &'static str, engines: Vec<EngineSpec>) -> Case {
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Churn,
        unit: "box",
        input: || synthetic(0, BLOCKS as u64),
        working_set_bytes: (DEPTH * size_of::<Value>()) as u64,
        threads: 1,
        engines,
    }
}

fn lifo<O: Owner>() -> EngineSpec {
    engines::spec_of(O::ABOUT, Boxing::<O, LIFO>::build)
}

fn lifo_in<R: engines::Backing>() -> EngineSpec {
    lifo::<BoxIn<R>>()
}

fn random<O: Owner>() -> EngineSpec {
    engines::spec_of(O::ABOUT, Boxing::<O, RANDOM>::build)
}

fn random_in<R: engines::Backing>() -> EngineSpec {
    random::<BoxIn<R>>()
}

struct Boxing<O, const ANY_ORDER: bool> {
    engine: O,
    ops: Vec<Op>,
}

impl<O: Owner, const ANY_ORDER: bool> Boxing<O, ANY_ORDER> {
    /// The loop of every engine: boxes made, kept in a table, read and dropped.
    #[inline(never)]
    fn all(engine: &O, ops: &[Op]) -> u64 {
        let mut table: [MaybeUninit<O::Boxed<'_>>; DEPTH] =
            [const { MaybeUninit::uninit() }; DEPTH];
        let start = table.as_mut_ptr();
        let (mut top, mut number, mut sum) = (start, 0_u64, 1);
        for op in ops {
            match *op {
                Op::Push(_) => {
                    number += 1;
                    let boxed = engine.boxed([number, number ^ 0x5EED, number << 7]);
                    // SAFETY: a walk is at most as deep as the table is long.
                    unsafe { top.write(MaybeUninit::new(boxed)) };
                    // SAFETY: at most one past the table's end.
                    top = unsafe { top.add(1) };
                }
                Op::Free(place) => {
                    // SAFETY: a walk frees no more than it pushed.
                    top = unsafe { top.sub(1) };
                    let hole = if ANY_ORDER {
                        // SAFETY: a place below the depth, which is at most the table's length.
                        unsafe { start.add(place) }
                    } else {
                        top
                    };
                    // SAFETY: in the table.
                    let boxed = unsafe { hole.read() };
                    // SAFETY: below the depth, so written when this box was made, and moved out once.
                    let boxed = unsafe { boxed.assume_init() };
                    if ANY_ORDER {
                        // SAFETY: both in the table; the last one moves into the hole.
                        unsafe { hole.copy_from(top, 1) };
                    }
                    sum = fold(sum, boxed[0] ^ boxed[2]);
                    drop(boxed);
                }
            }
        }
        sum
    }
}

impl<O: Owner, const ANY_ORDER: bool> Round for Boxing<O, ANY_ORDER> {
    const OPS: u64 = BLOCKS as u64;

    fn new() -> Self {
        let order = if ANY_ORDER { Order::Random } else { Order::Lifo };
        Self { engine: O::with_capacity(CAPACITY_BYTES), ops: program(order, mixed) }
    }

    #[inline]
    fn round(&mut self, sum: bool) -> u64 {
        let answer = Self::all(&self.engine, &self.ops);
        self.engine.settle();
        if sum { answer } else { 0 }
    }
}
