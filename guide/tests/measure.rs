//! The harness counts what each way costs, and refuses ways that do not agree. One test: what other
//! threads allocate would be counted, too. Optimised code leaves out what nobody looks at: hence the
//! black boxes.

use core::hint::black_box;
use guide::{Costs, counted, measure};
use std::panic;

#[test]
fn ways_are_counted_and_compared() {
    let (kept, costs) = counted(|| {
        drop(black_box(Vec::<u8>::with_capacity(1000)));
        black_box(Box::new([0_u8; 100]))
    });
    assert_eq!(costs, Costs { allocs: 2, peak_bytes: 1000, left_bytes: 100 });
    drop(kept);

    let measured = measure("list", 2)
        .way("two boxes", || || *black_box(Box::new(1_u64)) + *black_box(Box::new(2_u64)))
        .way("a buffer", || {
            let mut buffer = Vec::with_capacity(100);
            move || {
                buffer.clear();
                buffer.extend([1_u64, 2]);
                buffer.iter().sum()
            }
        })
        .run();
    assert_eq!((measured[0].allocs, measured[1].allocs), (2, 0));
    assert_eq!(measured[0].peak_bytes, 16);
    assert_eq!(measured[1].peak_bytes, 800, "set-up counts");

    let wrong = || measure("number", 1).way("A", || || 1).way("B", || || 2).run();
    let message = *panic::catch_unwind(wrong)
        .expect_err("they do not agree")
        .downcast::<String>()
        .expect("a message");
    assert!(message.contains("B and A disagree"), "{message}");
}
