//! `alloc_slab::Slab` against a hash map of what must be in it, with counted drops, remembered
//! addresses and failing backings: the operations of the crate's property tests, chosen by the fuzzer.
#![cfg_attr(fuzzing, no_main)]

#[path = "../../../crates/alloc-slab/tests/ops/mod.rs"]
mod ops;

fuzz::target!(|input: ops::Input| ops::run(&input));
