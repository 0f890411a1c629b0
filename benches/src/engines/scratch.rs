//! Memory for the time of a call: from a stack or region of the thread, or a malloc.
//!
//! A function takes a pad, and what it returns goes into the pad that its caller gave it.

use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::DerefMut;

use allocator_api2::vec::Vec as VecIn;

use super::heap::{Handle, Heap, Malloc};
use super::{About, Backing, Bump};
use crate::case::Role;

/// What slices are made of.
pub type Word = u32;

/// Longest slice that a scenario may ask of the null engine, in words.
pub const MOST_WORDS: usize = 32;

/// Memory for the time of a call.
pub trait Pads: 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What a call allocates from.
    type Pad<'s>;

    /// A slice from a pad.
    type Slice<'s>: DerefMut<Target = [Word]>;

    /// Calls `work` with a pad; what it takes dies with the call, unless it takes it from `out`, the
    /// pad that the caller gave.
    fn with<T>(out: Option<&Self::Pad<'_>>, work: impl FnOnce(&Self::Pad<'_>) -> T) -> T;

    /// Copies a slice into a pad. `place` numbers the slices of a call that are alive together.
    fn copy<'s>(pad: &Self::Pad<'s>, place: usize, words: &[Word]) -> Self::Slice<'s>;
}

/// Regions that each thread has one of.
pub trait PerThread: Bump {
    /// Lends the thread's own.
    fn with_own<T>(work: impl FnOnce(&mut Self) -> T) -> T;
}

/// A region of the thread: reset when the outermost call ends. Calls inside it share the region of
/// that call, so their temporaries stay until then.
#[derive(Debug)]
pub struct ThreadLocal<R>(PhantomData<R>);

impl<R: PerThread> Pads for ThreadLocal<R> {
    const ABOUT: About = About {
        config: match R::ABOUT.config.as_bytes() {
            b"default" => "thread-local",
            _ => "thread-local-sized",
        },
        why: "in a thread_local, reset at the end of the outermost call; inner calls pile up on it",
        ..R::ABOUT
    };

    type Pad<'s> = &'s R;

    type Slice<'s> = &'s mut [Word];

    #[inline]
    fn with<T>(out: Option<&&R>, work: impl FnOnce(&&R) -> T) -> T {
        match out {
            Some(pad) => work(pad),
            None => R::with_own(|region| {
                let result = work(&&*region);
                region.reset();
                result
            }),
        }
    }

    #[inline]
    fn copy<'s>(pad: &Self::Pad<'s>, _: usize, words: &[Word]) -> Self::Slice<'s> {
        pad.alloc_slice_copy(words)
    }
}

macro_rules! per_thread {
    ($region:ty, $make:expr) => {
        impl PerThread for $region {
            #[inline]
            fn with_own<T>(work: impl FnOnce(&mut Self) -> T) -> T {
                thread_local! {
                    static OWN: RefCell<$region> = RefCell::new($make);
                }
                OWN.with_borrow_mut(work)
            }
        }
    };
}

per_thread!(super::bumpalo::New, super::Region::with_capacity(0));
per_thread!(super::bumpalo::WithCapacity<8>, super::Region::with_capacity(64 * 1024));
per_thread!(super::bump_scope::Scope<8, false>, super::Region::with_capacity(64 * 1024));

/// A `Vec` for each slice.
impl<M: Malloc> Pads for Heap<M> {
    const ABOUT: About = M::ABOUT;

    type Pad<'s> = ();

    type Slice<'s> = VecIn<Word, Handle<M>>;

    #[inline]
    fn with<T>(_: Option<&()>, work: impl FnOnce(&()) -> T) -> T {
        work(&())
    }

    #[inline]
    fn copy<'s>((): &Self::Pad<'s>, _: usize, words: &[Word]) -> Self::Slice<'s> {
        let mut copy = VecIn::with_capacity_in(words.len(), Self::new().handle());
        copy.extend_from_slice(words);
        copy
    }
}

/// No allocator: each slice of a call has a place of its own.
#[derive(Debug)]
pub struct Fixed;

/// Slices of a call that are alive together, at most.
const PLACES: usize = 4;

/// The fixed places, by number.
#[derive(Debug)]
pub struct Places([Cell<[MaybeUninit<Word>; MOST_WORDS]>; PLACES]);

thread_local! {
    static PLACES_OF_THREAD: &'static Places = Box::leak(Box::new(Places(
        [const { Cell::new([MaybeUninit::uninit(); MOST_WORDS]) }; PLACES],
    )));
}

impl Pads for Fixed {
    const ABOUT: About = About {
        name: "null",
        config: "fixed",
        package: "benches",
        why: "the calls and the copies: every slice has a place of its own",
        role: Role::Null,
    };

    type Pad<'s> = &'static Places;

    type Slice<'s> = &'s mut [Word];

    #[inline]
    fn with<T>(out: Option<&&'static Places>, work: impl FnOnce(&&'static Places) -> T) -> T {
        match out {
            Some(pad) => work(pad),
            None => PLACES_OF_THREAD.with(work),
        }
    }

    #[inline]
    fn copy<'s>(pad: &Self::Pad<'s>, place: usize, words: &[Word]) -> Self::Slice<'s> {
        assert!(words.len() <= MOST_WORDS, "{} words", words.len());
        let place = pad.0[place].as_ptr().cast::<Word>();
        // SAFETY: as long as a place, which `words` is not from: it is another of the call's slices.
        unsafe { place.copy_from_nonoverlapping(words.as_ptr(), words.len()) };
        // SAFETY: initialised just now. The scenario uses each place for one slice at a time.
        unsafe { core::slice::from_raw_parts_mut(place, words.len()) }
    }
}
