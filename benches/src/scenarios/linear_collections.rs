//! `linear/vec`, `linear/string`, `linear/hashmap`: collections that grow on an allocator.
//!
//! The controls say what a bump allocator is up against: the plain collection, and the same one
//! kept from round to round and cleared, which never allocates at all.

use super::Round;
use super::checksum::fold;
use super::linear::{CRATE, synthetic, words};
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines::glibc::Glibc;
use crate::engines::linear::Linear;
use crate::engines::{self, About, Backing};
use crate::{backing_peers, heap_peer, heap_peers};

mod hash_map;
mod native;
mod string;
mod vec;

use hash_map::{HashLoop, Map, PlainMap, ReusedMap};
use native::{bump_scope_vec, bumpalo_vec};
use string::{CopyLoop, PlainString, ReusedString, Text};
use vec::{PlainVec, Pushed, ReusedVec, StoreLoop};

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
            vec![$spec::<Linear<8>>().primary(), $spec::<Linear<1>>(), heap_peer!($spec, Glibc)];
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
