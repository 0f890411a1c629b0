//! What must not compile, with what the compiler says about it: references, iterators and handles that
//! outlive what they lead to.
#![cfg(all(feature = "std", not(any(loom, shuttle))))]

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "what the compiler says depends on no optimisation: debug"
)]
fn compile_fail_misuse_is_refused_by_the_compiler() {
    let cases = trybuild::TestCases::new();
    // A case that passes: so the others are refused for what is wrong with them.
    cases.pass("tests/ui/pass_*.rs");
    for refused in [
        "peeked_value_outlives_pop",
        "slices_outlive_their_chunk",
        "chunk_outlives_a_pop",
        "popped_outlives_its_stack",
        "handle_outlives_its_stack",
        "ends_outlive_a_static_ring",
        "two_pairs_of_ends",
        "local_counter_escapes",
        "local_counter_sent_to_another_thread",
    ] {
        cases.compile_fail(format!("tests/ui/{refused}.rs"));
    }
}
