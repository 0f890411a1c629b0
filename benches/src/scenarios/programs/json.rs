//! `…/json-dom/metadata`: what `cargo metadata` says becomes a tree, is walked, and dies.
//!
//! ```text
//!   engine        text        array                object
//!   serde_json    String      Vec<Value>           its Map<String, Value>
//!   same-parser   Box<[u8]>   Vec<Value>           Vec<(text, Value)>      the global allocator
//!   mallocs       the same on their blocks
//!   regions       &str        &[Value]             &[(&str, Value)]
//! ```
//!
//! The plain program is `serde_json::Value`. The control `same-parser` runs the parser that the
//! regions run, on `Vec` and `Box`: `serde_json` to `same-parser` is what another parser and
//! another shape of tree gain, `same-parser` to a region is what the region gains.
//!
//! Objects are summed in any order, since serde_json keeps them sorted and the others as written.

mod parser;
pub(in crate::scenarios) mod requests;
pub(in crate::scenarios) mod stalls;

use parser::{Build, Scalar, parse};

use super::{digest, fold};
use crate::{
    case::{Case, Engine, EngineSpec, Input, Model, Role},
    engines::{
        About, Backing, Bump,
        heap::{Counted, Heap, Malloc},
        spec, spec_of,
    },
    input::metadata,
    program_peers,
};
use allocator_api2::{
    alloc::{Allocator, Global},
    vec::Vec as VecIn,
};
use core::marker::PhantomData;
use serde_json::Value as SerdeValue;

/// Bytes that a region needs per byte of text at most: each value takes a byte of text and a
/// comma, and at most 40 bytes in the slice of its object; its text at most its own length.
const REGION_FACTOR: usize = 24;

/// The case for one of our crates: its engines beside everybody else's.
pub(in crate::scenarios) fn case(
    id: &'static str,
    krate: &'static str,
    ours: Vec<EngineSpec>,
) -> Case {
    let mut engines =
        vec![program::<Serde>().reference(), program::<SameParser>(), program::<Null>()];
    engines.extend(ours);
    engines.extend(program_peers!(region));
    engines.extend([
        heap::<crate::engines::glibc::Glibc>(),
        heap::<crate::engines::mimalloc::Mimalloc>(),
        heap::<crate::engines::jemalloc::SizedFree>(),
        heap::<crate::engines::snmalloc::Snmalloc>(),
    ]);
    Case {
        id,
        krate,
        what: "Reads what cargo metadata says of this workspace into a tree, walks it and drops \
               it: many small blocks that die together.",
        model: Model::Throughput,
        unit: "value",
        input: || Input { kind: "metadata", bytes: metadata::text().len() as u64, count: 1 },
        working_set_bytes: 4 << 20,
        threads: 1,
        engines,
    }
}

/// The plain program, once.
pub(in crate::scenarios) fn plain_program() -> u64 {
    Serde::document(&mut (), metadata::text())
}

// ---- what every engine does ---------------------------------------------------------------------

trait Program: 'static {
    const ABOUT: About;
    type Keep;
    fn start() -> Self::Keep;
    /// Reads, walks and forgets the document.
    fn document(keep: &mut Self::Keep, text: &str) -> u64;
}

struct Run<P> {
    values: u64,
    program: PhantomData<P>,
}

impl<P: Program> Engine for Run<P> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| P::document(&mut P::start(), metadata::text()))
    }

    fn ops_per_round(&self) -> u64 {
        self.values
    }
}

fn build<P: Program>() -> Box<dyn Engine> {
    let values = parse(&mut Count, metadata::text()).0.0;
    Box::new(Run::<P> { values, program: PhantomData })
}

fn program<P: Program>() -> EngineSpec {
    spec_of(P::ABOUT, build::<P>)
}

/// The tree in a region that is made for the document.
pub(in crate::scenarios) fn region<R: Bump>() -> EngineSpec {
    spec::<R>(build::<InRegion<R>>)
}

fn heap<M: Malloc>() -> EngineSpec {
    EngineSpec { counted: Some(build::<OnHeap<Counted>>), ..spec::<Heap<M>>(build::<OnHeap<M>>) }
}

/// The sum of each kind of value; every tree's walk and the null engine use these.
mod sum {
    use super::{digest, fold};

    pub(super) const NULL: u64 = fold_const(1);
    const fn fold_const(tag: u64) -> u64 {
        tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
    pub(super) fn bool(value: bool) -> u64 {
        fold(2, u64::from(value))
    }
    pub(super) fn number(value: f64) -> u64 {
        fold(3, value.to_bits())
    }
    pub(super) fn text(text: &[u8]) -> u64 {
        fold(4, digest(text))
    }
    pub(super) fn array(items: impl Iterator<Item = u64>) -> u64 {
        items.fold(5, fold)
    }
    pub(super) fn object(members: impl Iterator<Item = (u64, u64)>) -> u64 {
        fold(6, members.fold(0, |sum, (key, value)| sum.wrapping_add(fold(key, value))))
    }
}

// ---- plain programs -----------------------------------------------------------------------------

const CONTROL: About =
    About { name: "", config: "default", package: "benches", why: "", role: Role::Control };

/// What one would write: `serde_json::Value`.
struct Serde;

impl Program for Serde {
    const ABOUT: About = About {
        name: "serde_json",
        package: "serde_json",
        why: "serde_json::Value on the global allocator: the plain program",
        ..CONTROL
    };
    type Keep = ();

    fn start() {}

    fn document((): &mut (), text: &str) -> u64 {
        fn walk(value: &SerdeValue) -> u64 {
            match value {
                SerdeValue::Null => sum::NULL,
                SerdeValue::Bool(value) => sum::bool(*value),
                SerdeValue::Number(number) => sum::number(number.as_f64().unwrap_or(f64::NAN)),
                SerdeValue::String(text) => sum::text(text.as_bytes()),
                SerdeValue::Array(items) => sum::array(items.iter().map(walk)),
                SerdeValue::Object(members) => {
                    let member = |(key, value): (&String, &SerdeValue)| {
                        (sum::text(key.as_bytes()), walk(value))
                    };
                    sum::object(members.iter().map(member))
                }
            }
        }
        walk(&serde_json::from_str(text).expect("cargo prints JSON"))
    }
}

/// The regions' parser on the global allocator.
struct SameParser;

impl Program for SameParser {
    const ABOUT: About = About {
        name: "same-parser",
        why: "the parser that the regions run, with Vec on the global allocator",
        ..CONTROL
    };
    type Keep = ();

    fn start() {}

    fn document((): &mut (), text: &str) -> u64 {
        let mut tree = Owned(Global);
        let value = parse(&mut tree, text);
        Owned::<Global>::walk(&value)
    }
}

/// What the tables say of the parser alone.
const NULL: About = About {
    name: "null",
    config: "loop",
    why: "parses and sums: no tree",
    role: Role::Null,
    ..CONTROL
};

/// Parses and sums; keeps nothing.
struct Null;

impl Program for Null {
    const ABOUT: About = NULL;
    type Keep = ();

    fn start() {}

    fn document((): &mut (), text: &str) -> u64 {
        parse(&mut Count, text).1
    }
}

/// Counts and sums the values.
struct Count;

impl Build for Count {
    type Text = u64;
    /// How many values, and their sum.
    type Value = (CountOf, u64);

    fn text(&mut self, text: &str) -> u64 {
        sum::text(text.as_bytes())
    }

    fn scalar(&mut self, scalar: Scalar<u64>) -> Self::Value {
        let sum = match scalar {
            Scalar::Null => sum::NULL,
            Scalar::Bool(value) => sum::bool(value),
            Scalar::Number(value) => sum::number(value),
            Scalar::Text(text) => text,
        };
        (CountOf(1), sum)
    }

    fn array(&mut self, items: &mut Vec<Self::Value>, from: usize) -> Self::Value {
        let count = items[from..].iter().map(|item| item.0.0).sum::<u64>();
        let sum = sum::array(items.drain(from..).map(|item| item.1));
        (CountOf(count + 1), sum)
    }

    fn object(&mut self, members: &mut Vec<(u64, Self::Value)>, from: usize) -> Self::Value {
        let count = members[from..].iter().map(|(_, value)| value.0.0).sum::<u64>();
        let sum = sum::object(members.drain(from..).map(|(key, value)| (key, value.1)));
        (CountOf(count + 1), sum)
    }
}

/// A number of values.
#[derive(Clone, Copy)]
struct CountOf(u64);

// ---- regions ------------------------------------------------------------------------------------

/// The tree in a region.
struct InRegion<R>(PhantomData<R>);

#[derive(Clone, Copy)]
enum Tree<'r> {
    Scalar(Scalar<&'r str>),
    Array(&'r [Self]),
    Object(&'r [(&'r str, Self)]),
}

impl Tree<'_> {
    fn walk(&self) -> u64 {
        match self {
            Self::Scalar(Scalar::Null) => sum::NULL,
            Self::Scalar(Scalar::Bool(value)) => sum::bool(*value),
            Self::Scalar(Scalar::Number(value)) => sum::number(*value),
            Self::Scalar(Scalar::Text(text)) => sum::text(text.as_bytes()),
            Self::Array(items) => sum::array(items.iter().map(Self::walk)),
            Self::Object(members) => sum::object(
                members.iter().map(|(key, value)| (sum::text(key.as_bytes()), value.walk())),
            ),
        }
    }
}

impl<R: Bump> Program for InRegion<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = R;

    fn start() -> R {
        R::with_capacity(REGION_FACTOR * metadata::text().len())
    }

    fn document(region: &mut R, text: &str) -> u64 {
        let sum = parse(&mut Into(&*region), text).walk();
        region.reset();
        sum
    }
}

/// Builds a tree into a region.
struct Into<'r, R>(&'r R);

impl<'r, R: Bump> Build for Into<'r, R> {
    type Text = &'r str;
    type Value = Tree<'r>;

    #[inline]
    fn text(&mut self, text: &str) -> &'r str {
        self.0.alloc_str(text)
    }

    #[inline]
    fn scalar(&mut self, scalar: Scalar<&'r str>) -> Tree<'r> {
        Tree::Scalar(scalar)
    }

    #[inline]
    fn array(&mut self, items: &mut Vec<Tree<'r>>, from: usize) -> Tree<'r> {
        let array = self.0.alloc_slice_copy(&items[from..]);
        items.truncate(from);
        Tree::Array(array)
    }

    #[inline]
    fn object(&mut self, members: &mut Vec<(&'r str, Tree<'r>)>, from: usize) -> Tree<'r> {
        let object = self.0.alloc_slice_copy(&members[from..]);
        members.truncate(from);
        Tree::Object(object)
    }
}

// ---- owned trees, on any allocator --------------------------------------------------------------

/// The tree on a malloc.
struct OnHeap<M>(PhantomData<M>);

impl<M: Malloc> Program for OnHeap<M> {
    const ABOUT: About = M::ABOUT;
    type Keep = Heap<M>;

    fn start() -> Heap<M> {
        Heap::new()
    }

    fn document(heap: &mut Heap<M>, text: &str) -> u64 {
        let value = parse(&mut Owned(heap.handle()), text);
        Owned::walk(&value)
    }
}

/// Builds a tree of blocks that own their parts.
struct Owned<A>(A);

enum OwnedTree<A: Allocator> {
    Scalar(Scalar<VecIn<u8, A>>),
    Array(VecIn<Self, A>),
    Object(VecIn<(VecIn<u8, A>, Self), A>),
}

impl<A: Allocator + Copy> Owned<A> {
    fn collect<T>(&self, items: &mut Vec<T>, from: usize) -> VecIn<T, A> {
        let mut block = VecIn::with_capacity_in(items.len() - from, self.0);
        block.extend(items.drain(from..));
        block
    }

    fn walk(tree: &OwnedTree<A>) -> u64 {
        match tree {
            OwnedTree::Scalar(Scalar::Null) => sum::NULL,
            OwnedTree::Scalar(Scalar::Bool(value)) => sum::bool(*value),
            OwnedTree::Scalar(Scalar::Number(value)) => sum::number(*value),
            OwnedTree::Scalar(Scalar::Text(text)) => sum::text(text),
            OwnedTree::Array(items) => sum::array(items.iter().map(Self::walk)),
            OwnedTree::Object(members) => {
                sum::object(members.iter().map(|(key, value)| (sum::text(key), Self::walk(value))))
            }
        }
    }
}

impl<A: Allocator + Copy> Build for Owned<A> {
    type Text = VecIn<u8, A>;
    type Value = OwnedTree<A>;

    fn text(&mut self, text: &str) -> VecIn<u8, A> {
        let mut block = VecIn::with_capacity_in(text.len(), self.0);
        block.extend_from_slice(text.as_bytes());
        block
    }

    fn scalar(&mut self, scalar: Scalar<VecIn<u8, A>>) -> OwnedTree<A> {
        OwnedTree::Scalar(scalar)
    }

    fn array(&mut self, items: &mut Vec<OwnedTree<A>>, from: usize) -> OwnedTree<A> {
        OwnedTree::Array(self.collect(items, from))
    }

    fn object(
        &mut self,
        members: &mut Vec<(VecIn<u8, A>, OwnedTree<A>)>,
        from: usize,
    ) -> OwnedTree<A> {
        OwnedTree::Object(self.collect(members, from))
    }
}

#[cfg(test)]
mod tests {
    use super::parser::Parser;
    use super::*;
    use proptest::prelude::*;

    /// The sum of a document by our parser, if it is one.
    fn ours(text: &str) -> Option<u64> {
        let mut tree = Owned(Global);
        Parser::new(&mut tree, text).document().ok().map(|value| Owned::walk(&value))
    }

    fn null(text: &str) -> u64 {
        parse(&mut Count, text).1
    }

    fn document() -> impl Strategy<Value = SerdeValue> {
        let leaf = prop_oneof![
            Just(SerdeValue::Null),
            any::<bool>().prop_map(SerdeValue::Bool),
            any::<i64>().prop_map(SerdeValue::from),
            (-4_000_000..4_000_000_i32)
                .prop_map(|quarters| SerdeValue::from(f64::from(quarters) / 4.0)),
            "[ -~é\n\t\"\\\\🦀\u{1}]{0,12}".prop_map(SerdeValue::String),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            let members = proptest::collection::btree_map("[a-z\"é]{0,4}", inner.clone(), 0..6);
            prop_oneof![
                proptest::collection::vec(inner, 0..6).prop_map(SerdeValue::Array),
                members.prop_map(|members| SerdeValue::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_document_is_read_as_serde_json_reads_it(value in document(), pretty: bool) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(ours(&text), Some(Serde::document(&mut (), &text)));
            prop_assert_eq!(ours(&text), Some(null(&text)));
        }

        #[test]
        fn broken_text_is_an_error_and_not_a_panic(text in "[\\[\\]{},:\"\\\\u0-9a-f tr-]{0,24}") {
            let valid = serde_json::from_str::<SerdeValue>(&text).is_ok();
            prop_assert!(!valid || ours(&text).is_some(), "{:?}", text);
        }
    }

    #[test]
    fn errors_say_what_was_expected_and_where() {
        let error = |text| {
            let mut tree = Owned(Global);
            Parser::new(&mut tree, text).document().map(drop).unwrap_err().to_string()
        };
        assert_eq!(error("[1, }"), "expected a value at byte 4");
        assert_eq!(error("{\"a\" 1}"), "expected `:` at byte 5");
        assert_eq!(error("\"\\ud83e x\""), "expected a second surrogate at byte 7");
        assert_eq!(error("nul"), "expected null at byte 0");
        assert!(error(&"[".repeat(200)).contains("128"));
        assert_eq!(ours("\"\\ud83e\\udd80\""), Some(sum::text("🦀".as_bytes())));
    }
}
