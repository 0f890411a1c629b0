//! Objects that come and go on several threads, each looked up by any of them: sessions.
//!
//! Two threads open and close sessions of their own and look at each other's. Plain: a map behind a
//! lock. A `Slab` behind the same lock shows what the lock costs; a `SyncSlab` needs none.

use alloc_slab::{Key, Slab, SyncSlab};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::thread;

const OPEN: usize = 500;
const THREADS: usize = 2;

struct Session {
    user: usize,
    seen: AtomicUsize,
}

/// A table of sessions that threads share.
trait Table: Sync {
    type Key: Copy + Send + Sync;
    fn open(&self, user: usize) -> Self::Key;
    /// Notes that the session was seen; its user, if it is still there.
    fn look(&self, key: Self::Key) -> Option<usize>;
    fn close(&self, key: Self::Key) -> bool;
}

fn new(user: usize) -> Session {
    Session { user, seen: AtomicUsize::new(0) }
}

fn seen(session: &Session) -> usize {
    session.seen.fetch_add(1, Relaxed);
    session.user
}

/// The last key given, and the sessions.
struct LockedMap(Mutex<(u64, HashMap<u64, Session>)>);

impl LockedMap {
    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Session>)> {
        self.0.lock().expect("nobody panicked")
    }
}

impl Table for LockedMap {
    type Key = u64;
    fn open(&self, user: usize) -> u64 {
        let (last, sessions) = &mut *self.lock();
        *last += 1;
        sessions.insert(*last, new(user));
        *last
    }
    fn look(&self, key: u64) -> Option<usize> {
        self.lock().1.get(&key).map(seen)
    }
    fn close(&self, key: u64) -> bool {
        self.lock().1.remove(&key).is_some()
    }
}

impl Table for Mutex<Slab<Session>> {
    type Key = Key<Session>;
    fn open(&self, user: usize) -> Self::Key {
        self.lock().expect("nobody panicked").insert(new(user))
    }
    fn look(&self, key: Self::Key) -> Option<usize> {
        self.lock().expect("nobody panicked").get(key).map(seen)
    }
    fn close(&self, key: Self::Key) -> bool {
        self.lock().expect("nobody panicked").remove(key).is_some()
    }
}

impl Table for SyncSlab<Session> {
    type Key = Key<Session>;
    fn open(&self, user: usize) -> Self::Key {
        self.insert(new(user))
    }
    fn look(&self, key: Self::Key) -> Option<usize> {
        self.get(key).map(|session| seen(&session))
    }
    fn close(&self, key: Self::Key) -> bool {
        self.remove(key)
    }
}

/// What one thread does: mostly with its own sessions, now and then with the `others`.
fn serve<T: Table>(table: &T, thread: usize, others: &[T::Key], events: usize) -> usize {
    let mut own: Vec<_> = (0..OPEN).map(|user| table.open(user)).collect();
    let mut random = guide::Random::new(thread as u64);
    let mut sum = 0;
    for event in 0..events {
        let at = random.below(OPEN);
        match event % 8 {
            0 => {
                sum += usize::from(table.close(own[at]));
                own[at] = table.open(event);
            }
            1 => sum += table.look(others[at]).unwrap_or(0),
            _ => sum += table.look(own[at]).unwrap_or(0),
        }
    }
    sum + own.into_iter().filter(|&key| table.close(key)).count()
}

/// Both threads at the same time, on a table with some sessions of the house.
fn run<T: Table>(table: &T, events: usize) -> usize {
    let house: Vec<_> = (0..OPEN).map(|user| table.open(user)).collect();
    let sum = thread::scope(|scope| {
        let house = &house[..];
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || serve(table, thread, house, events / THREADS)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<usize>()
    });
    sum + house.into_iter().filter(|&key| table.close(key)).count()
}

fn main() {
    let events = if guide::quick() { 400 } else { 40_000 };
    guide::measure("event", events)
        .way("a HashMap in a Mutex", || {
            let table = LockedMap(Mutex::default());
            move || run(&table, events)
        })
        .way("a Slab in a Mutex", || {
            let table = Mutex::new(Slab::new());
            move || run(&table, events)
        })
        .way("SyncSlab", || {
            let table = SyncSlab::new();
            move || run(&table, events)
        })
        .run();
}
