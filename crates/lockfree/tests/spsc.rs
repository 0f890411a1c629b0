//! Order, ownership, boundaries and panics of the SPSC ring.
#![cfg(not(loom))]
#![expect(clippy::mem_forget, reason = "what is forgotten must do no harm")]

use core::cell::Cell;
use core::mem::MaybeUninit;
use core::panic::AssertUnwindSafe;
use lockfree::spsc::{Borrowed, Consumer, Producer, ReadChunk, ReadChunkIter, WriteChunk};
use lockfree::{PopError, PushError, SpscRing, StaticSpscRing};
use static_assertions::{assert_impl_all, assert_not_impl_any, const_assert};
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;

mod send_and_sync {
    use super::*;
    assert_impl_all!(Producer<Cell<u8>>: Send, Sync);
    assert_impl_all!(Consumer<Cell<u8>>: Send, Sync);
    assert_impl_all!(Producer<Cell<u8>, Borrowed<'static>>: Send, Sync);
    assert_impl_all!(Consumer<Cell<u8>, Borrowed<'static>>: Send, Sync);
    assert_not_impl_any!(Producer<Rc<u8>>: Send);
    assert_not_impl_any!(Consumer<Rc<u8>>: Send);
    assert_impl_all!(Producer<Rc<u8>>: Sync);
    assert_impl_all!(Consumer<Rc<u8>>: Sync);
    assert_impl_all!(WriteChunk<'static, Cell<u8>>: Send, Sync);
    assert_not_impl_any!(WriteChunk<'static, Rc<u8>>: Send);
    assert_impl_all!(ReadChunk<'static, u8>: Send, Sync);
    assert_impl_all!(ReadChunk<'static, Cell<u8>>: Send);
    assert_not_impl_any!(ReadChunk<'static, Cell<u8>>: Sync);
    assert_not_impl_any!(ReadChunk<'static, Rc<u8>>: Send, Sync);
    assert_impl_all!(ReadChunkIter<'static, Cell<u8>>: Send, Sync);
    assert_not_impl_any!(ReadChunkIter<'static, Rc<u8>>: Send);
    assert_impl_all!(StaticSpscRing<Cell<u8>, 1>: Send, Sync);
    assert_not_impl_any!(StaticSpscRing<Rc<u8>, 1>: Send, Sync);
}

const_assert!(align_of::<Producer<u8>>() >= 128 && align_of::<Consumer<u8>>() >= 128);

fn rest<T>(consumer: &mut Consumer<T>) -> Vec<T> {
    core::iter::from_fn(|| consumer.pop().ok()).collect()
}

/// A value that counts its drops, and panics in the one that it is told.
struct Told<'c> {
    drops: &'c Cell<u32>,
    panics: bool,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        if self.panics && !std::thread::panicking() {
            resume_unwind(Box::new("planned"));
        }
    }
}

fn told(drops: &Cell<u32>) -> Told<'_> {
    Told { drops, panics: false }
}

#[test]
fn spsc_any_capacity_holds_as_many_values_and_no_more() {
    for capacity in [1, 2, 3, 5, 63, 64, 65, 1000] {
        let (mut producer, mut consumer) = SpscRing::new(capacity);
        assert_eq!((producer.capacity(), consumer.capacity()), (capacity, capacity));
        // Round the end of the ring more than once, at every fill.
        let (mut next, mut oldest) = (0, 0);
        for fill in (0..=capacity).rev().take(70) {
            while producer.push(next).is_ok() {
                next += 1;
            }
            assert_eq!(producer.push(next), Err(PushError::Full(next)));
            assert_eq!((producer.len(), consumer.len()), (capacity, capacity));
            assert!(producer.is_full() && producer.vacant() == 0);
            while consumer.len() > fill {
                assert_eq!(consumer.peek(), Ok(&oldest));
                assert_eq!(consumer.pop(), Ok(oldest));
                oldest += 1;
            }
            assert_eq!((producer.len(), producer.vacant()), (fill, capacity - fill));
            assert_eq!((producer.is_empty(), consumer.is_empty()), (fill == 0, fill == 0));
        }
    }
}

#[test]
fn spsc_capacities_out_of_range_are_errors_that_name_the_limit() {
    fn refused<T>(capacity: usize) {
        let error = SpscRing::<T>::try_new(capacity).unwrap_err();
        let most = SpscRing::<T>::MAX_CAPACITY;
        assert_eq!(error.to_string(), format!("capacity is {capacity}, not in 1..={most}"));
        let panic = catch_unwind(|| SpscRing::<T>::new(capacity)).unwrap_err();
        assert_eq!(*panic.downcast_ref::<String>().unwrap(), error.to_string());
    }
    #[repr(align(4096))]
    struct Page(#[expect(dead_code, reason = "it is there for its size")] [u8; 5000]);
    for capacity in [0, usize::MAX, usize::MAX / 2, isize::MAX as usize] {
        refused::<u8>(capacity);
        refused::<u64>(capacity);
        refused::<Page>(capacity);
        refused::<[u64; 0]>(capacity);
    }
    refused::<Page>(SpscRing::<Page>::MAX_CAPACITY + 1);
    refused::<()>(SpscRing::<()>::MAX_CAPACITY + 1);
    // In range, and more than there is.
    let most = SpscRing::<Page>::MAX_CAPACITY;
    let error = SpscRing::<Page>::try_new(most).unwrap_err();
    assert!(error.to_string().ends_with("bytes aligned to 4096 were refused"), "{error}");
    assert!(SpscRing::<u8>::try_new(SpscRing::<u8>::MAX_CAPACITY).is_err());
}

#[test]
fn spsc_values_without_size_are_counted() {
    #[derive(Debug, PartialEq, Clone, Copy)]
    struct Nothing([u64; 0]);
    let (mut producer, mut consumer) = SpscRing::new(3);
    for _ in 0..5 {
        assert_eq!(producer.push_slice(&[Nothing([]); 9]), Ok(3));
        assert_eq!(producer.push(Nothing([])), Err(PushError::Full(Nothing([]))));
        assert_eq!(consumer.pop(), Ok(Nothing([])));
        let chunk = consumer.read_chunk(9);
        let (values, more) = chunk.as_slices();
        assert_eq!((values.len() + more.len(), chunk.len()), (2, 2));
        assert_eq!(rest(&mut consumer).len(), 2);
    }
    let most = SpscRing::<()>::MAX_CAPACITY;
    let (mut producer, mut consumer) = SpscRing::new(most);
    assert_eq!(producer.push_batch(&mut [(), ()].into_iter()), Ok(2));
    assert_eq!((producer.vacant(), consumer.len()), (most - 2, 2));
    let mut taken = Vec::new();
    assert_eq!((consumer.pop_batch(&mut taken, 5), taken), (Ok(2), vec![(), ()]));
    thread_local!(static DROPS: Cell<u32> = const { Cell::new(0) });
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }
    let (mut producer, consumer) = SpscRing::new(4);
    producer.push_batch(&mut [Counted, Counted, Counted].into_iter()).unwrap();
    drop((producer, consumer));
    assert_eq!(DROPS.get(), 3);
}

#[test]
fn spsc_over_aligned_values_stay_aligned() {
    #[repr(align(512))]
    #[derive(Clone, Copy)]
    struct Wide(u8);
    let (mut producer, mut consumer) = SpscRing::new(3);
    let mut fixed = StaticSpscRing::<Wide, 3>::new();
    let (mut fixed_producer, mut fixed_consumer) = fixed.split();
    for number in 0..20 {
        assert!(producer.push(Wide(number)).is_ok() && fixed_producer.push(Wide(number)).is_ok());
        for value in [consumer.peek().unwrap(), fixed_consumer.peek().unwrap()] {
            assert_eq!(((&raw const *value).addr() % 512, value.0), (0, number));
        }
        assert!(consumer.pop().is_ok() && fixed_consumer.pop().is_ok());
    }
}

#[test]
fn spsc_niches_of_values_are_kept() {
    let (mut producer, mut consumer) = SpscRing::new(2);
    for value in [None, Some(Box::new(1)), None] {
        let expected = value.clone();
        producer.push(value).unwrap();
        assert_eq!(consumer.peek(), Ok(&expected));
        assert_eq!(consumer.pop(), Ok(expected));
    }
    assert_eq!(consumer.pop(), Err(PopError::Empty));
}

#[test]
fn spsc_each_end_sees_that_the_other_is_gone() {
    let (mut producer, mut consumer) = SpscRing::new(2);
    assert!(!producer.is_abandoned() && !consumer.is_abandoned());
    producer.push(1).unwrap();
    drop(producer);
    assert!(consumer.is_abandoned());
    assert_eq!(consumer.peek_mut().map(|value| *value += 1), Ok(()));
    assert_eq!(consumer.pop(), Ok(2));
    assert_eq!((consumer.pop(), consumer.peek()), (Err(PopError::Closed), Err(PopError::Closed)));

    let (mut producer, mut consumer) = SpscRing::new(2);
    producer.push(1).unwrap();
    assert_eq!(consumer.pop(), Ok(1));
    drop(consumer);
    assert!(producer.is_abandoned());
    assert_eq!((producer.push(2), producer.push(3)), (Ok(()), Ok(())), "room is room");
    assert_eq!(producer.push(4), Err(PushError::Closed(4)));
    assert_eq!(producer.push(4), Err(PushError::Closed(4)), "for good");
}

#[test]
fn spsc_every_value_is_dropped_once_wherever_it_is() {
    let drops = Cell::new(0);
    for producer_first in [false, true] {
        for popped in 0..=3 {
            drops.set(0);
            let (mut producer, mut consumer) = SpscRing::new(3);
            // Across the end of the ring.
            producer.push_batch(&mut [told(&drops), told(&drops)].into_iter()).unwrap();
            consumer.read_chunk(2).commit_all();
            assert_eq!(drops.replace(0), 2);
            assert_eq!(producer.push_batch(&mut (0..9).map(|_| told(&drops))), Ok(3));
            (0..popped).for_each(|_| drop(consumer.pop()));
            assert_eq!(drops.get(), popped);
            if producer_first {
                drop(producer);
                assert_eq!(drops.get(), popped);
                drop(consumer);
            } else {
                drop(consumer);
                assert_eq!(drops.get(), popped);
                drop(producer);
            }
            assert_eq!(drops.get(), 3);
        }
    }
}

#[test]
fn spsc_write_chunks_publish_what_is_committed_and_nothing_else() {
    let drops = Cell::new(0);
    let (mut producer, consumer) = SpscRing::new(4);
    let mut chunk = producer.write_chunk(9);
    assert_eq!((chunk.len(), chunk.filled(), chunk.is_empty()), (4, 0, false));
    assert_eq!(chunk.extend((0..2).map(|_| told(&drops))), 2);
    assert_eq!(consumer.len(), 0, "nothing before it is committed");
    assert_eq!(chunk.commit(), 2);
    assert_eq!((consumer.len(), drops.get()), (2, 0));
    // Dropped: what was filled is dropped.
    let mut chunk = producer.write_chunk(9);
    assert_eq!(chunk.len(), 2);
    assert!(chunk.push(told(&drops)).is_ok());
    drop(chunk);
    assert_eq!((consumer.len(), drops.get()), (2, 1));
    // Forgotten: leaked, and the slots can be used.
    let mut chunk = producer.write_chunk(2);
    chunk.extend((0..2).map(|_| told(&drops)));
    core::mem::forget(chunk);
    assert_eq!(producer.write_chunk_exact(3).map(|_| ()).unwrap_err(), 2);
    assert_eq!(producer.push_batch(&mut (0..9).map(|_| told(&drops))), Ok(2));
    assert!(producer.write_chunk(1).is_empty());
    drop(producer);
    assert_eq!(consumer.len(), 4);
    drop(consumer);
    assert_eq!(drops.get(), 5);
}

#[test]
fn spsc_write_chunks_go_round_by_hand() {
    let (mut producer, mut consumer) = SpscRing::new(5);
    let mut next = 0;
    let mut expected = 0;
    for _ in 0..20 {
        let mut chunk = producer.write_chunk_exact(4).unwrap();
        // Part by `push`, part by hand.
        chunk.push(next).unwrap();
        let (slots, more) = chunk.as_mut_slices();
        assert_eq!(slots.len() + more.len(), 3);
        for (slot, number) in slots.iter_mut().chain(more).zip(next + 1..next + 3) {
            slot.write(number);
        }
        // SAFETY: two were written.
        unsafe { chunk.assume_filled(2) };
        assert_eq!((chunk.filled(), chunk.as_mut_slices().0.len()), (3, 1));
        assert_eq!(chunk.commit(), 3);
        next += 3;
        let mut chunk = consumer.read_chunk_exact(3).unwrap();
        let (values, more) = chunk.as_mut_slices();
        values.iter_mut().chain(more).for_each(|value| *value *= 10);
        for value in chunk {
            assert_eq!(value, 10 * expected);
            expected += 1;
        }
        assert_eq!(consumer.read_chunk_exact(1).map(|_| ()).unwrap_err(), 0);
    }
}

#[test]
#[should_panic(expected = "3 slots cannot be filled: 2 are left of the chunk")]
fn spsc_more_than_the_chunk_cannot_be_filled() {
    let (mut producer, _consumer) = SpscRing::new(2);
    let mut chunk = producer.write_chunk(2);
    chunk.as_mut_slices().0.fill(MaybeUninit::new(7));
    // SAFETY: it panics.
    unsafe { chunk.assume_filled(3) };
}

#[test]
#[should_panic(expected = "3 values cannot be taken from a chunk of 2")]
fn spsc_more_than_the_chunk_cannot_be_taken() {
    let (mut producer, mut consumer) = SpscRing::new(4);
    producer.push_slice(&[1, 2, 3]).unwrap();
    consumer.read_chunk(2).commit(3);
}

#[test]
fn spsc_read_chunks_take_what_is_committed_and_nothing_else() {
    let (mut producer, mut consumer) = SpscRing::new(4);
    producer.push_slice(&[1, 2, 3]).unwrap();
    let chunk = consumer.read_chunk(2);
    assert_eq!((chunk.len(), chunk.is_empty()), (2, false));
    assert_eq!(chunk.as_slices().0, [1, 2]);
    drop(chunk);
    assert_eq!(consumer.len(), 3, "only looked at");
    consumer.read_chunk(3).commit(1);
    assert_eq!((consumer.len(), producer.vacant()), (2, 2));
    let mut values = consumer.read_chunk(3).into_iter();
    assert_eq!((values.len(), values.next(), values.len()), (2, Some(2), 1));
    assert_eq!(producer.vacant(), 2, "vacant when the iterator is gone");
    drop(values);
    assert_eq!((producer.vacant(), rest(&mut consumer)), (3, vec![3]));
    assert!(consumer.read_chunk(1).is_empty());
}

#[test]
fn spsc_forgotten_iterators_give_no_value_twice() {
    let drops = Cell::new(0);
    let (mut producer, mut consumer) = SpscRing::new(3);
    producer.push_batch(&mut (0..3).map(|_| told(&drops))).unwrap();
    let mut values = consumer.read_chunk(3).into_iter();
    drop(values.next());
    core::mem::forget(values);
    assert_eq!((drops.get(), consumer.len()), (1, 2));
    assert!(producer.is_full(), "not known yet");
    drop(consumer.pop());
    assert_eq!((drops.get(), producer.vacant()), (2, 2));
    let mut values = consumer.read_chunk(3).into_iter();
    drop(values.next());
    core::mem::forget(values);
    drop(consumer);
    assert_eq!(producer.vacant(), 3, "the consumer tells when it leaves");
    drop(producer);
    assert_eq!(drops.get(), 3);
}

#[test]
fn spsc_slices_are_copied_in_and_out_round_the_end() {
    let (mut producer, mut consumer) = SpscRing::new(7);
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    let mut next = 0_u16;
    for round in 0..50 {
        let values: Vec<_> = (next..next + round % 11).collect();
        let pushed = producer.push_slice(&values).unwrap_or(0);
        sent.extend_from_slice(&values[..pushed]);
        next += u16::try_from(pushed).unwrap();
        let mut into = vec![0; usize::from(round % 5)];
        let popped = consumer.pop_slice(&mut into).unwrap_or(0);
        received.extend_from_slice(&into[..popped]);
        let mut uninit = [MaybeUninit::uninit(); 3];
        let popped = consumer.pop_slice_uninit(&mut uninit).unwrap_or(0);
        // SAFETY: it says how many it wrote.
        received.extend(uninit[..popped].iter().map(|value| unsafe { value.assume_init() }));
    }
    received.extend(rest(&mut consumer));
    assert!(received.len() > 100);
    assert_eq!(received, sent);
}

#[test]
fn spsc_batches_take_no_value_that_they_have_no_room_for() {
    let (mut producer, mut consumer) = SpscRing::new(3);
    let mut numbers = 0..10;
    assert_eq!((producer.push_batch(&mut numbers), numbers.start), (Ok(3), 3));
    let full = Err(PushError::Full(()));
    assert_eq!((producer.push_batch(&mut numbers), numbers.start), (full, 3));
    let mut taken = Vec::new();
    assert_eq!(consumer.pop_batch(&mut taken, 2), Ok(2));
    // An iterator that does not know its length.
    let mut odd = numbers.by_ref().filter(|number| number % 2 == 1);
    assert_eq!(producer.push_batch(&mut odd), Ok(2));
    assert_eq!(consumer.pop_batch(&mut taken, 9), Ok(3));
    assert_eq!(taken, [0, 1, 2, 3, 5]);
}

#[test]
fn spsc_batches_say_what_is_in_their_way() {
    let (mut producer, mut consumer) = SpscRing::new(2);
    assert_eq!(consumer.pop_batch(&mut Vec::new(), 9), Err(PopError::Empty));
    assert_eq!(consumer.pop_slice(&mut [0; 9]), Err(PopError::Empty));
    assert_eq!(producer.push_slice(&[1, 2, 3]), Ok(2));
    assert_eq!(producer.push_slice(&[3]), Err(PushError::Full(())));
    // Nothing asked for is nothing refused.
    assert_eq!((producer.push_slice(&[]), producer.push_batch(&mut (0..0))), (Ok(0), Ok(0)));
    assert_eq!(consumer.pop_batch(&mut Vec::new(), 1), Ok(1));
    drop(producer);
    let mut bytes = [0; 9];
    assert_eq!((consumer.pop_slice(&mut bytes), bytes[0]), (Ok(1), 2), "what is left");
    assert_eq!(consumer.pop_slice(&mut bytes), Err(PopError::Closed));
    assert_eq!(consumer.pop_batch(&mut Vec::new(), 1), Err(PopError::Closed));
    assert_eq!(
        (consumer.pop_slice(&mut []), consumer.pop_batch(&mut Vec::new(), 0)),
        (Ok(0), Ok(0))
    );

    let (mut producer, consumer) = SpscRing::new(1);
    drop(consumer);
    assert_eq!(producer.push_slice(&[1, 2]), Ok(1), "room is room");
    assert_eq!(producer.push_slice(&[2]), Err(PushError::Closed(())));
    assert_eq!(producer.push_batch(&mut (2..3)), Err(PushError::Closed(())));
}

#[test]
fn spsc_a_batch_that_finds_no_memory_leaves_the_ring_as_it_is() {
    let (mut producer, mut consumer) = SpscRing::new(4);
    producer.push_batch(&mut (0..4)).unwrap();
    let mut units = vec![(); usize::MAX];
    let (mut producer_of_units, mut consumer_of_units) = SpscRing::new(2);
    producer_of_units.push(()).unwrap();
    let pop = || consumer_of_units.pop_batch(&mut units, 1);
    assert!(catch_unwind(AssertUnwindSafe(pop)).is_err(), "a vector of that length has no room");
    assert_eq!((consumer_of_units.len(), producer_of_units.vacant()), (1, 1));
    // Values go behind those that are there, each once.
    let mut taken = vec![9];
    assert_eq!((consumer.pop_batch(&mut taken, 3), taken), (Ok(3), vec![9, 0, 1, 2]));
    assert_eq!((producer.vacant(), consumer.pop()), (3, Ok(3)));
}

#[test]
fn spsc_panicking_iterators_leave_what_they_gave() {
    let (mut producer, mut consumer) = SpscRing::new(4);
    let planned = || {
        (0..4).inspect(|&number| {
            if number == 2 {
                resume_unwind(Box::new("planned"))
            }
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(|| producer.push_batch(&mut planned()))).is_err());
    assert_eq!((consumer.len(), rest(&mut consumer)), (2, vec![0, 1]));
    let mut chunk = producer.write_chunk(4);
    assert!(catch_unwind(AssertUnwindSafe(|| chunk.extend(planned()))).is_err());
    assert_eq!((chunk.filled(), chunk.commit()), (2, 2));
    let taken = Cell::new(0);
    let into = |number: u32| {
        taken.set(taken.get() + 1);
        if number == 0 {
            resume_unwind(Box::new("planned"));
        }
    };
    assert!(
        catch_unwind(AssertUnwindSafe(|| consumer.read_chunk(2).into_iter().for_each(into)))
            .is_err()
    );
    assert_eq!((taken.get(), producer.vacant(), rest(&mut consumer)), (1, 3, vec![1]));
}

#[test]
fn spsc_panicking_drops_keep_no_other_from_its_own() {
    let drops = Cell::new(0);
    for at in 0..3 {
        let value = |number| Told { drops: &drops, panics: number == at };
        let (mut producer, mut consumer) = SpscRing::new(3);
        for _ in 0..4 {
            // A chunk's values, at every place of the ring.
            drops.set(0);
            assert_eq!(producer.push_batch(&mut (0..3).map(value)), Ok(3));
            let commit = || consumer.read_chunk(3).commit_all();
            assert!(catch_unwind(AssertUnwindSafe(commit)).is_err());
            assert_eq!((drops.get(), producer.vacant(), consumer.len()), (3, 3, 0));
        }
        drops.set(0);
        assert_eq!(producer.push_batch(&mut (0..3).map(value)), Ok(3));
        drop(consumer);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(producer))).is_err());
        assert_eq!(drops.get(), 3);

        let (mut producer, _consumer) = SpscRing::new(3);
        drops.set(0);
        let mut chunk = producer.write_chunk(3);
        chunk.extend((0..3).map(value));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(chunk))).is_err());
        assert_eq!((drops.get(), producer.vacant()), (3, 3));
    }
}

#[test]
fn spsc_static_rings_are_given_out_one_pair_at_a_time() {
    static RING: StaticSpscRing<Box<u32>, 2> = StaticSpscRing::new();
    assert_eq!(RING.capacity(), 2);
    for round in 0..3 {
        let (mut producer, mut consumer) = RING.try_split().unwrap();
        assert!(RING.try_split().is_none());
        for number in 0..5 {
            producer.push(Box::new(number)).unwrap();
            assert_eq!(*consumer.pop().unwrap(), number);
        }
        producer.push(Box::new(7)).unwrap();
        assert!(producer.push(Box::new(8)).is_ok());
        assert!(matches!(producer.push(Box::new(9)), Err(PushError::Full(_))));
        if round == 1 {
            drop(producer);
            assert!(RING.try_split().is_none() && consumer.is_abandoned());
        }
    }
    assert!(RING.try_split().is_some_and(|(_, consumer)| consumer.is_empty()));
}

#[test]
fn spsc_static_rings_survive_forgotten_ends() {
    let drops = Cell::new(0);
    let mut ring = StaticSpscRing::<_, 3>::new();
    let (mut producer, mut consumer) = ring.split();
    producer.push_batch(&mut (0..3).map(|_| told(&drops))).unwrap();
    let mut values = consumer.read_chunk(3).into_iter();
    drop(values.next());
    core::mem::forget(values);
    core::mem::forget(consumer);
    core::mem::forget(producer);
    assert_eq!(drops.get(), 1);
    assert!(ring.try_split().is_none(), "out for good");
    let (mut producer, consumer) = ring.split();
    assert_eq!((producer.vacant(), drops.get()), (3, 1), "forgotten with their ends");
    producer.push_batch(&mut (0..2).map(|_| told(&drops))).unwrap();
    drop((producer, consumer));
    assert_eq!(drops.get(), 3);
    assert!(ring.try_split().is_some());
}

#[test]
fn tsan_spsc_values_cross_threads_in_order() {
    for capacity in [1, 3, 64] {
        // As many hand-overs at each capacity: beside a busy stranger, every one costs a turn of the
        // scheduler's.
        let count = 1_000 * u32::try_from(capacity).unwrap();
        let (mut producer, mut consumer) = SpscRing::new(capacity);
        std::thread::scope(|scope| {
            let other = scope.spawn(move || {
                let mut next = 0;
                while next < count {
                    let pushed = match next % 3 {
                        0 => usize::from(producer.push(Box::new(next)).is_ok()),
                        1 => {
                            let mut some = (next..count).take(7).map(Box::new);
                            producer.push_batch(&mut some).unwrap_or(0)
                        }
                        _ => {
                            let mut chunk = producer.write_chunk(5);
                            chunk.extend((next..count).map(Box::new));
                            chunk.commit()
                        }
                    };
                    next += u32::try_from(pushed).unwrap();
                    if pushed == 0 {
                        std::thread::yield_now();
                    }
                }
            });
            let mut expected = 0..;
            loop {
                match consumer.pop() {
                    Ok(number) => assert_eq!(Some(*number), expected.next()),
                    Err(PopError::Empty) => std::thread::yield_now(),
                    Err(PopError::Closed) => break,
                }
                for number in consumer.read_chunk(4) {
                    assert_eq!(Some(*number), expected.next());
                }
            }
            assert_eq!(expected.next(), Some(count));
            other.join().unwrap();
        });
    }
}
