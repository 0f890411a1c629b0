//! Sequences of operations on a `TypedArena` against lists of its values: contents, order, indices,
//! addresses, drops, accounts; over memory that is refused at chosen requests, or lies side by side.
#![cfg(not(loom))]

mod typed_ops;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

fn inputs(max_bytes: usize) -> impl Strategy<Value = typed_ops::Input> {
    proptest::collection::vec(any::<u8>(), 64..max_bytes).prop_map(|bytes| {
        typed_ops::Input::arbitrary_take_rest(Unstructured::new(&bytes))
            .expect("64 bytes are enough")
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(debug_assertions) { 100 } else { 1000 },
        // A planted fault must leave nothing behind; a real one becomes a test of its own.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn short_sequences_agree_with_their_lists(input in inputs(192)) {
        typed_ops::run(&input);
    }

    #[test]
    fn long_sequences_agree_with_their_lists(input in inputs(1024)) {
        typed_ops::run(&input);
    }
}
