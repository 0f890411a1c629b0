//! `linear/frames`: work frame by frame, as in a game, a compositor or an audio graph.
//!
//! A frame allocates 200 objects, each computed from the object of the same index in the frame
//! before; so two frames live at a time, and what dies is always the frame before the last.

use core::alloc::Layout;
use core::ptr::NonNull;

use alloc_linear::FrameRef;

use super::Round;
use super::checksum::fold;
use super::linear::{CRATE, synthetic};
use crate::case::{Case, EngineSpec, Model};
use crate::engines::glibc::Glibc;
use crate::engines::heap::{Counted, Heap};
use crate::engines::linear::{Frames, Linear};
use crate::engines::mimalloc::OwnHeap;
use crate::engines::null::Null;
use crate::engines::{self, Region};
use crate::{bump_peers, heap_peer, heap_peers};

/// Frames a round; the first starts from nothing.
const FRAMES: usize = 60;

/// Objects a frame.
const OBJECTS: usize = 200;

/// Twice what a frame needs.
const FRAME_CAPACITY_BYTES: usize = 32 * 1024;

/// What a frame computes for each object: where it is, how fast, and who it was.
#[derive(Clone, Copy)]
struct Object {
    position: u64,
    speed: u64,
    before: u64,
}

impl Object {
    #[inline(always)]
    fn first(index: u64) -> Self {
        Self { position: index, speed: index.wrapping_mul(3), before: 0 }
    }

    #[inline(always)]
    fn next(self, index: u64) -> Self {
        Self {
            position: self.position.wrapping_add(self.speed),
            speed: self.speed ^ index,
            before: self.position,
        }
    }

    fn fold_into(self, sum: u64) -> u64 {
        [self.position, self.speed, self.before].into_iter().fold(sum, fold)
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut engines = vec![
        frames().primary(),
        names(),
        pair::<Linear<8>>(),
        pair::<Null>(),
        heap_peer!(pair, Glibc).reference(),
    ];
    engines.extend(heap_peers!(pair));
    engines.push(pair::<OwnHeap>().counted_on(&pair::<Heap<Counted>>()));
    engines.extend(bump_peers!(pair));
    vec![Case {
        id: "linear/frames/by-frame",
        krate: CRATE,
        what: "Computes 60 frames of 200 objects, each from the frame before, two frames alive at \
               a time: a ring of regions against two that are reset in turn, or 200 frees",
        model: Model::Churn,
        unit: "frame",
        input: || synthetic(0, (FRAMES * OBJECTS) as u64),
        working_set_bytes: (2 * OBJECTS * (size_of::<Object>() + size_of::<usize>())) as u64,
        threads: 1,
        engines,
    }]
}

fn frames() -> EngineSpec {
    engines::spec::<Linear<8>>(ByFrame::<Frames>::build)
        .configured("frames", "Frames<2>: the ring resets and lends the oldest region")
}

fn names() -> EngineSpec {
    engines::spec::<Linear<8>>(ByName::build).configured(
        "frame-refs",
        "Frames<2> in safe code: objects are named by FrameRef, and each read checks the frame",
    )
}

fn pair<R: Region>() -> EngineSpec {
    engines::spec::<R>(ByFrame::<Pair<R>>::build)
}

/// Two frames' memory, used in turn.
pub(super) trait Ring: Sized + 'static {
    /// What a frame allocates from.
    type Region: Region;

    /// Makes one with room for `bytes` a frame.
    fn with_capacity(bytes: usize) -> Self;

    /// Ends the frame before the last and lends its memory to the next one.
    ///
    /// # Safety
    ///
    /// As [`Region::release`], for the blocks of that frame.
    unsafe fn next(&mut self, dead: impl Iterator<Item = (NonNull<u8>, Layout)>) -> &Self::Region;
}

/// Two regions of any kind, each released when its turn comes.
struct Pair<R> {
    regions: [R; 2],
    turn: usize,
}

impl<R: Region> Ring for Pair<R> {
    type Region = R;

    fn with_capacity(bytes: usize) -> Self {
        Self { regions: [R::with_capacity(bytes), R::with_capacity(bytes)], turn: 0 }
    }

    #[inline]
    unsafe fn next(&mut self, dead: impl Iterator<Item = (NonNull<u8>, Layout)>) -> &R {
        self.turn ^= 1;
        let region = &mut self.regions[self.turn];
        // SAFETY: the caller's promise, handed on.
        unsafe { region.release(dead) };
        region
    }
}

impl Ring for Frames {
    type Region = Linear<8>;

    fn with_capacity(bytes: usize) -> Self {
        let region = || Linear::with_min_align(bytes);
        Self::from_regions([region(), region()])
    }

    #[inline]
    unsafe fn next(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) -> &Linear<8> {
        self.advance();
        self.current()
    }
}

struct ByFrame<G> {
    ring: G,
    /// The objects of the two frames alive, by turn.
    tables: [Vec<NonNull<Object>>; 2],
    /// How many of a table's objects are alive: none before the first frames.
    alive: [usize; 2],
}

impl<G: Ring> ByFrame<G> {
    #[inline(never)]
    fn frame(region: &G::Region, before: &[NonNull<Object>], now: &mut [NonNull<Object>]) {
        for (index, (slot, before)) in (0_u64..).zip(now.iter_mut().zip(before)) {
            // SAFETY: allocated in the frame before, which is still alive.
            let before = unsafe { before.read() };
            *slot = NonNull::from(region.alloc(before.next(index)));
        }
    }

    #[inline(never)]
    fn first_frame(region: &G::Region, now: &mut [NonNull<Object>]) {
        for (index, slot) in (0_u64..).zip(now) {
            *slot = NonNull::from(region.alloc(Object::first(index)));
        }
    }

    fn sum(frame: &[NonNull<Object>]) -> u64 {
        frame.iter().fold(0, |sum, object| {
            // SAFETY: allocated in the last frame, which is alive.
            unsafe { object.read() }.fold_into(sum)
        })
    }
}

impl<G: Ring> Round for ByFrame<G> {
    const OPS: u64 = FRAMES as u64;

    fn new() -> Self {
        let table = || vec![NonNull::dangling(); OBJECTS];
        Self {
            ring: G::with_capacity(FRAME_CAPACITY_BYTES),
            tables: [table(), table()],
            alive: [0; 2],
        }
    }

    fn round(&mut self, sum: bool) -> u64 {
        for frame in 0..FRAMES {
            let turn = frame % 2;
            let (even, odd) = self.tables.split_at_mut(1);
            let (now, before) =
                if turn == 0 { (&mut even[0], &odd[0]) } else { (&mut odd[0], &even[0]) };
            let dead = now[..self.alive[turn]]
                .iter()
                .map(|object| (object.cast(), Layout::new::<Object>()));
            // SAFETY: 1. the blocks of the frame before the last, if there was one; 2. this frame
            // overwrites their table and reads only the other one.
            let region = unsafe { self.ring.next(dead) };
            if frame == 0 {
                Self::first_frame(region, now);
            } else {
                Self::frame(region, before, now);
            }
            self.alive[turn] = OBJECTS;
        }
        if sum { Self::sum(&self.tables[(FRAMES - 1) % 2]) } else { 0 }
    }
}

/// Our ring in safe code: no pointer is kept, each object of the frame before is reached by name.
struct ByName {
    ring: Frames,
    /// The objects of the two frames alive, by turn.
    names: [Vec<FrameRef<Object>>; 2],
}

impl ByName {
    #[inline(never)]
    fn first_frame(ring: &Frames, now: &mut Vec<FrameRef<Object>>) {
        now.clear();
        now.extend((0..OBJECTS as u64).map(|index| ring.keep(Object::first(index))));
    }

    #[inline(never)]
    fn frame(ring: &Frames, before: &[FrameRef<Object>], now: &mut Vec<FrameRef<Object>>) {
        now.clear();
        now.extend((0_u64..).zip(before).map(|(index, &before)| {
            let before = ring.get(before).expect("the frame before is alive");
            ring.keep(before.next(index))
        }));
    }
}

impl Round for ByName {
    const OPS: u64 = FRAMES as u64;

    fn new() -> Self {
        let names = || Vec::with_capacity(OBJECTS);
        Self { ring: Ring::with_capacity(FRAME_CAPACITY_BYTES), names: [names(), names()] }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let [even, odd] = &mut self.names;
        for frame in 0..FRAMES {
            let (now, before) =
                if frame % 2 == 0 { (&mut *even, &*odd) } else { (&mut *odd, &*even) };
            self.ring.advance();
            if frame == 0 {
                Self::first_frame(&self.ring, now);
            } else {
                Self::frame(&self.ring, before, now);
            }
        }
        if !sum {
            return 0;
        }
        self.names[(FRAMES - 1) % 2].iter().fold(0, |sum, &name| {
            self.ring.get(name).expect("the last frame is alive").fold_into(sum)
        })
    }
}
