//! `stack/eval/program`: an interpreter runs a program whose values are vectors.
//!
//! ```text
//!   program.txt ── parser, once ──> expressions ── interpreter ──> vectors, born and dead
//!                                                                  a few operations later
//! ```
//!
//! The program sorts, plays life, places queens, multiplies polynomials, transforms and sieves, all
//! by recursion (`eval/program.txt`). Every value is a vector, a number is a vector of one, as in R; its
//! temporaries are short, up to a hundred numbers, and die nearly, but not quite, in the reverse of the order in which they were born: the
//! result of an operation is there before its operands go.
//!
//! The interpreter is the same for all and spares what it can: variables and literals are borrowed, a vector that dies is worked on in place (`eval/interpreter.rs`). An engine decides
//! where vectors live.
//!
//! `frames` rows are the same evaluation written for memory whose frames nest (`eval/frames.rs`), on
//! ours, on bump-scope, and on a bumpalo of the thread, which has none (`eval/nest.rs`). dynstack has
//! no row: a vector's length is known at run time only, and its values are of sized types.
//!
//! The null engine takes vectors of one length from a list and puts them back: what is left when an
//! allocation is a pop.

mod frames;
mod interpreter;
mod language;
mod nest;

use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use alloc_stack::Stack;
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec as VecIn;

use self::interpreter::{Interpreter, Memory, Vector};
use self::language::Program;
use self::nest::Nest;
use crate::case::{Case, Engine, EngineSpec, Input, Model, Role};
use crate::engines::heap::{Counted, Heap, Malloc};
use crate::engines::lifo::Lifo;
use crate::engines::{
    About, Backing, Bump, blink_alloc, bump_scope, bumpalo, jemalloc, mimalloc, oxc, snmalloc,
    spec, spec_of, stack_allocator,
};

const TEXT: &str = include_str!("eval/program.txt");

fn program() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| language::parse(TEXT))
}

/// Vectors that a round makes.
fn vectors() -> u64 {
    static VECTORS: OnceLock<u64> = OnceLock::new();
    *VECTORS.get_or_init(|| {
        let counting = Counting(Cell::new(0));
        Interpreter::run(program(), &counting);
        counting.0.get()
    })
}

/// The case.
pub(super) fn case() -> Case {
    let reset = "nothing but the newest is freed before the program ends; then a reset";
    Case {
        id: "stack/eval/program",
        krate: "alloc-stack",
        what: "Interprets a program of vector expressions by recursion: temporaries of run-time \
               size that die nearly in reverse.",
        model: Model::Throughput,
        unit: "vector",
        input: || Input { kind: "program", bytes: TEXT.len() as u64, count: vectors() },
        working_set_bytes: 64 << 10,
        threads: 1,
        engines: vec![
            engine::<Plain>().reference(),
            engine::<InFrames<nest::Frames>>().primary(),
            engine::<OnStack>(),
            engine::<Null>(),
            engine::<InFrames<nest::Guards<true>>>(),
            engine::<InFrames<nest::Guards<false>>>(),
            engine::<InFrames<nest::ThreadLocal>>(),
            engine::<InHybrid>(),
            region::<bumpalo::New>().configured("reset", reset),
            region::<bump_scope::Scope<8, true>>().configured("reset-up", reset),
            region::<bump_scope::Scope<8, false>>().configured("reset-down", reset),
            region::<blink_alloc::WithCapacity>().configured("reset", reset),
            region::<oxc::New>().configured("reset", reset),
            heap::<mimalloc::Mimalloc>(),
            heap::<jemalloc::Plain>(),
            heap::<jemalloc::SizedFree>(),
            heap::<snmalloc::Snmalloc>(),
        ],
    }
}

// ---- what every engine does ---------------------------------------------------------------------

/// The interpreter on one kind of memory.
trait Evaluate: 'static {
    const ABOUT: About;

    /// What it keeps from round to round.
    type Keep;

    fn start() -> Self::Keep;

    fn evaluate(keep: &mut Self::Keep) -> u64;
}

struct Run<E: Evaluate>(E::Keep);

impl<E: Evaluate> Engine for Run<E> {
    fn run(&mut self, rounds: u64) -> u64 {
        (0..rounds).fold(0, |_, _| E::evaluate(&mut self.0))
    }

    fn ops_per_round(&self) -> u64 {
        vectors()
    }
}

fn build<E: Evaluate>() -> Box<dyn Engine> {
    Box::new(Run::<E>(E::start()))
}

fn engine<E: Evaluate>() -> EngineSpec {
    spec_of(E::ABOUT, build::<E>)
}

fn region<R: Backing + Bump>() -> EngineSpec {
    spec::<R>(build::<InRegion<R>>)
}

fn heap<M: Malloc>() -> EngineSpec {
    EngineSpec { counted: Some(build::<OnHeap<Counted>>), ..spec::<Heap<M>>(build::<OnHeap<M>>) }
}

// ---- the global allocator -----------------------------------------------------------------------

const CONTROL: About =
    About { name: "", config: "default", package: "benches", why: "", role: Role::Control };

struct Plain;

impl Evaluate for Plain {
    const ABOUT: About = About {
        name: "plain",
        why: "Vec::with_capacity of the final length, on the global allocator",
        ..CONTROL
    };
    type Keep = ();

    fn start() {}

    fn evaluate((): &mut ()) -> u64 {
        Interpreter::run(program(), &Global)
    }
}

struct Global;

impl Memory for Global {
    type Vector = Vec<f64>;

    #[inline]
    fn vector(&self, capacity: usize) -> Vec<f64> {
        Vec::with_capacity(capacity)
    }
}

impl Vector for Vec<f64> {
    #[inline]
    fn spare(&mut self) -> &mut [MaybeUninit<f64>] {
        self.spare_capacity_mut()
    }

    #[inline]
    unsafe fn set_len(&mut self, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.set_len(len) };
    }

    #[inline]
    fn reserve_exact(&mut self, more: usize) {
        self.reserve_exact(more);
    }
}

/// The same, counted.
struct Counting(Cell<u64>);

impl Memory for Counting {
    type Vector = Vec<f64>;

    fn vector(&self, capacity: usize) -> Vec<f64> {
        self.0.set(self.0.get() + 1);
        Vec::with_capacity(capacity)
    }
}

// ---- allocators ---------------------------------------------------------------------------------

/// Vectors on an allocator.
struct On<A>(A);

impl<A: Allocator + Copy> Memory for On<A> {
    type Vector = VecIn<f64, A>;

    #[inline]
    fn vector(&self, capacity: usize) -> VecIn<f64, A> {
        VecIn::with_capacity_in(capacity, self.0)
    }
}

impl<A: Allocator> Vector for VecIn<f64, A> {
    #[inline]
    fn spare(&mut self) -> &mut [MaybeUninit<f64>] {
        self.spare_capacity_mut()
    }

    #[inline]
    unsafe fn set_len(&mut self, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.set_len(len) };
    }

    #[inline]
    fn reserve_exact(&mut self, more: usize) {
        self.reserve_exact(more);
    }
}

struct OnStack;

impl Evaluate for OnStack {
    const ABOUT: About = About {
        name: "stack",
        config: "vectors",
        package: "alloc-stack",
        why: "Vec on &Stack: each vector is given back when it dies, in whatever order",
        role: Role::Ours,
    };
    type Keep = Stack<16>;

    fn start() -> Stack<16> {
        Stack::with_min_align()
    }

    fn evaluate(stack: &mut Stack<16>) -> u64 {
        Interpreter::run(program(), &On(&*stack))
    }
}

struct InFrames<N>(PhantomData<N>);

impl<N: Nest> Evaluate for InFrames<N> {
    const ABOUT: About = N::ABOUT;
    type Keep = N::Keep;

    fn start() -> N::Keep {
        N::start()
    }

    fn evaluate(keep: &mut N::Keep) -> u64 {
        frames::run::<N>(program(), keep)
    }
}

/// stack-allocator under vectors: it gives its newest block back, and is reset after the program.
struct InHybrid;

impl Evaluate for InHybrid {
    const ABOUT: About =
        About { config: "hybrid-vectors", ..<stack_allocator::Hybrid as Lifo>::ABOUT };
    type Keep = stack_allocator::Hybrid;

    fn start() -> Self::Keep {
        Lifo::with_capacity(0)
    }

    fn evaluate(keep: &mut Self::Keep) -> u64 {
        let sum = Interpreter::run(program(), &On(keep.allocator()));
        keep.settle();
        sum
    }
}

struct OnHeap<M>(PhantomData<M>);

impl<M: Malloc> Evaluate for OnHeap<M> {
    const ABOUT: About = M::ABOUT;
    type Keep = Heap<M>;

    fn start() -> Heap<M> {
        Heap::new()
    }

    fn evaluate(heap: &mut Heap<M>) -> u64 {
        Interpreter::run(program(), &On(heap.handle()))
    }
}

struct InRegion<R>(PhantomData<R>);

impl<R: Backing + Bump> Evaluate for InRegion<R> {
    const ABOUT: About = R::ABOUT;
    type Keep = R;

    fn start() -> R {
        R::with_capacity(FIRST_CHUNK_BYTES)
    }

    fn evaluate(region: &mut R) -> u64 {
        let sum = Interpreter::run(program(), &On(region.handle()));
        region.reset();
        sum
    }
}

/// What a region begins with, where that can be said; all here grow.
const FIRST_CHUNK_BYTES: usize = 64 << 10;

// ---- nothing ------------------------------------------------------------------------------------

/// The longest vector of the program, and what `convolve` and joins add.
const LONGEST: usize = 512;

struct Null;

impl Evaluate for Null {
    const ABOUT: About = About {
        name: "null",
        config: "loop",
        why: "vectors of 512 elements from a list, put back when they die",
        role: Role::Null,
        ..CONTROL
    };
    type Keep = RefCell<Vec<Block>>;

    fn start() -> Self::Keep {
        RefCell::default()
    }

    fn evaluate(list: &mut Self::Keep) -> u64 {
        Interpreter::run(program(), &Recycle(list))
    }
}

type Block = Box<[MaybeUninit<f64>; LONGEST]>;

struct Recycle<'l>(&'l RefCell<Vec<Block>>);

struct Recycled<'l> {
    block: ManuallyDrop<Block>,
    len: usize,
    list: &'l RefCell<Vec<Block>>,
}

impl<'l> Memory for Recycle<'l> {
    type Vector = Recycled<'l>;

    #[inline]
    fn vector(&self, capacity: usize) -> Recycled<'l> {
        assert!(capacity <= LONGEST, "a vector of {capacity} elements, at most {LONGEST}");
        let block = self.0.borrow_mut().pop();
        let block = block.unwrap_or_else(|| Box::new([MaybeUninit::uninit(); LONGEST]));
        Recycled { block: ManuallyDrop::new(block), len: 0, list: self.0 }
    }
}

impl Drop for Recycled<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, here; nobody uses it after the drop.
        let block = unsafe { ManuallyDrop::take(&mut self.block) };
        self.list.borrow_mut().push(block);
    }
}

impl Deref for Recycled<'_> {
    type Target = [f64];

    #[inline]
    fn deref(&self) -> &[f64] {
        // SAFETY: `set_len`'s caller promised that so many are initialised.
        unsafe { self.block[..self.len].assume_init_ref() }
    }
}

impl DerefMut for Recycled<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f64] {
        // SAFETY: `set_len`'s caller promised that so many are initialised.
        unsafe { self.block[..self.len].assume_init_mut() }
    }
}

impl Vector for Recycled<'_> {
    #[inline]
    fn spare(&mut self) -> &mut [MaybeUninit<f64>] {
        &mut self.block[self.len..]
    }

    #[inline]
    unsafe fn set_len(&mut self, len: usize) {
        self.len = len;
    }

    #[inline]
    fn reserve_exact(&mut self, more: usize) {
        assert!(self.len + more <= LONGEST, "a vector of more than {LONGEST} elements");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::programs::fold;

    fn run(text: &str) -> u64 {
        Interpreter::run(&language::parse(text), &Global)
    }

    fn sum(elements: &[f64]) -> u64 {
        elements.iter().fold(1, |sum, element| fold(sum, element.to_bits()))
    }

    /// `main` of the program's functions, replaced.
    fn of(main: &str) -> u64 {
        let functions = TEXT.split("fn main()").next().unwrap();
        run(&format!("{functions} fn main() = {main}"))
    }

    #[test]
    fn functions_compute_what_they_are_named_for() {
        assert_eq!(of("sort([3, 1, 2, 1])"), sum(&[1.0, 1.0, 2.0, 3.0]));
        assert_eq!(of("queens([], 6)"), sum(&[4.0]));
        assert_eq!(of("queens([], 5)"), sum(&[10.0]));
        assert_eq!(of("primes(iota(20) + 2)"), sum(&[2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0]));
        assert_eq!(of("pascal(4)"), sum(&[1.0, 4.0, 6.0, 4.0, 1.0]));
        // A row of three turns upright.
        assert_eq!(
            of("life([0,0,0,0,0, 0,0,0,0,0, 0,1,1,1,0, 0,0,0,0,0, 0,0,0,0,0], 5, 1)"),
            of("[0,0,0,0,0, 0,0,1,0,0, 0,0,1,0,0, 0,0,1,0,0, 0,0,0,0,0]")
        );
        // Karatsuba and the school's way agree.
        assert_eq!(
            of("product(noise(32, 3), noise(32, 4))"),
            of("convolve(noise(32, 3), noise(32, 4))")
        );
        // The transform of a constant is one peak.
        assert_eq!(
            of("floor(abs(fourier([1,1,1,1,1,1,1,1], iota(8) * 0)) + 0.5)"),
            of("[8,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0]")
        );
        // A sixth of all orders of three have any given order.
        assert_eq!(of("orders([], [1,2,3,4,5])"), sum(&[20.0]));
    }

    #[test]
    fn borrowed_and_own_vectors_compute_alike() {
        let own = "(iota(5) + 1)";
        for (expr, expected) in [
            ("keep(V, V > 2)", &[3.0, 4.0, 5.0][..]),
            ("evens(V)", &[1.0, 3.0, 5.0]),
            ("odds(V) ++ [9]", &[2.0, 4.0, 9.0]),
            ("take(V, 2)", &[1.0, 2.0]),
            ("drop(V, 3)", &[4.0, 5.0]),
            ("rot(V, 2)", &[3.0, 4.0, 5.0, 1.0, 2.0]),
            ("V - take(V, 2)", &[0.0, 0.0]),
            ("take(V, 2) - V", &[0.0, 0.0]),
            ("2 - V", &[1.0, 0.0, -1.0, -2.0, -3.0]),
            ("take(7, 1) ++ drop(7, 1)", &[7.0]),
        ] {
            let expected = sum(expected);
            assert_eq!(run(&format!("fn main() = {}", expr.replace('V', own))), expected, "{expr}");
            let borrowed = format!("fn main() = let v = {own} in {}", expr.replace('V', "v"));
            assert_eq!(run(&borrowed), expected, "{expr} of a variable");
        }
    }

    #[test]
    fn vectors_leave_nothing_on_the_stack() {
        let mut stack = OnStack::start();
        assert_eq!(OnStack::evaluate(&mut stack), Plain::evaluate(&mut ()));
        assert_eq!(stack.used_bytes(), 0);
        let mut stacks = nest::Frames::start();
        let sum = frames::run::<nest::Frames>(program(), &mut stacks);
        assert_eq!(sum, Plain::evaluate(&mut ()));
        assert!(stacks.iter().all(Stack::is_empty));
    }
}
