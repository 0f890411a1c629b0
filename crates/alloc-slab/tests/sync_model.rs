//! Sequences of operations of threads that take turns, on one `SyncSlab` against a map: keys, values,
//! addresses, guards, drops.
#![cfg(all(feature = "std", not(loom)))]

mod sync_ops;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

fn inputs(max_bytes: usize) -> impl Strategy<Value = sync_ops::Input> {
    proptest::collection::vec(any::<u8>(), 64..max_bytes).prop_map(|bytes| {
        sync_ops::Input::arbitrary_take_rest(Unstructured::new(&bytes))
            .expect("64 bytes are enough")
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(debug_assertions) { 200 } else { 1000 },
        // A planted fault must leave nothing behind; a real one becomes a test of its own.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn threads_that_take_turns_agree_with_the_map(input in inputs(768)) {
        sync_ops::run(&input);
    }
}
