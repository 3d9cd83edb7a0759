//! Where the instructions of an operation go: by function, and by what was inlined into each.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::operation::{Load, OPERATIONS, Operation, symbols};
use super::trace::{Block, Trace};
use crate::systems::Files;

/// Occurrences of the mark between which is counted.
const BETWEEN: (u64, u64) = (1000, 3000);
/// The same for files, which are large.
const BETWEEN_FILES: (u64, u64) = (4, 20);

/// The words of `make profile OP=`.
const NAMES: [(&str, &str); 9] = [
    ("http1", "HTTP request, 1 connection"),
    ("http16", "HTTP request, 16 connections"),
    ("udp", "UDP echo"),
    ("tcp", "TCP echo"),
    ("read", "4K read, depth 1"),
    ("nvme", "4K read, depth 1, NVMe"),
    ("file", "file of 1 MiB, 1 connection"),
    ("frame", "frame of 64 bytes, sent back"),
    ("boot", "entry to ready"),
];

/// Prints where the instructions go, the `top` functions of each kind.
///
/// # Errors
/// Returns an error when there is no such operation, or it cannot be counted.
pub fn profile(files: &Files, word: &str, top: usize) -> io::Result<()> {
    let name = NAMES.iter().find(|(known, _)| *known == word).map(|(_, name)| *name);
    let operation = OPERATIONS.into_iter().find(|operation| Some(operation.name) == name).ok_or_else(|| {
        let known: Vec<_> = NAMES.iter().map(|(known, _)| *known).collect();
        io::Error::other(format!("OP={word} is not known; it is one of: {}", known.join(" ")))
    })?;
    let (trace, operations) = traced(files, operation)?;
    let total = sum(trace.blocks.iter());
    if total == 0 {
        return Err(io::Error::other(format!("{name:?}: too few operations within the time", name = operation.name)));
    }
    println!("{}: {} instructions", operation.name, total / operations);
    println!("\nby function:");
    let functions = symbols(files)?;
    print(top, total, operations, &trace.blocks, |block| {
        let after = functions.partition_point(|function| function.address <= block.address);
        after.checked_sub(1).map_or_else(|| "before the image".into(), |place| functions[place].name.clone())
    });
    println!("\nby source, of what was inlined too:");
    let lines = lines(files, &trace.blocks)?;
    print(top, total, operations, &trace.blocks, |block| lines.get(&block.address).cloned().unwrap_or_default());
    Ok(())
}

/// A trace with blocks, and of how many operations they are.
fn traced(files: &Files, operation: Operation) -> io::Result<(Trace, u64)> {
    if matches!(operation.load, Load::Boot) {
        // From the first instruction on to the only mark; firmware's blocks are outside the image.
        let mut trace = operation.profile(files, (0, 1))?;
        let all = symbols(files)?;
        let place = |name| all.iter().find(|symbol| symbol.name == name).map_or(0, |symbol| symbol.address);
        let (begin, end) = (place("image_text_start"), place("image_text_end"));
        trace.blocks.retain(|block| (begin..end).contains(&block.address));
        return Ok((trace, 1));
    }
    let (from, to) = if matches!(operation.load, Load::File(_)) { BETWEEN_FILES } else { BETWEEN };
    Ok((operation.profile(files, (from, to))?, to - from))
}

fn sum<'a>(blocks: impl Iterator<Item = &'a Block>) -> u64 {
    blocks.map(|block| block.instructions * block.times).sum()
}

fn print(top: usize, total: u64, operations: u64, blocks: &[Block], name: impl Fn(&Block) -> String) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for block in blocks {
        *counts.entry(name(block)).or_default() += block.instructions * block.times;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
    for (name, count) in counts.iter().take(top) {
        let hundredths = count * 1000 / total.max(1);
        println!("{:>9}  {:>2}.{}%  {name}", count / operations, hundredths / 10, hundredths % 10);
    }
}

/// The innermost function that each block begins in, and its file.
fn lines(files: &Files, blocks: &[Block]) -> io::Result<BTreeMap<u64, String>> {
    let mut addr2line = Command::new("addr2line")
        .args(["--addresses", "--functions", "--demangle", "--inlines", "--exe"])
        .arg(&files.image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = addr2line.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let addresses: String = blocks.iter().map(|block| format!("{:#x}\n", block.address)).collect();
    let writer = std::thread::spawn(move || input.write_all(addresses.as_bytes()));
    let output = addr2line.wait_with_output()?;
    writer.join().map_err(|_| io::ErrorKind::Other)??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Of each address: the address, then pairs of a function and a place, the innermost first.
    let mut named = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(address) = line.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()) else { continue };
        if let (Some(function), Some(place)) = (lines.next(), lines.next()) {
            let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
            let short = ["/src/", "/library/"].iter().find_map(|cut| file.rfind(cut).map(|at| &file[at + cut.len()..]));
            named.insert(address, format!("{} ({})", function, short.unwrap_or(file)));
        }
    }
    Ok(named)
}
