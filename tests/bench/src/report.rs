//! The results, as Markdown tables and as JSON.

use core::fmt::Write;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::goals::{Figure, GOALS, LIMITS, MAX_INSTRUCTIONS};
use crate::systems::System;

/// The direction in which values of a row are better.
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
    /// Name of the measurement.
    pub name: String,
    /// Unit of the values.
    pub unit: &'static str,
    /// The direction in which values are better.
    pub better: Better,
    /// Whether guest and client shared one CPU.
    pub is_pinned: bool,
    /// One value per round for each system.
    pub values: BTreeMap<System, Vec<f64>>,
    /// The same per second of CPU time of QEMU, where it is measured.
    pub cpu_values: BTreeMap<System, Vec<f64>>,
    /// Median and 99th percentile of the round-trip time in microseconds, per round.
    pub times: BTreeMap<System, Vec<(f64, f64)>>,
}

/// Returns median, minimum and maximum of the values.
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
    /// Returns the median of a system.
    #[must_use]
    pub fn median(&self, system: System) -> Option<f64> {
        spread(self.values.get(&system)?).map(|(median, ..)| median)
    }

    /// Returns the median of `system` divided by that of `other`.
    #[must_use]
    pub fn ratio(&self, system: System, other: System) -> Option<f64> {
        Some(self.median(system)? / self.median(other)?)
    }

    /// Returns the ratio of two systems by CPU time of QEMU.
    #[must_use]
    pub fn cpu_ratio(&self, system: System, other: System) -> Option<f64> {
        let median = |system| spread(self.cpu_values.get(&system)?).map(|(median, ..)| median);
        Some(median(system)? / median(other)?)
    }

    /// Returns the 99th percentile of the round-trip time of a system divided by its median.
    #[must_use]
    pub fn p99_to_p50(&self, system: System) -> Option<f64> {
        let ratios: Vec<_> = self.times.get(&system)?.iter().map(|(p50, p99)| p99 / p50).collect();
        spread(&ratios).map(|(median, ..)| median)
    }
}

/// The results of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Machine and versions.
    pub about: Vec<(String, String)>,
    /// Rows of the tables.
    pub rows: Vec<Row>,
    /// Failures: the reason for each missing value.
    pub failures: Vec<String>,
}

impl Report {
    /// Returns the report as JSON.
    #[must_use]
    pub fn to_json(&self, counts: Option<Value>) -> Value {
        let row = |row: &Row| {
            let system = |(system, values): (&System, &Vec<f64>)| {
                let (median, minimum, maximum) = spread(values)?;
                let times = row.times.get(system).map(|times| {
                    let of = |pick: fn(&(f64, f64)) -> f64| spread(&times.iter().map(pick).collect::<Vec<_>>());
                    json!({ "p50_us": of(|times| times.0).map(|it| it.0), "p99_us": of(|times| times.1).map(|it| it.0) })
                });
                let cpu = row.cpu_values.get(system).and_then(|values| spread(values)).map(|(median, ..)| median);
                let all = json!({
                    "median": median, "min": minimum, "max": maximum, "turns": values, "times": times,
                    "per_cpu_second": cpu,
                });
                Some((system.name().to_owned(), all))
            };
            let systems: serde_json::Map<_, _> = row.values.iter().filter_map(system).collect();
            json!({ "row": row.name, "unit": row.unit, "pinned": row.is_pinned, "systems": systems })
        };
        let about: serde_json::Map<_, _> = self.about.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        json!({ "about": about, "rows": rows, "failures": self.failures, "instructions": counts })
    }

    /// Returns the report as Markdown.
    #[must_use]
    pub fn to_markdown(&self, counts: Option<&Value>) -> String {
        let mut text = String::from("# Benchmarks\n\n");
        for (key, value) in &self.about {
            line(&mut text, format_args!("- {key}: {value}"));
        }
        for (is_pinned, title) in [(true, "All on one CPU"), (false, "On all CPUs")] {
            line(&mut text, format_args!("\n## {title}\n"));
            text.push_str(
                "| row | system | median | min to max | p50 / p99, us | per CPU second | to Linux | by CPU time | to the limit |\n\
                |---|---|---|---|---|---|---|---|---|\n",
            );
            for row in self.rows.iter().filter(|row| row.is_pinned == is_pinned) {
                self.write_row(&mut text, row);
            }
        }
        text.push_str("\n## INTx beside MSI-X\n\n| row | on one CPU | on all CPUs |\n|---|---|---|\n");
        let beside = |row: &Row| row.ratio(System::Intx, System::Msix).map(|ratio| format!("{ratio:.2}"));
        for row in self.rows.iter().filter(|row| row.is_pinned) {
            let Some(pinned) = beside(row) else { continue };
            let free = self.rows.iter().find(|other| !other.is_pinned && other.name == row.name).and_then(beside);
            line(&mut text, format_args!("| {} | {pinned} | {} |", row.name, free.unwrap_or_default()));
        }
        text.push_str(
            "\n## Goals, as ratios on one CPU\n\n\
            | row | system | goal | measured | by CPU time | reached |\n|---|---|---|---|---|---|\n",
        );
        for (name, system, other, goal) in GOALS {
            let Some(row) = self.rows.iter().find(|row| row.is_pinned && row.name == name) else { continue };
            let Some(ratio) = row.ratio(system, other) else { continue };
            let by_cpu = row.cpu_ratio(system, other);
            let sign = if row.better == Better::More { "at least" } else { "at most" };
            let is_reached = |ratio: f64| if row.better == Better::More { ratio >= goal } else { ratio <= goal };
            let mark = match by_cpu.map(is_reached) {
                Some(by_cpu) if by_cpu != is_reached(ratio) => {
                    if by_cpu {
                        "by CPU time"
                    } else {
                        "by the rate"
                    }
                }
                _ => mark(is_reached(ratio)),
            };
            let by_cpu = by_cpu.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let (system, other) = (system.name(), other.name());
            line(
                &mut text,
                format_args!("| {name} | {system} | {sign} {goal} x {other} | {ratio:.2} | {by_cpu} | {mark} |"),
            );
        }
        for (name, figure, limit) in LIMITS {
            let Some(row) = self.rows.iter().find(|row| row.is_pinned && row.name == name) else { continue };
            let value = match figure {
                Figure::Value => row.median(System::Msix),
                Figure::P99ToP50 => row.p99_to_p50(System::Msix),
            };
            let Some(value) = value else { continue };
            let (system, mark) = (System::Msix.name(), mark(value <= limit));
            line(&mut text, format_args!("| {name} | {system} | at most {limit}{figure} | {value:.2} |  | {mark} |"));
        }
        if let Some(Value::Object(counts)) = counts {
            text.push_str(
                "\n## Guest instructions for one operation, exact\n\n| operation | instructions | at most | reached |\n|---|---|---|---|\n",
            );
            for (name, count) in counts {
                let maximum = MAX_INSTRUCTIONS.iter().find(|(known, _)| known == name).map(|(_, maximum)| *maximum);
                let is_reached = maximum.zip(count.as_u64()).map(|(maximum, count)| count <= maximum);
                let (maximum, mark) =
                    (maximum.map_or_else(String::new, |maximum| maximum.to_string()), is_reached.map(mark));
                line(&mut text, format_args!("| {name} | {count} | {maximum} | {} |", mark.unwrap_or_default()));
            }
        }
        if !self.failures.is_empty() {
            text.push_str("\n## Failures\n\n");
            self.failures.iter().for_each(|failure| line(&mut text, format_args!("- {failure}")));
        }
        text
    }

    fn write_row(&self, text: &mut String, row: &Row) {
        let mut name = row.name.as_str();
        for (system, values) in &row.values {
            let Some((median, minimum, maximum)) = spread(values) else { continue };
            let times = row.times.get(system).and_then(|times| {
                let of = |pick: fn(&(f64, f64)) -> f64| spread(&times.iter().map(pick).collect::<Vec<_>>());
                Some((of(|times| times.0)?.0, of(|times| times.1)?.0)).filter(|times| times.0 > 0.0)
            });
            let times = times.map_or_else(String::new, |(p50, p99)| format!("{p50:.0} / {p99:.0}"));
            let shown = |other, ratio: Option<f64>| match ratio {
                Some(ratio) if *system != other => format!("{ratio:.2}"),
                _ => String::new(),
            };
            let to = |other| shown(other, row.ratio(*system, other));
            let by_cpu = shown(System::Linux, row.cpu_ratio(*system, System::Linux));
            let cpu = row.cpu_values.get(system).and_then(|values| spread(values));
            let cpu = cpu.map_or_else(String::new, |(median, ..)| number(median));
            let (unit, system) = (row.unit, system.name());
            let (linux, limit) = (to(System::Linux), to(System::Limit));
            let range = format!("{} to {}", number(minimum), number(maximum));
            let median = number(median);
            line(
                text,
                format_args!(
                    "| {name} | {system} | {median} {unit} | {range} | {times} | {cpu} | {linux} | {by_cpu} | {limit} |"
                ),
            );
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
    // Writing to a string cannot fail.
    writeln!(text, "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_returns_median_minimum_and_maximum() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
    }

    #[test]
    fn a_missed_goal_is_marked() {
        let (name, better) = ("HTTP, 16 connections".to_owned(), Better::More);
        let values = |value| BTreeMap::from([(System::Msix, vec![value]), (System::Linux, vec![100.0])]);
        for (value, by_cpu, mark) in [
            (399.0, None, "| 3.99 |  | no |"),
            (401.0, None, "| 4.01 |  | yes |"),
            (399.0, Some(401.0), "| 3.99 | 4.01 | by CPU time |"),
            (401.0, Some(399.0), "| 4.01 | 3.99 | by the rate |"),
            (401.0, Some(410.0), "| 4.01 | 4.10 | yes |"),
        ] {
            let cpu_values = by_cpu.map(values).unwrap_or_default();
            let (name, values, times) = (name.clone(), values(value), BTreeMap::new());
            let row = Row { name, unit: "/s", better, is_pinned: true, values, cpu_values, times };
            let report = Report { rows: vec![row], ..Report::default() };
            assert!(report.to_markdown(None).contains(mark), "{}", report.to_markdown(None));
        }
    }
}
