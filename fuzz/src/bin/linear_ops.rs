//! `alloc_linear::Linear`, its bursts and builders, against a shadow of the live blocks: the
//! operations of the crate's property tests, chosen by the fuzzer.
#![cfg_attr(fuzzing, no_main)]

#[path = "../../../crates/alloc-linear/tests/ops/mod.rs"]
mod ops;

fuzz::target!(|input: ops::Input| ops::run(&input));
