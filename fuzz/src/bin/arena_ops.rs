//! `alloc_arena::Arena`, its frames, checkpoints and dropped values, against a shadow of the live
//! blocks: the operations of the crate's property tests, chosen by the fuzzer.
#![cfg_attr(fuzzing, no_main)]

#[path = "../../../crates/alloc-arena/tests/ops/mod.rs"]
mod ops;

fuzz::target!(|input: ops::Input| ops::run(&input));
