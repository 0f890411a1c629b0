//! `arena/ast/registry`: source files become syntax trees, one after the other.
//!
//! ```text
//!   source ── lexer ──> tokens ── parser ──> tree ── walk ──> sum
//!                       reused               one lifetime a file
//! ```
//!
//! The parser, the tree's shape and the walk are the same for all; an engine decides where boxes,
//! lists and texts live (`ast/stores.rs`). Lists are gathered on a stack of the parser's and built
//! at their final length, so that no engine copies to grow.
//!
//! **What limits the gain.** Lexing and parsing, which the null engine does too: it keeps of each
//! node its sum instead of the node.

mod exprs;
mod items;
mod parser;
mod stores;
mod tokens;
mod tree;
mod types;

use core::marker::PhantomData;
use std::sync::OnceLock;

use self::parser::Parser;
use self::stores::{Counted, In, Nothing, On, Owned, Typed};
use self::tokens::{Token, tokens};
use self::tree::{Arenas, Store, Sum};
use crate::case::{Case, Engine, EngineSpec, Input, Model, Role};
use crate::engines::heap::{self, Heap, Malloc};
use crate::engines::{
    About, Backing, Bump, arena, blink_alloc, bump_scope, bumpalo, jemalloc, mimalloc, multitude,
    oxc, scoped_arena, snmalloc, spec, spec_of, typed_arena,
};
use crate::input::registry::{Source, sources};
use crate::scenarios::programs::fold;

/// The case.
pub(super) fn case() -> Case {
    let peer = |spec: EngineSpec, why| spec.configured("reset", why);
    Case {
        id: "arena/ast/registry",
        krate: "alloc-arena",
        what: "Parses the registry's sources into syntax trees, file by file, walks each and drops \
               it: nodes, lists and texts that die together.",
        model: Model::Throughput,
        unit: "token",
        input: || {
            let sources = sources();
            Input { kind: "registry", bytes: sources.bytes, count: sources.files.len() as u64 }
        },
        working_set_bytes: 4 << 20,
        threads: 1,
        engines: vec![
            program::<Plain>().reference(),
            program::<Shared>(),
            program::<Null>(),
            fresh::<arena::New<8>>()
                .configured("per-file", "an arena made for each file")
                .primary(),
            kept::<arena::New<8>>().configured("reset", "one arena, reset after each file"),
            fresh::<arena::Lean>(),
            fresh::<bumpalo::New>().configured("per-file", "an arena made for each file"),
            peer(kept::<bumpalo::New>(), "one arena, reset after each file"),
            peer(
                kept::<bump_scope::Scope<8, false>>(),
                "downwards, minimum alignment 8, reset after each file",
            ),
            peer(kept::<blink_alloc::New>(), "one arena, reset after each file"),
            peer(kept::<oxc::New>(), "one arena, reset after each file, as oxc pools them"),
            peer(kept::<multitude::New>(), "one arena, reset after each file"),
            peer(kept::<scoped_arena::WithCapacity>(), "one arena, reset after each file"),
            program::<PerType>(),
            heap::<mimalloc::Mimalloc>(),
            heap::<jemalloc::SizedFree>(),
            heap::<snmalloc::Snmalloc>(),
        ],
    }
}

// ---- what every engine does ---------------------------------------------------------------------

/// The program with one way of holding trees.
trait Program: 'static {
    const ABOUT: About;

    /// What it keeps from file to file.
    type Keep;

    fn start() -> Self::Keep;

    /// Parses a file's tokens, sums the tree and forgets it.
    fn file(keep: &mut Self::Keep, tokens: &[Token<'_>]) -> u64;
}

struct Run<P> {
    tokens: u64,
    program: PhantomData<P>,
}

impl<P: Program> Engine for Run<P> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| {
            let mut keep = P::start();
            let mut buffer = Vec::new();
            sources().files.iter().fold(0, |sum, Source { text, .. }| {
                buffer.clear();
                tokens(text, &mut buffer);
                fold(sum, P::file(&mut keep, &buffer))
            })
        })
    }

    fn ops_per_round(&self) -> u64 {
        self.tokens
    }
}

fn build<P: Program>() -> Box<dyn Engine> {
    static TOKENS: OnceLock<u64> = OnceLock::new();
    let tokens = *TOKENS.get_or_init(|| {
        let mut buffer = Vec::new();
        let count = |source: &'static Source| {
            buffer.clear();
            tokens(&source.text, &mut buffer);
            buffer.len() as u64
        };
        sources().files.iter().map(count).sum()
    });
    Box::new(Run::<P> { tokens, program: PhantomData })
}

fn program<P: Program>() -> EngineSpec {
    spec_of(P::ABOUT, build::<P>)
}

/// A region made for each file.
fn fresh<R: Bump>() -> EngineSpec {
    spec::<R>(build::<Fresh<R>>)
}

/// A region kept for all files and reset after each.
fn kept<R: Bump>() -> EngineSpec {
    spec::<R>(build::<Kept<R>>)
}

fn heap<M: Malloc>() -> EngineSpec {
    EngineSpec {
        counted: Some(build::<OnHeap<heap::Counted>>),
        ..spec::<Heap<M>>(build::<OnHeap<M>>)
    }
}

#[inline]
fn parse<'t, S: Store<'t>>(tokens: &[Token<'_>], store: S) -> u64 {
    Parser::new(tokens, store).file().sum()
}

// ---- plain programs -----------------------------------------------------------------------------

const CONTROL: About =
    About { name: "", config: "default", package: "benches", why: "", role: Role::Control };

/// A program whose trees own their parts.
macro_rules! plain {
    ($engine:ident, $store:expr, $about:expr) => {
        struct $engine;

        impl Program for $engine {
            const ABOUT: About = $about;
            type Keep = ();

            fn start() {}

            fn file((): &mut (), tokens: &[Token<'_>]) -> u64 {
                parse(tokens, $store)
            }
        }
    };
}

plain!(
    Plain,
    Owned,
    About {
        name: "plain",
        why: "Box<T>, Box<[T]> and Box<str> of the final length on the global allocator",
        ..CONTROL
    }
);
plain!(
    Shared,
    Counted,
    About { name: "rc", why: "Rc<T>, Rc<[T]> and Rc<str>: trees that may be shared", ..CONTROL }
);
plain!(
    Null,
    Nothing,
    About {
        name: "null",
        config: "loop",
        why: "lexes, parses and sums: no tree",
        role: Role::Null,
        ..CONTROL
    }
);

// ---- regions ------------------------------------------------------------------------------------

struct Kept<R>(PhantomData<R>);

impl<R: Bump> Program for Kept<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = R;

    fn start() -> R {
        R::with_capacity(FIRST_CHUNK_BYTES)
    }

    fn file(region: &mut R, tokens: &[Token<'_>]) -> u64 {
        let sum = parse(tokens, In(&*region));
        region.reset();
        sum
    }
}

struct Fresh<R>(PhantomData<R>);

impl<R: Bump> Program for Fresh<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = ();

    fn start() {}

    fn file((): &mut (), tokens: &[Token<'_>]) -> u64 {
        let region = R::with_capacity(FIRST_CHUNK_BYTES);
        parse(tokens, In(&region))
    }
}

/// What a region begins with, where that can be said; all here grow.
const FIRST_CHUNK_BYTES: usize = 64 << 10;

/// typed-arena, which has no reset: an arena for each type of node, all made for each file.
struct PerType;

impl Program for PerType {
    const ABOUT: About = About {
        config: "per-type",
        why: "an arena for each type of node and one for texts, made for each file",
        ..typed_arena::ABOUT
    };
    type Keep = ();

    fn start() {}

    fn file((): &mut (), tokens: &[Token<'_>]) -> u64 {
        let arenas = Arenas::default();
        parse(tokens, Typed(&arenas))
    }
}

// ---- mallocs ------------------------------------------------------------------------------------

struct OnHeap<M>(PhantomData<M>);

impl<M: Malloc> Program for OnHeap<M> {
    const ABOUT: About = M::ABOUT;
    type Keep = ();

    fn start() {}

    fn file((): &mut (), tokens: &[Token<'_>]) -> u64 {
        parse(tokens, On(Heap::<M>::new().handle()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Items read as tokens, and all items, of a file.
    fn counts(source: &str) -> (u64, u64) {
        let mut buffer = Vec::new();
        tokens(source, &mut buffer);
        let mut parser = Parser::new(&buffer, Nothing);
        parser.file();
        parser.counts
    }

    fn sum<S: Store<'static>>(source: &str, store: S) -> u64 {
        let mut buffer = Vec::new();
        tokens(source, &mut buffer);
        parse(&buffer, store)
    }

    fn keeps_alike(source: &str) {
        let expected = sum(source, Nothing);
        assert_eq!(sum(source, Owned), expected);
        assert_eq!(sum(source, Counted), expected);
        assert_eq!(sum(source, On(allocator_api2::alloc::Global)), expected);
        let mut buffer = Vec::new();
        tokens(source, &mut buffer);
        assert_eq!(PerType::file(&mut (), &buffer), expected);
    }

    #[test]
    fn all_syntax_is_understood() {
        let source = r##"
            //! Inner.
            #![feature(x)]
            use ::a::{b::*, c as d, self};
            extern crate core as nucleus;
            pub(in crate::a) mod m { pub(super) static mut X: u8 = b'x'; }
            pub struct S<'a, T: ?Sized + for<'b> F<'b> + 'a, const N: usize = { 3 }>(pub &'a T) where T: Fn(u8) -> u8;
            union U { a: u32, b: f32 }
            #[derive(A)] enum E { A = 1, B { x: [u8; 4] }, C(*const dyn Any, !) }
            // SAFETY: none: text for the parser, never compiled.
            unsafe impl<T> !Send for S<'_, T> where for<'a> &'a T: A<B = u8, C: D> {}
            pub trait Tr: A + 'static { type Out<'a>: Clone where Self: 'a; const K: u8 = 4; fn f(self: Box<Self>, _: impl A, ...); }
            extern "C" { fn c(x: extern "C" fn(u8, ...) -> !, ...); type Opaque; }
            type A<T> = <Vec<T> as IntoIterator>::Item;
            const _: () = { assert!(1 << 2 >= 3, "{}", x) };
            macro_rules! m { ($a:expr) => { $a + 1 }; }
            const unsafe extern "C" fn g<T>(&mut self, mut a: u8, (b, ref c): (u8, T)) -> Result<(), Box<dyn E + Send>> {
                let Some(Foo { x, y: Y(.., 1..=5 | 9..), .. }) = a.b::<Vec<Vec<u8>>>(c)?.await else { return Err(e) };
                'l: for (i, &x) in v.iter().enumerate() { if i < 3 && let A(b) = c || !d { continue 'l } else if e { break; } }
                let f = async move |x: u8, _| -> u8 { (-x as u8) << 1 };
                match x { 0 | 1 => {} A::B if x > 1 => y += 1., n @ 2.. => z[..][1..n] = 5, _ => unreachable!() }
                while let [a, .., b] = s { *a -= &mut b.0.1; }
                // SAFETY: none: as above.
                unsafe { &raw const X; }
                let s = S { a, b: 2, ..Default::default() };
                vec![1; 3]; let a = [0u8; N]; if a == b { c } else { d }.e();
                #[cfg(x)] m! { a }
                let r#type = 1.max(2) % 3 ^ 4 & 5 | 6; (1,); (); loop { break 'l 5 }
                x <<= 1; x >>= 2; x != y; x >= 1e-3; a..b; ..=c; ..;
                fn inner() {}
            }
        "##;
        assert_eq!(counts(source), (0, 20));
        keeps_alike(source);
    }

    #[test]
    fn what_is_not_understood_is_kept_as_tokens() {
        assert_eq!(counts("struct A; what is this; struct B { x: u8 }"), (1, 3));
        assert_eq!(counts("fn f( { } fn g() {}"), (1, 2));
        keeps_alike("fn f( { } fn g() {} } ) ] struct");
    }

    #[test]
    fn nearly_every_item_of_the_registry_is_understood() {
        let (tokens, items) = sources().files.iter().fold((0, 0), |(tokens, items), source| {
            let counts = counts(&source.text);
            (tokens + counts.0, items + counts.1)
        });
        assert!(items > 10 && tokens * 1000 < items, "{tokens} of {items} items read as tokens");
    }

    proptest! {
        #[test]
        fn any_text_becomes_the_same_tree_everywhere(
            words in proptest::collection::vec(
                prop_oneof![
                    "[a-z]{1,6}|[0-9]{1,3}|'[a-z]|\"x\"",
                    "fn|if|let|for|in|match|impl|struct|pub|use|mod|where|unsafe|const|else|as|mut",
                    "[(){}\\[\\]<>;:,.=+&|!?#*-]{1,2}",
                ],
                0..60,
            )
        ) {
            keeps_alike(&words.join(" "));
        }
    }
}
