//! What must not compile, with what the compiler says about it.
#![cfg(all(feature = "std", not(loom)))]

#[test]
fn compile_fail_misuse_is_refused_by_the_compiler() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass_*.rs");
    for refused in [
        "insert_while_draining",
        "insert_while_iterating",
        "remove_while_borrowed",
        "key_of_another_type",
        "branded_key_of_another_slab",
        "branded_key_escapes",
        "entry_outlives_slab",
        "value_with_drop_borrows_what_dies_first",
        "object_outlives_cache",
        "cache_is_not_sync",
        "slab_alloc_trimmed_under_a_box",
        "sync_guard_outlives_exclusive_access",
        "sync_guard_outlives_slab",
        "sync_insert_while_draining",
        "sync_value_outlives_exclusive_access",
    ] {
        cases.compile_fail(format!("tests/ui/{refused}.rs"));
    }
}
