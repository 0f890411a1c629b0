//! What must not compile of dyn stacks, two-ended regions, scratch memory and depots, with what the
//! compiler says about it.
#![cfg(all(feature = "std", not(loom)))]

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "what the compiler says depends on no optimisation: debug"
)]
fn compile_fail_misuse_of_the_parts_is_refused_by_the_compiler() {
    let cases = trybuild::TestCases::new();
    for refused in [
        "two_ended_frames_of_one_end",
        "two_ended_ends_swapped",
        "dyn_iterator_outlives_push",
        "dyn_stack_shortens_no_cell",
        "dyn_part_of_a_value",
        "dyn_reference_outlives_pop",
        "dyn_borrowed_value_outlives_its_owner",
        "dyn_stack_of_a_thread_bound_value",
        "two_ended_reference_outlives_frame",
        "two_ended_parent_while_child_is_open",
        "two_ended_reset_while_borrowed",
        "scratch_reference_escapes",
        "scratch_result_in_the_wrong_place",
        "scratch_sent_to_another_thread",
        "lease_outlives_depot",
        "lease_given_back_while_borrowed",
    ] {
        cases.compile_fail(format!("tests/ui_parts/{refused}.rs"));
    }
}
