//! The arenas of `alloc-arena` against their models: the operations of the crate's property tests,
//! chosen by the fuzzer.
//!
//! `Arena`, its frames, checkpoints and dropped values, against a shadow of the live blocks;
//! `TypedArena` against lists of its values; `SyncArena` under threads that take turns.
#![cfg_attr(fuzzing, no_main)]

#[path = "../../../crates/alloc-arena/tests/ops/mod.rs"]
mod ops;
#[path = "../../../crates/alloc-arena/tests/sync_ops/mod.rs"]
mod sync_ops;
#[path = "../../../crates/alloc-arena/tests/typed_ops/mod.rs"]
mod typed_ops;

use arbitrary::{Arbitrary, Unstructured};

/// Which arena, and what is done to it.
#[derive(Debug)]
enum Input {
    Arena(ops::Input),
    Typed(typed_ops::Input),
    Sync(sync_ops::Input),
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        // A turn of another thread takes as long as a hundred operations: seldom.
        match u8::arbitrary(bytes)? {
            0 => sync_ops::Input::arbitrary(bytes).map(Self::Sync),
            odd if odd % 2 == 1 => typed_ops::Input::arbitrary(bytes).map(Self::Typed),
            _ => ops::Input::arbitrary(bytes).map(Self::Arena),
        }
    }
}

fuzz::target!(|input: Input| match input {
    Input::Arena(input) => ops::run(&input),
    Input::Typed(input) => typed_ops::run(&input),
    Input::Sync(input) => sync_ops::run(&input),
});
