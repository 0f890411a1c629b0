//! Checkpoints: where they lead, and which are refused.
#![cfg(not(loom))]

use alloc_core::Layout;
use alloc_stack::{CheckpointError, Stack, StackConfig};

fn take(stack: &Stack, bytes: usize) {
    let _ = stack.alloc_layout(Layout::from_size_align(bytes, 8).unwrap());
}

fn small() -> Stack {
    Stack::with_config(StackConfig::new().segment_bytes(16 * 1024))
}

#[test]
fn a_checkpoint_leads_back_over_segments() {
    let mut stack = small();
    let empty = stack.checkpoint();
    take(&stack, 1000);
    let (used, checkpoint) = (stack.used_bytes(), stack.checkpoint());
    for _ in 0..3 {
        for _ in 0..20 {
            take(&stack, 5000);
        }
        stack.rewind(checkpoint);
        assert_eq!(stack.used_bytes(), used);
    }
    stack.rewind(empty);
    assert_eq!(stack.used_bytes(), 0);
    assert_eq!(stack.try_rewind(empty), Ok(()), "the stack is there");
}

#[test]
fn a_checkpoint_of_another_stack_is_refused() {
    let (one, mut two) = (small(), small());
    take(&one, 100);
    take(&two, 100);
    let used = two.used_bytes();
    assert_eq!(two.try_rewind(one.checkpoint()), Err(CheckpointError::Foreign));
    assert_eq!(two.used_bytes(), used, "nothing changed");
}

#[test]
fn a_checkpoint_is_refused_while_the_stack_is_below_it() {
    let mut stack = small();
    let low = stack.checkpoint();
    take(&stack, 100);
    let high = stack.checkpoint();
    stack.rewind(low);
    assert_eq!(stack.try_rewind(high), Err(CheckpointError::Stale));
    assert_eq!(stack.try_rewind(low), Ok(()));
}

#[test]
fn a_checkpoint_in_a_segment_that_was_closed_is_stale_for_good() {
    let mut stack = small();
    take(&stack, 10_000);
    let low = stack.checkpoint();
    take(&stack, 10_000);
    let high = stack.checkpoint(); // in the second segment
    stack.rewind(low);
    // The spare becomes the second segment again, at the same address, filled as before.
    take(&stack, 10_000);
    take(&stack, 1000);
    let used = stack.used_bytes();
    assert_eq!(stack.try_rewind(high), Err(CheckpointError::Stale));
    assert_eq!(stack.used_bytes(), used);
}

#[test]
fn a_reset_and_a_trim_make_checkpoints_stale() {
    let mut stack = small();
    take(&stack, 100);
    let checkpoint = stack.checkpoint();
    stack.reset();
    take(&stack, 200);
    assert_eq!(stack.try_rewind(checkpoint), Err(CheckpointError::Stale));
    let checkpoint = stack.checkpoint();
    stack.reset();
    stack.trim();
    assert_eq!(stack.try_rewind(checkpoint), Err(CheckpointError::Stale));
    take(&stack, 200);
    assert_eq!(stack.try_rewind(checkpoint), Err(CheckpointError::Stale));
}

#[test]
fn a_stack_dropped_and_another_at_the_same_address() {
    let mut place = Some(small());
    let stack = place.as_ref().unwrap();
    take(stack, 100);
    let checkpoint = stack.checkpoint();
    place = Some(small());
    let stack = place.as_mut().unwrap();
    take(stack, 100);
    take(stack, 100);
    assert_eq!(stack.try_rewind(checkpoint), Err(CheckpointError::Foreign));
}

#[test]
fn a_frame_rewinds_within_itself_only() {
    let mut stack = small();
    let before = stack.checkpoint();
    take(&stack, 100);
    let outside = stack.checkpoint();
    let mut frame = stack.frame();
    frame.scope().alloc([0u8; 100]);
    let inside = frame.checkpoint();
    let used = frame.scope().used_bytes();
    frame.scope().alloc_slice_fill_copy(40_000, 0u8);
    assert_eq!(frame.scope().checkpoint(), frame.checkpoint());
    assert_eq!(frame.try_rewind(inside), Ok(()));
    assert_eq!(frame.scope().used_bytes(), used);
    assert_eq!(frame.try_rewind(before), Err(CheckpointError::OutsideFrame));
    // Where the frame begins: all of it goes, and it stays open.
    assert_eq!(frame.try_rewind(outside), Ok(()));
    assert_eq!(frame.try_rewind(inside), Err(CheckpointError::Stale));
    frame.scope().alloc([0u8; 100]);
    drop(frame);
    assert_eq!(stack.try_rewind(outside), Ok(()));
}

#[test]
fn a_refused_rewind_says_why() {
    let (one, mut two) = (small(), small());
    let error = two.try_rewind(one.checkpoint()).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint is of another stack");
    let text = format!("{:?}", one.checkpoint());
    assert!(text.contains("stack_id"), "{text}");
}
