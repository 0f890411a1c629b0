//! The harness counts what each way costs, and refuses ways that do not agree. A program of its own
//! with one thread (`harness = false`): what others allocate would be counted, too. Optimised code
//! leaves out what nobody looks at: hence the black boxes.

#![expect(clippy::print_stdout, reason = "a program that says what it saw")]

use core::hint::black_box;
use guide::{Costs, counted, measure};
use std::panic;

fn main() {
    work_is_counted();
    println!("counted: allocations, the most bytes held, and those left");
    ways_are_counted();
    println!("counted: two ways, set-up included");
    ways_that_disagree_are_refused();
    println!("refused: two ways with different answers");
}

fn work_is_counted() {
    let (kept, costs) = counted(|| {
        drop(black_box(Vec::<u8>::with_capacity(1000)));
        black_box(Box::new([0_u8; 100]))
    });
    assert_eq!(costs, Costs { allocs: 2, peak_bytes: 1000, left_bytes: 100 });
    drop(kept);
}

fn ways_are_counted() {
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
}

fn ways_that_disagree_are_refused() {
    let wrong = || measure("number", 1).way("A", || || 1).way("B", || || 2).run();
    // Nobody need read of a panic that is expected.
    let telling = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let refused = panic::catch_unwind(wrong);
    panic::set_hook(telling);
    let message = *refused.expect_err("they do not agree").downcast::<String>().expect("a message");
    assert!(message.contains("B and A disagree"), "{message}");
}
