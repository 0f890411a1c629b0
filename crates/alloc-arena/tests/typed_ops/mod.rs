//! A language of operations on two [`TypedArena`]s, and an interpreter that holds them against lists of
//! the values they should have. Shared by the property tests and the fuzz target.
//!
//! After every operation: contents, order, indices, addresses of what is lent, the number of values
//! alive, the accounts of the arenas and of their backing.

mod memory;
mod values;

use core::cell::{Cell, RefCell};
use core::mem::{self, ManuallyDrop};
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

use alloc_arena::{ErrorKind, Index32, TypedArena};
use alloc_core::testing::Checked;
use alloc_core::{Allocator, Global};
use arbitrary::{Arbitrary, Unstructured};

use self::memory::{Memory, Place};
use self::values::{Element, Line, Nothing, Owner, Page, Planned, Value, planned_panic};

/// What is done to two arenas of one type.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Input {
    kind: u8,
    /// The global allocator itself, else a memory that is checked.
    is_global: bool,
    place: Place,
    /// Requests are refused where all three have a bit.
    refused: [u64; 3],
    #[arbitrary(with = all)]
    ops: Vec<Op>,
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

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Alloc { count: u8 },
    AllocIndex { count: u8 },
    FromIter { len: u8, hint: Hint, seed: u16, panics_at: u8 },
    Reserve { count: u8 },
    Fill,
    Extend { len: u8, hint: Hint, panics_at: u8 },
    Clear { panics_in: u8 },
    Drain { take: u8, forget: bool, panics_in: u8 },
    Contiguous,
    IterMut { stop: u8 },
    Replace { pick: u16 },
    Trim,
    Swap,
    Consume { take: u8, panics_in: u8 },
    IntoVec,
}

/// What an iterator says of its length.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Hint {
    Exact,
    Nothing,
    Half,
    TooMuch,
}

/// Runs an input; panics where an arena and its list disagree.
pub(crate) fn run(input: &Input) {
    match input.kind % 7 {
        0 => with_element::<Value<Nothing>>(input),
        1 => with_element::<Value<u8>>(input),
        2 => with_element::<Value<[u8; 3]>>(input),
        3 => with_element::<Value<Owner>>(input),
        4 => with_element::<Value<Line>>(input),
        5 => with_element::<Value<Page>>(input),
        _ => with_element::<u32>(input),
    }
}

fn with_element<T: Element>(input: &Input) {
    values::reset();
    if input.is_global {
        Run::<T, Global, _>::new(Global, || 0).drive(&input.ops);
    } else {
        let [first, second, third] = input.refused;
        let memory = Memory::new(input.place, first & second & third);
        let backing = Checked::new(&memory);
        Run::<T, _, _>::new(&backing, || memory.calls()).drive(&input.ops);
        assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
    }
    assert_eq!(values::live(), 0, "each value was dropped");
}

/// A backing of the arenas under test.
trait Backing: Allocator + Copy {
    fn live_bytes(&self) -> Option<usize>;
    fn never_refuses(&self) -> bool;
    fn into_vec<T>(arena: TypedArena<T, Self>) -> Vec<T>;
}

impl Backing for Global {
    fn live_bytes(&self) -> Option<usize> {
        None
    }
    fn never_refuses(&self) -> bool {
        true
    }
    fn into_vec<T>(arena: TypedArena<T>) -> Vec<T> {
        arena.into_vec()
    }
}

impl Backing for &Checked<&Memory> {
    fn live_bytes(&self) -> Option<usize> {
        Some(Checked::live_bytes(self))
    }
    fn never_refuses(&self) -> bool {
        false
    }
    fn into_vec<T>(arena: TypedArena<T, Self>) -> Vec<T> {
        arena.into_iter().collect()
    }
}

/// What an arena should have.
#[derive(Default)]
struct List {
    /// Ids of the values that have an index.
    indexed: Vec<u64>,
    /// Ids of the others. A slice is younger than what its iterator allocated.
    others: Vec<u64>,
}

impl List {
    fn len(&self) -> usize {
        self.indexed.len() + self.others.len()
    }

    fn ids(&self) -> impl Iterator<Item = u64> {
        self.indexed.iter().chain(&self.others).copied()
    }

    fn begins_with<T: Element>(&self, values: &[T]) {
        assert!(values.iter().map(T::id).eq(self.ids().take(values.len())));
    }
}

/// A reference that was handed out, and must stay good until the arena is next had exclusively.
struct Lent<T> {
    place: *const T,
    id: u64,
}

struct Run<T, A: Backing, C> {
    /// The first one is worked on; the other is what it is swapped with.
    arenas: [TypedArena<T, A>; 2],
    lists: [List; 2],
    lent: RefCell<Vec<Lent<T>>>,
    /// Ids of what a shared operation added.
    added: RefCell<Vec<u64>>,
    backing: A,
    calls: C,
    /// Values that forgotten iterators had.
    lost: usize,
}

impl<T: Element, A: Backing, C: Fn() -> u32> Run<T, A, C> {
    fn new(backing: A, calls: C) -> Self {
        let arenas = [TypedArena::new_in(backing), TypedArena::new_in(backing)];
        let lists = [List::default(), List::default()];
        Self {
            arenas,
            lists,
            lent: RefCell::default(),
            added: RefCell::default(),
            backing,
            calls,
            lost: 0,
        }
    }

    /// How many values an operation takes: more of small ones, so that chunks fill.
    fn count(count: u8) -> usize {
        let scale = 64usize.checked_div(size_of::<T>()).unwrap_or(1).clamp(1, 8);
        usize::from(count % 64) * scale
    }

    fn drive(mut self, ops: &[Op]) {
        for &op in ops {
            match op {
                Op::Alloc { .. } | Op::FromIter { .. } | Op::Reserve { .. } | Op::Fill => {
                    self.shared(op);
                    self.lists[0].others.append(self.added.get_mut());
                }
                _ => {
                    self.lent.get_mut().clear(); // the loans are over
                    let found = self.arenas[0].iter_mut().map(|value| value.id());
                    assert!(found.eq(self.lists[0].ids()), "oldest first");
                    self.exclusive(op);
                    values::set_panics_in(0);
                }
            }
            self.check();
        }
        let lost = self.lost;
        drop(self);
        values::strike_out(lost);
    }

    fn shared(&self, op: Op) {
        let arena = &self.arenas[0];
        match op {
            Op::Alloc { count } => (0..Self::count(count)).for_each(|_| self.alloc()),
            Op::FromIter { len, hint, seed, panics_at } => {
                let slice = Slice { len: Self::count(len), hint, panics_at: panics_at.into() };
                let chance = Chance(Cell::new(u32::from(seed) * 2 + 1));
                planned(|| self.collect(slice, &chance, 3));
            }
            Op::Reserve { count } => {
                let count = Self::count(count);
                if arena.try_reserve(count).is_ok() {
                    let first = self.lent.borrow().len();
                    self.has_room(count);
                    let lent = self.lent.borrow();
                    let places = lent[first..].iter().map(|lent| lent.place.addr());
                    let start = lent.get(first).map_or(0, |lent| lent.place.addr());
                    let expected = (0..count).map(|index| start + index * size_of::<T>());
                    assert!(places.eq(expected), "{count} values in one piece");
                }
            }
            Op::Fill => {
                let room = arena.capacity() - arena.len();
                if room <= 5000 {
                    self.has_room(room);
                    assert_eq!(arena.capacity(), arena.len());
                }
            }
            _ => unreachable!("needs the arena exclusively"),
        }
    }

    /// Allocates so many values, without a request to the backing.
    fn has_room(&self, count: usize) {
        let calls = (self.calls)();
        (0..count).for_each(|_| self.alloc());
        assert_eq!((self.calls)(), calls, "there was room for {count} more");
    }

    fn alloc(&self) {
        let value = T::fresh();
        let id = value.id();
        match self.arenas[0].try_alloc(value) {
            Ok(value) => self.lends(value, id),
            Err(rejected) => {
                assert_eq!(rejected.error().kind(), ErrorKind::Backing);
                assert_eq!(rejected.into_value().id(), id);
            }
        }
    }

    fn lends(&self, value: &mut T, id: u64) {
        assert_eq!(value.id(), id);
        self.lent.borrow_mut().push(Lent { place: core::ptr::from_mut(value), id });
        self.added.borrow_mut().push(id);
    }

    /// A slice whose iterator may allocate, make room, collect another slice, panic.
    fn collect(&self, slice: Slice, chance: &Chance, depth: u32) {
        let arena = &self.arenas[0];
        let ids = RefCell::new(Vec::new());
        let values = slice.values(&ids, || match chance.below(60) {
            0 => self.alloc(),
            1 | 2 if depth != 0 => {
                let (len, panics_at) = (chance.below(40), chance.below(200));
                self.collect(Slice { len, panics_at, ..slice }, chance, depth - 1);
            }
            3 => drop(arena.try_reserve(chance.below(30))),
            _ => {}
        });
        match arena.try_alloc_from_iter(values) {
            Ok(values) => {
                assert_eq!(values.len(), slice.len);
                values.iter_mut().zip(ids.take()).for_each(|(value, id)| self.lends(value, id));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Backing),
        }
    }

    fn exclusive(&mut self, op: Op) {
        let Self { arenas: [arena, other], lists: [list, other_list], .. } = self;
        match op {
            Op::AllocIndex { count } => {
                for _ in 0..Self::count(count) {
                    let value = T::fresh();
                    let id = value.id();
                    match arena.try_alloc_index(value) {
                        Ok(index) => {
                            assert_eq!(index.to_usize(), list.len());
                            list.others.push(id);
                            list.indexed.append(&mut list.others);
                            assert_eq!(arena[index].id(), id);
                        }
                        Err(rejected) => {
                            assert_eq!(rejected.error().kind(), ErrorKind::Backing);
                            assert_eq!(rejected.into_value().id(), id);
                        }
                    }
                }
            }
            Op::Extend { len, hint, panics_at } => {
                let slice = Slice { len: Self::count(len), hint, panics_at: panics_at.into() };
                if self.backing.never_refuses() {
                    let ids = RefCell::new(Vec::new());
                    planned(|| arena.extend(slice.values(&ids, || {})));
                    list.others.append(&mut ids.take());
                }
            }
            Op::Clear { panics_in } => {
                values::set_panics_in(panics_in.into());
                planned(|| arena.clear());
                *list = List::default();
            }
            Op::Drain { take, forget, panics_in } => {
                let mut drain = arena.drain();
                let taken: Vec<T> = drain.by_ref().take(take.into()).collect();
                list.begins_with(&taken);
                assert_eq!(drain.len(), list.len() - taken.len());
                if forget {
                    self.lost += ManuallyDrop::new(drain).len();
                } else {
                    values::set_panics_in(panics_in.into());
                    planned(|| drop(drain));
                    values::set_panics_in(0);
                }
                drop(taken);
                *list = List::default();
            }
            Op::Contiguous => match arena.try_make_contiguous() {
                Ok(values) => {
                    assert!(values.iter().map(T::id).eq(list.ids()));
                    list.indexed.append(&mut list.others);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Backing),
            },
            Op::IterMut { stop } => {
                let stop = usize::from(stop).min(list.len());
                let mut values = arena.iter_mut();
                assert!(
                    values.by_ref().take(stop).map(|value| value.id()).eq(list.ids().take(stop))
                );
                assert_eq!(values.len(), list.len() - stop);
            }
            Op::Replace { pick } => {
                let Some(number) = usize::from(pick).checked_rem(list.indexed.len()) else {
                    return;
                };
                let index = Index32::from_usize(number).expect("few values");
                arena[index] = T::fresh(); // drops the one before
                list.indexed[number] = arena[index].id();
                let none = Index32::from_usize(list.indexed.len()).expect("few values");
                assert!(arena.get(none).is_none() && arena.get_mut(none).is_none());
            }
            Op::Trim => {
                let before = arena.reserved_bytes();
                assert_eq!(arena.trim() + arena.reserved_bytes(), before);
            }
            Op::Swap => {
                mem::swap(arena, other);
                mem::swap(list, other_list);
            }
            Op::Consume { take, panics_in } => {
                let mut values = mem::replace(arena, TypedArena::new_in(self.backing)).into_iter();
                let taken: Vec<T> = values.by_ref().take(take.into()).collect();
                list.begins_with(&taken);
                assert_eq!(values.len(), list.len() - taken.len());
                values::set_panics_in(panics_in.into());
                planned(|| drop(values));
                values::set_panics_in(0);
                drop(taken);
                *list = List::default();
            }
            Op::IntoVec => {
                let arena = mem::replace(arena, TypedArena::new_in(self.backing));
                let values = A::into_vec(arena);
                assert_eq!(values.len(), list.len());
                list.begins_with(&values);
                *list = List::default();
            }
            _ => unreachable!("shares the arena"),
        }
    }

    fn check(&self) {
        for (arena, list) in self.arenas.iter().zip(&self.lists) {
            assert_eq!((arena.len(), arena.is_empty()), (list.len(), list.len() == 0));
            assert_eq!(arena.indexed_len(), list.indexed.len());
            assert!(arena.iter().map(T::id).eq(list.indexed.iter().copied()));
            assert!(arena.capacity() >= arena.len());
            let stats = arena.stats();
            assert_eq!(stats.allocs.zip(stats.frees).map(|(a, f)| a - f), Some(list.len() as u64));
            assert_eq!(stats.used_bytes, list.len() * size_of::<T>());
            assert!(stats.used_bytes + stats.waste_tail_bytes <= stats.reserved_bytes, "{stats:?}");
            assert!(stats.peak_bytes >= stats.used_bytes, "{stats:?}");
            // A hint that announces too much, and room that was asked for, count as well.
            let most = 32 * (stats.peak_bytes + 1024 * size_of::<T>() + 1024);
            assert!(stats.reserved_bytes <= most, "{stats:?} follows from the values");
        }
        for lent in self.lent.borrow().iter() {
            // SAFETY: lent by the arena, which was not had exclusively since; used by nobody else.
            assert_eq!(unsafe { (*lent.place).id() }, lent.id, "{:p}", lent.place);
            assert!(size_of::<T>() == 0 || self.arenas[0].contains(lent.place));
        }
        if let Some(live_bytes) = self.backing.live_bytes() {
            let held: usize = self.arenas.iter().map(TypedArena::reserved_bytes).sum();
            assert_eq!(held, live_bytes);
        }
        if T::IS_COUNTED {
            let kept: usize = self.lists.iter().map(List::len).sum();
            assert_eq!(values::live(), kept + self.lost, "alive, and in the arenas");
        }
    }
}

/// A slice to be collected.
#[derive(Clone, Copy)]
struct Slice {
    len: usize,
    hint: Hint,
    panics_at: usize,
}

impl Slice {
    /// Fresh values, whose ids go to `ids`; `before` runs before each.
    fn values<T: Element>(
        self,
        ids: &RefCell<Vec<u64>>,
        mut before: impl FnMut(),
    ) -> impl Iterator<Item = T> {
        let values = (0..self.len).map(move |index| {
            if index == self.panics_at {
                planned_panic();
            }
            before();
            let value = T::fresh();
            ids.borrow_mut().push(value.id());
            value
        });
        let least = match self.hint {
            Hint::Exact => self.len,
            Hint::Nothing => 0,
            Hint::Half => self.len / 2,
            Hint::TooMuch => self.len * 2 + 1,
        };
        Hinted(values, least)
    }
}

struct Hinted<I>(I, usize);

impl<I: Iterator> Iterator for Hinted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, None)
    }
}

/// Numbers that follow from a seed.
struct Chance(Cell<u32>);

impl Chance {
    fn below(&self, end: u32) -> usize {
        let next = self.0.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0.set(next);
        ((next >> 8) % end) as usize
    }
}

/// Runs `work`, which may end by a planned panic and by no other.
fn planned(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work))
        && !payload.is::<Planned>()
    {
        resume_unwind(payload);
    }
}
