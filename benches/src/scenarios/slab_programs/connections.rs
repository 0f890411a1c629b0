//! `slab/connections/trace`: a server's table of connections.
//!
//! What opens and closes when is recorded: of the plain tokeniser, each block that it allocates is a
//! connection that opens, one that grows is traffic, and one that it frees is a connection that
//! closes. After each event two packets arrive for connections that are open, and every 4,096 events
//! all connections are looked through for idle ones.

use std::sync::OnceLock;

use super::super::programs::fold;
use super::super::slab::Random;
use super::{Program, rows};
use crate::case::{Case, Input, Model};
use crate::engines::About;
use crate::engines::slots::{Family, Slots};
use crate::input::traces;
use crate::trace::script::{Script, Step};

/// Packets after an event.
const PACKETS: usize = 2;

/// Events between two looks at all connections.
const LOOK_EVERY: u64 = 4096;

/// Events of a round at most.
const EVENTS: usize = if cfg!(debug_assertions) { 10_000 } else { 100_000 };

pub(super) fn case() -> Case {
    Case {
        id: "slab/connections/trace",
        krate: "alloc-slab",
        what: "Opens and closes connections in a table as a recorded program allocates and frees, \
               with packets for those that are open, and looks through all of them now and then.",
        model: Model::Throughput,
        unit: "event",
        input: || {
            let Events { list, slots } = events();
            Input { kind: "trace", bytes: *slots as u64 * 64, count: list.len() as u64 }
        },
        working_set_bytes: 1 << 20,
        threads: 1,
        engines: rows::<Connections>(),
    }
}

/// Something that happens to a place of the table of open connections.
#[derive(Clone, Copy, Debug)]
enum Event {
    Open(u32, u64),
    Grow(u32, u64),
    Close(u32),
}

struct Events {
    list: Vec<Event>,
    slots: usize,
}

fn events() -> &'static Events {
    static FOUND: OnceLock<Events> = OnceLock::new();
    FOUND.get_or_init(|| {
        let trace = traces::load("tokens").unwrap_or_else(|error| panic!("{error:#}"));
        let main = trace.events.first().map_or(0, |event| event.thread);
        let script = Script::of(&trace.only_thread(main)).unwrap_or_else(|error| panic!("{error}"));
        let list = script.steps.iter().filter_map(|step| match *step {
            Step::Alloc { slot, layout } => Some(Event::Open(slot, layout.size() as u64)),
            Step::Realloc { slot, new, .. } => Some(Event::Grow(slot, new.size() as u64)),
            Step::Free { slot, .. } => Some(Event::Close(slot)),
            Step::Reset => None,
        });
        Events { list: list.take(EVENTS).collect(), slots: script.slots as usize }
    })
}

/// 64 bytes.
#[derive(Clone, Copy, Debug)]
struct Connection {
    peer: [u64; 2],
    received_bytes: u64,
    packets: u64,
    last_event: u64,
    window: [u64; 3],
}

struct Connections;

impl<F: Family> Program<F> for Connections {
    const ABOUT: About = <F::Slots<Connection> as Slots<Connection>>::ABOUT;

    fn ops() -> u64 {
        events().list.len() as u64
    }

    #[inline(never)]
    fn run() -> u64 {
        let Events { list, slots } = events();
        let mut table: F::Slots<Connection> = Slots::new(*slots, false);
        // The places of the script, and which of the open connections is there.
        let mut places: Vec<u32> = vec![0; *slots];
        let mut open: Vec<(F::Key<Connection>, u32)> = Vec::new();
        let mut keys: Vec<F::Key<Connection>> = Vec::new();
        let (mut random, mut sum) = (Random::new(11), 1_u64);
        for (now, event) in (0_u64..).zip(list) {
            match *event {
                Event::Open(place, bytes) => {
                    let connection = Connection {
                        peer: [bytes, now],
                        received_bytes: 0,
                        packets: 0,
                        last_event: now,
                        window: [bytes; 3],
                    };
                    places[place as usize] = u32::try_from(open.len()).unwrap_or(0);
                    open.push((table.insert(connection), place));
                }
                Event::Grow(place, bytes) => {
                    let (key, _) = open[places[place as usize] as usize];
                    // SAFETY: open.
                    let connection = unsafe { table.get_mut(key) };
                    connection.received_bytes += bytes;
                    connection.last_event = now;
                }
                Event::Close(place) => {
                    let number = places[place as usize];
                    let (key, _) = open.swap_remove(number as usize);
                    if let Some(&(_, moved)) = open.get(number as usize) {
                        places[moved as usize] = number;
                    }
                    // SAFETY: open until now.
                    let closed = unsafe { table.remove(key) };
                    sum = fold(sum, closed.received_bytes ^ closed.packets ^ closed.peer[1]);
                }
            }
            for _ in 0..PACKETS.min(open.len()) {
                let (key, _) = open[random.below(open.len())];
                // SAFETY: open.
                let connection = unsafe { table.get_mut(key) };
                connection.packets += 1;
                connection.received_bytes += connection.window[1];
                connection.last_event = now;
            }
            if now.is_multiple_of(LOOK_EVERY) {
                let mut idle = 0_u64;
                let see = |connection: &Connection| {
                    idle += u64::from(now - connection.last_event > 1000);
                };
                if <F::Slots<Connection> as Slots<_>>::NEEDS_KEYS {
                    keys.clear();
                    keys.extend(open.iter().map(|&(key, _)| key));
                }
                // SAFETY: the keys of all that are open, where they are asked for.
                unsafe { table.each(&keys, see) };
                sum = fold(sum, idle);
            }
        }
        for (key, _) in open {
            // SAFETY: open until now.
            sum = fold(sum, unsafe { table.remove(key) }.packets);
        }
        sum
    }
}
