//! `arena/growing-vec`: a vector that grows in an arena while the arena does other things.
//!
//! A bump allocator extends its last block in place and must move any other, and what a vector has
//! outgrown stays behind until the reset. Tokens of 32 bytes are pushed one by one into vectors that
//! start empty; between them the arena places small values, as a parser does, or another vector grows.
//!
//! Arenas that can be told how much will come are told, ours among them, and stand beside the same
//! arena that was not. `reserved` is ours whose vectors were told their length too: what growing
//! costs.

use core::alloc::Layout;
use core::hint::black_box;
use core::marker::PhantomData;
use core::ptr::NonNull;

use allocator_api2::vec::Vec as VecIn;

use super::Round;
use super::arena::CRATE;
use super::checksum::fold;
use super::linear::synthetic;
use crate::case::{Case, EngineSpec, Model, Role};
use crate::engines::glibc::Glibc;
use crate::engines::null::Null;
use crate::engines::{self, About, Backing, Region, arena};
use crate::{backing_peers, heap_peer, heap_peers};

/// Tokens in a vector.
const TOKENS: usize = 16 * 1024;

/// Tokens to a small value.
const TOKENS_PER_VALUE: usize = 4;

/// Above what a round takes where every outgrown buffer stays behind, of two vectors.
const CAPACITY_BYTES: usize = 4 * TOKENS * size_of::<Token>() + TOKENS * size_of::<Value>();

/// 32 bytes: what a lexer keeps of a word.
type Token = [u64; 4];

/// 24 bytes: a small node.
type Value = [u64; 3];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            id: "arena/growing-vec/among-others",
            krate: CRATE,
            what: "Pushes 16,384 tokens of 32 bytes into a Vec that starts empty, and places a \
                   value of 24 bytes in the arena after every fourth; then all die",
            model: Model::Latency,
            unit: "push",
            input: || synthetic(0, TOKENS as u64),
            working_set_bytes: (TOKENS * size_of::<Token>() * 2) as u64,
            threads: 1,
            engines: engines_of::<AmongOthers>(),
        },
        Case {
            id: "arena/growing-vec/interleaved",
            krate: CRATE,
            what: "Pushes 16,384 tokens of 32 bytes into two Vecs in turn; then both die",
            model: Model::Latency,
            unit: "push",
            input: || synthetic(0, TOKENS as u64),
            working_set_bytes: (TOKENS * size_of::<Token>() * 2) as u64,
            threads: 1,
            engines: engines_of::<Interleaved>(),
        },
    ]
}

macro_rules! rows {
    ($spec:ident) => {{
        let mut engines = vec![
            $spec::<arena::WithCapacity>().primary(),
            $spec::<arena::New<1>>(),
            $spec::<arena::New<8>>(),
            heap_peer!($spec, Glibc).reference(),
        ];
        engines.extend(heap_peers!($spec));
        engines.extend(backing_peers!($spec));
        engines
    }};
}

/// What grows, and among what.
trait Load: Sized + 'static {
    /// Vectors that take the tokens in turn.
    const VECS: usize;

    /// Whether values are placed between tokens.
    const VALUES: bool;
}

struct AmongOthers;

impl Load for AmongOthers {
    const VECS: usize = 1;
    const VALUES: bool = true;
}

struct Interleaved;

impl Load for Interleaved {
    const VECS: usize = 2;
    const VALUES: bool = false;
}

fn engines_of<L: Load>() -> Vec<EngineSpec> {
    let mut engines = if L::VALUES {
        fn grow<R: Backing>() -> EngineSpec {
            growing::<R, AmongOthers>()
        }
        rows!(grow)
    } else {
        fn grow<R: Backing>() -> EngineSpec {
            growing::<R, Interleaved>()
        }
        rows!(grow)
    };
    engines.extend([
        engines::spec::<arena::WithCapacity>(Growing::<arena::WithCapacity, L, true>::build)
            .configured("reserved", "told the length at once: what growing costs"),
        engines::spec_of(
            About {
                name: "bumpalo",
                config: "collections",
                package: "bumpalo",
                why: "bumpalo's own Vec, which knows its arena",
                role: Role::Peer,
            },
            Bumpalos::<L>::build,
        ),
        engines::spec::<Null>(Stores::<L>::build),
    ]);
    engines
}

/// One vector among other allocations: for the group `cross`, whose null engine is [`idle`].
pub(super) fn among_others<R: Backing>() -> EngineSpec {
    growing::<R, AmongOthers>()
}

/// Its tokens stored in a buffer that is long enough.
pub(super) fn idle() -> EngineSpec {
    engines::spec::<Null>(Stores::<AmongOthers>::build)
}

/// Tokens of [`among_others`], and their bytes.
pub(super) const INPUT: [usize; 2] = [TOKENS, TOKENS * size_of::<Token>()];

fn growing<R: Backing, L: Load>() -> EngineSpec {
    engines::spec::<R>(Growing::<R, L, false>::build)
}

/// The loop of every engine: a token is computed and pushed; after some of them a value is placed.
#[inline(always)]
fn fill_with<L: Load>(
    seed: u64,
    values: &mut [NonNull<Value>],
    mut push: impl FnMut(usize, Token),
    mut place: impl FnMut(Value) -> NonNull<Value>,
) {
    for index in 0..TOKENS {
        let number = index as u64;
        push(index % L::VECS, [number, number ^ seed, seed, number.wrapping_add(seed)]);
        if L::VALUES && index % TOKENS_PER_VALUE == 0 {
            values[index / TOKENS_PER_VALUE] = place([number, seed, number ^ seed]);
        }
    }
}

/// Values of a round.
const fn values_of<L: Load>() -> usize {
    if L::VALUES { TOKENS / TOKENS_PER_VALUE } else { 0 }
}

#[expect(single_use_lifetimes, reason = "`impl Iterator<Item = &[Token]>` is unstable")]
fn sum_of<'t>(vecs: impl Iterator<Item = &'t [Token]>, values: &[NonNull<Value>]) -> u64 {
    let sum = vecs.flatten().flatten().fold(0, |sum, &word| fold(sum, word));
    values.iter().fold(sum, |sum, value| {
        // SAFETY: placed in this round; the region is not released yet.
        unsafe { value.read() }.into_iter().fold(sum, fold)
    })
}

/// Vectors of `allocator_api2` on a region.
struct Growing<R, L, const RESERVED: bool> {
    region: R,
    values: Vec<NonNull<Value>>,
    seed: u64,
    load: PhantomData<L>,
}

impl<R: Backing, L: Load, const RESERVED: bool> Growing<R, L, RESERVED> {
    #[inline(never)]
    fn fill<'r>(
        region: &'r R,
        values: &mut [NonNull<Value>],
        seed: u64,
    ) -> [VecIn<Token, R::Handle<'r>>; 2] {
        let len = if RESERVED { TOKENS / L::VECS } else { 0 };
        let mut vecs = [
            VecIn::with_capacity_in(len, region.handle()),
            VecIn::with_capacity_in(if L::VECS == 2 { len } else { 0 }, region.handle()),
        ];
        fill_with::<L>(
            seed,
            values,
            |vec, token| vecs[vec].push(token),
            |value| NonNull::from(region.alloc(value)),
        );
        vecs
    }
}

impl<R: Backing, L: Load, const RESERVED: bool> Round for Growing<R, L, RESERVED> {
    const OPS: u64 = TOKENS as u64;

    fn new() -> Self {
        Self {
            region: R::with_capacity(CAPACITY_BYTES),
            values: vec![NonNull::dangling(); values_of::<L>()],
            seed: black_box(0x5EED),
            load: PhantomData,
        }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let vecs = Self::fill(&self.region, &mut self.values, self.seed);
        let sum = if sum { sum_of(vecs.iter().map(|vec| &vec[..]), &self.values) } else { 0 };
        drop(vecs);
        let blocks = self.values.iter().map(|value| (value.cast(), Layout::new::<Value>()));
        // SAFETY: 1. the vectors have freed theirs; these are the values placed in this round; 2.
        // the next round overwrites the table.
        unsafe { self.region.release(blocks) };
        sum
    }
}

/// bumpalo's own vectors.
struct Bumpalos<L> {
    bump: ::bumpalo::Bump,
    values: Vec<NonNull<Value>>,
    seed: u64,
    load: PhantomData<L>,
}

impl<L: Load> Bumpalos<L> {
    #[inline(never)]
    fn fill<'b>(
        bump: &'b ::bumpalo::Bump,
        values: &mut [NonNull<Value>],
        seed: u64,
    ) -> [::bumpalo::collections::Vec<'b, Token>; 2] {
        let mut vecs =
            [::bumpalo::collections::Vec::new_in(bump), ::bumpalo::collections::Vec::new_in(bump)];
        fill_with::<L>(
            seed,
            values,
            |vec, token| vecs[vec].push(token),
            |value| NonNull::from(bump.alloc(value)),
        );
        vecs
    }
}

impl<L: Load> Round for Bumpalos<L> {
    const OPS: u64 = TOKENS as u64;

    fn new() -> Self {
        Self {
            bump: ::bumpalo::Bump::with_capacity(CAPACITY_BYTES),
            values: vec![NonNull::dangling(); values_of::<L>()],
            seed: black_box(0x5EED),
            load: PhantomData,
        }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let vecs = Self::fill(&self.bump, &mut self.values, self.seed);
        let sum = if sum { sum_of(vecs.iter().map(|vec| &vec[..]), &self.values) } else { 0 };
        drop(vecs);
        self.bump.reset();
        sum
    }
}

/// The tokens stored in buffers that are long enough.
struct Stores<L> {
    block: Null,
    buffers: [Vec<Token>; 2],
    values: Vec<NonNull<Value>>,
    seed: u64,
    load: PhantomData<L>,
}

impl<L: Load> Stores<L> {
    #[inline(never)]
    fn fill(block: &Null, buffers: &mut [Vec<Token>; 2], values: &mut [NonNull<Value>], seed: u64) {
        let mut stored = [0; 2];
        fill_with::<L>(
            seed,
            values,
            |vec, token| {
                // SAFETY: each buffer is as long as all tokens.
                unsafe { *buffers[vec].get_unchecked_mut(stored[vec]) = token };
                stored[vec] += 1;
            },
            |value| NonNull::from(block.alloc(value)),
        );
    }
}

impl<L: Load> Round for Stores<L> {
    const OPS: u64 = TOKENS as u64;

    fn new() -> Self {
        Self {
            block: Null::with_capacity(0),
            buffers: [vec![[1; 4]; TOKENS], vec![[1; 4]; TOKENS]],
            values: vec![NonNull::dangling(); values_of::<L>()],
            seed: black_box(0x5EED),
            load: PhantomData,
        }
    }

    fn round(&mut self, _: bool) -> u64 {
        Self::fill(&self.block, &mut self.buffers, &mut self.values, self.seed);
        0
    }
}
