//! Checks that no instruction of the image accesses data below the stack pointer.

use std::process::Command;

use switchboard_tests::{built_image, reaches_below_stack};

#[test]
fn the_image_has_no_access_below_the_stack_pointer() {
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn"])
        .arg(built_image())
        .output()
        .unwrap_or_else(|error| panic!("objdump cannot be started ({error}); see `make doctor`"));
    assert!(output.status.success(), "objdump: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let instructions = text.lines().filter(|line| line.contains(":\t")).count();
    assert!(instructions > 10_000, "only {instructions} instructions: is this the image?");
    let found: Vec<&str> = text.lines().filter(|line| reaches_below_stack(line)).collect();
    assert!(found.is_empty(), "{} of {instructions} instructions:\n{}", found.len(), found.join("\n"));
}
