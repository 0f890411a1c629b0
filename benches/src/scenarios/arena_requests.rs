//! `arena/requests`: one arena for each request of a server.
//!
//! A request places the words of its text, a record for each, and a list of numbers now and then;
//! most requests are short and a few are long. Then everything it placed dies. The heap is that of a
//! process that has run for a while: something lives above the chunks ([`heap_top`]).

use core::alloc::Layout;
use core::hint::black_box;
use core::ops::Range;
use core::ptr::NonNull;

use rand::Rng;

use super::Round;
use super::arena::{CRATE, engines_of, on_one_heap};
use super::checksum::{fold, fold_bytes};
use super::heap_top::{self, HeapTop};
use super::linear::{numbers, synthetic, words};
use crate::case::{Case, EngineSpec, Input, Model};
use crate::engines::null::Null;
use crate::engines::{self, Region};

/// Requests a round.
const REQUESTS: usize = 64;

/// Words of the text that requests take theirs from.
const WORDS: usize = 2048;

/// Words of a short request at most, and of the few long ones.
const SHORT: usize = 40;
const LONG: usize = 1200;

/// Words to a list of numbers.
const WORDS_PER_LIST: usize = 8;

/// Longest list.
const MAX_LIST_LEN: usize = 32;

/// What a short request needs at most: a word, a record and its share of a list take some 60 bytes.
const CAPACITY_BYTES: usize = 4096;

/// 32 bytes: where a word stands and what it means.
type Record = [u64; 4];

pub(super) fn cases() -> Vec<Case> {
    let mut engines = on_one_heap(engines_of!(serve));
    engines.push(engines::spec::<Null>(Loop::build));
    vec![Case {
        id: "arena/requests/one-per-request",
        krate: CRATE,
        what: "Serves 64 requests, each with an arena of its own: words, a record for each, lists; \
               most place some 50 blocks, a few 2,500; a block above the chunks pins glibc's heap",
        model: Model::Churn,
        unit: "request",
        input: || {
            heap_top::arrange(HeapTop::Pinned);
            input()
        },
        working_set_bytes: LONG_BYTES as u64,
        threads: 1,
        engines,
    }]
}

fn serve<R: Region>() -> EngineSpec {
    engines::spec::<R>(Serve::<R>::build)
}

/// The same requests on one region that is kept and released after each: what a region of fixed
/// capacity can serve, too. For the group `cross`, whose null engine is [`idle`].
pub(super) fn kept<R: Region>() -> EngineSpec {
    engines::spec::<R>(Kept::<R>::build)
}

/// The requests without an allocation.
pub(super) fn idle() -> EngineSpec {
    engines::spec::<Null>(Loop::build)
}

/// What [`kept`] reads.
pub(super) fn input() -> Input {
    synthetic(words(WORDS).0.len() as u64, REQUESTS as u64)
}

/// Bytes that a long request places, nearly: its words, records and lists.
pub(super) const LONG_BYTES: usize = LONG * (8 + size_of::<Record>() + 16);

/// What all requests are made of.
struct Traffic {
    text: String,
    places: Vec<Range<usize>>,
    list: Vec<u32>,
    /// The words of each request, as a range of `places`.
    requests: Vec<Range<usize>>,
    /// The blocks of the request at hand.
    strings: Vec<NonNull<str>>,
    records: Vec<NonNull<Record>>,
    lists: Vec<NonNull<[u32]>>,
    seed: u64,
}

impl Traffic {
    fn new() -> Self {
        let mut numbers = numbers(0x0072_6571);
        let (text, places) = words(WORDS);
        let requests = (0..REQUESTS)
            .map(|request| {
                let long = request % 16 == 7;
                let len = if long { LONG } else { numbers.random_range(SHORT / 4..=SHORT) };
                let start = numbers.random_range(0..=WORDS - len);
                start..start + len
            })
            .collect();
        Self {
            text,
            places,
            list: (0..64).collect(),
            requests,
            strings: Vec::with_capacity(LONG),
            records: Vec::with_capacity(LONG),
            lists: Vec::with_capacity(LONG),
            seed: black_box(0x5EED),
        }
    }

    /// One request: the same loop whatever the region.
    #[inline(never)]
    fn place<R: Region>(&mut self, region: &R, words: Range<usize>) {
        self.strings.clear();
        self.records.clear();
        self.lists.clear();
        for (index, place) in self.places[words].iter().enumerate() {
            let word = region.alloc_str(&self.text[place.clone()]);
            let number = index as u64;
            let record = [place.start as u64, place.len() as u64, number, number ^ self.seed];
            self.strings.push(NonNull::from(word));
            self.records.push(NonNull::from(region.alloc(record)));
            if index % WORDS_PER_LIST == 0 {
                let len = 1 + place.start % MAX_LIST_LEN;
                self.lists.push(NonNull::from(region.alloc_slice_copy(&self.list[..len])));
            }
        }
    }

    /// What the request at hand left in memory.
    fn sum(&self, sum: u64) -> u64 {
        let sum = self.strings.iter().fold(sum, |sum, word| {
            // SAFETY: placed by the request at hand, whose region is alive.
            fold_bytes(sum, unsafe { word.as_ref() }.as_bytes())
        });
        let sum = self.records.iter().fold(sum, |sum, record| {
            // SAFETY: as above.
            unsafe { record.read() }.into_iter().fold(sum, fold)
        });
        self.lists.iter().fold(sum, |sum, list| {
            // SAFETY: as above.
            unsafe { list.as_ref() }.iter().fold(sum, |sum, &number| fold(sum, u64::from(number)))
        })
    }

    /// The blocks of the request at hand.
    fn blocks(&self) -> impl Iterator<Item = (NonNull<u8>, Layout)> + '_ {
        let strings = self.strings.iter().map(|word| {
            // SAFETY: placed by the request at hand; each is freed after it was yielded.
            (word.cast(), Layout::for_value(unsafe { word.as_ref() }))
        });
        let records = self.records.iter().map(|record| (record.cast(), Layout::new::<Record>()));
        let lists = self.lists.iter().map(|list| {
            (list.cast(), Layout::array::<u32>(list.len()).expect("at most 32 numbers"))
        });
        strings.chain(records).chain(lists)
    }
}

/// A region for each request.
struct Serve<R> {
    traffic: Traffic,
    region: core::marker::PhantomData<fn() -> R>,
}

impl<R: Region> Round for Serve<R> {
    const OPS: u64 = REQUESTS as u64;

    fn new() -> Self {
        Self { traffic: Traffic::new(), region: core::marker::PhantomData }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let mut total = 0;
        for request in 0..REQUESTS {
            let words = self.traffic.requests[request].clone();
            let mut region = R::with_capacity(CAPACITY_BYTES);
            self.traffic.place(&region, words);
            if sum {
                total = self.traffic.sum(total);
            }
            // SAFETY: 1. the blocks of this request, all of its region; 2. the next request forgets
            // them before it places its own.
            unsafe { region.end(self.traffic.blocks()) };
        }
        total
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        heap_top::verify();
        Vec::new()
    }
}

/// One region for all requests.
struct Kept<R> {
    traffic: Traffic,
    region: R,
}

impl<R: Region> Round for Kept<R> {
    const OPS: u64 = REQUESTS as u64;

    fn new() -> Self {
        Self { traffic: Traffic::new(), region: R::with_capacity(2 * LONG_BYTES) }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let mut total = 0;
        for request in 0..REQUESTS {
            let words = self.traffic.requests[request].clone();
            self.traffic.place(&self.region, words);
            if sum {
                total = self.traffic.sum(total);
            }
            // SAFETY: 1. the blocks of this request, all that the region has; 2. the next request
            // forgets them before it places its own.
            unsafe { self.region.release(self.traffic.blocks()) };
        }
        total
    }
}

/// The requests on one block that is there before and after.
struct Loop {
    traffic: Traffic,
    block: Null,
}

impl Round for Loop {
    const OPS: u64 = REQUESTS as u64;

    fn new() -> Self {
        Self { traffic: Traffic::new(), block: Null::with_capacity(0) }
    }

    fn round(&mut self, _: bool) -> u64 {
        for request in 0..REQUESTS {
            let words = self.traffic.requests[request].clone();
            self.traffic.place(&self.block, words);
        }
        0
    }
}
