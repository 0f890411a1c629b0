//! What needs private access: situations that threads come to by standing still for long, set up by
//! hand.

#[cfg(loom)]
mod loom_depot;

#[cfg(not(loom))]
#[path = "../../../tests/allocations/mod.rs"]
mod allocations;

#[cfg(not(loom))]
mod plain {
    use std::vec::Vec;

    use super::super::block::{SLOTS, first_position};
    use super::super::depot::Depot;
    use super::super::ends::End;
    use super::super::name::{self, Link, MAX_ID, Name};
    use super::super::{AtomicU64, MpmcQueue};
    use super::allocations;

    /// A queue that has been through some blocks, of which `free` are free.
    fn used(free: u64) -> MpmcQueue<u64> {
        let queue = MpmcQueue::new();
        let values = || 0..(free + 1) * SLOTS as u64;
        values().for_each(|number| queue.push(number).unwrap());
        assert!(queue.drain().eq(values()));
        queue
    }

    /// E4: a hint may be any block, and who took one may find it in any state.
    #[test]
    fn a_wrong_hint_costs_time_and_nothing_else() {
        let queue = used(4);
        for id in (1..=queue.depot.made()).cycle().take(300) {
            queue.tail.hint_at(queue.depot.get(id));
            queue.head.hint_at(queue.depot.get(id));
            queue.push(u64::from(id)).unwrap();
            queue.head.hint_at(queue.depot.get(queue.depot.made() - id + 1));
            assert_eq!(queue.try_pop(), Ok(u64::from(id)));
        }
    }

    /// A thread made a block ready and linked none, as another thread did, while a third still has the
    /// block from an earlier use.
    #[test]
    fn a_block_that_was_not_linked_takes_no_values() {
        let queue = used(2);
        for number in 0..3 * SLOTS as u64 {
            let id = queue.depot.take().unwrap();
            let tail = queue.block_number(&queue.tail);
            for next in [tail, tail + 1] {
                queue.depot.get(id).prepare(next);
                queue.tail.hint_at(queue.depot.get(id));
                queue.push(number).unwrap();
                assert_eq!(queue.try_pop(), Ok(number));
            }
            queue.depot.put(id);
        }
    }

    /// Late steps of threads that stood still: each finds that it has nothing to do.
    #[test]
    fn steps_of_an_earlier_block_change_nothing() {
        let queue = used(3);
        let (old, next) = (Name::new(1, 1), Name::new(2, 2));
        for number in 0..3 * SLOTS as u64 {
            let (head, tail) = (queue.block_number(&queue.head), queue.block_number(&queue.tail));
            queue.move_tail(old, 2, next);
            assert!(!queue.head.move_on(old, next));
            assert!(queue.install(old, 2).is_ok(), "it gives its block back");
            assert_eq!(queue.block_number(&queue.head), head);
            assert_eq!(queue.block_number(&queue.tail), tail);
            queue.push(number).unwrap();
            assert_eq!(queue.try_pop(), Ok(number));
        }
    }

    /// Who gets no memory for a segment uses that of another thread, which has put no block in yet.
    #[test]
    fn a_segment_is_refused_while_another_thread_makes_it() {
        static DEPOT: Depot<u8> = Depot::new();
        assert_eq!(DEPOT.take().unwrap(), 1);
        let other = || assert_eq!(DEPOT.take().unwrap(), 2);
        assert_eq!(allocations::refused_after(other, || DEPOT.take()).unwrap(), 3);
    }

    #[test]
    fn numbers_that_are_cut_go_round() {
        let first = (1 << 38) - 3;
        let mut queue = MpmcQueue::new();
        *queue.head = End::at(first_position(first + 1), Name::new(0, first));
        *queue.tail = End::at(first_position(first + 1), Name::new(0, first));
        queue.root = AtomicU64::new(name::active(first));
        for lap in 1..10 {
            let values = || 0..lap * SLOTS as u64;
            values().for_each(|number| queue.push(number).unwrap());
            assert!(queue.drain().eq(values()));
        }
        (0..200).for_each(|number| queue.push(number).unwrap());
        assert!(queue.trim() > 0);
        assert!(queue.drain().eq(0..200));
        drop(queue);
    }

    #[test]
    fn links_tell_numbers_and_blocks_apart() {
        for number in [0, 1, (1 << 38) - 1, 1 << 38, (1 << 57) - 1] {
            assert_eq!(name::read(name::active(number), number), Link::Last);
            assert_eq!(name::read(name::candidate(number), number), Link::Stale);
            for id in [1, 2, MAX_ID] {
                let link = name::linked(number, id);
                let next = Name::new(id, number + 1);
                assert_eq!(name::read(link, number), Link::Next(next));
                assert_eq!(next.id(), id);
                assert!(next.is_number(number + 1) && !next.is_number(number));
                assert_eq!(name::read(link, number + 1), Link::Stale);
            }
            assert_eq!(name::read(name::active(number), number + 1), Link::Stale);
        }
    }

    /// A block whose last value is still being read is passed over, and used when it is not any more.
    #[test]
    fn an_unread_block_waits_and_holds_nobody_up() {
        let queue = used(2);
        // Somebody claimed a value, and stands still before reading it.
        queue.push(0).unwrap();
        let (block, position, _) = queue.pop_claim(|_, _| 1).unwrap();
        for lap in 0..5 {
            (0..2 * SLOTS as u64).for_each(|number| queue.push(number + lap).unwrap());
            assert_eq!(queue.drain().count(), 2 * SLOTS);
        }
        // All blocks but that one and those of the ends go round.
        let made = queue.depot.made();
        let free: Vec<_> = core::iter::from_fn(|| {
            (queue.depot.made() == made).then(|| queue.depot.take().unwrap())
        })
        .filter(|id| *id <= made)
        .collect();
        assert!(free.iter().all(|id| !core::ptr::eq(queue.depot.get(*id), block)));
        // SAFETY: 1: claimed above, with that block.
        assert_eq!(unsafe { block.slot(position).take(position) }, 0);
        let id = queue.depot.take().unwrap();
        assert!(core::ptr::eq(queue.depot.get(id), block), "{id} of {free:?}");
    }
}
