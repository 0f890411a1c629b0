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
    cases.pass("tests/ui/pass_*.rs");
    for refused in [
        "reference_outlives_frame",
        "reference_outlives_reset_of_its_frame",
        "parent_used_while_child_is_open",
        "reference_escapes_its_scope",
        "child_reference_kept_in_parent",
        "popped_out_of_order",
        "two_pushed_on_one_top",
        "box_outlives_stack",
        "frame_under_a_box",
        "vector_across_a_frame",
        "rewind_under_a_box",
        "reset_while_borrowed",
        "stack_is_not_sync",
        "needs_drop",
        "coerced_to_a_part",
        "box_outlives_what_it_borrows",
        "handle_outlives_what_it_borrows",
        "coerced_to_a_longer_life",
        "leaked_value_outlives_stack",
        "box_is_invariant_where_its_value_is",
        "two_frames_of_one_stack",
        "scope_swapped_with_its_parent",
        "handles_swapped_with_what_is_above",
        "rewind_under_a_reference",
        "stack_replaced_under_a_frame",
        "collection_in_a_scoped_result",
    ] {
        cases.compile_fail(format!("tests/ui/{refused}.rs"));
    }
}
