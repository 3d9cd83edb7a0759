//! Guest instructions, counted exactly by the plugin, between one mark and the next.

mod baseline;
mod operation;
mod profile;
mod trace;

use std::collections::BTreeMap;
use std::{fs, io};

use serde_json::json;

use crate::systems::Files;
use operation::OPERATIONS;
pub use profile::profile;

/// Counts all operations, prints them, and compares them with the baseline or replaces it.
///
/// # Errors
/// When one cannot be counted, or, with `--check`, has grown.
pub fn instructions(files: &Files, options: &[&str]) -> io::Result<()> {
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
    if verdict.has_grown && options.contains(&"--check") {
        return Err(io::Error::other("counts have grown; if on purpose, `make bench-instructions UPDATE=1`"));
    }
    Ok(())
}
