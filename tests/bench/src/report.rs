//! What was measured, as a table for people and as JSON for programs.

use core::fmt::Write;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::systems::System;

/// Which way a row is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    More,
    /// Less is better.
    Less,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// In what.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// All on one CPU.
    pub is_pinned: bool,
    /// One value a round for each system; beside it, where there are some, the times of a round trip.
    pub values: BTreeMap<System, Vec<f64>>,
    /// Microseconds: medians and 99th hundredths.
    pub times: BTreeMap<System, Vec<(f64, f64)>>,
}

/// The middle, the least and the most of some values.
#[must_use]
pub fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() {
        0 => return None,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    };
    Some((median, sorted[0], sorted[sorted.len() - 1]))
}

impl Row {
    /// The median of a system.
    #[must_use]
    pub fn median(&self, system: System) -> Option<f64> {
        spread(self.values.get(&system)?).map(|(median, ..)| median)
    }

    /// The median of `system` over that of `other`.
    #[must_use]
    pub fn ratio(&self, system: System, other: System) -> Option<f64> {
        Some(self.median(system)? / self.median(other)?)
    }
}

/// What a row should reach: its name begins with the first; the system, at least or at most so many times the other.
pub type Goal = (&'static str, System, System, f64);

/// The goals that are ratios, of pinned rows.
pub const GOALS: [Goal; 17] = [
    ("QEMU start to ready", System::Ours, System::Limit, 1.6),
    ("resident memory", System::Ours, System::Limit, 1.15),
    ("HTTP, 1 connection", System::Ours, System::Linux, 1.3),
    ("HTTP, 16 connections", System::Ours, System::Linux, 4.0),
    ("bulk to the guest", System::Ours, System::Linux, 1.0),
    ("bulk from the guest", System::Ours, System::Linux, 1.3),
    ("frames of 64 on virtio, window 64", System::Ours, System::Limit, 0.95),
    ("frames of 1514 on virtio, window 64", System::Ours, System::Limit, 0.95),
    ("frames of 64 on e1000, window 64", System::OursIntx, System::Limit, 0.95),
    ("frames of 1514 on e1000, window 64", System::OursIntx, System::Limit, 0.95),
    ("frames of 64 on virtio, window 1", System::Ours, System::Linux, 1.3),
    ("frames of 64 on virtio, window 1", System::OursPolling, System::Limit, 0.8),
    ("frames of 64 on e1000, window 1", System::OursIntx, System::Linux, 1.3),
    ("frames of 64 on e1000, window 1", System::OursPolling, System::Linux, 1.3),
    ("frames of 64 on e1000, window 1", System::OursPolling, System::Limit, 0.8),
    ("4K reads, depth 1", System::Ours, System::Linux, 1.8),
    ("4K reads, depth 32", System::Ours, System::Linux, 3.0),
];

/// Guest instructions that an operation may cost at the most.
const MOST: [(&str, u64); 13] = [
    ("message: vector to handler", 32),
    ("message: whole overhead, to iretq", 64),
    ("entry to ready", 4_000_000),
    ("UDP echo", 5_000),
    ("UDP echo, INTx", 5_000),
    ("TCP echo", 7_000),
    ("TCP echo, INTx", 7_000),
    ("HTTP request, 1 connection", 8_000),
    ("HTTP request, 1 connection, INTx", 8_000),
    ("HTTP request, 16 connections", 6_000),
    ("HTTP request, 16 connections, INTx", 6_000),
    ("4K read, depth 1", 1_500),
    ("4K read, depth 1, INTx", 1_500),
];

/// All that a run found.
#[derive(Debug, Default)]
pub struct Report {
    /// The machine and the versions.
    pub about: Vec<(String, String)>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What went wrong: a row without a value has its reason here.
    pub failures: Vec<String>,
}

impl Report {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self, counts: Option<Value>) -> Value {
        let row = |row: &Row| {
            let system = |(system, values): (&System, &Vec<f64>)| {
                let (median, least, most) = spread(values)?;
                let times = row.times.get(system).map(|times| {
                    let of = |pick: fn(&(f64, f64)) -> f64| spread(&times.iter().map(pick).collect::<Vec<_>>());
                    json!({ "p50_us": of(|times| times.0).map(|it| it.0), "p99_us": of(|times| times.1).map(|it| it.0) })
                });
                let all = json!({ "median": median, "min": least, "max": most, "rounds": values, "times": times });
                Some((system.name().to_owned(), all))
            };
            let systems: serde_json::Map<_, _> = row.values.iter().filter_map(system).collect();
            json!({ "row": row.name, "unit": row.unit, "pinned": row.is_pinned, "systems": systems })
        };
        let about: serde_json::Map<_, _> = self.about.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        json!({ "about": about, "rows": rows, "failures": self.failures, "instructions": counts })
    }

    /// As Markdown.
    #[must_use]
    pub fn to_markdown(&self, counts: Option<&Value>) -> String {
        let mut text = String::from("# Benchmarks\n\n");
        for (key, value) in &self.about {
            line(&mut text, format_args!("- {key}: {value}"));
        }
        for (is_pinned, title) in [(true, "All on one CPU"), (false, "As a user sees it, on all CPUs")] {
            line(&mut text, format_args!("\n## {title}\n"));
            text.push_str("| row | system | median | min to max | p50 / p99, us | to Linux | to the limit |\n|---|---|---|---|---|---|---|\n");
            for row in self.rows.iter().filter(|row| row.is_pinned == is_pinned) {
                self.write_row(&mut text, row);
            }
        }
        text.push_str("\n## INTx beside MSI-X\n\n| row | on one CPU | on all CPUs |\n|---|---|---|\n");
        let beside = |row: &Row| row.ratio(System::OursIntx, System::Ours).map(|ratio| format!("{ratio:.2}"));
        for row in self.rows.iter().filter(|row| row.is_pinned) {
            let Some(pinned) = beside(row) else { continue };
            let free = self.rows.iter().find(|other| !other.is_pinned && other.name == row.name).and_then(beside);
            line(&mut text, format_args!("| {} | {pinned} | {} |", row.name, free.unwrap_or_default()));
        }
        text.push_str(
            "\n## Goals, as ratios on one CPU\n\n| row | system | wanted | found | reached |\n|---|---|---|---|---|\n",
        );
        for (name, system, other, wanted) in GOALS {
            let Some(row) = self.rows.iter().find(|row| row.is_pinned && row.name == name) else { continue };
            let Some(ratio) = row.ratio(system, other) else { continue };
            let (sign, is_reached) = match row.better {
                Better::More => ("at least", ratio >= wanted),
                Better::Less => ("at most", ratio <= wanted),
            };
            let (system, other, mark) = (system.name(), other.name(), mark(is_reached));
            line(&mut text, format_args!("| {name} | {system} | {sign} {wanted} x {other} | {ratio:.2} | {mark} |"));
        }
        if let Some(Value::Object(counts)) = counts {
            text.push_str(
                "\n## Guest instructions for one operation, exact\n\n| operation | instructions | at most | reached |\n|---|---|---|---|\n",
            );
            for (name, count) in counts {
                let most = MOST.iter().find(|(known, _)| known == name).map(|(_, most)| *most);
                let is_reached = most.zip(count.as_u64()).map(|(most, count)| count <= most);
                let (most, mark) = (most.map_or_else(String::new, |most| most.to_string()), is_reached.map(mark));
                line(&mut text, format_args!("| {name} | {count} | {most} | {} |", mark.unwrap_or_default()));
            }
        }
        if !self.failures.is_empty() {
            text.push_str("\n## What went wrong\n\n");
            self.failures.iter().for_each(|failure| line(&mut text, format_args!("- {failure}")));
        }
        text
    }

    fn write_row(&self, text: &mut String, row: &Row) {
        let mut name = row.name.as_str();
        for (system, values) in &row.values {
            let Some((median, least, most)) = spread(values) else { continue };
            let times = row.times.get(system).and_then(|times| {
                let of = |pick: fn(&(f64, f64)) -> f64| spread(&times.iter().map(pick).collect::<Vec<_>>());
                Some((of(|times| times.0)?.0, of(|times| times.1)?.0)).filter(|times| times.0 > 0.0)
            });
            let times = times.map_or_else(String::new, |(p50, p99)| format!("{p50:.0} / {p99:.0}"));
            let to = |other| match row.ratio(*system, other) {
                Some(ratio) if *system != other => format!("{ratio:.2}"),
                _ => String::new(),
            };
            let (unit, system) = (row.unit, system.name());
            let (linux, limit) = (to(System::Linux), to(System::Limit));
            let range = format!("{} to {}", number(least), number(most));
            let median = number(median);
            line(text, format_args!("| {name} | {system} | {median} {unit} | {range} | {times} | {linux} | {limit} |"));
            name = "";
        }
    }
}

fn mark(is_reached: bool) -> &'static str {
    if is_reached { "yes" } else { "no" }
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn line(text: &mut String, line: core::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    writeln!(text, "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_in_the_middle() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
    }

    #[test]
    fn a_goal_that_is_missed_says_no() {
        let (name, better) = ("HTTP, 16 connections".to_owned(), Better::More);
        let values = |ours| BTreeMap::from([(System::Ours, vec![ours]), (System::Linux, vec![100.0])]);
        for (ours, mark) in [(399.0, "| 3.99 | no |"), (401.0, "| 4.01 | yes |")] {
            let (name, values, times) = (name.clone(), values(ours), BTreeMap::new());
            let row = Row { name, unit: "/s", better, is_pinned: true, values, times };
            let report = Report { rows: vec![row], ..Report::default() };
            assert!(report.to_markdown(None).contains(mark), "{}", report.to_markdown(None));
        }
    }
}
