//! A language of operations of several threads on a [`SyncSlab`], and an interpreter that holds it against
//! a map after every one.
//!
//! The threads take turns: what is looked for is not a race (models and ThreadSanitizer do that) but what
//! one thread does to the values, the slots and the guards of another. They share the slab in phases;
//! between these it is used exclusively.

mod threads;

use core::panic::AssertUnwindSafe;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use alloc_core::testing::{Checked, FailAt};
use alloc_core::{Allocator, ErrorKind, Global};
use alloc_slab::{Key, Ref, SyncSlab};
use arbitrary::{Arbitrary, Unstructured};

use threads::{Crew, THREADS};

/// What is done to one slab.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Input {
    is_large: bool,
    fail_at: u8,
    limit: Option<u8>,
    #[arbitrary(with = all)]
    ops: Vec<(u8, Op)>,
}

/// Decodes operations from all bytes that are left. (A `Vec`'s own decoding flips a coin for the end
/// after each element, so that most are shorter than two.)
fn all<'a, T: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Vec<T>> {
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        ops.push(T::arbitrary(bytes)?);
    }
    Ok(ops)
}

/// What a thread does.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Shared(Shared),
    // Twice, so that phases are longer.
    More(Shared),
    Exclusive(Exclusive),
}

/// What it does while it shares the slab.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Shared {
    Insert { count: u8 },
    InsertWith { panics: bool },
    Look { pick: u16 },
    LookAtMany { first: u16, count: u8 },
    EndGuard { pick: u16 },
    EndGuards { keep: u8 },
    Forget { pick: u16 },
    Remove { pick: u16 },
    RemoveMany { first: u16, count: u8 },
    Stale { pick: u16 },
    Flush,
    Exit,
}

/// What it does when it has the slab alone.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Exclusive {
    Take { pick: u16 },
    Retain { modulus: u8, panics_at: Option<u8> },
    Drain { take: u8, forget: bool },
    Iterate,
    Clear,
    Trim,
}

/// A log of drops: how often each value was.
type Log = Arc<Mutex<BTreeMap<u64, u32>>>;

/// A value of `SIZE` bytes and a few, that says when it is dropped.
struct Counted<const SIZE: usize> {
    number: u64,
    log: Log,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Counted<SIZE> {
    fn assert_whole(&self, number: u64) {
        assert_eq!(self.number, number);
        assert!(self.bytes.iter().all(|&byte| byte == number.to_le_bytes()[0]), "overwritten");
    }
}

impl<const SIZE: usize> Drop for Counted<SIZE> {
    fn drop(&mut self) {
        self.assert_whole(self.number);
        *self.log.lock().unwrap().entry(self.number).or_default() += 1;
        self.bytes.fill(!self.number.to_le_bytes()[0]);
    }
}

/// A planned panic, thrown past the panic hook.
fn planned() -> ! {
    resume_unwind(Box::new("planned"))
}

/// Runs an input; panics where the slab and the model disagree.
pub(crate) fn run(input: &Input) {
    if input.is_large {
        drive::<1000>(input); // 64 slots a page
    } else {
        drive::<3>(input);
    }
}

fn drive<const SIZE: usize>(input: &Input) {
    let backing = Checked::new(Global);
    let failing = FailAt::new(&backing, usize::from(input.fail_at % 16));
    let mut slab = SyncSlab::new_in(&failing);
    if let Some(limit) = input.limit {
        slab = slab.with_limit(limit.into());
    }
    let mut model = Model::<SIZE>::new(input.limit.is_some());
    let mut ops = input.ops.iter().copied().peekable();
    while ops.peek().is_some() {
        thread::scope(|scope| {
            let (mut crew, mut guards) = (Crew::new(scope), Vec::new());
            while let Some(&(thread, Op::Shared(op) | Op::More(op))) = ops.peek() {
                ops.next();
                let thread = usize::from(thread) % THREADS;
                model.shared(&slab, &mut crew, &mut guards, thread, op);
                model.check(&slab);
                for (guard, number) in &guards {
                    guard.assert_whole(*number);
                    assert!(!model.is_dropped(*number), "{number} has a guard");
                }
            }
            crew.end(); // guards outlive their threads
            guards.iter().for_each(|(guard, number)| guard.assert_whole(*number));
        });
        if let Some((_, Op::Exclusive(op))) = ops.next() {
            let live = backing.live_bytes();
            let freed = model.exclusive(&mut slab, op);
            assert_eq!(backing.live_bytes(), live - freed, "{op:?}");
            model.check(&slab);
        }
    }
    drop(slab);
    assert_eq!(backing.live_blocks(), 0);
    let log = model.log.lock().unwrap();
    assert!((1..=model.made).all(|number| log.get(&number) == Some(&1)), "dropped: {log:?}");
}

type Guard<'a, const SIZE: usize> = (Ref<'a, Counted<SIZE>>, u64);

struct Model<const SIZE: usize> {
    live: HashMap<Key<Counted<SIZE>>, u64>,
    /// The keys of `live`, to pick from.
    keys: Vec<Key<Counted<SIZE>>>,
    stale: Vec<Key<Counted<SIZE>>>,
    places: HashMap<Key<Counted<SIZE>>, usize>,
    /// Removed while the slab was shared, and not dropped when last looked at.
    waiting: BTreeSet<u64>,
    /// Of these, those of which a guard was forgotten.
    forgotten: BTreeSet<u64>,
    made: u64,
    log: Log,
    is_limited: bool,
}

impl<const SIZE: usize> Model<SIZE> {
    fn new(is_limited: bool) -> Self {
        Self {
            live: HashMap::new(),
            keys: Vec::new(),
            stale: Vec::new(),
            places: HashMap::new(),
            waiting: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            made: 0,
            log: Log::default(),
            is_limited,
        }
    }

    fn make(&mut self) -> Counted<SIZE> {
        self.made += 1;
        let bytes = [self.made.to_le_bytes()[0]; SIZE];
        Counted { number: self.made, log: Arc::clone(&self.log), bytes }
    }

    fn is_dropped(&self, number: u64) -> bool {
        self.log.lock().unwrap().contains_key(&number)
    }

    fn came(&mut self, key: Key<Counted<SIZE>>, number: u64, place: usize) {
        assert_eq!(self.live.insert(key, number), None, "{key:?} given out twice");
        assert!(!self.stale.contains(&key), "{key:?} came again");
        self.keys.push(key);
        self.places.insert(key, place);
    }

    fn went(&mut self, key: Key<Counted<SIZE>>) -> u64 {
        self.keys.retain(|&other| other != key);
        self.places.remove(&key);
        self.stale.push(key);
        self.live.remove(&key).expect("the model had it")
    }

    /// As [`went`](Self::went), by exclusive access, which no guard outlives.
    fn left(&mut self, key: Key<Counted<SIZE>>) -> u64 {
        let number = self.went(key);
        self.forgotten.remove(&number);
        number
    }

    fn pick(&self, pick: u16) -> Option<Key<Counted<SIZE>>> {
        self.keys.get(usize::from(pick) % self.keys.len().max(1)).copied()
    }

    fn some(&self, first: u16, count: u8) -> Vec<Key<Counted<SIZE>>> {
        let first = usize::from(first) % self.keys.len().max(1);
        self.keys.iter().skip(first).take(count.into()).copied().collect()
    }

    fn refused(&self, kind: ErrorKind) {
        assert!(kind == ErrorKind::Backing || kind == ErrorKind::Full && self.is_limited);
    }

    #[expect(clippy::mem_forget, reason = "what is forgotten must do no harm")]
    fn shared<'s, 'e: 's, A: Allocator + Sync>(
        &mut self,
        slab: &'e SyncSlab<Counted<SIZE>, A>,
        crew: &mut Crew<'s, 'e>,
        guards: &mut Vec<Guard<'e, SIZE>>,
        thread: usize,
        op: Shared,
    ) {
        match op {
            Shared::Insert { count } => {
                let values: Vec<_> = (0..count).map(|_| self.make()).collect();
                let done = crew.on(thread, move || {
                    let insert = |value: Counted<SIZE>| {
                        let number = value.number;
                        let key = slab.try_insert(value).map_err(|rejected| {
                            let kind = rejected.error().kind();
                            rejected.into_value().assert_whole(number);
                            kind
                        });
                        // A look at an own page leaves it as it was.
                        (number, key.map(|key| (key, place_of(&slab.get(key).unwrap()))))
                    };
                    values.into_iter().map(insert).collect::<Vec<_>>()
                });
                for (number, inserted) in done {
                    match inserted {
                        Ok((key, place)) => self.came(key, number, place),
                        Err(kind) => self.refused(kind),
                    }
                }
            }
            Shared::InsertWith { panics } => {
                let value = self.make();
                let number = value.number;
                let done = crew.on(thread, move || {
                    catch_unwind(AssertUnwindSafe(|| {
                        slab.try_insert_with(|key| {
                            assert!(!slab.contains(key) && !slab.remove(key));
                            if panics {
                                planned();
                            }
                            value
                        })
                        .map(|key| (key, place_of(&slab.get(key).unwrap())))
                    }))
                });
                match done {
                    Ok(Ok((key, place))) => self.came(key, number, place),
                    Ok(Err(error)) => self.refused(error.kind()),
                    Err(_) => assert!(panics),
                }
            }
            Shared::Look { pick } => self.look(slab, crew, guards, thread, self.some(pick, 1)),
            Shared::LookAtMany { first, count } => {
                self.look(slab, crew, guards, thread, self.some(first, count % 40));
            }
            Shared::EndGuard { pick } => {
                if !guards.is_empty() {
                    let (guard, number) = guards.swap_remove(usize::from(pick) % guards.len());
                    crew.on(thread, move || {
                        guard.assert_whole(number);
                        drop(guard);
                    });
                }
            }
            Shared::EndGuards { keep } => {
                let ended = guards.split_off(usize::from(keep).min(guards.len()));
                crew.on(thread, move || drop(ended));
            }
            Shared::Forget { pick } => {
                if !guards.is_empty() {
                    let (guard, number) = guards.swap_remove(usize::from(pick) % guards.len());
                    core::mem::forget(guard);
                    self.forgotten.insert(number);
                }
            }
            Shared::Remove { pick } => self.remove(slab, crew, thread, self.some(pick, 1)),
            Shared::RemoveMany { first, count } => {
                self.remove(slab, crew, thread, self.some(first, count));
            }
            Shared::Stale { pick } => {
                let index = usize::from(pick) % self.stale.len().max(1);
                if let Some(&key) = self.stale.get(index) {
                    crew.on(thread, move || {
                        assert!(!slab.contains(key) && slab.get(key).is_none(), "{key:?} is stale");
                        assert!(!slab.remove(key) && slab.try_remove(key) == Ok(false));
                    });
                }
            }
            Shared::Flush => {
                crew.on(thread, move || slab.flush());
            }
            Shared::Exit => crew.exit(thread),
        }
    }

    /// Makes guards of values, on a thread.
    fn look<'s, 'e: 's, A: Allocator + Sync>(
        &self,
        slab: &'e SyncSlab<Counted<SIZE>, A>,
        crew: &mut Crew<'s, 'e>,
        guards: &mut Vec<Guard<'e, SIZE>>,
        thread: usize,
        keys: Vec<Key<Counted<SIZE>>>,
    ) {
        for key in keys {
            let guard = crew.on(thread, move || slab.get(key)).expect("alive");
            assert_eq!(Ref::key(&guard), key);
            assert_eq!(place_of(&guard), self.places[&key], "{key:?} moved");
            guards.push((guard, self.live[&key]));
        }
    }

    /// Removes values, on a thread.
    fn remove<'s, 'e: 's, A: Allocator + Sync>(
        &mut self,
        slab: &'e SyncSlab<Counted<SIZE>, A>,
        crew: &mut Crew<'s, 'e>,
        thread: usize,
        keys: Vec<Key<Counted<SIZE>>>,
    ) {
        let removed = keys.clone();
        crew.on(thread, move || assert!(removed.iter().all(|&key| slab.remove(key)), "alive"));
        for key in keys {
            let number = self.went(key);
            self.waiting.insert(number);
        }
    }

    /// Returns how many bytes went back to the backing.
    #[expect(clippy::mem_forget, reason = "what is forgotten must do no harm")]
    fn exclusive<A: Allocator>(
        &mut self,
        slab: &mut SyncSlab<Counted<SIZE>, A>,
        op: Exclusive,
    ) -> usize {
        match op {
            Exclusive::Take { pick } => {
                if let Some(key) = self.pick(pick) {
                    let value = slab.take(key).expect("alive");
                    value.assert_whole(self.left(key));
                    assert!(slab.take(key).is_none() && slab.get_mut(key).is_none());
                }
            }
            Exclusive::Retain { modulus, panics_at } => {
                let modulus = u64::from(modulus % 5) + 1;
                let mut calls = 0;
                let live = &self.live;
                let done = catch_unwind(AssertUnwindSafe(|| {
                    slab.retain(|key, value| {
                        assert_eq!(live.get(&key), Some(&value.number));
                        if panics_at.is_some_and(|at| calls == u32::from(at)) {
                            planned();
                        }
                        calls += 1;
                        value.number % modulus == 0
                    });
                }));
                if done.is_ok() {
                    assert!(slab.iter_mut().all(|(_, value)| value.number % modulus == 0));
                } else {
                    assert_eq!(Some(calls), panics_at.map(u32::from), "it was planned");
                }
                self.catch_up(slab);
            }
            Exclusive::Drain { take, forget } => {
                let mut drain = slab.drain();
                let taken: Vec<_> = drain.by_ref().take(take.into()).collect();
                if forget {
                    core::mem::forget(drain);
                } else {
                    drop(drain);
                    assert!(slab.is_empty());
                }
                for (key, value) in taken {
                    value.assert_whole(self.left(key));
                }
                self.catch_up(slab);
            }
            Exclusive::Iterate => {
                let mut left = self.live.clone();
                for (key, value) in slab.iter_mut() {
                    let number = left.remove(&key).expect("the model has it");
                    value.assert_whole(number);
                    assert_eq!((&raw const *value).addr(), self.places[&key], "{key:?} moved");
                }
                assert!(left.is_empty(), "not visited: {left:?}");
            }
            Exclusive::Clear => {
                slab.clear();
                self.catch_up(slab);
                self.all_dropped(slab);
            }
            Exclusive::Trim => {
                let held = slab.reserved_bytes();
                let freed = slab.trim();
                assert_eq!(slab.reserved_bytes(), held - freed);
                let stats = slab.stats();
                assert!(stats.pages <= stats.len, "a page without a value: {stats:?}");
                self.all_dropped(slab);
                return freed;
            }
        }
        0
    }

    /// Takes note of the values that the slab has no longer, each dropped then.
    fn catch_up<A: Allocator>(&mut self, slab: &SyncSlab<Counted<SIZE>, A>) {
        for key in self.keys.clone() {
            if !slab.contains(key) {
                let number = self.left(key);
                assert!(self.is_dropped(number), "{key:?} was not dropped");
            }
        }
    }

    /// Nothing waits any more, not even for a guard that was forgotten.
    fn all_dropped<A: Allocator>(&mut self, slab: &SyncSlab<Counted<SIZE>, A>) {
        assert_eq!(slab.stats().limbo, 0);
        self.forgotten.clear();
        assert!(core::mem::take(&mut self.waiting).iter().all(|&number| self.is_dropped(number)));
    }

    fn check<A: Allocator>(&mut self, slab: &SyncSlab<Counted<SIZE>, A>) {
        let log = self.log.lock().unwrap();
        assert!(log.values().all(|&drops| drops == 1), "dropped twice");
        assert!(self.live.values().all(|number| !log.contains_key(number)), "it is alive");
        self.waiting.retain(|number| !log.contains_key(number));
        drop(log);
        // Not by a look, which would change whose the page is.
        assert!(self.keys.iter().all(|&key| slab.contains(key)));
        assert!(self.stale.iter().all(|&key| !slab.contains(key)));
        let mut places: Vec<_> = self.places.values().copied().collect();
        places.sort_unstable();
        let size = size_of::<Counted<SIZE>>();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= size), "values overlap");
        let stats = slab.stats();
        assert_eq!((stats.len, stats.used_bytes), (self.live.len(), self.live.len() * size));
        assert_eq!(stats.limbo, self.waiting.len(), "{stats:?}");
        assert_eq!(stats.allocs.zip(stats.frees).map(|(a, b)| a - b), Some(stats.len as u64));
        let wait = |number: &&u64| !self.live.values().any(|live| live == *number);
        assert!(
            self.forgotten.iter().filter(wait).all(|number| self.waiting.contains(number)),
            "its guard was forgotten, not ended"
        );
    }
}

fn place_of<const SIZE: usize>(guard: &Ref<'_, Counted<SIZE>>) -> usize {
    (&raw const **guard).addr()
}
