//! Last in, first out, of many types behind one trait: an undo log.
//!
//! Each change to a grid leaves behind how to undo it: closures of different sizes. Plain, each has a
//! `Box`; on a `DynStack` they lie one after another.

use alloc_stack::DynStack;

const CELLS: usize = 256;
const CHANGES: usize = 200;

type Grid = [usize; CELLS];

/// Makes one of three changes and passes on how to undo it.
trait Log {
    fn note(&mut self, undo: impl FnOnce(&mut Grid) + 'static);
}

fn change(grid: &mut Grid, random: &mut guide::Random, log: &mut impl Log) {
    let (at, to) = (random.below(CELLS), random.below(CELLS));
    match random.below(3) {
        0 => {
            let old = grid[at];
            grid[at] = old.wrapping_add(1);
            log.note(move |grid| grid[at] = old);
        }
        1 => {
            grid.swap(at, to);
            log.note(move |grid| grid.swap(at, to));
        }
        _ => {
            let at = at & !7;
            let mut old = [0; 8];
            old.copy_from_slice(&grid[at..at + 8]);
            grid[at..at + 8].reverse();
            log.note(move |grid| grid[at..at + 8].copy_from_slice(&old));
        }
    }
}

/// Changes the grid, keeps a sum of what it was then, and undoes everything.
fn transaction<L: Log>(log: &mut L, undo_all: impl FnOnce(&mut L, &mut Grid)) -> (usize, usize) {
    let mut grid: Grid = core::array::from_fn(|at| at);
    let mut random = guide::Random::new(3);
    for _ in 0..CHANGES {
        change(&mut grid, &mut random, log);
    }
    let weighed = |grid: &Grid| (0..).zip(grid).fold(0_usize, |sum, (at, cell)| sum ^ (at * cell));
    let changed = weighed(&grid);
    undo_all(log, &mut grid);
    (changed, weighed(&grid))
}

type Undo = dyn FnOnce(&mut Grid);

#[derive(Default)]
struct Boxes(Vec<Box<Undo>>);

impl Log for Boxes {
    fn note(&mut self, undo: impl FnOnce(&mut Grid) + 'static) {
        self.0.push(Box::new(undo));
    }
}

/// What a `DynStack` holds is called by reference: a closure that runs once is taken out of itself.
type UndoMut = dyn FnMut(&mut Grid);

struct Inline(DynStack<UndoMut>);

impl Log for Inline {
    fn note(&mut self, undo: impl FnOnce(&mut Grid) + 'static) {
        let mut undo = Some(undo);
        let once = move |grid: &mut Grid| undo.take().into_iter().for_each(|undo| undo(grid));
        self.0.push(once, |value| value);
    }
}

fn main() {
    let measured = guide::measure("change", CHANGES)
        .way("a Vec of Boxes", || {
            let mut log = Boxes::default();
            move || {
                transaction(&mut log, |log, grid| {
                    while let Some(undo) = log.0.pop() {
                        undo(grid);
                    }
                })
            }
        })
        .way("DynStack", || {
            let mut log = Inline(DynStack::with_capacity(32 << 10));
            move || {
                transaction(
                    &mut log,
                    |log, grid| {
                        while log.0.pop_with(|undo| undo(grid)).is_some() {}
                    },
                )
            }
        })
        .run();
    assert_eq!((measured[0].allocs, measured[1].allocs), (CHANGES as u64, 0));
}
