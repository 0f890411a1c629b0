//! Models of asymmetric fences. What `membarrier` does no model can see: both are fences here.
#![cfg(loom)]

use primitives::asymmetric;
use primitives::model::Model;
use primitives::sync::atomic::AtomicU32;
use primitives::sync::atomic::Ordering::Relaxed;
use primitives::sync::{Arc, thread};

/// Two threads store, fence and load what the other stored: at least one sees it.
fn one_of_two_sees(name: &str, fences: [fn(); 2]) {
    Model::new(name).reaches(["0 1", "1 0", "1 1"]).floor(10).check(move |seen| {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let theirs = Arc::clone(&words);
        let t = thread::spawn(move || {
            // ORD Relaxed: the fence orders it.
            theirs[1].store(1, Relaxed);
            fences[1]();
            // ORD Relaxed: as above.
            theirs[0].load(Relaxed)
        });
        // ORD Relaxed: as above.
        words[0].store(1, Relaxed);
        fences[0]();
        // ORD Relaxed: as above.
        let ours = words[1].load(Relaxed);
        seen.record(format!("{ours} {}", t.join().unwrap()));
    });
}

#[test]
fn loom_light_and_heavy() {
    one_of_two_sees("light_and_heavy", [asymmetric::light, asymmetric::heavy]);
}

#[test]
fn loom_expedited_light_and_heavy() {
    one_of_two_sees("expedited_light_and_heavy", [asymmetric::light_expedited, asymmetric::heavy]);
}

#[test]
fn loom_heavy_and_heavy() {
    one_of_two_sees("heavy_and_heavy", [asymmetric::heavy, asymmetric::heavy]);
}
