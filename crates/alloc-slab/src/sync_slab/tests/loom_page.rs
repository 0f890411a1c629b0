//! Models of one page, without slots and parts around it: what takes three threads would take minutes
//! through the interface.

use primitives::model::Model;
use primitives::sync::{Arc, thread};

use super::super::SyncSlab;
use super::super::page::PageRef;

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
        let private = page(&slab).announce(slab.part(), key);
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
