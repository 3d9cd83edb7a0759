//! The tables of the results.

use crate::row::{Outcome, RowResult};

/// Returns the results, a line each.
pub(crate) fn of(results: &[RowResult]) -> String {
    let rows = results.iter().map(|RowResult { row, outcome }| {
        let result = match outcome {
            Outcome::Works(seen) => format!("serves: {seen}"),
            Outcome::Skipped(reason) => format!("-: {reason}"),
            Outcome::Failed(reason) => format!("FAILED: {reason}"),
        };
        [row.emulator.clone(), row.machine.clone(), row.boot.clone(), result.replace('|', "/")]
    });
    aligned(["emulator", "machine", "boot", "result"], rows.collect())
}

/// Returns the results with a line for each machine: what works there, and what does not.
pub(crate) fn short(results: &[RowResult]) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for RowResult { row, outcome } in results {
        let place = (&row.emulator, &row.machine);
        if rows.last().is_none_or(|last| (&last[0], &last[1]) != place) {
            rows.push([row.emulator.clone(), row.machine.clone(), String::new(), String::new()]);
        }
        let column = if matches!(outcome, Outcome::Works(_)) { 2 } else { 3 };
        if let Some(last) = rows.last_mut() {
            let separator = if last[column].is_empty() { "" } else { "; " };
            last[column] += &format!("{separator}{}", row.boot);
        }
    }
    aligned(["emulator", "machine", "serves", "does not"], rows)
}

/// Returns a Markdown table, aligned for reading as it is.
fn aligned(head: [&str; 4], body: Vec<[String; 4]>) -> String {
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(body);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), 0];
    let line = |row: &[String; 4]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let (head, body) = rows.split_first().expect("the head is there");
    let rule = format!("|{}|\n", widths.map(|width| "-".repeat(width.max(1) + 2)).join("|"));
    line(head) + &rule + &body.iter().map(line).collect::<String>()
}
