//! Objects of one type that come and go in any order, known by a key that others keep: a table of
//! connections.
//!
//! Plain: a `HashMap` from a number that only rises. A slab makes the key itself, and a key whose
//! connection is gone is refused, as it is by the map. So it is by a `Vec` with a number for each use
//! of a place, which one can write oneself; that copies all when it grows, and never gets smaller.

use alloc_slab::{Key, Slab};
use std::collections::HashMap;

const OPEN: usize = 1000;
const EVENTS: usize = 4000;

/// 64 bytes, as such a thing has at least.
#[derive(Clone, Copy)]
struct Connection {
    bytes: u64,
    _state: [u64; 7],
}

const NEW: Connection = Connection { bytes: 1, _state: [0; 7] };

/// A table of connections, whichever it is.
trait Table: Default {
    type Key: Copy;
    fn open(&mut self) -> Self::Key;
    fn get(&mut self, key: Self::Key) -> Option<&mut Connection>;
    fn close(&mut self, key: Self::Key) -> Option<Connection>;
    fn total(&self) -> u64;
}

#[derive(Default)]
struct Map {
    last: u64,
    connections: HashMap<u64, Connection>,
}

impl Table for Map {
    type Key = u64;
    fn open(&mut self) -> u64 {
        self.last += 1;
        self.connections.insert(self.last, NEW);
        self.last
    }
    fn get(&mut self, key: u64) -> Option<&mut Connection> {
        self.connections.get_mut(&key)
    }
    fn close(&mut self, key: u64) -> Option<Connection> {
        self.connections.remove(&key)
    }
    fn total(&self) -> u64 {
        self.connections.values().map(|connection| connection.bytes).sum()
    }
}

/// A slab in thirty lines.
#[derive(Default)]
struct ByHand {
    places: Vec<(u32, Option<Connection>)>,
    free: Vec<usize>,
}

impl Table for ByHand {
    type Key = (usize, u32);
    fn open(&mut self) -> Self::Key {
        let Some(at) = self.free.pop() else {
            self.places.push((0, Some(NEW)));
            return (self.places.len() - 1, 0);
        };
        self.places[at].1 = Some(NEW);
        (at, self.places[at].0)
    }
    fn get(&mut self, (at, uses): Self::Key) -> Option<&mut Connection> {
        let place = &mut self.places[at];
        if place.0 == uses { place.1.as_mut() } else { None }
    }
    fn close(&mut self, (at, uses): Self::Key) -> Option<Connection> {
        let place = &mut self.places[at];
        if place.0 != uses {
            return None;
        }
        place.0 += 1;
        self.free.push(at);
        place.1.take()
    }
    fn total(&self) -> u64 {
        self.places.iter().filter_map(|place| place.1).map(|connection| connection.bytes).sum()
    }
}

impl Table for Slab<Connection> {
    type Key = Key<Connection>;
    fn open(&mut self) -> Self::Key {
        self.insert(NEW)
    }
    fn get(&mut self, key: Self::Key) -> Option<&mut Connection> {
        self.get_mut(key)
    }
    fn close(&mut self, key: Self::Key) -> Option<Connection> {
        self.remove(key)
    }
    fn total(&self) -> u64 {
        self.values().map(|connection| connection.bytes).sum()
    }
}

/// What the clients do: send, hang up and come again, and send on connections that are gone.
fn serve<T: Table>(table: &mut T, keys: &mut [T::Key]) -> u64 {
    let mut random = guide::Random::new(13);
    let mut sum = 0;
    for event in 0..EVENTS {
        let at = random.below(keys.len());
        match event % 4 {
            0 => {
                let gone = keys[at];
                sum += table.close(gone).map_or(0, |closed| closed.bytes);
                keys[at] = table.open();
                sum += u64::from(table.get(gone).is_none());
            }
            _ => {
                sum += table.get(keys[at]).map_or(0, |connection| {
                    connection.bytes += event as u64;
                    connection.bytes
                })
            }
        }
    }
    // Once in a while all of them are looked at.
    sum + table.total()
}

fn served<T: Table>() -> impl FnMut() -> u64 {
    || {
        let mut table = T::default();
        let mut keys: Vec<_> = (0..OPEN).map(|_| table.open()).collect();
        serve(&mut table, &mut keys)
    }
}

fn main() {
    guide::measure("event", EVENTS)
        .way("HashMap", served::<Map>)
        .way("a Vec and use counts", served::<ByHand>)
        .way("Slab", served::<Slab<Connection>>)
        .run();
}
