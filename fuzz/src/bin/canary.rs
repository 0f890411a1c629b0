//! The canary: a fault that only a fuzzer which sees coverage finds soon. `cargo xtask fuzz` runs
//! it first, and believes nothing when it is not found.
#![cfg_attr(fuzzing, no_main)]
use arbitrary::{Arbitrary, Unstructured};

#[derive(Arbitrary, Debug)]
enum Op {
    Turn(u8),
    Reset,
}

/// As many operations as the bytes hold: a derived vector flips a coin for its end after each, and
/// is mostly short.
#[derive(Debug)]
struct Ops(Vec<Op>);

impl<'a> Arbitrary<'a> for Ops {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut ops = Vec::new();
        while !bytes.is_empty() {
            ops.push(bytes.arbitrary()?);
        }
        Ok(Self(ops))
    }
}

/// A lock with three numbers: chance needs millions of tries to open it, coverage one number
/// after the other. Opening it is the planted fault.
fn turn(ops: &[Op]) {
    let mut right = 0_u8;
    for op in ops {
        right = match (core::hint::black_box(right), op) {
            (0, Op::Turn(17)) => 1,
            (1, Op::Turn(99)) => 2,
            (2, Op::Turn(201)) => panic!("planted fault reached"),
            (number, Op::Turn(_)) => number,
            (_, Op::Reset) => 0,
        };
    }
}

fuzz::target!(|ops: Ops| turn(&ops.0));
