//! `Frames`: how long a name resolves, and where.
#![cfg(not(loom))]

use alloc_linear::{Frames, Linear};
use core::mem::ManuallyDrop;

#[test]
fn a_name_resolves_for_n_frames_and_not_for_one_more() {
    fn check<const N: usize>() {
        let mut frames = Frames::<N>::with_capacity(1024);
        let mut names = Vec::new();
        for frame in 0..40u64 {
            names.push(frames.keep([frame; 4]));
            for (made, name) in names.iter().enumerate() {
                let age = frame - made as u64;
                let expected = (age < N as u64).then_some([made as u64; 4]);
                assert_eq!(frames.get(*name).copied(), expected, "N = {N}, age {age}");
                assert_eq!(frames.is_alive(*name), expected.is_some());
            }
            assert_eq!(frames.frame_number(), frame);
            frames.advance();
        }
    }
    check::<1>();
    check::<2>();
    check::<3>();
    check::<7>();
}

#[test]
fn a_name_of_another_ring_does_not_resolve() {
    let ours = Frames::<2>::with_capacity(64);
    let theirs = Frames::<2>::with_capacity(64);
    let name = theirs.keep(5u32);
    assert_eq!((ours.get(name), theirs.get(name)), (None, Some(&5)));
    drop(theirs);
    // A ring that may well have the same addresses.
    let again = Frames::<2>::with_capacity(64);
    again.keep(6u32);
    assert_eq!(again.get(name), None);
}

#[test]
fn a_swapped_ring_takes_its_names_along() {
    let (mut a, mut b) = (Frames::<2>::with_capacity(64), Frames::<2>::with_capacity(64));
    let (of_a, of_b) = (a.keep_str("a"), b.keep_str("b"));
    core::mem::swap(&mut a, &mut b);
    assert_eq!((b.get(of_a), a.get(of_b)), (Some("a"), Some("b")));
    assert_eq!((a.get(of_a), b.get(of_b)), (None, None));
}

#[test]
fn values_are_written_through_their_names() {
    let mut frames = Frames::<2>::with_capacity(256);
    let name = frames.keep_slice(&[1u16, 2, 3]);
    frames.advance();
    frames.get_mut(name).unwrap()[1] = 20;
    assert_eq!(frames.get(name).unwrap(), [1, 20, 3]);
    frames.advance();
    assert_eq!(frames.get_mut(name), None);
}

#[test]
fn names_of_a_kept_frame_survive_what_happens_in_it() {
    let frames = Frames::<2>::with_capacity(4096);
    let mut inner = None;
    let unwound = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        frames.current().alloc_with(|| -> u64 {
            inner = Some(frames.keep(77u64));
            std::panic::resume_unwind(Box::new(()))
        });
    }));
    assert!(unwound.is_err());
    frames.current().alloc([0xEEu8; 512]);
    assert_eq!(frames.get(inner.unwrap()), Some(&77));
}

#[test]
fn a_frame_left_closed_opens_when_its_turn_comes() {
    let mut frames = Frames::<2>::with_capacity(256);
    let _ = ManuallyDrop::new(frames.current().burst());
    assert!(frames.current().try_alloc(1u8).is_err());
    frames.advance();
    frames.keep(1u8);
    frames.advance();
    assert_eq!(*frames.current().alloc(2u8), 2);
}

#[test]
fn given_regions_are_emptied_and_faults_give_back_what_was_had() {
    let region = Linear::<8>::with_min_align(128);
    region.alloc(1u64);
    let frames = Frames::from_regions([region, Linear::with_min_align(128)]);
    assert_eq!(frames.current().used_bytes(), 0);
    assert_eq!(frames.stats().used_bytes, 0);
    assert!(Frames::<3>::try_with_capacity(usize::MAX).is_err());
    assert!(Frames::<3>::try_with_capacity(16).is_ok());
}

#[test]
fn a_ring_moves_to_another_thread_with_its_names() {
    let frames = Frames::<2>::with_capacity(64);
    let name = frames.keep(9u8);
    let read = std::thread::spawn(move || frames.get(name).copied()).join().unwrap();
    assert_eq!(read, Some(9));
}
