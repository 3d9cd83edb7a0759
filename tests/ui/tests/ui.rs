//! Checks that programs with a hazard do not compile, with a pinned error, and that each one's variant without it does.

#[test]
fn ui() {
    let programs = trybuild::TestCases::new();
    programs.pass("pass/*.rs");
    programs.compile_fail("fail/*.rs");
}
