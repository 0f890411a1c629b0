//! Last in, first out, of sizes known at run time only: temporaries of a recursion.
//!
//! A determinant by minors: each level needs a smaller matrix than the one above, and needs it until
//! the levels below have returned.

use alloc_stack::{Stack, Top};

const SIZE: usize = 6;

/// The element of the minor without row 0 and `column` at `index`.
fn minor(matrix: &[i64], size: usize, column: usize, index: usize) -> i64 {
    let (row, at) = (1 + index / (size - 1), index % (size - 1));
    matrix[row * size + at + usize::from(at >= column)]
}

fn sign(column: usize) -> i64 {
    if column.is_multiple_of(2) { 1 } else { -1 }
}

/// A `Vec` for each minor.
fn plain(matrix: &[i64], size: usize) -> i64 {
    if size == 1 {
        return matrix[0];
    }
    let part = |column| {
        let minor: Vec<_> =
            (0..(size - 1) * (size - 1)).map(|at| minor(matrix, size, column, at)).collect();
        sign(column) * matrix[column] * plain(&minor, size - 1)
    };
    (0..size).map(part).sum()
}

/// Each minor on top of the one above it.
fn stacked(matrix: &[i64], size: usize, mut top: Top<'_>) -> i64 {
    if size == 1 {
        return matrix[0];
    }
    let mut sum = 0;
    for column in 0..size {
        let len = (size - 1) * (size - 1);
        let mut minor = top.push_slice_fill_with(len, |at| minor(matrix, size, column, at));
        let (minor, above) = minor.split();
        sum += sign(column) * matrix[column] * stacked(minor, size - 1, above);
    }
    sum
}

/// One buffer for each level, kept: where the depth is known, no allocator is needed.
fn reused(matrix: &[i64], size: usize, buffers: &mut [Vec<i64>]) -> i64 {
    let Some((minors, below)) = buffers.split_first_mut() else { return matrix[0] };
    let mut sum = 0;
    for column in 0..size {
        minors.clear();
        minors.extend((0..(size - 1) * (size - 1)).map(|at| minor(matrix, size, column, at)));
        sum += sign(column) * matrix[column] * reused(minors, size - 1, below);
    }
    sum
}

fn main() {
    let mut random = guide::Random::new(1);
    let matrix: Vec<i64> = (0..SIZE * SIZE).map(|_| random.below(20) as i64 - 10).collect();
    let measured = guide::measure("determinant", 1)
        .way("a Vec for each minor", || || plain(&matrix, SIZE))
        .way("Stack", || {
            let (mut stack, matrix) = (Stack::new(), &matrix);
            move || stacked(matrix, SIZE, stack.top())
        })
        .way("a Vec for each level, kept", || {
            let (mut buffers, matrix) = (vec![Vec::new(); SIZE - 1], &matrix);
            move || reused(matrix, SIZE, &mut buffers)
        })
        .run();
    assert_eq!((measured[1].allocs, measured[2].allocs), (0, 0));
}
