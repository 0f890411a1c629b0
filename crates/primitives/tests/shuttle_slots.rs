//! `ThreadSlots` under shuttle: more threads and objects than loom can search, in random order.
#![cfg(shuttle)]

use primitives::ThreadSlots;
use primitives::model::Model;
use primitives::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use primitives::sync::{Arc, thread};

#[test]
fn shuttle_threads_and_objects_come_and_go() {
    Model::new("threads_and_objects_come_and_go").reaches(["8"]).floor(500).check_random(
        500,
        |seen| {
            let total = Arc::new(AtomicUsize::new(0));
            let slots = Arc::new(ThreadSlots::new());
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    let (slots, total) = (Arc::clone(&slots), Arc::clone(&total));
                    thread::spawn(move || {
                        for _ in 0..2 {
                            slots.get_or(|| AtomicUsize::new(0)).fetch_add(1, Relaxed);
                        }
                        let own = ThreadSlots::new();
                        own.get_or(|| AtomicUsize::new(0));
                        total.fetch_add(2, Relaxed);
                    })
                })
                .collect();
            for worker in workers {
                worker.join().unwrap();
            }
            let mut sum = 0;
            slots.for_each_shared(|count| sum += count.load(Relaxed));
            assert_eq!(sum, total.load(Relaxed), "every count is in exactly one value");
            seen.record(sum);
        },
    );
}
