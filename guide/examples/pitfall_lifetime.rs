//! Pitfall, the wrong lifetime: an arena keeps what should have died.
//!
//! A server has 100 sessions at a time and 20,000 in a day. In an arena that lives as long as the
//! server every session stays until the arena goes, although each was closed. In a slab its place is
//! taken by the next.

use alloc_arena::Arena;
use alloc_slab::Slab;
use guide::{bytes, counted, fact};

const AT_A_TIME: usize = 100;
const IN_A_DAY: usize = 20_000;

struct Session {
    user: usize,
    _state: [u64; 15],
}

fn new(user: usize) -> Session {
    Session { user, _state: [0; 15] }
}

fn in_arena() -> usize {
    let arena = Arena::new();
    let mut open: Vec<Option<&Session>> = vec![None; AT_A_TIME];
    (0..IN_A_DAY)
        .map(|user| {
            // What stood there is closed, and unreachable; the arena cannot know.
            let closed = open[user % AT_A_TIME].replace(arena.alloc(new(user)));
            closed.map_or(0, |session| session.user)
        })
        .sum()
}

fn in_slab() -> usize {
    let mut sessions = Slab::new();
    let mut open = vec![None; AT_A_TIME];
    (0..IN_A_DAY)
        .map(|user| {
            let closed = open[user % AT_A_TIME].take().and_then(|key| sessions.remove(key));
            open[user % AT_A_TIME] = Some(sessions.insert(new(user)));
            closed.map_or(0, |session| session.user)
        })
        .sum()
}

fn main() {
    let live = (AT_A_TIME * size_of::<Session>()) as u64;
    let (closed, arena) = counted(in_arena);
    let (same, slab) = counted(in_slab);
    assert_eq!(closed, same);
    fact("sessions alive at a time", bytes(live));
    fact("peak with a Slab", bytes(slab.peak_bytes));
    fact("peak with an Arena that lives on", bytes(arena.peak_bytes));
    assert!(slab.peak_bytes < 10 * live, "{slab:?}");
    assert!(arena.peak_bytes > 100 * live, "{arena:?}");
}
