//! Per-CPU data in atomic mode, with a CPU id that changes under the threads' hands; and the rules that make a
//! restartable section safe, modelled step by step, since no model can see into assembly.
#![cfg(loom)]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use primitives::model::Model;
use primitives::percpu::model::migrate_to;
use primitives::percpu::{CpuId, Full, Mode, PerCpuCounter, PerCpuStack, Shards, Source, source};
use primitives::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use primitives::sync::cell::UnsafeCell;
use primitives::sync::{Arc, thread};

fn token(id: usize) -> NonNull<u8> {
    NonNull::without_provenance(NonZeroUsize::new(id + 1).unwrap())
}

fn id(token: NonNull<u8>) -> usize {
    token.addr().get() - 1
}

/// A stack, and what its words stand for: whoever has word `i` may touch cell `i`.
struct Stock<const N: usize> {
    stack: PerCpuStack<N>,
    cells: [UnsafeCell<usize>; 2],
}
// SAFETY: a cell is touched only by who has its word.
unsafe impl<const N: usize> Sync for Stock<N> {}

impl<const N: usize> Stock<N> {
    fn new(shards: usize) -> Arc<Self> {
        let stack = PerCpuStack::with_shards(shards, Mode::Rseq);
        assert_eq!(
            (stack.mode(), source()),
            (Mode::Atomic, Source::Model),
            "no assembly in a model"
        );
        Arc::new(Self { stack, cells: [UnsafeCell::new(0), UnsafeCell::new(0)] })
    }

    /// Changes the cell, then gives its word away.
    fn give(&self, word: usize) -> bool {
        self.touch(word);
        match self.stack.push(token(word)) {
            Ok(()) => true,
            Err(Full(back)) => {
                assert_eq!(id(back), word, "the word comes back");
                self.touch(word);
                false
            }
        }
    }

    /// Takes a word and changes its cell.
    fn take(&self) -> Option<usize> {
        let word = id(self.stack.pop()?);
        self.touch(word);
        Some(word)
    }

    fn touch(&self, word: usize) {
        // SAFETY: the caller has the word.
        self.cells[word].with_mut(|cell| unsafe { *cell += 1 });
    }

    /// The words that are left, once all threads are done.
    fn rest(stock: Arc<Self>) -> Vec<usize> {
        let mut stock = Arc::try_unwrap(stock).unwrap_or_else(|_| panic!("all threads are joined"));
        let mut rest: Vec<usize> = stock.stack.drain().map(id).collect();
        rest.sort_unstable();
        rest
    }
}

/// One thread gives a word, another asks for one, both are moved between two CPUs: who gets the word sees what its
/// giver did, and the word is in one place afterwards.
#[test]
fn loom_percpu_push_then_pop_while_migrating() {
    let outcomes = ["taken", "left"];
    Model::new("percpu_push_then_pop_while_migrating").reaches(outcomes).floor(20).check(|seen| {
        let stock = Stock::<1>::new(2);
        let (giver, taker) = (Arc::clone(&stock), Arc::clone(&stock));
        let giver = thread::spawn(move || assert!(giver.give(0), "another shard is always free"));
        let taker = thread::spawn(move || taker.take());
        migrate_to(CpuId::new(1));
        giver.join().unwrap();
        let taken = taker.join().unwrap();
        let rest = Stock::rest(stock);
        match taken {
            Some(word) => {
                assert_eq!((word, rest), (0, vec![]));
                seen.record("taken");
            }
            None => {
                assert_eq!(rest, [0]);
                seen.record("left");
            }
        }
    });
}

/// Two threads each give their word and take one, through one shard: no word is doubled or lost, however they meet.
#[test]
fn loom_percpu_shard_is_exclusive() {
    let outcomes = ["both own", "swapped", "one refused", "one got nothing"];
    let floor = 50;
    Model::new("percpu_shard_is_exclusive").reaches(outcomes).floor(floor).check(|seen| {
        let stock = Stock::<2>::new(1);
        let other = Arc::clone(&stock);
        let work = |stock: &Stock<2>, word: usize| -> (bool, Option<usize>) {
            let given = stock.give(word);
            (given, stock.take())
        };
        let theirs = thread::spawn(move || work(&other, 1));
        let ours = work(&stock, 0);
        let theirs = theirs.join().unwrap();
        let rest = Stock::rest(stock);
        let mut places = [0; 2];
        for word in [ours.1, theirs.1].into_iter().flatten().chain(rest) {
            places[word] += 1;
        }
        assert_eq!(
            places,
            [usize::from(ours.0), usize::from(theirs.0)],
            "each word given is in one place"
        );
        seen.record(match (ours, theirs) {
            ((true, Some(0)), (true, Some(1))) => "both own",
            ((true, Some(1)), (true, Some(0))) => "swapped",
            ((true, _), (true, _)) => "one got nothing",
            _ => "one refused",
        });
    });
}

/// One place for two words: who comes second is refused, be it full or busy, and has its word back.
#[test]
fn loom_percpu_full_hands_the_word_back() {
    let outcomes = ["ours is in", "theirs is in"];
    Model::new("percpu_full_hands_the_word_back").reaches(outcomes).floor(5).check(|seen| {
        let stock = Stock::<1>::new(1);
        let other = Arc::clone(&stock);
        let theirs = thread::spawn(move || other.give(1));
        let ours = stock.give(0);
        assert_ne!(ours, theirs.join().unwrap(), "there is one place");
        assert_eq!(Stock::rest(stock), [usize::from(!ours)]);
        seen.record(if ours { "ours is in" } else { "theirs is in" });
    });
}

/// A thread finds its CPU's shard taken and works on the neighbour's.
#[test]
fn loom_percpu_busy_shard_sends_to_the_neighbour() {
    let outcomes = ["same shard", "neighbour"];
    Model::new("percpu_busy_shard_sends_to_the_neighbour").reaches(outcomes).floor(5).check(
        |seen| {
            let stock = Stock::<2>::new(2);
            let other = Arc::clone(&stock);
            let theirs = thread::spawn(move || assert!(other.give(1)));
            assert!(stock.give(0));
            theirs.join().unwrap();
            seen.record(if stock.stack.stats().contended == 0 {
                "same shard"
            } else {
                "neighbour"
            });
            assert_eq!(Stock::rest(stock), [0, 1]);
        },
    );
}

/// Adds on changing shards: a reader sees part of them meanwhile and all of them afterwards.
#[test]
fn loom_percpu_counter_is_exact() {
    let outcomes = ["0", "1", "2", "3"];
    Model::new("percpu_counter_is_exact").reaches(outcomes).floor(20).check(|seen| {
        let counter = Arc::new(PerCpuCounter::with_shards(2, Mode::Rseq));
        let adders: Vec<_> = [1, 2]
            .map(|n| {
                let counter = Arc::clone(&counter);
                thread::spawn(move || counter.add(n))
            })
            .into_iter()
            .collect();
        migrate_to(CpuId::new(1));
        seen.record(counter.sum());
        for adder in adders {
            adder.join().unwrap();
        }
        assert_eq!(counter.sum(), 3);
    });
}

/// A shard is a hint: two threads may be given the same one, or different ones, whatever the CPU.
#[test]
fn loom_percpu_shards_are_shared_hints() {
    let outcomes = ["[2, 0]", "[0, 2]", "[1, 1]"];
    Model::new("percpu_shards_are_shared_hints").reaches(outcomes).floor(5).check(|seen| {
        let shards = Arc::new(Shards::new(|_| AtomicUsize::new(0)));
        let workers = [(); 2].map(|()| {
            let shards = Arc::clone(&shards);
            thread::spawn(move || {
                // ORD Relaxed: counted after the joins.
                shards.get().fetch_add(1, Relaxed);
            })
        });
        migrate_to(CpuId::new(3)); // past the table: it wraps to 1
        for worker in workers {
            worker.join().unwrap();
        }
        // ORD Relaxed: after the joins.
        seen.record(format!(
            "{:?}",
            shards.iter().map(|shard| shard.load(Relaxed)).collect::<Vec<_>>()
        ));
    });
}
