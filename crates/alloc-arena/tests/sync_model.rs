//! Sequences of operations of threads that take turns, on one `SyncArena` against a shadow: overlap,
//! contents, drops and who runs them, accounts.
#![cfg(all(feature = "std", unix, not(loom)))]

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
        cases: if cfg!(debug_assertions) { 60 } else { 300 },
        // A planted fault must leave nothing behind; a real one becomes a test of its own.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn threads_that_take_turns_agree_with_the_shadow(input in inputs(768)) {
        sync_ops::run(&input);
    }
}
