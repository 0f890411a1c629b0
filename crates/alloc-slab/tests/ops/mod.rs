//! A language of operations on a [`Slab`], and an interpreter that holds the slab against a hash map
//! after every one. Shared by the property tests and the fuzz target.
//!
//! Values are counted: each is dropped once. Addresses are remembered: a value stays
//! where it is, and overlaps no other.

use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::collections::{BTreeMap, HashMap};
use std::panic::catch_unwind;
use std::rc::Rc;

use alloc_core::testing::{Checked, FailAt};
use alloc_core::{ErrorKind, Global, Layout};
use alloc_slab::{DisjointError, Key, Pages, Slab, Store};
use arbitrary::Arbitrary;

/// One slab and what is done to it.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Input {
    kind: Kind,
    fail_at: u8,
    limit: Option<u16>,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Large,
    Small,
    Reserved,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Insert { count: u8 },
    InsertWith { panics: bool },
    Entry { fill: bool },
    Remove { pick: u16 },
    RemoveStale { pick: u16 },
    Change { pick: u16 },
    Disjoint { first: u16, second: u16 },
    Retain { modulus: u8, panics_at: Option<u8> },
    Drain { take: u8, forget: bool },
    Compact { panics_at: Option<u8> },
    Trim,
    Reserve { count: u16 },
    Clear,
    Iterate,
}

/// A log of drops: how often each value was.
type Log = Rc<RefCell<BTreeMap<u64, u32>>>;

/// A value of `SIZE` bytes and a few, that says when it is dropped.
struct Counted<const SIZE: usize> {
    number: u64,
    log: Log,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Drop for Counted<SIZE> {
    fn drop(&mut self) {
        assert!(self.bytes.iter().all(|&byte| byte == self.number.to_le_bytes()[0]), "overwritten");
        *self.log.borrow_mut().entry(self.number).or_default() += 1;
    }
}

/// Runs an input; panics where the slab and the model disagree.
pub(crate) fn run(input: &Input) {
    let fail_at = usize::from(input.fail_at % 16);
    match input.kind {
        // 64 slots a page.
        Kind::Large => {
            let backing = FailAt::new(Checked::new(Global), fail_at);
            Model::<1000, _>::new(Slab::new_in(backing), input.limit).run(&input.ops);
        }
        Kind::Small => {
            let backing = FailAt::new(Checked::new(Global), fail_at);
            Model::<3, Pages<_>>::new(Slab::new_in(backing), input.limit).run(&input.ops);
        }
        #[cfg(unix)]
        Kind::Reserved => {
            let most = usize::from(input.limit.unwrap_or(2000)).max(1);
            let slab = Slab::try_reserved(most).expect("a few pages of addresses");
            Model::<1000, _>::new(slab, Some(u16::try_from(most).unwrap())).run(&input.ops);
        }
        #[cfg(not(unix))]
        Kind::Reserved => {}
    }
}

struct Model<const SIZE: usize, S: Store> {
    slab: Slab<Counted<SIZE>, S>,
    live: HashMap<Key<Counted<SIZE>>, u64>,
    /// The keys of `live`, to pick from.
    keys: Vec<Key<Counted<SIZE>>>,
    stale: Vec<Key<Counted<SIZE>>>,
    /// Where each value stands; one byte of it, so that only its place is looked at.
    places: HashMap<Key<Counted<SIZE>>, NonNull<u8>>,
    made: u64,
    log: Log,
    limit: usize,
}

impl<const SIZE: usize, S: Store> Model<SIZE, S> {
    fn new(slab: Slab<Counted<SIZE>, S>, limit: Option<u16>) -> Self {
        let limit = limit.map_or(usize::MAX, usize::from);
        let slab = slab.with_limit(limit);
        let (live, places) = (HashMap::new(), HashMap::new());
        let (keys, stale, made, log) = (Vec::new(), Vec::new(), 0, Log::default());
        Self { slab, live, keys, stale, places, made, log, limit }
    }

    fn make(&mut self) -> Counted<SIZE> {
        self.made += 1;
        let bytes = [self.made.to_le_bytes()[0]; SIZE];
        Counted { number: self.made, log: Rc::clone(&self.log), bytes }
    }

    fn came(&mut self, key: Key<Counted<SIZE>>, number: u64) {
        assert_eq!(self.live.insert(key, number), None, "{key:?} given out twice");
        assert!(!self.stale.contains(&key), "{key:?} came again");
        self.keys.push(key);
        self.places.insert(key, NonNull::from(&self.slab[key]).cast());
    }

    fn went(&mut self, key: Key<Counted<SIZE>>) -> u64 {
        self.keys.retain(|&other| other != key);
        self.places.remove(&key);
        self.stale.push(key);
        self.live.remove(&key).expect("the model had it")
    }

    /// Takes note of the values that the slab has no longer.
    fn catch_up(&mut self) {
        for key in self.keys.clone() {
            if !self.slab.contains(key) {
                let number = self.went(key);
                assert_eq!(self.log.borrow().get(&number), Some(&1), "{key:?} was not dropped");
            }
        }
    }

    fn pick(&self, pick: u16) -> Option<Key<Counted<SIZE>>> {
        self.keys.get(usize::from(pick) % self.keys.len().max(1)).copied()
    }

    fn run(mut self, ops: &[Op]) {
        for &op in ops {
            self.apply(op);
            self.check();
        }
        let (made, log) = (self.made, Rc::clone(&self.log));
        drop(self);
        let log = log.borrow();
        assert!((1..=made).all(|number| log.get(&number) == Some(&1)), "dropped: {log:?}");
    }

    fn insert(&mut self) {
        let value = self.make();
        let number = value.number;
        match self.slab.try_insert(value) {
            Ok(key) => self.came(key, number),
            Err(rejected) => {
                let kind = rejected.error().kind();
                assert!(matches!(kind, ErrorKind::Full | ErrorKind::Backing), "{kind:?}");
                if kind == ErrorKind::Full {
                    assert_eq!(self.slab.len(), self.limit, "refused below the limit");
                }
                assert_eq!(rejected.into_value().number, number, "the value comes back");
            }
        }
    }

    #[expect(clippy::mem_forget, reason = "what is forgotten must do no harm")]
    fn apply(&mut self, op: Op) {
        match op {
            Op::Insert { count } => (0..count).for_each(|_| self.insert()),
            Op::InsertWith { panics } => {
                let value = self.make();
                let number = value.number;
                let slab = &mut self.slab;
                let done = catch_unwind(AssertUnwindSafe(|| {
                    slab.try_insert_with(|_| {
                        if panics {
                            std::panic::resume_unwind(Box::new("planned"));
                        }
                        value
                    })
                }));
                if let Ok(Ok(key)) = done {
                    assert!(!panics);
                    self.came(key, number);
                }
            }
            Op::Entry { fill } => {
                let value = self.make();
                let number = value.number;
                if let Ok(entry) = self.slab.try_vacant_entry() {
                    let key = entry.key();
                    if fill {
                        assert_eq!(entry.insert(value).number, number);
                        self.came(key, number);
                    } else {
                        assert!(!self.slab.contains(key));
                    }
                }
            }
            Op::Remove { pick } => {
                if let Some(key) = self.pick(pick) {
                    let value = self.slab.remove(key).expect("alive");
                    assert_eq!(self.went(key), value.number);
                }
            }
            Op::RemoveStale { pick } => {
                let index = usize::from(pick) % self.stale.len().max(1);
                if let Some(&key) = self.stale.get(index) {
                    assert!(self.slab.remove(key).is_none(), "{key:?} is stale");
                    assert!(self.slab.get(key).is_none() && self.slab.get_mut(key).is_none());
                }
            }
            Op::Change { pick } => {
                if let Some(key) = self.pick(pick) {
                    let value = self.slab.get_mut(key).expect("alive");
                    value.bytes.fill(value.number.to_le_bytes()[0]);
                }
            }
            Op::Disjoint { first, second } => {
                if let (Some(a), Some(b)) = (self.pick(first), self.pick(second)) {
                    match self.slab.get_disjoint_mut([a, b]) {
                        Ok([x, y]) => assert_ne!(x.number, y.number),
                        Err(error) => {
                            assert_eq!(a, b);
                            assert_eq!(error, DisjointError::Equal { first: 0, second: 1 });
                        }
                    }
                }
            }
            Op::Retain { modulus, panics_at } => {
                let modulus = u64::from(modulus % 5) + 1;
                let mut calls = 0;
                let slab = &mut self.slab;
                let live = &self.live;
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    slab.retain(|key, value| {
                        assert_eq!(live.get(&key), Some(&value.number));
                        if panics_at.is_some_and(|at| calls == u32::from(at)) {
                            std::panic::resume_unwind(Box::new("planned"));
                        }
                        calls += 1;
                        value.number % modulus == 0
                    });
                }));
                if panics_at.is_none() {
                    assert!(self.slab.values().all(|value| value.number % modulus == 0));
                }
                self.catch_up();
            }
            Op::Drain { take, forget } => {
                let mut drain = self.slab.drain();
                let taken: Vec<_> = drain.by_ref().take(usize::from(take)).collect();
                if forget {
                    core::mem::forget(drain);
                } else {
                    drop(drain);
                    assert!(self.slab.is_empty());
                }
                for (key, value) in taken {
                    assert_eq!(self.went(key), value.number);
                }
                self.catch_up();
            }
            Op::Compact { panics_at } => {
                let mut moved = Vec::new();
                let slab = &mut self.slab;
                let live = &self.live;
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    slab.compact(|value, old, new| {
                        assert_eq!(live.get(&old), Some(&value.number));
                        if panics_at.is_some_and(|at| moved.len() == usize::from(at)) {
                            std::panic::resume_unwind(Box::new("planned"));
                        }
                        moved.push((old, new));
                    })
                }));
                for (old, new) in moved {
                    let number = self.went(old);
                    self.came(new, number);
                }
                if panics_at.is_none() && self.limit == usize::MAX {
                    let stats = self.slab.stats();
                    let per_page = stats.capacity / stats.pages.max(1);
                    assert_eq!(stats.pages, stats.len.div_ceil(per_page.max(1)), "{stats:?}");
                }
            }
            Op::Trim => {
                let held = self.slab.reserved_bytes();
                let bytes = self.slab.trim();
                assert_eq!(self.slab.reserved_bytes(), held - bytes);
            }
            Op::Reserve { count } => {
                let count = usize::from(count % 1000);
                if self.slab.try_reserve(count).is_ok() {
                    assert!(self.slab.capacity() - self.slab.len() >= count);
                }
            }
            Op::Clear => {
                self.slab.clear();
                self.catch_up();
            }
            Op::Iterate => {
                let mut left = self.live.clone();
                for (key, value) in &self.slab {
                    assert_eq!(left.remove(&key), Some(value.number));
                }
                assert!(left.is_empty(), "not visited: {left:?}");
                let sum: u64 = self.slab.values().map(|value| value.number).sum();
                assert_eq!(sum, self.live.values().sum());
                assert!(self.slab.keys().all(|key| self.live.contains_key(&key)));
                self.slab.values_mut().for_each(|value| value.number += 0);
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.slab.len(), self.live.len());
        for (&key, &number) in &self.live {
            let value = self.slab.get(key).expect("alive");
            assert_eq!(value.number, number);
            assert_eq!(NonNull::from(value).cast(), self.places[&key], "{key:?} moved");
        }
        // Values that overlap would stand here as blocks that do.
        let mut places: Vec<_> = self.places.values().map(|place| place.addr().get()).collect();
        places.sort_unstable();
        let size = Layout::new::<Counted<SIZE>>().size();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= size), "values overlap");
        let stats = self.slab.stats();
        assert_eq!((stats.len, stats.used_bytes), (self.live.len(), self.live.len() * size));
        assert_eq!(
            stats.used_bytes + stats.free_bytes + stats.overhead_bytes,
            stats.reserved_bytes
        );
        assert!(stats.capacity <= self.limit || self.limit == usize::MAX);
    }
}
