//! What must not compile, with what the compiler says about it.
#![cfg(all(feature = "std", not(loom)))]

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "what the compiler says depends on no optimisation: debug"
)]
fn compile_fail_misuse_is_refused_by_the_compiler() {
    let cases = trybuild::TestCases::new();
    // A case that passes: `needs_drop` is refused when code is made, which takes a whole build.
    cases.pass("tests/ui/pass_lifetimes.rs");
    for refused in [
        "reference_outlives_reset",
        "reference_outlives_arena",
        "reference_outlives_rewind",
        "reference_outlives_frame",
        "reference_escapes_scoped",
        "parent_allocates_under_a_child",
        "arena_used_under_a_frame",
        "frame_reset_while_borrowed",
        "vector_outlives_frame",
        "vector_under_a_child",
        "drop_borrowed_in_arena",
        "drop_borrowed_in_frame",
        "drop_borrowed_from_the_same_frame",
        "drop_brand_is_invariant",
        "drop_bound_to_its_thread",
        "arena_is_not_sync",
        "needs_drop",
        "chunk_outlives_iteration",
        "typed_value_with_drop_refers_to_its_neighbour",
        "typed_drop_allocates_in_its_arena",
        "typed_value_borrows_what_dies_first",
        "typed_arena_is_invariant",
        "typed_reference_outlives_clear",
        "box_outlives_reset",
        "box_is_not_pinned",
        "sync_reset_while_borrowed",
        "sync_drop_bound_to_its_thread",
        "sync_drop_borrowed",
        "sync_local_escapes",
        "arena_borrows",
        "box_borrows",
        "typed_borrows",
    ] {
        cases.compile_fail(format!("tests/ui/{refused}.rs"));
    }
}
