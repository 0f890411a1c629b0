//! `linear/tokens/registry`: source files become tokens that outlive their text.
//!
//! Per file: a sequence of tokens and a table of its names. Names, lifetimes and numbers are
//! interned; strings, without their escapes, and doc comments are kept as they are. Then the
//! tokens are counted and summed, and everything dies at once.
//!
//! ```text
//!   engine          tokens                          names                     texts
//!   plain           Vec<Token>                      HashSet<Rc<str>>          Box<str>
//!   plain/strings   Vec<Token>                      none: a String a token    String
//!   mallocs         Vec<Token>                      HashTable<u32>            Vec<u8>, by index
//!   regions         slices of 64                    HashSet<&str>             &str
//!   reuse           one Vec for all files           HashTable<(u32, u32)>     one String
//! ```
//!
//! All tables hash with the same hasher. `plain` clones a counted reference per name, as Rust
//! programs that share strings do; `plain/strings` is what they do before they are told.
//!
//! **What limits the gain.** Lexing, hashing and probing are the same for all; an allocator can
//! save only the calls for names and texts, the counts of references, the copies of a growing
//! `Vec`, and the walk that drops it all. The null engine lexes and sums: the difference to it is
//! what can be saved at most.

use crate::scenarios::programs::{
    digest, fold,
    lexer::{KINDS, Kind, Lexeme, Lexer, unescape},
};
use crate::{
    case::{Case, Engine, EngineSpec, Input, Model, Role},
    engines::{
        About, Backing, Bump,
        heap::{Counted, Heap, Malloc},
        spec, spec_of,
    },
    input::registry::{Source, sources},
    program_peers,
};
use alloc_linear::Linear;
use allocator_api2::{
    alloc::{AllocError, Allocator},
    vec::Vec as VecIn,
};
use core::{alloc::Layout, hash::BuildHasher, marker::PhantomData, ptr::NonNull};
use hashbrown::{DefaultHashBuilder, HashSet, HashTable};
use std::rc::Rc;

/// Tokens that go into a region at once.
const PIECE: usize = 64;

/// Bytes that a region needs per byte of source at most. A token takes at least one byte of
/// source and 32 of the region, its place in the list and alignment a few; a distinct name takes at least
/// two bytes of source, and in the growing table at most 2 · 17 · 16 / 7 bytes plus its text.
const REGION_FACTOR: usize = 80;

/// Bytes of source per distinct name, seldom fewer: what a table of names is made for.
const BYTES_PER_NAME: usize = 32;

/// What short files need whatever their length: the smallest tables, and alignment.
const REGION_BASE_BYTES: usize = 64 << 10;

pub(super) fn case() -> Case {
    let mut engines = vec![
        program::<Plain>().reference(),
        program::<PlainStrings>(),
        program::<Reuse>(),
        program::<Null>(),
    ];
    engines.push(region::<Linear>().primary());
    engines.push(region::<Linear<8>>());
    engines.extend(program_peers!(region));
    engines.extend([
        heap::<crate::engines::glibc::Glibc>(),
        heap::<crate::engines::mimalloc::Mimalloc>(),
        heap::<crate::engines::jemalloc::SizedFree>(),
        heap::<crate::engines::snmalloc::Snmalloc>(),
    ]);
    Case {
        id: "linear/tokens/registry",
        krate: "alloc-linear",
        what: "Tokenises the registry's sources file by file, names interned: what a region gains \
               in a program that mostly does other things.",
        model: Model::Throughput,
        unit: "token",
        input: || {
            let sources = sources();
            Input { kind: "registry", bytes: sources.bytes, count: sources.files.len() as u64 }
        },
        working_set_bytes: 20 << 20,
        threads: 1,
        engines,
    }
}

/// The plain program on every `step`-th file of the sample.
pub(super) fn plain_program(step: usize) -> u64 {
    sources().files.iter().step_by(step).fold(0, |sum, source| Plain::file(&mut (), source, sum))
}

// ---- what every engine does ---------------------------------------------------------------------

/// The program with one way of holding its data.
trait Program: 'static {
    const ABOUT: About;

    /// What it keeps from file to file.
    type Keep;

    fn start() -> Self::Keep;

    /// Tokenises a file, sums it and forgets it.
    fn file(keep: &mut Self::Keep, source: &Source, sum: u64) -> u64;
}

struct Run<P> {
    tokens: u64,
    program: PhantomData<P>,
}

impl<P: Program> Engine for Run<P> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| {
            let mut keep = P::start();
            sources().files.iter().fold(0, |sum, source| P::file(&mut keep, source, sum))
        })
    }

    fn ops_per_round(&self) -> u64 {
        self.tokens
    }
}

fn build<P: Program>() -> Box<dyn Engine> {
    use std::sync::OnceLock;
    static TOKENS: OnceLock<u64> = OnceLock::new();
    let tokens = *TOKENS.get_or_init(|| {
        sources().files.iter().map(|source| Lexer::new(&source.text).count() as u64).sum()
    });
    Box::new(Run::<P> { tokens, program: PhantomData })
}

fn program<P: Program>() -> EngineSpec {
    spec_of(P::ABOUT, build::<P>)
}

fn region<R: Bump>() -> EngineSpec {
    spec::<R>(build::<InRegion<R>>)
}

fn heap<M: Malloc>() -> EngineSpec {
    EngineSpec { counted: Some(build::<OnHeap<Counted>>), ..spec::<Heap<M>>(build::<OnHeap<M>>) }
}

/// Counts the kinds and sums what the tokens say.
struct Tally {
    sum: u64,
    kinds: [u64; KINDS],
}

impl Tally {
    fn new(sum: u64) -> Self {
        Self { sum, kinds: [0; KINDS] }
    }

    #[inline]
    fn token(&mut self, kind: Kind, start: u32, text: &[u8]) {
        self.kinds[kind as usize] += 1;
        self.sum = fold(self.sum, u64::from(start) << 32 ^ digest(text) ^ kind as u64);
    }

    fn finish(self) -> u64 {
        self.kinds.into_iter().fold(self.sum, fold)
    }
}

/// How a token's text is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    Interned,
    Unescaped,
    AsItIs,
}

#[inline]
fn keep(kind: Kind) -> Keep {
    match kind {
        Kind::Name | Kind::Lifetime | Kind::Number => Keep::Interned,
        Kind::Str => Keep::Unescaped,
        Kind::RawStr | Kind::Char | Kind::Doc => Keep::AsItIs,
        Kind::Mark => Keep::Nothing,
    }
}

// ---- plain programs -----------------------------------------------------------------------------

const CONTROL: About =
    About { name: "", config: "default", package: "benches", why: "", role: Role::Control };

/// Box, Vec and Rc, as one would write it.
struct Plain;

enum Text {
    None,
    Shared(Rc<str>),
    Own(Box<str>),
}

struct Token {
    kind: Kind,
    start: u32,
    text: Text,
}

impl Program for Plain {
    const ABOUT: About = About {
        name: "plain",
        why: "Vec<Token>, HashSet<Rc<str>> and Box<str> on the global allocator",
        ..CONTROL
    };
    type Keep = ();

    fn start() {}

    fn file((): &mut (), source: &Source, sum: u64) -> u64 {
        let mut names: HashSet<Rc<str>> = HashSet::new();
        let mut tokens = Vec::new();
        for Lexeme { kind, start, text } in Lexer::new(&source.text) {
            let text = match keep(kind) {
                Keep::Nothing => Text::None,
                Keep::Interned => Text::Shared(match names.get(text) {
                    Some(name) => Rc::clone(name),
                    None => {
                        let name: Rc<str> = Rc::from(text);
                        names.insert(Rc::clone(&name));
                        name
                    }
                }),
                Keep::Unescaped if text.contains('\\') => {
                    let mut own = String::with_capacity(text.len());
                    unescape(text, &mut own);
                    Text::Own(own.into_boxed_str())
                }
                Keep::Unescaped | Keep::AsItIs => Text::Own(Box::from(text)),
            };
            tokens.push(Token { kind, start, text });
        }
        let mut tally = Tally::new(sum);
        for token in &tokens {
            let text = match &token.text {
                Text::None => "",
                Text::Shared(name) => name,
                Text::Own(text) => text,
            };
            tally.token(token.kind, token.start, text.as_bytes());
        }
        tally.finish()
    }
}

/// A `String` for every token that has a text.
struct PlainStrings;

impl Program for PlainStrings {
    const ABOUT: About = About {
        name: "plain",
        config: "strings",
        why: "a String in every token, nothing interned: how such programs begin",
        ..CONTROL
    };
    type Keep = ();

    fn start() {}

    fn file((): &mut (), source: &Source, sum: u64) -> u64 {
        struct Token {
            kind: Kind,
            start: u32,
            text: String,
        }
        let mut tokens = Vec::new();
        for Lexeme { kind, start, text } in Lexer::new(&source.text) {
            let text = match keep(kind) {
                Keep::Nothing => String::new(),
                Keep::Unescaped => {
                    let mut own = String::with_capacity(text.len());
                    unescape(text, &mut own);
                    own
                }
                Keep::Interned | Keep::AsItIs => text.to_owned(),
            };
            tokens.push(Token { kind, start, text });
        }
        let mut tally = Tally::new(sum);
        for token in &tokens {
            tally.token(token.kind, token.start, token.text.as_bytes());
        }
        tally.finish()
    }
}

/// Everything in buffers that are cleared and filled again.
struct Reuse;

struct Buffers {
    tokens: Vec<(Kind, u32, (u32, u32))>,
    texts: String,
    names: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
}

impl Program for Reuse {
    const ABOUT: About = About {
        name: "reuse",
        why: "the same without an allocator: cleared buffers, texts by index in one String",
        ..CONTROL
    };
    type Keep = Buffers;

    fn start() -> Buffers {
        Buffers {
            tokens: Vec::new(),
            texts: String::new(),
            names: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lexer refuses longer files")]
    fn file(keep_all: &mut Buffers, source: &Source, sum: u64) -> u64 {
        let Buffers { tokens, texts, names, hasher } = keep_all;
        tokens.clear();
        texts.clear();
        names.clear();
        for Lexeme { kind, start, text } in Lexer::new(&source.text) {
            let from = texts.len() as u32;
            let range = match keep(kind) {
                Keep::Nothing => (0, 0),
                Keep::Interned => {
                    let part = |&(from, to): &(u32, u32)| &texts[from as usize..to as usize];
                    let hash = hasher.hash_one(text);
                    match names.find(hash, |name| part(name) == text) {
                        Some(&name) => name,
                        None => {
                            let name = (from, from + text.len() as u32);
                            names.insert_unique(hash, name, |name| hasher.hash_one(part(name)));
                            texts.push_str(text);
                            name
                        }
                    }
                }
                Keep::Unescaped => {
                    unescape(text, texts);
                    (from, texts.len() as u32)
                }
                Keep::AsItIs => {
                    texts.push_str(text);
                    (from, texts.len() as u32)
                }
            };
            tokens.push((kind, start, range));
        }
        let mut tally = Tally::new(sum);
        for &(kind, start, (from, to)) in tokens.iter() {
            tally.token(kind, start, &texts.as_bytes()[from as usize..to as usize]);
        }
        tally.finish()
    }
}

/// Lexes and sums; keeps nothing.
struct Null;

impl Program for Null {
    const ABOUT: About = About {
        name: "null",
        config: "loop",
        why: "lexes and sums: nothing is kept or interned",
        role: Role::Null,
        ..CONTROL
    };
    type Keep = ();

    fn start() {}

    fn file((): &mut (), source: &Source, sum: u64) -> u64 {
        let mut tally = Tally::new(sum);
        for Lexeme { kind, start, text } in Lexer::new(&source.text) {
            let text = if keep(kind) == Keep::Nothing { "" } else { text };
            tally.token(kind, start, text.as_bytes());
        }
        tally.finish()
    }
}

// ---- regions ------------------------------------------------------------------------------------

/// Everything in one region, which is reset after each file.
struct InRegion<R>(PhantomData<R>);

/// A token of which every part lives in the region.
#[derive(Clone, Copy)]
struct RegionToken<'r> {
    text: &'r str,
    start: u32,
    kind: Kind,
}

impl<R: Bump> Program for InRegion<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = R;

    fn start() -> R {
        R::with_capacity(REGION_BASE_BYTES + REGION_FACTOR * sources().longest_bytes)
    }

    fn file(region: &mut R, source: &Source, sum: u64) -> u64 {
        let sum = in_region(region, source, sum);
        region.reset();
        sum
    }
}

fn in_region<R: Bump>(region: &R, source: &Source, sum: u64) -> u64 {
    // A table that grows leaves its old ones behind in a region, so one makes it large enough at
    // once; all of it is free again after the file.
    let mut names = HashSet::with_capacity_and_hasher_in(
        source.text.len() / BYTES_PER_NAME,
        DefaultHashBuilder::default(),
        Table(region),
    );
    let mut list = List::new(region);
    let mut unescaped = String::new();
    for Lexeme { kind, start, text } in Lexer::new(&source.text) {
        let text = match keep(kind) {
            Keep::Nothing => "",
            Keep::Interned => *names.get_or_insert_with(text, |text| region.alloc_str(text)),
            Keep::Unescaped if text.contains('\\') => {
                unescaped.clear();
                unescape(text, &mut unescaped);
                region.alloc_str(&unescaped)
            }
            Keep::Unescaped | Keep::AsItIs => region.alloc_str(text),
        };
        list.push(RegionToken { text, start, kind });
    }
    let mut tally = Tally::new(sum);
    list.for_each(|token| tally.token(token.kind, token.start, token.text.as_bytes()));
    tally.finish()
}

/// The tokens of a file: collected on the stack, moved into the region [`PIECE`] at a time. A
/// `Vec` in the region would leave its old buffers behind when it grows among other blocks.
struct List<'r, R: Bump> {
    region: &'r R,
    pieces: VecIn<&'r [RegionToken<'r>], Table<'r, R>>,
    last: [RegionToken<'r>; PIECE],
    len: usize,
}

impl<'r, R: Bump> List<'r, R> {
    fn new(region: &'r R) -> Self {
        let none = RegionToken { text: "", start: 0, kind: Kind::Mark };
        Self { region, pieces: VecIn::new_in(Table(region)), last: [none; PIECE], len: 0 }
    }

    #[inline]
    fn push(&mut self, token: RegionToken<'r>) {
        self.last[self.len] = token;
        self.len += 1;
        if self.len == PIECE {
            self.pieces.push(self.region.alloc_slice_copy(&self.last));
            self.len = 0;
        }
    }

    #[inline]
    fn for_each(&self, each: impl FnMut(&RegionToken<'r>)) {
        self.pieces.iter().copied().flatten().chain(&self.last[..self.len]).for_each(each);
    }
}

/// Lets a collection live in a region that dies as a whole: nothing is freed one by one.
#[derive(Debug)]
struct Table<'r, R>(&'r R);

impl<R> Clone for Table<'_, R> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

// SAFETY: a region's blocks stay where they are until it is reset or dropped, and the borrow in
// `Table` and its clones rules both out while a collection lives. Clones share the region.
unsafe impl<R: Bump> Allocator for Table<'_, R> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Ok(NonNull::slice_from_raw_parts(self.0.alloc_layout(layout), layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, _: NonNull<u8>, _: Layout) {}
}

// ---- mallocs ------------------------------------------------------------------------------------

/// Every text a block of a malloc of its own, freed one by one when the file is done.
struct OnHeap<M>(PhantomData<M>);

impl<M: Malloc> Program for OnHeap<M> {
    const ABOUT: About = M::ABOUT;
    type Keep = Heap<M>;

    fn start() -> Heap<M> {
        Heap::new()
    }

    fn file(heap: &mut Heap<M>, source: &Source, sum: u64) -> u64 {
        on_allocator(heap.handle(), source, sum)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lexer refuses longer files")]
fn on_allocator<A: Allocator + Copy>(alloc: A, source: &Source, sum: u64) -> u64 {
    let copy = |text: &str| {
        let mut block = VecIn::with_capacity_in(text.len(), alloc);
        block.extend_from_slice(text.as_bytes());
        block
    };
    let hasher = DefaultHashBuilder::default();
    let mut names: HashTable<u32, A> = HashTable::new_in(alloc);
    let mut texts: VecIn<VecIn<u8, A>, A> = VecIn::new_in(alloc);
    let mut tokens: VecIn<(Kind, u32, u32), A> = VecIn::new_in(alloc);
    let mut unescaped = String::new();
    texts.push(VecIn::new_in(alloc)); // text 0 is nothing
    for Lexeme { kind, start, text } in Lexer::new(&source.text) {
        let fresh = texts.len() as u32;
        let text = match keep(kind) {
            Keep::Nothing => 0,
            Keep::Interned => {
                let hash = hasher.hash_one(text.as_bytes());
                let known = |&name: &u32| &texts[name as usize][..] == text.as_bytes();
                match names.find(hash, known) {
                    Some(&name) => name,
                    None => {
                        names.insert_unique(hash, fresh, |&name| {
                            hasher.hash_one(&texts[name as usize][..])
                        });
                        texts.push(copy(text));
                        fresh
                    }
                }
            }
            Keep::Unescaped if text.contains('\\') => {
                unescaped.clear();
                unescape(text, &mut unescaped);
                texts.push(copy(&unescaped));
                fresh
            }
            Keep::Unescaped | Keep::AsItIs => {
                texts.push(copy(text));
                fresh
            }
        };
        tokens.push((kind, start, text));
    }
    let mut tally = Tally::new(sum);
    for &(kind, start, text) in &tokens {
        tally.token(kind, start, &texts[text as usize]);
    }
    tally.finish()
}
