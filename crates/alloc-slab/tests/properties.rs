//! Sequences of operations against a hash map: keys, values, addresses, drops.
#![cfg(not(loom))]

mod ops;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

fn inputs(max_bytes: usize) -> impl Strategy<Value = ops::Input> {
    proptest::collection::vec(any::<u8>(), 64..max_bytes).prop_map(|bytes| {
        ops::Input::arbitrary_take_rest(Unstructured::new(&bytes)).expect("64 bytes are enough")
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(debug_assertions) { 400 } else { 2000 },
        // A planted fault must leave nothing behind; a real one becomes a test in `regressions.rs`.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn short_sequences_agree_with_the_shadow(input in inputs(256)) {
        ops::run(&input);
    }

    #[test]
    fn long_sequences_agree_with_the_shadow(input in inputs(2048)) {
        ops::run(&input);
    }
}
