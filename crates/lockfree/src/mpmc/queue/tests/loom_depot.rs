//! Models of the free list, whose nodes come back while others look at them.

use std::format;
use std::vec::Vec;

use primitives::model::Model;
use primitives::sync::{Arc, thread};

use super::super::depot::Depot;

/// One takes the top while another takes two and gives the first back: nobody has what another has.
#[test]
fn loom_reclaim_the_top_of_the_free_list_comes_back() {
    let model = Model::new("reclaim_the_top_of_the_free_list_comes_back");
    model.reaches(["1 of 3", "2 of 3", "3 of 3"]).floor(390).check(|seen| {
        let depot = Depot::<u8>::new();
        let ids: Vec<_> = (0..3).map(|_| depot.take().unwrap()).collect();
        assert_eq!(ids, [1, 2, 3]);
        ids.iter().rev().for_each(|id| depot.put(*id));
        let depot = {
            let shared = Arc::new(depot);
            let theirs = Arc::clone(&shared);
            let other = thread::spawn(move || theirs.take().unwrap());
            let first = shared.take().unwrap();
            let mut mine = std::vec![shared.take().unwrap()];
            shared.put(first);
            let one = other.join().unwrap();
            mine.push(one);
            seen.record(format!("{one} of {}", shared.made()));
            // Whatever is free now is nobody's.
            while shared.made() == 3 {
                mine.push(shared.take().unwrap());
            }
            let count = mine.len();
            mine.sort_unstable();
            mine.dedup();
            assert_eq!(mine.len(), count, "a block has two owners");
            shared
        };
        depot_is_dropped(depot);
    });
}

/// Two make blocks, and the memory for them, at the same time.
#[test]
fn loom_two_make_blocks_at_the_same_time() {
    Model::new("two_make_blocks_at_the_same_time").reaches(["[1, 2, 3]"]).floor(590).check(
        |seen| {
            let shared = Arc::new(Depot::<u8>::new());
            let theirs = Arc::clone(&shared);
            let other = thread::spawn(move || theirs.take().unwrap());
            let mut all = [shared.take().unwrap(), shared.take().unwrap()].to_vec();
            all.push(other.join().unwrap());
            all.sort_unstable();
            seen.record(format!("{all:?}"));
            depot_is_dropped(shared);
        },
    );
}

fn depot_is_dropped(depot: Arc<Depot<u8>>) {
    let mut depot = Arc::try_unwrap(depot).ok().expect("the other thread has ended");
    // SAFETY: 1. no values; 2. the depot ends.
    unsafe { depot.trim(0) };
}
