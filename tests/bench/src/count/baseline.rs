//! The instruction counts of the repository, and the comparison of new counts with them.

use core::fmt::Write;
use std::collections::BTreeMap;
use std::{fs, io};

/// Path of the baseline, beside this crate.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
/// Tolerated change of a count, in percent.
const TOLERANCE: u64 = 3;
/// Counts that depend on the host's timing, and their tolerance in percent: by the duration of busy waits, and by how
/// many requests or acknowledgements arrive together.
const UNSTEADY: [(&str, u64); 4] = [
    ("HTTP request, 16 connections", 8),
    ("HTTP request, 16 connections, INTx", 8),
    ("entry to ready", 40),
    ("file of 1 MiB, 1 connection", 15),
];

/// Result of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) lines: Vec<String>,
    pub(super) grown: usize,
}

impl Verdict {
    pub(super) fn as_test_result(&self) -> &'static str {
        if self.grown == 0 { "ok" } else { "FAILED" }
    }
}

pub(super) fn write(counts: &BTreeMap<&str, u64>) -> io::Result<()> {
    let mut text =
        String::from("# Guest instructions for one operation. Made by `make bench-instructions UPDATE=1`.\n");
    for (name, count) in counts {
        // Writing to a string cannot fail.
        writeln!(text, "{count} {name}").ok();
    }
    fs::write(PATH, text)
}

pub(super) fn compare(counts: &BTreeMap<&str, u64>) -> io::Result<Verdict> {
    Ok(compare_with(&fs::read_to_string(PATH)?, counts))
}

fn compare_with(text: &str, counts: &BTreeMap<&str, u64>) -> Verdict {
    let parse = |line: &str| {
        let (count, name) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse::<u64>().ok()?))
    };
    let known: BTreeMap<String, u64> = text.lines().filter_map(parse).collect();
    let mut verdict = Verdict { lines: Vec::new(), grown: 0 };
    for (name, now) in counts {
        let unsteady = UNSTEADY.iter().find(|(other, _)| other == name);
        let tolerance = unsteady.map_or(TOLERANCE, |(_, tolerance)| *tolerance);
        match known.get(*name) {
            Some(was) if now * 100 > was * (100 + tolerance) => {
                verdict.grown += 1;
                verdict.lines.push(format!("{name}: {now} instructions, grown from {was}"));
            }
            Some(was) if now * 100 < was * (100 - tolerance) => {
                verdict.lines.push(format!("{name}: {now} instructions, {was} before: the baseline can be lowered"));
            }
            Some(_) => {}
            None => {
                verdict.grown += 1;
                verdict.lines.push(format!("{name}: {now} instructions, and no baseline"));
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_fails_and_shrinkage_is_reported() {
        let check = |now| compare_with("# words\n1000 an echo\n", &BTreeMap::from([("an echo", now)]));
        assert_eq!(check(1030), Verdict { lines: vec![], grown: 0 });
        assert!(check(1031).grown == 1 && check(1031).lines[0].contains("an echo: 1031 instructions, grown from 1000"));
        assert_eq!(check(970), Verdict { lines: vec![], grown: 0 });
        assert!(check(969).grown == 0 && check(969).lines[0].contains("can be lowered"));
        assert!(compare_with("", &BTreeMap::from([("an echo", 1)])).grown == 1);
    }
}
