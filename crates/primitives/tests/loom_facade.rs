//! What the facade makes loom see, and what loom alone does not.
#![cfg(loom)]

use primitives::model::Model;
use primitives::sync::atomic::AtomicUsize;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::cell::UnsafeCell;
use primitives::sync::{Arc, thread};

/// Two threads each load, then store: both loads may see 0.
#[test]
fn loom_load_then_store() {
    let report = Model::new("load_then_store").reaches(["0", "1"]).floor(2).check(|seen| {
        let value = Arc::new(AtomicUsize::new(0));
        let other = Arc::clone(&value);
        let t = thread::spawn(move || {
            let loaded = other.load(Relaxed);
            other.store(loaded + 1, Relaxed);
        });
        let loaded = value.load(Relaxed);
        value.store(loaded + 1, Relaxed);
        t.join().unwrap();
        seen.record(loaded);
    });
    assert_eq!(report.sites.len(), 4);
}

struct Message {
    ready: AtomicUsize,
    value: UnsafeCell<usize>,
}
// SAFETY: `value` is read only after `ready` says that the write is over.
unsafe impl Sync for Message {}

/// The reader must see the message once it sees the flag.
#[test]
fn loom_message_passing() {
    Model::new("message_passing").reaches(["read", "not yet"]).floor(2).check(|seen| {
        let message = Arc::new(Message { ready: AtomicUsize::new(0), value: UnsafeCell::new(0) });
        let writer = Arc::clone(&message);
        let t = thread::spawn(move || {
            // SAFETY: the only writer, before any reader is let in.
            writer.value.with_mut(|value| unsafe { *value = 7 });
            // ORD[message] Release → Acquire below: the write above happens before the read.
            writer.ready.store(1, Release);
        });
        // ORD[message] Acquire ← Release above.
        if message.ready.load(Acquire) == 1 {
            // SAFETY: the writer is done, as the flag says.
            assert_eq!(message.value.with(|value| unsafe { *value }), 7);
            seen.record("read");
        } else {
            seen.record("not yet");
        }
        t.join().unwrap();
    });
}
