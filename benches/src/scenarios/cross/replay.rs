//! `cross/trace/…`: what two plain programs asked of their allocator, asked again of each engine.
//!
//! ```text
//!   tokens   the plain tokeniser on a share of the registry's files      many epochs
//!   json     serde_json reading and dropping the metadata                one epoch
//! ```
//!
//! The steps of a recorded trace go through the `Allocator` interface; blocks are written at both
//! ends when they are handed out and read before they die or grow, so that lost bytes change the
//! checksum. Who can take blocks back in any order is told when the program frees one: mallocs, the
//! stack, whose memory comes back as soon as what is newer is dead, and a class of blocks, which hands
//! on what exceeds it. Regions, ours and others, are told of none (`bulk`): they are reset where the
//! program had nothing alive, and those of fixed capacity get room for the most that is handed out
//! between two such moments. `peak_bytes` says what not freeing costs.
//!
//! The null engine keeps the table of blocks and touches the same bytes of one block.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::sync::OnceLock;

use allocator_api2::alloc::Allocator;

use super::CRATE;
use crate::case::{Case, Engine, EngineSpec, Input, Model};
use crate::engines::block_class::Blocks;
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::linear::Linear;
use crate::engines::{
    Backing, arena, bump_scope, bumpalo, glibc, jemalloc, mimalloc, null, spec, stack,
};
use crate::input::traces;
use crate::scenarios::programs::fold;
use crate::trace::script::{Script, Step};

/// One of [`traces::PROGRAMS`].
trait Traced: 'static {
    /// Its script, loaded when first asked for.
    fn script() -> &'static Script;
}

macro_rules! traced {
    ($($name:ident = $program:literal),*) => {$(
        struct $name;

        impl Traced for $name {
            fn script() -> &'static Script {
                static SCRIPT: OnceLock<Script> = OnceLock::new();
                SCRIPT.get_or_init(|| load($program))
            }
        }
    )*};
}

traced!(Tokens = "tokens", Json = "json");

fn load(program: &str) -> Script {
    let trace = traces::load(program).unwrap_or_else(|error| panic!("{error:#}"));
    // The recorder's other threads have nothing to do with the program.
    let main = trace.events.first().map_or(0, |event| event.thread);
    Script::of(&trace.only_thread(main)).unwrap_or_else(|error| panic!("{program}: {error}"))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case::<Tokens>(
            "cross/trace/tokens",
            "Replays the allocations of the plain tokeniser: what its allocator calls cost, \
             without the program around them.",
        ),
        case::<Json>(
            "cross/trace/json",
            "Replays the allocations of serde_json reading the metadata into a Value.",
        ),
    ]
}

fn case<T: Traced>(id: &'static str, what: &'static str) -> Case {
    let engines = vec![
        spec::<null::Null>(|| Box::new(Idle { script: T::script(), slots: slots(T::script()) })),
        bulk::<T, Linear<8>>(),
        freeing::<T, stack::Rounds>("any order; memory comes back when what is newer is dead"),
        bulk::<T, arena::New<8>>().primary(),
        freeing::<T, Blocks<64>>("blocks up to 64 bytes in a class, larger ones in its backing"),
        bulk::<T, bumpalo::New>(),
        bulk::<T, bump_scope::Scope<8, true>>(),
        heap::<T, glibc::Glibc>().reference(),
        heap::<T, mimalloc::Mimalloc>(),
        heap::<T, jemalloc::Plain>(),
        heap::<T, jemalloc::SizedFree>(),
    ];
    Case {
        id,
        krate: CRATE,
        what,
        model: Model::Churn,
        unit: "call",
        input: || Input {
            kind: "trace",
            bytes: T::script().peak_live_bytes as u64,
            count: T::script().calls(),
        },
        working_set_bytes: 1 << 20,
        threads: 1,
        engines,
    }
}

fn heap<T: Traced, M: Malloc>() -> EngineSpec {
    EngineSpec {
        counted: Some(build::<T, Heap<Counted>, true>),
        ..spec::<Heap<M>>(build::<T, Heap<M>, true>)
    }
}

/// Told when a block dies, as a malloc is.
fn freeing<T: Traced, R: Backing>(how: &'static str) -> EngineSpec {
    spec::<R>(build::<T, R, true>).configured("freed-one-by-one", how)
}

/// Told of no block that dies, and reset when all are dead.
fn bulk<T: Traced, R: Backing>() -> EngineSpec {
    spec::<R>(build::<T, R, false>)
        .configured("bulk", "told of no block that dies: reset where the program has nothing alive")
}

/// An engine with the script it replays.
struct Replay<R, const FREES: bool> {
    script: &'static Script,
    slots: Vec<NonNull<u8>>,
    region: R,
}

fn build<T: Traced, R: Backing, const FREES: bool>() -> Box<dyn Engine> {
    let script = T::script();
    let region = R::with_capacity(script.region_bytes + REGION_BASE_BYTES);
    Box::new(Replay::<R, FREES> { script, slots: slots(script), region })
}

/// What chunked regions keep for themselves.
const REGION_BASE_BYTES: usize = 4096;

fn slots(script: &Script) -> Vec<NonNull<u8>> {
    vec![NonNull::dangling(); script.slots as usize]
}

impl<R: Backing, const FREES: bool> Engine for Replay<R, FREES> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| self.round())
    }

    fn ops_per_round(&self) -> u64 {
        self.script.calls()
    }
}

impl<R: Backing, const FREES: bool> Replay<R, FREES> {
    fn round(&mut self) -> u64 {
        let slots = &mut self.slots[..];
        let mut sum = 0;
        let mut epochs = self.script.steps.split_inclusive(|step| *step == Step::Reset);
        epochs.by_ref().for_each(|steps| {
            let allocator = self.region.handle();
            for (tag, step) in (0_u8..=u8::MAX).cycle().zip(steps) {
                match *step {
                    Step::Alloc { slot, layout } => {
                        let block = allocator.allocate(layout).expect("the region is exhausted");
                        slots[slot as usize] = block.cast();
                        // SAFETY: a fresh block of this layout.
                        unsafe { touch(block.cast(), layout, tag) };
                    }
                    Step::Realloc { slot, old, new } => {
                        let block = slots[slot as usize];
                        // SAFETY: the slot's live block, of this layout, touched.
                        sum = fold(sum, unsafe { look(block, old) });
                        let grows = new.size() >= old.size();
                        let resized = if grows {
                            // SAFETY: the slot's live block, of layout `old`; `new` has its
                            // alignment and at least its size; the slot forgets the old address.
                            unsafe { allocator.grow(block, old, new) }
                        } else {
                            // SAFETY: the same, and `new` has at most its size.
                            unsafe { allocator.shrink(block, old, new) }
                        };
                        let block = resized.expect("the region is exhausted").cast();
                        slots[slot as usize] = block;
                        let kept = if grows { old } else { Layout::new::<u8>() };
                        // SAFETY: the block is at least as long, and these bytes were kept.
                        sum = fold(sum, unsafe { look(block, kept) });
                        // SAFETY: the slot's block, now of this layout.
                        unsafe { touch(block, new, tag) };
                    }
                    Step::Free { slot, layout } => {
                        let block = slots[slot as usize];
                        // SAFETY: the slot's live block, of this layout, touched.
                        sum = fold(sum, unsafe { look(block, layout) });
                        if FREES {
                            // SAFETY: as above, and the script does not use the slot again
                            // before it allocates into it.
                            unsafe { allocator.deallocate(block, layout) };
                        }
                    }
                    Step::Reset => {}
                }
            }
            self.region.end_collections();
        });
        sum
    }
}

/// The loop without the allocator: one block, long enough for every step, stands for all.
struct Idle {
    script: &'static Script,
    slots: Vec<NonNull<u8>>,
}

impl Engine for Idle {
    fn run(&mut self, rounds: u64) -> u64 {
        let sizes = self.script.steps.iter().map(|step| match *step {
            Step::Alloc { layout, .. } | Step::Free { layout, .. } => layout.size(),
            Step::Realloc { new, .. } => new.size(),
            Step::Reset => 0,
        });
        let mut block = vec![0_u8; sizes.max().unwrap_or(0)];
        let place = NonNull::from(&mut block[..]).cast::<u8>();
        let mut sum = 0;
        for _ in 0..rounds {
            for (tag, step) in (0_u8..=u8::MAX).cycle().zip(&self.script.steps) {
                match *step {
                    Step::Alloc { slot, layout } | Step::Realloc { slot, new: layout, .. } => {
                        self.slots[slot as usize] = core::hint::black_box(place);
                        // SAFETY: the block is as long as the longest step's.
                        unsafe { touch(place, layout, tag) };
                    }
                    Step::Free { slot, layout } => {
                        // SAFETY: as above, and initialised.
                        sum = fold(sum, unsafe { look(self.slots[slot as usize], layout) });
                    }
                    Step::Reset => {}
                }
            }
        }
        sum
    }

    fn ops_per_round(&self) -> u64 {
        self.script.calls()
    }
}

/// Writes both ends of a block.
///
/// # Safety
/// The block is valid for writes of `layout.size()` bytes.
#[inline]
unsafe fn touch(block: NonNull<u8>, layout: Layout, tag: u8) {
    let Some(last) = layout.size().checked_sub(1) else { return };
    // SAFETY: the block is not empty.
    unsafe { block.write(tag) };
    // SAFETY: `last` is inside the block.
    let end = unsafe { block.add(last) };
    // SAFETY: its last byte.
    unsafe { end.write(tag.wrapping_mul(31)) };
}

/// Reads both ends of a block.
///
/// # Safety
/// The block is valid for reads of `layout.size()` bytes and was touched.
#[inline]
unsafe fn look(block: NonNull<u8>, layout: Layout) -> u64 {
    let Some(last) = layout.size().checked_sub(1) else { return 0 };
    // SAFETY: the block is not empty, and its first byte was written.
    let first = unsafe { block.read() };
    // SAFETY: `last` is inside the block.
    let end = unsafe { block.add(last) };
    // SAFETY: its last byte, which was written.
    u64::from(first) << 8 | u64::from(unsafe { end.read() })
}
