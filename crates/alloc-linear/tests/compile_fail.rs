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
        "reference_outlives_reset",
        "reference_outlives_region",
        "needs_drop",
        "needs_drop_in_a_builder",
        "burst_value_outlives_region",
        "reset_under_a_burst",
        "builder_slice_outlives_region",
        "vector_outlives_region",
        "sync_reset_while_borrowed",
        "linear_is_not_sync",
        "frame_ref_of_borrowed_data",
        "frame_value_outlives_advance",
        "local_sent_to_another_thread",
        "local_escapes",
        "local_value_outlives_region",
    ] {
        cases.compile_fail(format!("tests/ui/{refused}.rs"));
    }
}
