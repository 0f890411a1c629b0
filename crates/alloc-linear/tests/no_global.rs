//! Everything on the caller's own memory: no heap, no operating system.
#![cfg(not(loom))]

use alloc_core::{Borrowed, ErrorKind};
use alloc_linear::{Frames, Linear};
use core::mem::MaybeUninit;

#[test]
fn a_region_on_a_buffer_of_any_alignment() {
    for skip in 0..64 {
        let mut buffer = [MaybeUninit::uninit(); 320];
        let inside = buffer.as_ptr_range();
        let (low, high) = (inside.start.addr(), inside.end.addr());
        let mut region = Linear::<16, _>::with_capacity_in(160, Borrowed::new(&mut buffer[skip..]));
        assert!(region.capacity_bytes() >= 160, "at least what was asked for");
        for _ in 0..3 {
            let mut last = high;
            while let Ok(value) = region.try_alloc([1u8; 10]) {
                let address = core::ptr::from_mut(value).addr();
                assert!(low <= address && address + 10 <= last, "{address:#x}");
                last = address;
            }
            region.reset();
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_is_an_error() {
    let mut buffer = [MaybeUninit::uninit(); 64];
    let error = Linear::<1, _>::try_with_capacity_in(65, Borrowed::new(&mut buffer)).unwrap_err();
    assert_eq!((error.kind(), error.size()), (ErrorKind::Backing, 65));
    assert!(error.to_string().contains("65"), "{error}");
}

#[test]
fn a_ring_of_buffers() {
    let (mut a, mut b) = ([MaybeUninit::uninit(); 256], [MaybeUninit::uninit(); 256]);
    let mut frames = Frames::from_regions([
        Linear::<8, _>::with_capacity_in(128, Borrowed::new(&mut a)),
        Linear::<8, _>::with_capacity_in(128, Borrowed::new(&mut b)),
    ]);
    let name = frames.keep_str("here");
    frames.advance();
    assert_eq!(frames.get(name), Some("here"));
}

#[test]
fn the_buffer_is_the_callers_again_afterwards() {
    let mut buffer = [MaybeUninit::new(0u8); 64];
    {
        let region = Linear::<1, _>::with_capacity_in(16, Borrowed::new(&mut buffer));
        region.alloc([7u8; 16]);
    }
    buffer.fill(MaybeUninit::new(1));
}
