//! `linear/vec`, `linear/string`, `linear/hashmap`: collections that grow on an allocator.
//!
//! The controls say what a bump allocator is up against: the plain collection, and the same one
//! kept from round to round and cleared, which never allocates at all.

use core::hash::BuildHasher;
use core::hint::black_box;
use core::ops::Range;

use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec as VecIn;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rand::Rng;

use super::Round;
use super::checksum::{fold, fold_bytes};
use super::linear::{CRATE, numbers, synthetic, words};
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines::glibc::Glibc;
use crate::engines::heap::Heap;
use crate::engines::linear::Linear;
use crate::engines::{self, About, Backing};
use crate::{backing_peers, heap_peers};

/// Numbers pushed, entries inserted.
const ELEMENTS: usize = 1000;

/// Strings appended.
const APPENDS: usize = 200;

/// Above the sum of all buffers that a growing collection leaves behind.
const CAPACITY_BYTES: usize = 128 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let mut vec_engines = engines_of!(vec);
    vec_engines.extend([
        control::<PlainVec>("plain", "Vec", "std's Vec on the global allocator").reference(),
        control::<ReusedVec>("reused", "Vec", "one Vec kept and cleared: nothing is allocated"),
        control::<StoreLoop>("null", "loop", "the numbers stored in a buffer").as_role(Role::Null),
        native::<bumpalo_vec::Pushed>("bumpalo", "collections", "bumpalo's own Vec"),
        native::<bump_scope_vec::Pushed>("bump-scope", "bump-vec", "its own BumpVec, upwards"),
        native::<bump_scope_vec::PushedMut>(
            "bump-scope",
            "mut-bump-vec",
            "its MutBumpVec, which borrows the whole allocator while it grows",
        ),
    ]);
    let mut string_engines = engines_of!(string);
    string_engines.extend([
        control::<PlainString>("plain", "String", "std's String on the global allocator")
            .reference(),
        control::<ReusedString>("reused", "String", "one String kept and cleared"),
        control::<CopyLoop>("null", "loop", "the words copied into a buffer").as_role(Role::Null),
        native::<bumpalo_vec::Text>("bumpalo", "collections", "bumpalo's own String"),
        native::<bump_scope_vec::Text>("bump-scope", "bump-string", "its own BumpString, upwards"),
    ]);
    let mut map_engines = engines_of!(map);
    map_engines.extend([
        control::<PlainMap>("plain", "HashMap", "hashbrown on the global allocator").reference(),
        control::<ReusedMap>("reused", "HashMap", "one map kept and cleared: its buckets stay"),
        control::<HashLoop>("null", "loop", "the keys hashed").as_role(Role::Null),
    ]);
    vec![
        Case {
            id: "linear/vec/push-1000",
            krate: CRATE,
            what: "Pushes 1,000 u64 one by one into a Vec that starts empty, drops it, resets",
            model: Model::Latency,
            unit: "push",
            input: || synthetic(0, ELEMENTS as u64),
            working_set_bytes: (2 * ELEMENTS * size_of::<u64>()) as u64,
            threads: 1,
            engines: vec_engines,
        },
        Case {
            id: "linear/string/push-str",
            krate: CRATE,
            what: "Appends 200 words to a string that starts empty, drops it, resets",
            model: Model::Latency,
            unit: "append",
            input: || synthetic(words(APPENDS).0.len() as u64, APPENDS as u64),
            working_set_bytes: 4 * words(APPENDS).0.len() as u64,
            threads: 1,
            engines: string_engines,
        },
        Case {
            id: "linear/hashmap/insert-1000",
            krate: CRATE,
            what: "Inserts 1,000 u64 pairs into a hashbrown map that starts empty, drops it, resets",
            model: Model::Latency,
            unit: "insert",
            input: || synthetic((2 * ELEMENTS * size_of::<u64>()) as u64, ELEMENTS as u64),
            working_set_bytes: 2 * 2048 * 17,
            threads: 1,
            engines: map_engines,
        },
    ]
}

macro_rules! engines_of {
    ($spec:ident) => {{
        let mut engines =
            vec![$spec::<Linear<8>>().primary(), $spec::<Linear<1>>(), $spec::<Heap<Glibc>>()];
        engines.extend(heap_peers!($spec));
        engines.extend(backing_peers!($spec));
        engines
    }};
}
use engines_of;

fn vec<R: Backing>() -> EngineSpec {
    engines::spec::<R>(Pushed::<R>::build)
}

fn string<R: Backing>() -> EngineSpec {
    engines::spec::<R>(Text::<R>::build)
}

fn map<R: Backing>() -> EngineSpec {
    engines::spec::<R>(Map::<R>::build)
}

fn control<W: Round>(name: &'static str, config: &'static str, why: &'static str) -> EngineSpec {
    let about = About { name, config, package: "benches", why, role: Role::Control };
    engines::spec_of(about, W::build)
}

fn native<W: Round>(name: &'static str, config: &'static str, why: &'static str) -> EngineSpec {
    let about = About { name, config, package: name, why, role: Role::Peer };
    engines::spec_of(about, W::build)
}

/// The sum of numbers in a buffer.
fn sum_of(numbers: &[u64]) -> u64 {
    numbers.iter().fold(fold(0, numbers.len() as u64), |sum, &number| fold(sum, number))
}

// ---- Vec ------------------------------------------------------------------------------------

/// Pushes the round's numbers; the same loop whatever `push` does.
#[inline(always)]
fn push_all(seed: u64, mut push: impl FnMut(u64)) {
    for number in 0..ELEMENTS as u64 {
        push(number ^ seed);
    }
}

struct Pushed<R> {
    region: R,
    seed: u64,
}

impl<R: Backing> Pushed<R> {
    #[inline(never)]
    fn grow<A: Allocator>(allocator: A, seed: u64) -> VecIn<u64, A> {
        let mut vec = VecIn::new_in(allocator);
        push_all(seed, |number| vec.push(number));
        vec
    }
}

impl<R: Backing> Round for Pushed<R> {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { region: R::with_capacity(CAPACITY_BYTES), seed: black_box(0x5EED) }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let vec = Self::grow(self.region.handle(), self.seed);
        let sum = if sum { sum_of(&vec) } else { 0 };
        drop(vec);
        self.region.end_collections();
        sum
    }
}

struct PlainVec(u64);

impl PlainVec {
    #[inline(never)]
    fn grow(seed: u64) -> Vec<u64> {
        let mut vec = Vec::new();
        push_all(seed, |number| vec.push(number));
        vec
    }
}

impl Round for PlainVec {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self(black_box(0x5EED))
    }

    fn round(&mut self, sum: bool) -> u64 {
        let vec = Self::grow(self.0);
        if sum { sum_of(&vec) } else { 0 }
    }
}

struct ReusedVec {
    vec: Vec<u64>,
    seed: u64,
}

impl ReusedVec {
    #[inline(never)]
    fn refill(vec: &mut Vec<u64>, seed: u64) {
        vec.clear();
        push_all(seed, |number| vec.push(number));
    }
}

impl Round for ReusedVec {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { vec: Vec::new(), seed: black_box(0x5EED) }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::refill(&mut self.vec, self.seed);
        if sum { sum_of(&self.vec) } else { 0 }
    }
}

struct StoreLoop {
    buffer: Vec<u64>,
    seed: u64,
}

impl StoreLoop {
    #[inline(never)]
    fn store(buffer: &mut [u64], seed: u64) {
        for (number, slot) in (0_u64..).zip(buffer) {
            *slot = one_by_one(number ^ seed);
        }
    }
}

/// Keeps the compiler from storing several numbers by one vector instruction, which no push can.
#[inline(always)]
fn one_by_one(mut number: u64) -> u64 {
    // SAFETY: emits nothing.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) number,
            options(nomem, nostack, preserves_flags));
    }
    number
}

impl Round for StoreLoop {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { buffer: vec![1; ELEMENTS], seed: black_box(0x5EED) }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::store(&mut self.buffer, self.seed);
        if sum { sum_of(&self.buffer) } else { 0 }
    }
}

// ---- String ---------------------------------------------------------------------------------

/// The words of a round.
struct Words {
    text: String,
    places: Vec<Range<usize>>,
}

impl Words {
    fn new() -> Self {
        let (text, places) = words(APPENDS);
        Self { text, places }
    }

    #[inline(always)]
    fn append_all(&self, mut append: impl FnMut(&str)) {
        for place in &self.places {
            append(&self.text[place.clone()]);
        }
    }
}

struct Text<R> {
    region: R,
    words: Words,
}

impl<R: Backing> Text<R> {
    /// `allocator-api2` has no `String`, and its `extend_from_slice` clones element by element:
    /// reserve and copy is what std's `String` does.
    #[inline(never)]
    fn grow<A: Allocator>(allocator: A, words: &Words) -> VecIn<u8, A> {
        let mut text = VecIn::new_in(allocator);
        words.append_all(|word| {
            text.reserve(word.len());
            let old_len = text.len();
            let end = text.spare_capacity_mut().as_mut_ptr().cast::<u8>();
            // SAFETY: `reserve` made room for `word.len()` bytes past the end; a fresh buffer does
            // not overlap the words.
            unsafe { end.copy_from_nonoverlapping(word.as_ptr(), word.len()) };
            // SAFETY: that many bytes are initialised now, within the capacity.
            unsafe { text.set_len(old_len + word.len()) };
        });
        text
    }
}

impl<R: Backing> Round for Text<R> {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        Self { region: R::with_capacity(CAPACITY_BYTES), words: Words::new() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let text = Self::grow(self.region.handle(), &self.words);
        let sum = if sum { fold_bytes(0, &text) } else { 0 };
        drop(text);
        self.region.end_collections();
        sum
    }
}

struct PlainString(Words);

impl PlainString {
    #[inline(never)]
    fn grow(words: &Words) -> String {
        let mut text = String::new();
        words.append_all(|word| text.push_str(word));
        text
    }
}

impl Round for PlainString {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        Self(Words::new())
    }

    fn round(&mut self, sum: bool) -> u64 {
        let text = Self::grow(&self.0);
        if sum { fold_bytes(0, text.as_bytes()) } else { 0 }
    }
}

struct ReusedString {
    text: String,
    words: Words,
}

impl ReusedString {
    #[inline(never)]
    fn refill(text: &mut String, words: &Words) {
        text.clear();
        words.append_all(|word| text.push_str(word));
    }
}

impl Round for ReusedString {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        Self { text: String::new(), words: Words::new() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::refill(&mut self.text, &self.words);
        if sum { fold_bytes(0, self.text.as_bytes()) } else { 0 }
    }
}

struct CopyLoop {
    buffer: Vec<u8>,
    words: Words,
}

impl CopyLoop {
    #[inline(never)]
    fn copy(mut buffer: &mut [u8], words: &Words) {
        words.append_all(|word| {
            let (head, tail) = core::mem::take(&mut buffer).split_at_mut(word.len());
            head.copy_from_slice(word.as_bytes());
            buffer = tail;
        });
    }
}

impl Round for CopyLoop {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        let words = Words::new();
        Self { buffer: vec![1; words.text.len()], words }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::copy(&mut self.buffer, &self.words);
        if sum { fold_bytes(0, &self.buffer) } else { 0 }
    }
}

// ---- HashMap --------------------------------------------------------------------------------

/// hashbrown's default hash function, seeded the same in every process.
type Hasher = FixedState;

type MapIn<A> = HashMap<u64, u64, Hasher, A>;

fn hasher() -> Hasher {
    FixedState::with_seed(black_box(0x5EED))
}

/// The pairs of a round; keys are all different.
fn pairs() -> Vec<(u64, u64)> {
    let mut numbers = numbers(0x6D61_7073);
    (0..ELEMENTS as u64).map(|index| ((numbers.random::<u64>() << 10) | index, index)).collect()
}

#[inline(always)]
fn insert_all<A: Allocator>(map: &mut MapIn<A>, pairs: &[(u64, u64)]) {
    for &(key, value) in pairs {
        map.insert(key, value);
    }
}

/// Looks every key up, in the order of insertion.
fn sum_of_map<A: Allocator>(map: &MapIn<A>, pairs: &[(u64, u64)]) -> u64 {
    pairs.iter().fold(fold(0, map.len() as u64), |sum, (key, _)| {
        fold(sum, map.get(key).copied().unwrap_or(u64::MAX))
    })
}

struct Map<R> {
    region: R,
    pairs: Vec<(u64, u64)>,
    hasher: Hasher,
}

#[inline(never)]
fn grow_map<A: Allocator>(allocator: A, hasher: Hasher, pairs: &[(u64, u64)]) -> MapIn<A> {
    let mut map = HashMap::with_hasher_in(hasher, allocator);
    insert_all(&mut map, pairs);
    map
}

impl<R: Backing> Round for Map<R> {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { region: R::with_capacity(CAPACITY_BYTES), pairs: pairs(), hasher: hasher() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let map = grow_map(self.region.handle(), self.hasher.clone(), &self.pairs);
        let sum = if sum { sum_of_map(&map, &self.pairs) } else { 0 };
        drop(map);
        self.region.end_collections();
        sum
    }
}

struct PlainMap {
    pairs: Vec<(u64, u64)>,
    hasher: Hasher,
}

impl Round for PlainMap {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { pairs: pairs(), hasher: hasher() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let map = grow_map(allocator_api2::alloc::Global, self.hasher.clone(), &self.pairs);
        if sum { sum_of_map(&map, &self.pairs) } else { 0 }
    }
}

struct ReusedMap {
    map: MapIn<allocator_api2::alloc::Global>,
    pairs: Vec<(u64, u64)>,
}

impl ReusedMap {
    #[inline(never)]
    fn refill(&mut self) {
        self.map.clear();
        insert_all(&mut self.map, &self.pairs);
    }
}

impl Round for ReusedMap {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self {
            map: HashMap::with_hasher_in(hasher(), allocator_api2::alloc::Global),
            pairs: pairs(),
        }
    }

    fn round(&mut self, sum: bool) -> u64 {
        self.refill();
        if sum { sum_of_map(&self.map, &self.pairs) } else { 0 }
    }
}

struct HashLoop {
    pairs: Vec<(u64, u64)>,
    hasher: Hasher,
    hashes: Vec<u64>,
}

impl HashLoop {
    /// Stores each hash: a mere sum the compiler would work out once for all rounds.
    #[inline(never)]
    fn hash_all(pairs: &[(u64, u64)], hasher: &Hasher, hashes: &mut [u64]) {
        for ((key, value), hash) in pairs.iter().zip(hashes) {
            *hash = one_by_one(hasher.hash_one(key) ^ value);
        }
    }
}

impl Round for HashLoop {
    const OPS: u64 = ELEMENTS as u64;

    fn new() -> Self {
        Self { pairs: pairs(), hasher: hasher(), hashes: vec![1; ELEMENTS] }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::hash_all(&self.pairs, &self.hasher, &mut self.hashes);
        if sum { sum_of(&self.hashes) } else { 0 }
    }
}

// ---- peers' own collections -----------------------------------------------------------------

/// bumpalo's collections: forks of std's that know the arena.
mod bumpalo_vec {
    use bumpalo::Bump;
    use bumpalo::collections::{String, Vec};

    use super::{APPENDS, CAPACITY_BYTES, ELEMENTS, Round, Words, black_box, fold_bytes, push_all};

    pub(super) struct Pushed {
        bump: Bump,
        seed: u64,
    }

    #[inline(never)]
    fn grow(bump: &Bump, seed: u64) -> Vec<'_, u64> {
        let mut vec = Vec::new_in(bump);
        push_all(seed, |number| vec.push(number));
        vec
    }

    impl Round for Pushed {
        const OPS: u64 = ELEMENTS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_capacity(CAPACITY_BYTES), seed: black_box(0x5EED) }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let vec = grow(&self.bump, self.seed);
            let sum = if sum { super::sum_of(&vec) } else { 0 };
            drop(vec);
            self.bump.reset();
            sum
        }
    }

    pub(super) struct Text {
        bump: Bump,
        words: Words,
    }

    #[inline(never)]
    fn append<'b>(bump: &'b Bump, words: &Words) -> String<'b> {
        let mut text = String::new_in(bump);
        words.append_all(|word| text.push_str(word));
        text
    }

    impl Round for Text {
        const OPS: u64 = APPENDS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_capacity(CAPACITY_BYTES), words: Words::new() }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let text = append(&self.bump, &self.words);
            let sum = if sum { fold_bytes(0, text.as_bytes()) } else { 0 };
            drop(text);
            self.bump.reset();
            sum
        }
    }
}

/// bump-scope's collections, which grow the last block in place.
mod bump_scope_vec {
    use bump_scope::{Bump, BumpString, BumpVec, MutBumpVec};

    use super::{APPENDS, CAPACITY_BYTES, ELEMENTS, Round, Words, black_box, fold_bytes, push_all};

    pub(super) struct Pushed {
        bump: Bump,
        seed: u64,
    }

    #[inline(never)]
    fn grow(bump: &Bump, seed: u64) -> BumpVec<u64, &Bump> {
        let mut vec = BumpVec::new_in(bump);
        push_all(seed, |number| vec.push(number));
        vec
    }

    impl Round for Pushed {
        const OPS: u64 = ELEMENTS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_size(CAPACITY_BYTES), seed: black_box(0x5EED) }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let vec = grow(&self.bump, self.seed);
            let sum = if sum { super::sum_of(&vec) } else { 0 };
            drop(vec);
            self.bump.reset();
            sum
        }
    }

    pub(super) struct PushedMut {
        bump: Bump,
        seed: u64,
    }

    #[inline(never)]
    fn grow_mut(bump: &mut Bump, seed: u64) -> MutBumpVec<u64, &mut Bump> {
        let mut vec = MutBumpVec::new_in(bump);
        push_all(seed, |number| vec.push(number));
        vec
    }

    impl Round for PushedMut {
        const OPS: u64 = ELEMENTS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_size(CAPACITY_BYTES), seed: black_box(0x5EED) }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let vec = grow_mut(&mut self.bump, self.seed);
            let sum = if sum { super::sum_of(&vec) } else { 0 };
            drop(vec);
            self.bump.reset();
            sum
        }
    }

    pub(super) struct Text {
        bump: Bump,
        words: Words,
    }

    #[inline(never)]
    fn append<'b>(bump: &'b Bump, words: &Words) -> BumpString<&'b Bump> {
        let mut text = BumpString::new_in(bump);
        words.append_all(|word| text.push_str(word));
        text
    }

    impl Round for Text {
        const OPS: u64 = APPENDS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_size(CAPACITY_BYTES), words: Words::new() }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let text = append(&self.bump, &self.words);
            let sum = if sum { fold_bytes(0, text.as_bytes()) } else { 0 };
            drop(text);
            self.bump.reset();
            sum
        }
    }
}
