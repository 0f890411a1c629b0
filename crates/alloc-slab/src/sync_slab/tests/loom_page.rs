//! Models of one page, without slots and parts around it: what takes three threads would take minutes
//! through the interface.

use primitives::model::Model;
use primitives::sync::atomic::Ordering::Relaxed;
use primitives::sync::{Arc, thread};

use super::super::SyncSlab;
use super::super::page::PageRef;
use super::super::slot::removed;

fn page(slab: &SyncSlab<u32>) -> PageRef<'_, u32> {
    slab.directory.page(0).expect("of the value that was inserted")
}

/// The owner says what it is about to remove; one thread opens the page, another may find it open. Who
/// was let in without having seen the key is seen by the owner (G2, G3).
#[test]
fn loom_page_found_open_by_a_third() {
    let model = Model::new("page_found_open_by_a_third");
    let ends = ["private, announced", "open, announced", "open, not announced"];
    model.reaches(ends).floor(100).check(move |seen| {
        let slab = Arc::new(SyncSlab::new());
        let key = slab.insert(7).to_bits();
        let (first, second) = (Arc::clone(&slab), Arc::clone(&slab));
        let opener = thread::spawn(move || page(&first).enter());
        let follower = thread::spawn(move || {
            page(&second).enter();
            page(&second).is_removing(key)
        });
        let private = page(&slab).announce(slab.part(), removed(key));
        opener.join().unwrap();
        let announced = follower.join().unwrap();
        assert!(announced || !private, "the owner removes alone, and another does not know");
        seen.record(match (private, announced) {
            (true, _) => ends[0],
            (false, true) => ends[1],
            (false, false) => ends[2],
        });
    });
}

/// The owner removes two values in turn, the first one alone, while one thread opens the page: that does not
/// find the first one, unless it was announced.
#[test]
fn loom_page_opened_between_two_removals() {
    let model = Model::new("page_opened_between_two_removals").preemptions(3);
    let ends = ["announced, there", "announced, removed", "not announced, removed"];
    model.reaches(ends).floor(50).check(move |seen| {
        let slab = Arc::new(SyncSlab::new());
        let (first, second) = (slab.insert(7).to_bits(), slab.insert(8).to_bits());
        let own = page(&slab);
        assert!(own.announce(slab.part(), removed(first)), "nobody else is here yet");
        let theirs = Arc::clone(&slab);
        let opener = thread::spawn(move || {
            let page = page(&theirs);
            page.enter();
            // Both asked in any case, so that the search tries the owner's stores on both sides of each.
            // ORD Relaxed: what is asked: the edges that came before order it.
            (page.is_removing(first), page.slot(0).state.load(Relaxed) == first)
        });
        // ORD Relaxed: as `remove` stores it.
        own.slot(0).state.store(removed(first), Relaxed);
        own.announce(slab.part(), removed(second));
        seen.record(match opener.join().unwrap() {
            (true, true) => ends[0],
            (true, false) => ends[1],
            (false, false) => ends[2],
            (false, true) => panic!("found, though its owner removed it alone"),
        });
    });
}

/// The owner removes two values in turn, the first one alone; two threads open the page at once, and each
/// may take another of the two for what was announced. Neither finds the first one (G2, G3).
#[test]
fn loom_page_opened_by_two_at_once() {
    // Three preemptions: the owner and both threads stop half-way.
    let model = Model::new("page_opened_by_two_at_once").preemptions(3);
    model.reaches(["announced", "removed"]).floor(100).check(move |seen| {
        let slab = Arc::new(SyncSlab::new());
        let (first, second) = (slab.insert(7).to_bits(), slab.insert(8).to_bits());
        let own = page(&slab);
        assert!(own.announce(slab.part(), removed(first)), "nobody else is here yet");
        let look = |slab: Arc<SyncSlab<u32>>| {
            move || {
                let page = page(&slab);
                page.enter();
                if page.is_removing(first) {
                    return "announced";
                }
                // ORD Relaxed: what is asked: the edges that came before order it.
                let state = page.slot(0).state.load(Relaxed);
                assert_ne!(state, first, "found, though its owner removed it alone");
                "removed"
            }
        };
        let one = thread::spawn(look(Arc::clone(&slab)));
        let other = thread::spawn(look(Arc::clone(&slab)));
        // ORD Relaxed: as `remove` stores it.
        own.slot(0).state.store(removed(first), Relaxed);
        own.announce(slab.part(), removed(second));
        seen.record(one.join().unwrap());
        seen.record(other.join().unwrap());
    });
}
