//! Checks of the image's instructions: none accesses data below the stack pointer, and no function takes a large part of the stack.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;

use switchboard_tests::{built_image, reaches_below_stack};

/// The largest frame of a function, in bytes: a sixth of the stack. A future that is larger belongs on the heap.
const MAX_FRAME_BYTES: u64 = 64 << 10;

/// Returns the instructions of an image, each on a line of its own.
fn disassemble(image: &Path) -> String {
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn"])
        .arg(image)
        .output()
        .unwrap_or_else(|error| panic!("objdump cannot be started ({error}); see `make doctor`"));
    assert!(output.status.success(), "objdump: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let instructions = text.lines().filter(|line| line.contains(":\t")).count();
    assert!(instructions > 10_000, "only {instructions} instructions: is this the image?");
    text
}

#[test]
fn the_image_has_no_access_below_the_stack_pointer() {
    let text = disassemble(&built_image());
    let found: Vec<&str> = text.lines().filter(|line| reaches_below_stack(line)).collect();
    assert!(found.is_empty(), "{} instructions:\n{}", found.len(), found.join("\n"));
}

/// Returns the bytes by which an instruction moves the stack pointer down, or `r11`, to which a large frame is probed page by page.
fn frame_bytes(line: &str) -> Option<u64> {
    let (_, operands) = line.split_once("sub ")?;
    let (amount, register) = operands.trim().strip_prefix("$0x")?.split_once(',')?;
    let is_stack = register.starts_with("%rsp") || register.starts_with("%r11");
    // A negative number is an addition.
    u64::from_str_radix(amount, 16).ok().filter(|bytes| is_stack && *bytes < 1 << 31)
}

#[test]
fn no_function_takes_a_large_part_of_the_stack() {
    let with_clients = env::var("SWITCHBOARD_TLS_IMAGE").ok().map(Into::into);
    for image in [Some(built_image()), with_clients].into_iter().flatten() {
        let (mut function, mut frames) = ("", BTreeMap::new());
        let text = disassemble(&image);
        for line in text.lines() {
            match (line.strip_suffix(">:"), frame_bytes(line)) {
                (Some(name), _) => function = name,
                (None, Some(bytes)) => drop(frames.insert(bytes, function)),
                (None, None) => {}
            }
        }
        let (bytes, function) = frames.pop_last().expect("functions with frames");
        assert!((1024..=MAX_FRAME_BYTES).contains(&bytes), "{}: {function}: {bytes} bytes", image.display());
    }
}
