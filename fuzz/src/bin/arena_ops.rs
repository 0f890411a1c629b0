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

/// Which arena, and what is done to it.
#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    Arena(ops::Input),
    Typed(typed_ops::Input),
    Sync(sync_ops::Input),
}

fuzz::target!(|input: Input| match input {
    Input::Arena(input) => ops::run(&input),
    Input::Typed(input) => typed_ops::run(&input),
    Input::Sync(input) => sync_ops::run(&input),
});
