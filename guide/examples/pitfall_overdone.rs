//! Pitfall, over-optimisation: an allocator where a `Vec` that is kept is enough.
//!
//! A flood fill looks at the neighbours of each field of a map. Lists of one type, one after the
//! other: a `Vec` that is cleared has the memory of the last list, no type parameter, no lifetime, and
//! nothing to learn. No allocator beats it.

use alloc_arena::Arena;
use alloc_core::Allocator;
use alloc_core::collections::Vec as VecIn;
use alloc_stack::Stack;

const SIDE: usize = 48;

fn is_open(field: usize) -> bool {
    !(field * 7 + field / SIDE * 3).is_multiple_of(5)
}

/// Calls `found` with each open neighbour.
fn neighbours(field: usize, found: impl FnMut(usize)) {
    let (row, column) = (field / SIDE, field % SIDE);
    let rows = row.saturating_sub(1)..(row + 2).min(SIDE);
    let fields = rows.flat_map(|row| {
        (column.saturating_sub(1)..(column + 2).min(SIDE)).map(move |column| row * SIDE + column)
    });
    fields.filter(|&at| at != field && is_open(at)).for_each(found);
}

/// Fills from a corner; `list` gathers the neighbours of a field and hands them to `visit`.
fn fill(
    seen: &mut [bool],
    queue: &mut Vec<usize>,
    mut list: impl FnMut(usize, &mut dyn FnMut(&[usize])),
) -> usize {
    seen.fill(false);
    queue.clear();
    queue.push(0);
    let mut at = 0;
    while let Some(&field) = queue.get(at) {
        at += 1;
        list(field, &mut |neighbours| {
            // The nearest to the far corner first.
            for &neighbour in neighbours.iter().rev() {
                if !core::mem::replace(&mut seen[neighbour], true) {
                    queue.push(neighbour);
                }
            }
        });
    }
    queue.len()
}

fn in_vec_on<A: Allocator>(allocator: A, field: usize, visit: &mut dyn FnMut(&[usize])) {
    let mut list = VecIn::new_in(allocator);
    neighbours(field, |neighbour| list.push(neighbour));
    visit(&list);
}

fn main() {
    let room = || (vec![false; SIDE * SIDE], Vec::with_capacity(SIDE * SIDE));
    let measured = guide::measure("field", SIDE * SIDE)
        .way("a Vec for each field", || {
            let (mut seen, mut queue) = room();
            move || {
                fill(&mut seen, &mut queue, |field, visit| {
                    let mut list = Vec::new();
                    neighbours(field, |neighbour| list.push(neighbour));
                    visit(&list);
                })
            }
        })
        .way("on an Arena, reset", || {
            let ((mut seen, mut queue), mut arena) = (room(), Arena::new());
            move || {
                fill(&mut seen, &mut queue, |field, visit| {
                    arena.reset();
                    in_vec_on(&arena, field, visit);
                })
            }
        })
        .way("on a Stack", || {
            let ((mut seen, mut queue), stack) = (room(), Stack::new());
            move || fill(&mut seen, &mut queue, |field, visit| in_vec_on(&stack, field, visit))
        })
        .way("one Vec, cleared", || {
            let ((mut seen, mut queue), mut list) = (room(), Vec::new());
            move || {
                fill(&mut seen, &mut queue, |field, visit| {
                    list.clear();
                    neighbours(field, |neighbour| list.push(neighbour));
                    visit(&list);
                })
            }
        })
        .run();
    assert!(measured[0].allocs > 1000 && measured[1..].iter().all(|way| way.allocs == 0));
}
