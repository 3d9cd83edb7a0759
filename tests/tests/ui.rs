//! Programs that must not compile, each with its pinned error, and beside each one that must.

#[test]
fn ui() {
    let programs = trybuild::TestCases::new();
    programs.pass("ui/pass/*.rs");
    programs.compile_fail("ui/fail/*.rs");
}
