//! Counts guest instructions exactly, by the plugin, between one mark and the next.

mod baseline;
mod interrupts;
mod names;
mod operation;
mod parts;
mod profile;
mod trace;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::{fs, io};

use serde_json::json;

use crate::systems::Files;
pub use interrupts::interrupts;
use operation::OPERATIONS;
pub use profile::profile;

/// Counts the instructions of all operations, prints them, and compares them with the baseline or replaces it.
///
/// # Errors
/// Returns an error when an operation cannot be counted, or, with `--check`, when a count has grown.
pub fn instructions(files: &Files, options: &[&str]) -> io::Result<()> {
    if !is_supported(files)? {
        println!("skipped: this QEMU does not support version 1 of the plugin interface; QEMU 7.2 to 8.2 do");
        return Ok(());
    }
    let mut counts = BTreeMap::new();
    for operation in OPERATIONS {
        let count = operation.count(files)?;
        println!("{count:>9}  {}", operation.name);
        counts.insert(operation.name, count);
    }
    fs::create_dir_all(&files.results)?;
    fs::write(files.results.join("instructions.json"), format!("{:#}\n", json!(counts)))?;
    if options.contains(&"--update") {
        return baseline::write(&counts);
    }
    let verdict = baseline::compare(&counts)?;
    verdict.lines.iter().for_each(|line| println!("{line}"));
    if !options.contains(&"--check") {
        return Ok(());
    }
    // The format of cargo's test results, for tools that parse them.
    let (count, grown) = (counts.len(), verdict.grown);
    println!("test result: {}. {} passed; {grown} failed; 0 ignored", verdict.as_test_result(), count - grown);
    match grown {
        0 => Ok(()),
        _ => Err(io::Error::other("counts have grown; if on purpose, `make bench-instructions UPDATE=1`")),
    }
}

/// Returns whether QEMU loads the plugin: it then runs until `timeout` ends it.
fn is_supported(files: &Files) -> io::Result<bool> {
    let plugin = format!("{},out=/dev/null", files.plugin.display());
    let words = ["1", "qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none", "-plugin", &plugin];
    let status = Command::new("timeout").args(words).stdin(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(status.code() == Some(124))
}
