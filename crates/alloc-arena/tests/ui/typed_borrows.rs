//! What a typed arena lends while it is used otherwise.
use alloc_arena::TypedArena;

fn lent_and_then_indexed() {
    let mut arena = TypedArena::new();
    let lent = arena.alloc(1);
    arena.alloc_index(2); // may move the first
    *lent = 3;
}

fn lent_while_all_are_visited() {
    let mut arena = TypedArena::new();
    let lent = arena.alloc(1);
    arena.iter_mut().for_each(|value| *value += *lent);
}

fn reached_by_index_while_more_are_indexed() {
    let mut arena = TypedArena::new();
    let first = arena.alloc_index(1);
    let value = &arena[first];
    arena.alloc_index(2);
    assert_eq!(*value, 1);
}

fn allocated_while_drained() {
    let mut arena = TypedArena::new();
    let mut drain = arena.drain();
    arena.alloc(1);
    assert_eq!(drain.next(), None);
}

fn lent_while_consumed() {
    let arena = TypedArena::new();
    let lent = arena.alloc(1);
    let values = arena.into_vec();
    assert_eq!(values, [*lent]);
}

fn slice_fed_by_an_exclusive_borrow() {
    let mut arena = TypedArena::new();
    arena.alloc_from_iter((0..3).map(|n| arena.alloc_index(n).to_usize()));
}

fn main() {
    lent_and_then_indexed();
    lent_while_all_are_visited();
    reached_by_index_while_more_are_indexed();
    allocated_while_drained();
    lent_while_consumed();
    slice_fed_by_an_exclusive_borrow();
}
