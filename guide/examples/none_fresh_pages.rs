//! A loss: an arena that is never reset, against a malloc that uses the same block again.
//!
//! Messages are decoded one by one, each into a buffer that nobody needs afterwards. An arena for the
//! whole run takes fresh memory for each: every page of it is a fault of some microseconds and a cold
//! line after the other. Malloc gives out the block that was freed a moment ago.

use alloc_arena::{Arena, ArenaConfig};

const BYTES: usize = 4096;

/// Decoding is at least a copy.
fn decode(message: usize, packet: &[u8], out: &mut [u8]) -> u64 {
    out.copy_from_slice(packet);
    u64::from(out[message % BYTES])
}

fn main() {
    let packet: &[u8] = &core::array::from_fn::<u8, BYTES, _>(|at| at.to_le_bytes()[0]);
    let messages = if guide::quick() { 40 } else { 2000 };
    let measured = guide::measure("message", messages)
        .way("a Vec for each message", || {
            || {
                (0..messages)
                    .map(|message| decode(message, packet, &mut vec![1; BYTES]))
                    .sum::<u64>()
            }
        })
        .way("an Arena for the run", || {
            || {
                // As after a start: nothing that an earlier arena left with the thread.
                let arena: Arena = Arena::with_config(ArenaConfig::new().thread_cache(false));
                let room = || arena.alloc_slice_fill_copy(BYTES, 1);
                (0..messages).map(|message| decode(message, packet, room())).sum()
            }
        })
        .way("one Arena, reset for each", || {
            let mut arena = Arena::new();
            move || {
                let one = |message| {
                    arena.reset();
                    decode(message, packet, arena.alloc_slice_fill_copy(BYTES, 1))
                };
                (0..messages).map(one).sum()
            }
        })
        .run();
    let [plain, kept, _] = &measured[..] else { unreachable!("three ways") };
    assert_eq!(plain.allocs, messages as u64);
    assert!(kept.peak_bytes > plain.peak_bytes * messages as u64 / 2, "all messages against one");
}
