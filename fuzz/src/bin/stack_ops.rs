//! `alloc_stack::Stack`, its frames, handles, boxes and checkpoints, against a shadow of the live
//! blocks: the operations of the crate's property tests, chosen by the fuzzer.
#![cfg_attr(fuzzing, no_main)]

#[path = "../../../crates/alloc-stack/tests/ops/mod.rs"]
mod ops;

fuzz::target!(|input: ops::Input| ops::run(&input));
