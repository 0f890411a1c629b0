//! What needs the shrunk index space.

use alloc::vec::Vec;

use std::string::ToString;

use super::index::MAX_INDICES;
use super::*;
use alloc_core::ErrorKind;

#[test]
fn the_index_space_ends_with_an_error_and_the_value_back() {
    let mut arena = TypedArena::new();
    let indices: Vec<_> = (0..MAX_INDICES).map(|n| arena.alloc_index(n)).collect();
    let rejected = arena.try_alloc_index(7).unwrap_err();
    assert_eq!(rejected.error().kind(), ErrorKind::IndicesExhausted);
    assert_eq!(
        rejected.error().to_string(),
        std::format!("more values than the {MAX_INDICES} indices that there are")
    );
    assert_eq!(rejected.into_value(), 7);
    assert_eq!(*arena.alloc(8), 8, "references need no index");
    assert!(indices.iter().all(|&index| arena[index] == index.to_usize()));
    assert_eq!(arena.make_contiguous().len(), MAX_INDICES + 1);
    assert_eq!(arena.indexed_len(), MAX_INDICES, "the last one has none");
    assert_eq!(arena.get(Index32::from_usize(MAX_INDICES).unwrap()), None);
    arena.clear();
    assert_eq!(arena.alloc_index(9).to_usize(), 0, "a cleared arena counts anew");
}

#[test]
fn the_index_space_of_values_without_size_ends_too() {
    let mut arena = TypedArena::new();
    for _ in 0..MAX_INDICES {
        arena.alloc_index(());
    }
    assert_eq!(arena.try_alloc_index(()).unwrap_err().error().kind(), ErrorKind::IndicesExhausted);
    assert_eq!(arena.len(), MAX_INDICES);
}

#[test]
#[should_panic(expected = "typed arena: more values than the 1000 indices that there are")]
fn an_exhausted_index_space_panics_by_name() {
    let mut arena = TypedArena::with_capacity(5000);
    for n in 0..=MAX_INDICES {
        arena.alloc_index(n);
    }
}

#[test]
fn a_large_reservation_does_not_lift_the_end_of_the_index_space() {
    let mut arena = TypedArena::with_capacity(4 * MAX_INDICES);
    for n in 0..MAX_INDICES + 10 {
        arena.alloc(n);
    }
    assert!(arena.try_alloc_index(0).is_err());
    assert_eq!(arena.len(), MAX_INDICES + 10);
}
