//! Everything on the caller's own memory: no heap, no operating system.
#![cfg(not(loom))]

use alloc_core::{Borrowed, ErrorKind, Layout};
use alloc_stack::Stack;
use core::mem::MaybeUninit;

#[test]
fn a_stack_on_a_buffer_of_any_alignment() {
    for skip in 0..64 {
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let inside = buffer.as_ptr_range();
        let (low, high) = (inside.start.addr(), inside.end.addr());
        let mut stack = Stack::<16, _>::with_capacity_in(640, Borrowed::new(&mut buffer[skip..]));
        for _ in 0..3 {
            let (mut last, mut count) = (high, 0);
            stack.scoped(|scope| {
                while let Ok(value) = scope.try_alloc([1u8; 10]) {
                    let address = core::ptr::from_mut(value).addr();
                    assert!(low <= address && address + 10 <= last, "{address:#x}");
                    (last, count) = (address, count + 1);
                }
            });
            assert!(count >= 640 / 16, "{count} values");
            assert_eq!(stack.used_bytes(), 0);
        }
    }
}

#[test]
fn blocks_in_any_order_on_a_small_buffer() {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let stack = Stack::<1, _>::with_capacity_in(2048, Borrowed::new(&mut buffer));
    let layout = Layout::from_size_align(24, 64).unwrap();
    for _ in 0..10 {
        let mut blocks = Vec::new();
        let error = loop {
            match stack.try_alloc_layout(layout) {
                Ok(block) => blocks.push(block),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Backing, "there is one block to have");
        assert!(blocks.len() >= 2048 / 64 - 1, "{} blocks", blocks.len());
        let half = blocks.len() / 2;
        blocks.rotate_left(half);
        for block in blocks {
            // SAFETY: alive, with this layout.
            unsafe { stack.dealloc_layout(block, layout) };
        }
        assert_eq!(stack.used_bytes(), 0);
    }
}

#[test]
fn a_buffer_that_is_too_small_is_an_error() {
    let mut buffer = [MaybeUninit::uninit(); 64];
    let error = Stack::<1, _>::try_with_capacity_in(65, Borrowed::new(&mut buffer)).unwrap_err();
    assert_eq!((error.kind(), error.size()), (ErrorKind::Backing, 65));
    assert!(error.to_string().contains("65"), "{error}");
    let error = Stack::<1, _>::try_with_capacity_in(1, Borrowed::new(&mut buffer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backing, "no room for the header");
}

#[test]
fn the_buffer_is_the_callers_again_afterwards() {
    let mut buffer = [MaybeUninit::new(0u8); 512];
    {
        let stack = Stack::<1, _>::with_capacity_in(16, Borrowed::new(&mut buffer));
        drop(stack.alloc_box([7u8; 16]));
    }
    buffer.fill(MaybeUninit::new(1));
}
