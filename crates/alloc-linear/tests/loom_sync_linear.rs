//! Models of `SyncLinear`: every access to the shared cursor, and blocks passing between threads.
//!
//! The memory itself is plain: what the models compare are the ranges that threads were given.
#![cfg(all(loom, feature = "std"))]

use alloc_core::{Allocator, Layout};
use alloc_linear::SyncLinear;
use core::ptr::NonNull;
use primitives::model::Model;
use primitives::sync::{Arc, thread};

const BLOCK: usize = 128;

/// A region whose blocks are as small as they may be.
fn region(blocks: usize) -> SyncLinear<8> {
    SyncLinear::with_min_align(blocks * BLOCK).with_block_bytes(BLOCK)
}

/// The address of a new value of `size` bytes, aligned to 8.
fn take(region: &SyncLinear<8>, size: usize) -> Option<usize> {
    let layout = Layout::from_size_align(size, 8).expect("a small layout");
    region.try_alloc_layout(layout).ok().map(|value| value.addr().get())
}

/// Two threads race for blocks: each gets one of its own, or the second what the first left.
#[test]
fn loom_two_threads_take_blocks() {
    let model = Model::new("two_threads_take_blocks");
    model.reaches(["ours first", "theirs first", "theirs adopted"]).floor(1_000).check(|seen| {
        let region = Arc::new(region(2));
        let theirs = Arc::clone(&region);
        let t = thread::spawn(move || {
            let first = take(&theirs, 8).expect("there is a block");
            assert_eq!(take(&theirs, 8), Some(first - 8), "from the same block");
            first
        });
        let ours = take(&region, 8).expect("there is a block");
        let other = t.join().unwrap();
        let stats = region.stats();
        if ours == other - 16 {
            seen.record("theirs adopted");
            assert_eq!((stats.used_bytes, stats.slow_calls), (BLOCK, 1));
        } else {
            assert_eq!(ours.abs_diff(other), BLOCK, "{ours:#x} and {other:#x}");
            seen.record(if ours > other { "ours first" } else { "theirs first" });
            assert_eq!((stats.used_bytes, stats.slow_calls), (2 * BLOCK, 2));
        }
        assert!(stats.contended <= 2, "a failure follows a success, or is spurious: {stats:?}");
    });
}

/// A failed compare-and-swap is counted, and the loser goes on from the winner's cursor.
#[test]
fn loom_contention_is_counted() {
    Model::new("contention_is_counted").reaches(["met", "did not meet"]).floor(1_000).check(
        |seen| {
            let region = Arc::new(region(2));
            let theirs = Arc::clone(&region);
            let t = thread::spawn(move || take(&theirs, 8));
            let ours = take(&region, 8);
            assert_ne!(ours, t.join().unwrap());
            seen.record(if region.stats().contended > 0 { "met" } else { "did not meet" });
        },
    );
}

/// A thread without a block frees what another took, while that one frees, too: both are counted.
#[test]
fn loom_frees_elsewhere_are_counted() {
    /// A block on its way to another thread.
    struct Given(NonNull<u8>);
    // SAFETY: who has it has it alone.
    unsafe impl Send for Given {}

    Model::new("frees_elsewhere_are_counted").reaches(["freed"]).floor(2).check(|seen| {
        let region = Arc::new(region(2));
        let layout = Layout::new::<u64>();
        let [ours, given] = [(); 2].map(|()| region.try_alloc_layout(layout).expect("room"));
        let (theirs, given) = (Arc::clone(&region), Given(given));
        let t = thread::spawn(move || {
            let whole = given;
            let Given(block) = whole;
            // SAFETY: taken from the region with this layout, and nobody uses it any more.
            unsafe { (&*theirs).deallocate(block, layout) };
        });
        // SAFETY: as above.
        unsafe { (&*region).deallocate(ours, layout) };
        t.join().unwrap();
        assert_eq!(region.stats().frees, cfg!(feature = "stats").then_some(2));
        seen.record("freed");
    });
}

/// Two threads, one block: the other is refused, unless it adopts what was left.
#[test]
fn loom_the_last_block_goes_to_one() {
    let model = Model::new("the_last_block_goes_to_one");
    model.reaches(["we are refused", "they are refused", "adopted"]).floor(1_000).check(|seen| {
        let region = Arc::new(region(1));
        let theirs = Arc::clone(&region);
        let t = thread::spawn(move || take(&theirs, 8));
        let ours = take(&region, 8);
        match (ours, t.join().unwrap()) {
            (None, Some(_)) => seen.record("we are refused"),
            (Some(_), None) => seen.record("they are refused"),
            (Some(ours), Some(other)) => {
                assert_eq!(ours, other - 8);
                seen.record("adopted");
            }
            (None, None) => panic!("nobody got the last block"),
        }
    });
}

/// A block and a half: one thread gets the block, the other its value alone from the remainder.
#[test]
fn loom_the_remainder_serves_the_second() {
    let model = Model::new("the_remainder_serves_the_second");
    model.reaches(["remainder theirs", "remainder ours", "adopted"]).floor(1_000).check(|seen| {
        let region = SyncLinear::<8>::with_min_align(3 * BLOCK).with_block_bytes(2 * BLOCK);
        let region = Arc::new(region);
        let theirs = Arc::clone(&region);
        let t = thread::spawn(move || take(&theirs, 8).expect("block or remainder"));
        let ours = take(&region, 8).expect("block or remainder");
        let other = t.join().unwrap();
        match ours.abs_diff(other) {
            8 if region.used_bytes() == 2 * BLOCK => seen.record("adopted"),
            // The remainder is bumped at the shared cursor, right below the block.
            apart => {
                assert_eq!(apart, 2 * BLOCK);
                assert_eq!(region.used_bytes(), 2 * BLOCK + 8);
                seen.record(if ours > other { "remainder theirs" } else { "remainder ours" });
            }
        }
    });
}

/// A large value, which goes to the shared cursor, against a block.
#[test]
fn loom_large_value_against_block() {
    let model = Model::new("large_value_against_block");
    model.reaches(["large first", "block first"]).floor(1_000).check(|seen| {
        let region = Arc::new(region(3));
        let theirs = Arc::clone(&region);
        let t = thread::spawn(move || take(&theirs, 64).expect("there is room"));
        let small = take(&region, 8).expect("there is room");
        let large = t.join().unwrap();
        assert!(small + 8 <= large || large + 64 <= small, "{small:#x} in {large:#x} + 64");
        if large > small {
            seen.record("large first");
            assert_eq!(region.used_bytes(), 2 * BLOCK, "blocks begin and end at whole lines");
        } else {
            seen.record("block first");
            assert_eq!(region.used_bytes(), BLOCK + 64);
        }
    });
}

/// A thread exits; another goes on in its block, from where it stopped.
#[test]
fn loom_a_block_passes_to_the_next_thread() {
    Model::new("a_block_passes_to_the_next_thread").reaches(["passed", "own"]).floor(1_000).check(
        |seen| {
            let region = Arc::new(region(3));
            let (first, second) = (Arc::clone(&region), Arc::clone(&region));
            let a = thread::spawn(move || {
                let top = take(&first, 8).expect("there is a block");
                assert_eq!(take(&first, 8), Some(top - 8));
                top
            });
            let b = thread::spawn(move || take(&second, 8).expect("there is a block"));
            let (top, after) = (a.join().unwrap(), b.join().unwrap());
            if after == top - 16 {
                seen.record("passed");
            } else {
                assert!(after.abs_diff(top) >= BLOCK || after == top + 8, "{after:#x}, {top:#x}");
                seen.record("own");
            }
        },
    );
}

/// A block that is used up is replaced, and what was left of it counted.
#[test]
fn loom_a_used_up_block_is_replaced() {
    Model::new("a_used_up_block_is_replaced").reaches(["apart", "adopted"]).floor(1_000).check(
        |seen| {
            let region = Arc::new(region(4));
            let theirs = Arc::clone(&region);
            let fill = |region: &SyncLinear<8>| -> Vec<usize> {
                (0..6).map(|_| take(region, 24).expect("there is room")).collect()
            };
            let t = thread::spawn(move || fill(&theirs));
            let ours = fill(&region);
            let mut all = t.join().unwrap();
            all.extend(ours);
            all.sort_unstable();
            assert!(all.windows(2).all(|two| two[1] - two[0] >= 24), "{all:x?}");
            // Five values of 24 bytes fit a block, and 8 bytes are left over.
            let stats = region.stats();
            match (stats.used_bytes / BLOCK, stats.waste_tail_bytes) {
                (4, 16) => seen.record("apart"),
                (3, 16) => seen.record("adopted"),
                other => panic!("{other:?}"),
            }
        },
    );
}

/// After the threads have ended, a reset makes all of the memory free again.
#[test]
fn loom_a_reset_after_the_join_reuses_the_memory() {
    let model = Model::new("a_reset_after_the_join_reuses_the_memory");
    model.reaches(["reset"]).floor(1_000).check(|seen| {
        let mut region = Arc::new(region(2));
        let theirs = Arc::clone(&region);
        let t = thread::spawn(move || take(&theirs, 8));
        let ours = take(&region, 8).expect("there is a block");
        let other = t.join().unwrap().expect("there is a block");
        let region = Arc::get_mut(&mut region).expect("the other thread is gone");
        region.reset();
        assert_eq!((region.used_bytes(), region.stats().waste_tail_bytes), (0, 0));
        assert_eq!(take(region, 8), Some(ours.max(other)), "the first block again");
        seen.record("reset");
    });
}
